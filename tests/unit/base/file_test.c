#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "base/file.h"

static void test_a_file(void **state) {
    (void)state;
    char path[] = "/tmp/mlrace_file_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a\0b", 3), 3);
    struct mr_str text;
    assert_int_equal(mr_file_load(path, 3, arena, &text, NULL), MR_OK);
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.data, "a\0b", 4);
    assert_int_equal(mr_file_load(path, 2, arena, &text, NULL), MR_E_TOO_LARGE);
    close(fd);
    unlink(path);
    assert_int_equal(mr_file_load(path, 3, arena, &text, NULL), MR_E_NOT_FOUND);
}

/* What would keep the reader forever, or end at once. */
static void test_what_is_no_file(void **state) {
    (void)state;
    struct mr_str text;
    char pipe[] = "/tmp/mlrace_pipe_XXXXXX";
    int fd = mkstemp(pipe);
    assert_true(fd >= 0);
    close(fd);
    unlink(pipe);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(mr_file_load(pipe, 10, arena, &text, NULL), MR_E_IO);
    unlink(pipe);
    assert_int_equal(mr_file_load("/dev/zero", 10, arena, &text, NULL), MR_E_IO);
    assert_int_equal(mr_file_load("/", 10, arena, &text, NULL), MR_E_IO);
    assert_int_equal(mr_file_load("/dev/null/a", 10, arena, &text, NULL), MR_E_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
