#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/half.h"

static void test_every_half_comes_back(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        double value = mr_half_to_double((uint16_t)half);
        if (isnan(value)) continue;
        assert_int_equal(mr_half_from_double(value), half);
    }
}

/* numpy: np.float16(x).view(np.uint16) */
static void test_rounding(void **state) {
    (void)state;
    assert_int_equal(mr_half_from_double(0), 0);
    assert_int_equal(mr_half_from_double(-0.0), 0x8000);
    assert_int_equal(mr_half_from_double(1), 0x3C00);
    assert_int_equal(mr_half_from_double(300.7), 0x5CB3);
    assert_int_equal(mr_half_from_double(65504), 0x7BFF);
    assert_int_equal(mr_half_from_double(65519.9), 0x7BFF);
    assert_int_equal(mr_half_from_double(65520), 0x7C00);
    assert_int_equal(mr_half_from_double(-1e300), 0xFC00);
    assert_int_equal(mr_half_from_double(NAN), 0x7E00);
    assert_int_equal(mr_half_from_double(INFINITY), 0x7C00);
    assert_int_equal(mr_half_from_double(0x1p-24), 0x0001);
    assert_int_equal(mr_half_from_double(0x1p-25), 0x0000);     /* a tie, to even */
    assert_int_equal(mr_half_from_double(0x1.001p-25), 0x0001); /* above the tie */
    assert_int_equal(mr_half_from_double(0x1.8p-24), 0x0002);   /* a tie, to even */
    assert_int_equal(mr_half_from_double(0x1.ffcp-15), 0x0400); /* rounds up to normal */
    assert_int_equal(mr_half_from_double(1 + 0x1p-11), 0x3C00); /* a tie, to even */
    assert_int_equal(mr_half_from_double(1 + 0x3p-11), 0x3C02); /* a tie, to even */
    assert_int_equal(mr_half_from_double(5e-324), 0x0000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half_comes_back),
        cmocka_unit_test(test_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
