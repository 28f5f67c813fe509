#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/folder.h"

static char folder[] = "/tmp/mlrace_folder_XXXXXX";

static const char *inside(const char *name) {
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(inside(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The modification time, in seconds since 1970. */
static void set_time(const char *name, time_t seconds) {
    const struct timespec times[] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, inside(name), times, 0), 0);
}

/* Each change is noticed, and only changes are. */
static void test_changes(void **state) {
    (void)state;
    uint64_t seen[8];
    size_t n = 0;
    seen[n++] = mr_folder_fingerprint(folder);
    assert_int_equal(mkdir(inside("data"), 0700), 0);
    write_file("data/a", "12");
    set_time("data/a", 1000);
    seen[n++] = mr_folder_fingerprint(folder);
    write_file("data/a", "123");
    set_time("data/a", 1000);
    seen[n++] = mr_folder_fingerprint(folder);
    set_time("data/a", 1001);
    seen[n++] = mr_folder_fingerprint(folder);
    char from[4096];
    snprintf(from, sizeof(from), "%s", inside("data/a"));
    assert_int_equal(rename(from, inside("data/b")), 0);
    seen[n++] = mr_folder_fingerprint(folder);
    snprintf(from, sizeof(from), "%s", inside("data/b"));
    assert_int_equal(rename(from, inside("b")), 0);
    seen[n++] = mr_folder_fingerprint(folder);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) assert_true(seen[i] != seen[j]);
    }
    assert_true(mr_folder_fingerprint(folder) == seen[n - 1]);
}

/* A model that is served must not look changed because it was loaded. */
static void test_what_loading_leaves(void **state) {
    (void)state;
    assert_int_equal(mkdir(inside("code"), 0700), 0);
    write_file("code/a.py", "1");
    uint64_t before = mr_folder_fingerprint(folder);
    assert_int_equal(mkdir(inside("code/__pycache__"), 0700), 0);
    write_file("code/__pycache__/a.cpython-311.pyc", "1");
    write_file("registered_model_meta", "1");
    assert_true(mr_folder_fingerprint(folder) == before);
}

/* A folder that is a link to the newest version, as deployments have it. */
static void test_links(void **state) {
    (void)state;
    assert_int_equal(mkdir(inside("v1"), 0700), 0);
    assert_int_equal(mkdir(inside("v2"), 0700), 0);
    write_file("v1/MLmodel", "1");
    write_file("v2/MLmodel", "22");
    set_time("v1/MLmodel", 1000);
    set_time("v2/MLmodel", 1000);
    assert_int_equal(symlink("v1", inside("current")), 0);
    uint64_t file = mr_folder_fingerprint_of(inside("current"), "MLmodel");
    assert_int_equal(mr_folder_fingerprint_of(inside("current"), "other"), 0);
    uint64_t first = mr_folder_fingerprint(inside("current"));
    assert_true(first == mr_folder_fingerprint(inside("v1")));
    assert_int_equal(unlink(inside("current")), 0);
    assert_int_equal(symlink("v2", inside("current")), 0);
    assert_true(first != mr_folder_fingerprint(inside("current")));
    assert_true(file != mr_folder_fingerprint_of(inside("current"), "MLmodel"));
}

static void test_links_in_circles_and_to_nowhere(void **state) {
    (void)state;
    assert_int_equal(symlink(".", inside("self")), 0);
    assert_int_equal(symlink("..", inside("up")), 0);
    assert_int_equal(symlink("no such file", inside("gone")), 0);
    mr_folder_fingerprint(folder);
    assert_int_equal(mr_folder_fingerprint(inside("gone")), 0);
    assert_int_equal(mr_folder_fingerprint("/no/such/folder"), 0);
    assert_int_equal(mr_folder_fingerprint("/proc/self/exe"), 0);
}

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[4200];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_what_loading_leaves),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_links_in_circles_and_to_nowhere),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
