#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/python.h"

/* A folder with the program python3 and a file that is none. */
static char folder[] = "/tmp/mr-python-XXXXXX";

static void in_folder(char path[PATH_MAX], const char *name) {
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static int make_file(const char *name, mode_t mode) {
    char path[PATH_MAX];
    in_folder(path, name);
    FILE *file = fopen(path, "w");
    return file && fclose(file) == 0 && chmod(path, mode) == 0 ? 0 : -1;
}

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) && make_file("python3", 0755) == 0 && make_file("text", 0644) == 0 ? 0
                                                                                              : -1;
}

static int teardown(void **state) {
    (void)state;
    char path[PATH_MAX];
    in_folder(path, "python3");
    unlink(path);
    in_folder(path, "text");
    unlink(path);
    return rmdir(folder);
}

static void test_interpreter_in_path(void **state) {
    (void)state;
    char path[PATH_MAX], expected[PATH_MAX], found[PATH_MAX];
    unsetenv("MLRACE_PYTHON");
    snprintf(path, sizeof(path), "/nowhere:%s::/", folder);
    setenv("PATH", path, 1);
    in_folder(expected, "python3");
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_OK);
    assert_string_equal(found, expected);

    struct mr_error err = {0};
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(mr_python_find_interpreter(found, &err), MR_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "MLRACE_PYTHON"));
    assert_string_equal(found, "");
    unsetenv("PATH");
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_E_NOT_FOUND);
}

static void test_interpreter_that_is_named(void **state) {
    (void)state;
    char path[PATH_MAX], found[PATH_MAX];
    setenv("PATH", "/nowhere", 1);
    in_folder(path, "python3");
    setenv("MLRACE_PYTHON", path, 1);
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_OK);
    assert_string_equal(found, path);

    /* From the working directory on, as a shell would. */
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder), 0);
    setenv("MLRACE_PYTHON", "./python3", 1);
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_OK);
    assert_int_equal(found[0], '/');
    assert_int_equal(access(found, X_OK), 0);
    setenv("PATH", folder, 1);
    setenv("MLRACE_PYTHON", "python3", 1);
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_OK);
    assert_string_equal(found, path);
    assert_int_equal(chdir(here), 0);

    static const char *const bad[] = {"text", "./text", "/nowhere/python3", "/", "python4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mr_error err = {0};
        setenv("MLRACE_PYTHON", bad[i], 1);
        assert_int_equal(mr_python_find_interpreter(found, &err), MR_E_NOT_FOUND);
        assert_non_null(strstr(err.message, bad[i]));
    }
    unsetenv("MLRACE_PYTHON");
}

/* A path that is longer than any file's is not cut to one that exists. */
static void test_long_paths(void **state) {
    (void)state;
    static char path[3 * PATH_MAX];
    memset(path, '/', sizeof(path) - 1);
    snprintf(path + PATH_MAX, sizeof(path) - PATH_MAX, "%s", folder);
    char found[PATH_MAX];
    setenv("PATH", path, 1);
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_E_NOT_FOUND);
    setenv("MLRACE_PYTHON", path, 1);
    assert_int_equal(mr_python_find_interpreter(found, NULL), MR_E_NOT_FOUND);
    unsetenv("MLRACE_PYTHON");
}

static void test_package_of_a_build(void **state) {
    (void)state;
    char found[PATH_MAX];
    assert_int_equal(mr_python_find_package(found, NULL), MR_OK);
    assert_int_equal(found[0], '/');
    assert_int_equal(chdir(found), 0);
    assert_int_equal(access("mlrace/__init__.py", R_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreter_in_path),
        cmocka_unit_test(test_interpreter_that_is_named),
        cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_package_of_a_build),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
