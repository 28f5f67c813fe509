#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/pyproc/log_pipe.h"

/* Standard error goes to a file, whose text log_text() gives. */
static int log_file, kept_stderr;
static struct mr_log_pipe log_pipe;
static int writer;

static int setup(void **state) {
    (void)state;
    struct mr_error err = {0};
    kept_stderr = dup(STDERR_FILENO);
    log_file = memfd_create("log", MFD_CLOEXEC);
    dup2(log_file, STDERR_FILENO);
    if (mr_log_pipe_init(&log_pipe, &writer, &err) != MR_OK) return -1;
    snprintf(log_pipe.tag, sizeof(log_pipe.tag), "worker 3 (pid 7)");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (writer >= 0) close(writer);
    mr_log_pipe_deinit(&log_pipe);
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(log_file);
    return 0;
}

static const char *log_text(void) {
    static char text[100000];
    ssize_t size = pread(log_file, text, sizeof(text) - 1, 0);
    text[size < 0 ? 0 : size] = '\0';
    return text;
}

static void print(const char *text) {
    assert_int_equal(write(writer, text, strlen(text)), strlen(text));
}

static void test_lines(void **state) {
    (void)state;
    print("one\ntw");
    assert_true(mr_log_pipe_turn(&log_pipe));
    assert_string_equal(log_text(), "mlrace: worker 3 (pid 7): one\n");
    print("o\n\n10%\r20%\rdone\r\nlast");
    assert_true(mr_log_pipe_turn(&log_pipe));
    assert_true(mr_log_pipe_turn(&log_pipe)); /* nothing is there, and nobody waits */
    close(writer);
    writer = -1;
    assert_false(mr_log_pipe_turn(&log_pipe));
    mr_log_pipe_deinit(&log_pipe);
    assert_string_equal(log_text(), "mlrace: worker 3 (pid 7): one\n"
                                    "mlrace: worker 3 (pid 7): two\n"
                                    "mlrace: worker 3 (pid 7): \n"
                                    "mlrace: worker 3 (pid 7): done\n"
                                    "mlrace: worker 3 (pid 7): last\n");
}

static void test_long_lines(void **state) {
    (void)state;
    static char line[3000];
    memset(line, 'x', sizeof(line) - 1);
    print(line);
    print("\nnext\n");
    assert_true(mr_log_pipe_turn(&log_pipe));
    const char *text = log_text();
    assert_int_equal(strcspn(text, "."), strlen("mlrace: worker 3 (pid 7): ") + 1000);
    assert_string_equal(strchr(text, '.'), "...\nmlrace: worker 3 (pid 7): next\n");
}

/* The log is a pipe that nobody reads: lines are dropped, and nothing waits. */
static void test_nobody_reads(void **state) {
    (void)state;
    int ends[2];
    char bytes[4096];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    memset(bytes, 'x', sizeof(bytes));
    while (write(ends[1], bytes, sizeof(bytes)) > 0) continue;
    fcntl(ends[1], F_SETFL, 0);
    dup2(ends[1], STDERR_FILENO);
    print("lost\nlost\n");
    assert_true(mr_log_pipe_turn(&log_pipe));
    dup2(log_file, STDERR_FILENO);
    print("read\n");
    assert_true(mr_log_pipe_turn(&log_pipe));
    assert_string_equal(
        log_text(),
        "mlrace: error: worker 3 (pid 7): 2 lines were dropped, since nobody read the log\n"
        "mlrace: worker 3 (pid 7): read\n");
    close(ends[0]);
    close(ends[1]);
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_PIPE(test_lines),
        WITH_PIPE(test_long_lines),
        WITH_PIPE(test_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
