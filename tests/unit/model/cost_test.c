#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/cost.h"

static void a_guess_until_something_is_known(void **state) {
    (void)state;
    struct mr_cost cost = {0};
    assert_true(mr_cost_is_due(&cost, 1));
    assert_in_range(mr_cost_estimate(&cost, 1), 1, 100 * 1000);
    assert_int_equal(mr_cost_estimate(&cost, 0), 0);
    assert_int_equal(mr_cost_estimate(&cost, -1), 0); /* no rows that could be told apart */
    mr_cost_learn(&cost, 0, 1000);
    assert_true(mr_cost_is_due(&cost, 1));
}

static void an_estimate_falls_at_once_and_rises_slowly(void **state) {
    (void)state;
    struct mr_cost cost = {0};
    mr_cost_learn(&cost, 10, 10 * 50000); /* the first one met cold caches */
    assert_in_range(mr_cost_estimate(&cost, 2), 100000, 100010);
    mr_cost_learn(&cost, 1000, 1000 * 2000);
    assert_in_range(mr_cost_estimate(&cost, 1000), 2000000, 2000100);
    mr_cost_learn(&cost, 1, 1000 * 1000 * 1000); /* interrupted */
    assert_in_range(mr_cost_estimate(&cost, 1000), 2000000, 2260000);
    for (int i = 0; i < 40; i++) mr_cost_learn(&cost, 1, 20000);
    assert_in_range(mr_cost_estimate(&cost, 1), 20000, 20010);
}

static void tiny_and_huge(void **state) {
    (void)state;
    struct mr_cost cost = {0};
    mr_cost_learn(&cost, 1000000, 0);
    assert_int_equal(mr_cost_estimate(&cost, 1000), 1);
    mr_cost_learn(&cost, 1, UINT64_MAX / 2);
    assert_true(mr_cost_estimate(&cost, INT64_MAX) > 0);
}

static void few_rows_are_measured(void **state) {
    (void)state;
    struct mr_cost cost = {0};
    mr_cost_learn(&cost, 1, 1000);
    int n_due = 0;
    for (int i = 0; i < 10240; i++) n_due += mr_cost_is_due(&cost, 1);
    assert_int_equal(n_due, 10);
    assert_true(mr_cost_is_due(&cost, 5000));
}

static void time_passes(void **state) {
    (void)state;
    uint64_t before = mr_cost_now_ns();
    while (mr_cost_now_ns() == before) continue;
    assert_true(mr_cost_now_ns() > before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guess_until_something_is_known),
        cmocka_unit_test(an_estimate_falls_at_once_and_rises_slowly),
        cmocka_unit_test(tiny_and_huge),
        cmocka_unit_test(few_rows_are_measured),
        cmocka_unit_test(time_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
