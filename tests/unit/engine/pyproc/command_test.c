#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "arena_fixture.h"
#include "base/cpu.h"
#include "engine/pyproc/command.h"

static const char *variable(const struct mr_command *command, const char *name) {
    const char *found = NULL;
    size_t size = strlen(name);
    for (char **at = command->envp; *at; at++) {
        if (strncmp(*at, name, size) != 0 || (*at)[size] != '=') continue;
        assert_null(found); /* once only */
        found = *at + size + 1;
    }
    return found;
}

static void assert_arguments(const struct mr_command *command, const char *expected) {
    char text[512] = "";
    for (char **at = command->argv; *at; at++) {
        strncat(text, *at, sizeof(text) - strlen(text) - 1);
        if (at[1]) strncat(text, " ", sizeof(text) - strlen(text) - 1);
    }
    assert_string_equal(text, expected);
}

static struct mr_command command_of(const struct mr_python_options *options, unsigned n_workers) {
    struct mr_command command;
    struct mr_error err = {0};
    assert_int_equal(mr_command_init(options, "/models/m", n_workers, arena, &command, &err),
                     MR_OK);
    return command;
}

static int clean_environment(void **state) {
    (void)state;
    static const char *const names[] = {"OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                        "OPENBLAS_NUM_THREADS", "PYTHONPATH", "PYTHONUNBUFFERED"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) unsetenv(names[i]);
    return 0;
}

static void test_defaults(void **state) {
    (void)state;
    const struct mr_python_options options = {.interpreter = "/usr/bin/python3",
                                              .package_path = "/opt/mlrace"};
    struct mr_command command = command_of(&options, 1);
    assert_arguments(&command, "/usr/bin/python3 -m mlrace.worker --socket 3 --model /models/m");
    assert_string_equal(variable(&command, "PYTHONPATH"), "/opt/mlrace");
    assert_string_equal(variable(&command, "PYTHONUNBUFFERED"), "1");
    assert_string_equal(variable(&command, "PATH"), getenv("PATH"));
    assert_int_equal(command.n_threads, mr_cpu_count());
    assert_int_equal(atoi(variable(&command, "OMP_NUM_THREADS")), mr_cpu_count());
    assert_int_equal(atoi(variable(&command, "MKL_NUM_THREADS")), mr_cpu_count());
    assert_int_equal(atoi(variable(&command, "OPENBLAS_NUM_THREADS")), mr_cpu_count());
    assert_int_equal(command_of(&options, 100000).n_threads, 1);
}

/* What the user has said stays. */
static void test_environment(void **state) {
    (void)state;
    static const char *const variables[] = {"MKL_NUM_THREADS=7", "GREETING=hello=x",
                                            "PYTHONPATH=/mine", "REPLACED=new"};
    setenv("OMP_NUM_THREADS", "3", 1);
    setenv("REPLACED", "old", 1);
    const struct mr_python_options options = {.interpreter = "python3",
                                              .package_path = "/opt/mlrace",
                                              .variables = variables,
                                              .n_variables = 4};
    struct mr_command command = command_of(&options, 100000);
    assert_string_equal(variable(&command, "OMP_NUM_THREADS"), "3");
    assert_string_equal(variable(&command, "MKL_NUM_THREADS"), "7");
    assert_string_equal(variable(&command, "OPENBLAS_NUM_THREADS"), "1");
    assert_string_equal(variable(&command, "GREETING"), "hello=x");
    assert_string_equal(variable(&command, "REPLACED"), "new");
    assert_string_equal(variable(&command, "PYTHONPATH"), "/opt/mlrace:/mine");
    unsetenv("OMP_NUM_THREADS");
}

static void test_options(void **state) {
    (void)state;
    static const char *const overrides[] = {"numpy<2", "pandas"};
    const struct mr_python_options options = {.interpreter = "python3",
                                              .package_path = "/opt/mlrace",
                                              .env_manager = "uv",
                                              .has_stack_traces = true,
                                              .installs_mlflow = true,
                                              .is_offline = true,
                                              .wheel_dir = "/wheels",
                                              .pip_overrides = overrides,
                                              .n_pip_overrides = 2};
    struct mr_command command = command_of(&options, 1);
    assert_arguments(&command,
                     "python3 -m mlrace.worker --socket 3 --model /models/m --stack-traces "
                     "--env-manager uv "
                     "--install-mlflow --offline --wheel-dir /wheels "
                     "--pip-requirements-override numpy<2 --pip-requirements-override pandas");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clean_environment),
        cmocka_unit_test_setup(test_environment, clean_environment),
        cmocka_unit_test_setup(test_options, clean_environment),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
