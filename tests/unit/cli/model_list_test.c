#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/model_list.h"

static struct mr_model_list list;
static const char *expected;

static int start(void **state) {
    (void)state;
    return mr_model_list_init(&list) ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    mr_model_list_deinit(&list);
    return 0;
}

static bool add(const char *text) {
    static char copies[16][128];
    static size_t n;
    char *copy = copies[n++ % 16];
    snprintf(copy, sizeof(copies[0]), "%s", text);
    return mr_model_list_add(&list, copy, &expected);
}

static void test_a_lone_uri(void **state) {
    (void)state;
    static const char *const uris[] = {"examples/iris/model", "./a=b",  "models:/m@a=b",
                                       "s3://bucket/a=b",     "../x=y", "a b/x=c"};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        list.n = 0;
        assert_true(add(uris[i]));
        assert_null(list.entries[0].name);
        assert_string_equal(list.entries[0].uri, uris[i]);
        assert_int_equal(mr_model_list_check(&list, NULL), MR_OK);
    }
}

static void test_names(void **state) {
    (void)state;
    list.n = 0;
    assert_true(add("champion=models:/m@a=b"));
    assert_true(add("Challenger-2.1_x=./b"));
    assert_string_equal(list.entries[0].name, "champion");
    assert_string_equal(list.entries[0].uri, "models:/m@a=b");
    assert_string_equal(list.entries[1].name, "Challenger-2.1_x");
    assert_int_equal(mr_model_list_check(&list, NULL), MR_OK);
    assert_true(add("champion=./c"));
    struct mr_error err = {0};
    assert_int_equal(mr_model_list_check(&list, &err), MR_E_INVALID_PARAMETER);
    assert_non_null(strstr(err.message, "champion"));
    list.n = 1;
    assert_true(add("./c"));
    assert_int_equal(mr_model_list_check(&list, &err), MR_E_INVALID_PARAMETER);
    assert_non_null(strstr(err.message, "./c"));
}

static void test_refused(void **state) {
    (void)state;
    list.n = 0;
    assert_int_equal(mr_model_list_check(&list, NULL), MR_E_INVALID_PARAMETER);
    static const char *const texts[] = {"name=", "my model=/x", ".hidden=x", "=x"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(add(texts[i]));
        assert_non_null(strstr(expected, MR_MODEL_NAME_RULE));
        assert_int_equal(list.n, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lone_uri),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
