#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/backlog.h"

#define MS ((uint64_t)1000000)

static struct mr_error err;

static void test_number(void **state) {
    (void)state;
    const struct mr_queue_options limits = {.max_calls = 3};
    struct mr_backlog backlog = {.limits = &limits, .n_threads = 2};
    for (int i = 0; i < 5; i++) assert_int_equal(mr_backlog_enter(&backlog, 1, &err), MR_OK);
    assert_int_equal(mr_backlog_enter(&backlog, 1, &err), MR_E_BUSY);
    assert_non_null(strstr(err.message, "too many requests wait"));
    mr_backlog_leave(&backlog, 1);
    assert_int_equal(mr_backlog_enter(&backlog, 1, &err), MR_OK);
    assert_int_equal(mr_backlog_enter(&backlog, 1, &err), MR_E_BUSY);
    for (int i = 0; i < 5; i++) mr_backlog_leave(&backlog, 1);
    assert_int_equal(backlog.n, 0);
    assert_int_equal(backlog.ns, 0);
}

static void test_delay(void **state) {
    (void)state;
    const struct mr_queue_options limits = {.max_calls = 1000, .max_delay_us = 100000};
    struct mr_backlog backlog = {.limits = &limits, .n_threads = 2};
    /* However long they take, as many as there are threads. */
    for (int i = 0; i < 2; i++) assert_int_equal(mr_backlog_enter(&backlog, 90 * MS, &err), MR_OK);
    assert_int_equal(mr_backlog_enter(&backlog, 30 * MS, &err), MR_OK); /* waits 90 ms */
    assert_int_equal(mr_backlog_enter(&backlog, 1, &err), MR_E_BUSY);
    assert_string_equal(err.message,
                        "the request would wait 0.105 s for a thread: try again later");
    mr_backlog_leave(&backlog, 90 * MS);
    assert_int_equal(mr_backlog_enter(&backlog, 1, &err), MR_OK);
}

static void test_no_limits(void **state) {
    (void)state;
    const struct mr_queue_options limits = {0};
    struct mr_backlog backlog = {.limits = &limits, .n_threads = 1};
    for (int i = 0; i < 100000; i++) assert_int_equal(mr_backlog_enter(&backlog, MS, &err), MR_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_no_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
