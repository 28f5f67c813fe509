#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/engine_options.h"

static struct mr_engine_args args;
static const char *expected;

static int start(void **state) {
    (void)state;
    return mr_engine_args_init(&args, 8) ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    mr_engine_args_deinit(&args);
    return 0;
}

static bool set(int option, const char *value) {
    static char copies[8][64];
    static size_t n;
    char *copy = copies[n++ % 8];
    snprintf(copy, sizeof(copies[0]), "%s", value);
    return mr_engine_args_set(&args, option, copy, &expected);
}

static void test_choices(void **state) {
    (void)state;
    assert_int_equal(args.options.choice, MR_ENGINE_AUTO);
    assert_true(set(MR_OPT_ENGINE, "python"));
    assert_int_equal(args.options.choice, MR_ENGINE_PYTHON);
    assert_true(set(MR_OPT_ENGINE, "native"));
    assert_int_equal(args.options.choice, MR_ENGINE_NATIVE);
    assert_false(set(MR_OPT_ENGINE, "Python"));
    assert_string_equal(expected, "auto, native or python");

    assert_null(args.options.python.env_manager);
    assert_true(set(MR_OPT_ENV_MANAGER, "uv"));
    assert_string_equal(args.options.python.env_manager, "uv");
    assert_true(mr_engine_args_set(&args, MR_OPT_NO_CONDA, NULL, &expected));
    assert_string_equal(args.options.python.env_manager, "local");
    assert_false(set(MR_OPT_ENV_MANAGER, "pip"));

    assert_true(set(MR_OPT_NAN, "literal") && args.is_nan_literal);
    assert_true(set(MR_OPT_NAN, "null") && !args.is_nan_literal);
    assert_false(set(MR_OPT_NAN, "none"));
    assert_true(set('w', "3") && args.n_workers == 3);
    assert_false(set('w', "0") || set('w', "x"));
}

static void test_variables(void **state) {
    (void)state;
    struct mr_python_options *python = &args.options.python;
    assert_true(set(MR_OPT_ENV, "COLOUR=teal"));
    assert_true(set(MR_OPT_ENV, "EMPTY="));
    assert_int_equal(python->n_variables, 2);
    assert_string_equal(python->variables[0], "COLOUR=teal");
    assert_string_equal(python->variables[1], "EMPTY=");
    assert_false(set(MR_OPT_ENV, "COLOUR") || set(MR_OPT_ENV, "=teal"));
    assert_string_equal(expected, "KEY=VALUE");
}

static void test_requirements(void **state) {
    (void)state;
    struct mr_python_options *python = &args.options.python;
    assert_true(set('r', "x==1.0"));
    assert_true(set('r', "x==1.0,y>=2,z"));
    assert_int_equal(python->n_pip_overrides, 3);
    assert_string_equal(python->pip_overrides[0], "x==1.0");
    assert_string_equal(python->pip_overrides[1], "y>=2");
    assert_string_equal(python->pip_overrides[2], "z");
    assert_false(set('r', "") || set('r', "x,,y") || set('r', "x,"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_choices, start, stop),
        cmocka_unit_test_setup_teardown(test_variables, start, stop),
        cmocka_unit_test_setup_teardown(test_requirements, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
