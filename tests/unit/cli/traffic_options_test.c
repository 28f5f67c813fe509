#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/traffic_options.h"

static struct mr_serve_config config;
static struct mr_error error;

static int start(void **state) {
    (void)state;
    static char models[][16] = {"a=./a", "b=./b", "c=./c"};
    const char *expected;
    bool is_ok = mr_model_list_init(&config.models);
    for (size_t i = 0; i < 3 && is_ok; i++) {
        is_ok = mr_model_list_add(&config.models, models[i], &expected);
    }
    return is_ok ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    mr_model_list_deinit(&config.models);
    return 0;
}

static mr_status read_options(const char *split, const char *shadow) {
    static char text[128];
    snprintf(text, sizeof(text), "%s", split ? split : "");
    config.split_text = split ? text : NULL;
    config.shadow_name = shadow;
    config.n_shares = 0;
    error = (struct mr_error){0};
    return mr_traffic_read(&config, &error);
}

static void test_taken(void **state) {
    (void)state;
    assert_int_equal(read_options(NULL, NULL), MR_OK);
    assert_int_equal(config.n_shares, 0);
    assert_int_equal(read_options("c=90,a=10,b=0", "a"), MR_OK);
    assert_int_equal(config.n_shares, 3);
    assert_int_equal(config.shares[0].model, 2);
    assert_int_equal(config.shares[0].weight, 90);
    assert_int_equal(config.shares[1].model, 0);
    assert_int_equal(read_options("b=1", NULL), MR_OK);
    assert_int_equal(read_options(NULL, "b"), MR_OK);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *split, *shadow, *word;
    } cases[] = {
        {"", NULL, "expected shares"},
        {"a", NULL, "expected shares"},
        {"a=", NULL, "expected shares"},
        {"a=1,", NULL, "expected shares"},
        {"a=-1", NULL, "expected shares"},
        {"a=1.5", NULL, "expected shares"},
        {"d=1", NULL, "'d'"},
        {"=1", NULL, "''"},
        {"a=1,a=2", NULL, "two shares for a"},
        {"a=0,b=0", NULL, "no share is above 0"},
        {NULL, "d", "'d'"},
        {NULL, "a", "the first"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_options(cases[i].split, cases[i].shadow), MR_E_INVALID_PARAMETER);
        if (!strstr(error.message, cases[i].word)) fail_msg("%s", error.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
