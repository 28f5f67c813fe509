#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_lines.h"

/* What log writes, by a pipe in place of standard error. */
static void capture(void (*log)(const char *), const char *text, char *out, size_t capacity) {
    int ends[2], old = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log(text);
    dup2(old, STDERR_FILENO);
    close(old);
    close(ends[1]);
    ssize_t n = read(ends[0], out, capacity - 1);
    close(ends[0]);
    out[n > 0 ? n : 0] = '\0';
}

static void info(const char *text) {
    mr_log_info("%s", text);
}

static void error(const char *text) {
    mr_log_error("%s", text);
}

static void test_text(void **state) {
    (void)state;
    char line[4096];
    capture(info, "a \"b\"", line, sizeof(line));
    assert_string_equal(line, "mlrace: a \"b\"\n");
    capture(error, "c", line, sizeof(line));
    assert_string_equal(line, "mlrace: error: c\n");
}

static void assert_json(void (*log)(const char *), const char *text, const char *level,
                        const char *escaped) {
    char line[4096], expected[4096];
    capture(log, text, line, sizeof(line));
    assert_memory_equal(line, "{\"time\": \"20", 12);
    assert_memory_equal(line + 33, "Z\", ", 4);
    snprintf(expected, sizeof(expected), "\"level\": \"%s\", \"message\": \"%s\"}\n", level,
             escaped);
    assert_string_equal(line + 37, expected);
}

static void test_json(void **state) {
    (void)state;
    mr_log_set_format(MR_LOG_JSON);
    assert_json(info, "plain", "info", "plain");
    assert_json(error, "a \"b\" \\ \n\x01", "error", "a \\\"b\\\" \\\\ \\u000a\\u0001");
    assert_json(info, "\xc3\xa9 \xf0\x9f\x98\x80", "info", "\xc3\xa9 \xf0\x9f\x98\x80");
    assert_json(info, "\xff\xc3(\xe2\x82", "info", "\\ufffd\\ufffd(\\ufffd\\ufffd");
    char text[4000], line[4096];
    memset(text, '"', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    capture(info, text, line, sizeof(line));
    size_t size = strlen(line);
    assert_true(size > 2000 && size <= 2048);
    assert_string_equal(line + size - 5, "\\\"\"}\n");
    mr_log_set_format(MR_LOG_TEXT);
}

/* All that was added comes out, whole and in order. */
static void test_lines(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct mr_log_lines *lines;
    assert_int_equal(mr_log_lines_start(ends[1], &lines, NULL), MR_OK);
    enum { N = 5000 };
    for (int i = 0; i < N; i++) {
        char line[16];
        int size = snprintf(line, sizeof(line), "line %d\n", i);
        mr_log_lines_add(lines, (struct mr_str){line, (size_t)size});
    }
    mr_log_lines_stop(lines);
    close(ends[1]);
    FILE *file = fdopen(ends[0], "r");
    for (int i = 0; i < N; i++) {
        int number = -1;
        assert_int_equal(fscanf(file, "line %d\n", &number), 1);
        assert_int_equal(number, i);
    }
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

/* Adding does not wait for it, and the end does not wait for ever. */
static void test_nobody_reads(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct mr_log_lines *lines;
    assert_int_equal(mr_log_lines_start(ends[1], &lines, NULL), MR_OK);
    char line[1000];
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 5000; i++) {
        mr_log_lines_add(lines, (struct mr_str){line, sizeof(line)});
    }
    mr_log_lines_stop(lines);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
