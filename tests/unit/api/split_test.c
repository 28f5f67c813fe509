#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "api/split.h"

static struct mr_str id_of(unsigned i, char text[32]) {
    return (struct mr_str){text, (size_t)snprintf(text, 32, "client-%u", i)};
}

static void test_shares(void **state) {
    (void)state;
    enum { N = 20000 };
    const struct mr_split_share shares[] = {{2, 90}, {0, 10}, {1, 0}};
    const struct mr_split split = {shares, 3};
    unsigned counts[3] = {0};
    char text[32];
    for (unsigned i = 0; i < N; i++) counts[mr_split_choose(&split, id_of(i, text))]++;
    assert_in_range(counts[2], 89 * N / 100, 91 * N / 100);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[0] + counts[2], N);
}

/* Who had the one that shrinks has it still, or the one that grows: few clients move. */
static void test_the_same_id_leads_to_the_same_model(void **state) {
    (void)state;
    const struct mr_split_share before[] = {{0, 90}, {1, 10}}, after[] = {{0, 80}, {1, 20}};
    const struct mr_split a = {before, 2}, b = {after, 2};
    char text[32];
    for (unsigned i = 0; i < 1000; i++) {
        struct mr_str id = id_of(i, text);
        size_t model = mr_split_choose(&a, id);
        assert_int_equal(mr_split_choose(&a, id), model);
        if (model == 1) assert_int_equal(mr_split_choose(&b, id), 1);
    }
}

static void test_extremes(void **state) {
    (void)state;
    const struct mr_split_share all[] = {{1, 0}, {2, 1}, {3, 0}};
    const struct mr_split split = {all, 3}, none = {NULL, 0};
    char text[32];
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(mr_split_choose(&split, id_of(i, text)), 2);
        assert_int_equal(mr_split_choose(&none, id_of(i, text)), 0);
    }
    assert_int_equal(mr_split_choose(&split, (struct mr_str){NULL, 0}), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_the_same_id_leads_to_the_same_model),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
