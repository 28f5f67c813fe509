#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/progress.h"

#define SECOND ((int64_t)1000000000)

static void test_lines(void **state) {
    (void)state;
    static const struct {
        uint64_t done, total, n_rows;
        int64_t elapsed_ns;
        const char *expected;
    } cases[] = {
        {0, 1000000000, 0, 0, "[>                       ]   0%  0 B of 1.0 GB  0 rows/s  ETA -:--"},
        {250000000, 1000000000, 3000000, 3 * SECOND,
         "[======>                 ]  25%  250 MB of 1.0 GB  1,000,000 rows/s  ETA 0:09"},
        {1000, 1000, 12, SECOND / 2,
         "[========================] 100%  1.0 kB of 1.0 kB  24 rows/s  ETA 0:00"},
        {2000, 1000, 1, SECOND,
         "[========================] 100%  2.0 kB of 1.0 kB  1 rows/s  ETA 0:00"},
        {1, 10000, 1, SECOND,
         "[>                       ]   0%  1 B of 10.0 kB  1 rows/s  ETA 2:46:39"},
        {99949, 0, 1234, SECOND, "99.9 kB  1,234 rows/s"},
        {999499, 0, 0, SECOND, "999 kB  0 rows/s"},
        {999500, 0, 0, SECOND, "1.0 MB  0 rows/s"},
        {2500000, 5000000, MR_PROGRESS_NO_ROWS, SECOND,
         "[============>           ]  50%  2.5 MB of 5.0 MB  2.5 MB/s  ETA 0:01"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[256];
        size_t size = mr_progress_format(out, sizeof(out), 0, cases[i].done, cases[i].total,
                                         cases[i].n_rows, cases[i].elapsed_ns);
        assert_string_equal(out, cases[i].expected);
        assert_int_equal(size, strlen(out));
    }
}

/* Whatever the numbers, the line fits the terminal and the buffer. */
static void test_narrow(void **state) {
    (void)state;
    for (unsigned columns = 1; columns < 100; columns++) {
        char out[40];
        size_t size = mr_progress_format(out, sizeof(out), columns, UINT64_MAX, UINT64_MAX,
                                         UINT64_MAX, 1);
        assert_true(size < columns && size < sizeof(out));
        assert_int_equal(strlen(out), size);
        mr_progress_format(out, sizeof(out), columns, 1, UINT64_MAX, 0, INT64_MAX);
    }
}

static void test_no_terminal(void **state) {
    (void)state;
    struct mr_progress progress;
    mr_progress_init(&progress, -1);
    assert_false(progress.is_on);
    mr_progress_draw(&progress, 1, 2, 3); /* nothing happens */
    mr_progress_finish(&progress, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
