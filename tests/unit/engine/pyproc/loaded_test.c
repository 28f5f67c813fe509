#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/pyproc/loaded.h"

static const char good[] =
    "{\"protocol\": 1, \"python\": \"3.11.7\", \"mlflow\": \"3.17.2\", \"can_fork\": true, "
    "\"reason\": \"no threads\", \"is_async\": false, \"is_stream\": true, \"is_rowwise\": true, "
    "\"load_ms\": 812, "
    "\"is_warm\": null, \"warm_up\": \"input_example.json\"}";

static void test_good(void **state) {
    (void)state;
    struct mr_loaded loaded;
    struct mr_error err = {0};
    assert_int_equal(mr_loaded_read(mr_str_from(good), &loaded, &err), MR_OK);
    assert_string_equal(loaded.python, "3.11.7");
    assert_string_equal(loaded.mlflow, "3.17.2");
    assert_true(loaded.can_fork);
    assert_string_equal(loaded.reason, "no threads");
    assert_false(loaded.is_async);
    assert_true(loaded.is_stream);
    assert_true(loaded.is_rowwise);
    assert_int_equal(loaded.load_ms, 812);
    assert_string_equal(loaded.warm_up, "input_example.json");
    assert_int_equal(loaded.warm_up_end, MR_WARM_UP_UNKNOWN);
}

static void test_warm_up(void **state) {
    (void)state;
    static const char *const words[] = {"null", "true", "false"};
    static const mr_warm_up ends[] = {MR_WARM_UP_UNKNOWN, MR_WARM_UP_DONE, MR_WARM_UP_FAILED};
    for (size_t i = 0; i < 3; i++) {
        char text[512];
        const char *at = strstr(good, "null");
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, words[i], at + 4);
        struct mr_loaded loaded;
        assert_int_equal(mr_loaded_read(mr_str_from(text), &loaded, NULL), MR_OK);
        assert_int_equal(loaded.warm_up_end, ends[i]);
    }
}

/* Each member is needed, with its type. */
static void test_wrong(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"\"protocol\": 1", "\"protocol\": 2", "protocol 2, expected 1"},
        {"\"protocol\": 1", "\"protocol\": \"1\"", "expected 1"},
        {"\"3.11.7\"", "3.11", "\"python\""},
        {"\"mlflow\"", "\"mlfl\"", "\"mlflow\""},
        {"true", "1", "\"can_fork\""},
        {"false", "null", "\"is_async\""},
        {"null", "1", "\"is_warm\""},
        {"\"is_warm\"", "\"is_hot\"", "\"is_warm\""},
        {"812", "-1", "\"load_ms\""},
        {"\"reason\"", "\"\"", "\"reason\""},
        {"{", "[", "no JSON object"},
        {"}", "", "no JSON object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[512];
        const char *at = strstr(good, cases[i].from);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, cases[i].to,
                 at + strlen(cases[i].from));
        struct mr_loaded loaded;
        struct mr_error err = {0};
        assert_int_equal(mr_loaded_read(mr_str_from(text), &loaded, &err), MR_E_FORMAT);
        assert_non_null(strstr(err.message, cases[i].why));
    }
    struct mr_error err = {0};
    struct mr_loaded loaded;
    assert_int_equal(mr_loaded_read((struct mr_str){0}, &loaded, &err), MR_E_FORMAT);
}

/* Long texts are cut between characters. */
static void test_cut(void **state) {
    (void)state;
    char text[2048];
    const char *at = strstr(good, "3.11.7");
    int size = snprintf(text, sizeof(text), "%.*s", (int)(at - good), good);
    for (int i = 0; i < 40; i++) size += snprintf(text + size, 8, "\u00e9");
    snprintf(text + size, sizeof(text) - (size_t)size, "%s", at);
    struct mr_loaded loaded;
    struct mr_error err = {0};
    assert_int_equal(mr_loaded_read(mr_str_from(text), &loaded, &err), MR_OK);
    assert_int_equal(strlen(loaded.python), 30);
}

static void test_failure(void **state) {
    (void)state;
    struct mr_error err = {0};
    struct mr_str json = mr_str_from("{\"message\": \"ImportError: no torch\"}");
    assert_int_equal(mr_loaded_read_failure(json, &err), MR_E_UNSUPPORTED);
    assert_int_equal(err.status, MR_E_UNSUPPORTED);
    assert_string_equal(err.message, "ImportError: no torch");
    json = mr_str_from("{}");
    assert_int_equal(mr_loaded_read_failure(json, &err), MR_E_UNSUPPORTED);
    assert_string_equal(err.message, "no reason was given");
    assert_int_equal(mr_loaded_read_failure(mr_str_from("x"), &err), MR_E_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_warm_up), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_cut),  cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
