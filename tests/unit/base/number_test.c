/* Numbers as Python writes and reads them. Expected texts are what CPython 3.11 prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/number.h"

static void double_is_written_as(double value, const char *expected) {
    char text[MR_DOUBLE_CHARS + 1];
    text[mr_double_write(value, text)] = '\0';
    assert_string_equal(text, expected);
}

static void test_double_write(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {1e-4, "0.0001"},
        {1e-5, "1e-05"},
        {1.5e-7, "1.5e-07"},
        {123456789.123456789, "123456789.12345679"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e21, "1e+21"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {-1.2345678901234567e-100, "-1.2345678901234567e-100"},
        {0.1f, "0.10000000149011612"},
        {NAN, "nan"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double_is_written_as(cases[i].value, cases[i].text);
    }
}

/* Every power of two and its neighbours: where rounding intervals are lopsided. */
static void test_double_round_trip(void **state) {
    (void)state;
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        static const uint64_t fractions[] = {0, 1, ((uint64_t)1 << 52) - 1};
        for (size_t i = 0; i < 3; i++) {
            uint64_t bits = exponent << 52 | fractions[i];
            double value;
            memcpy(&value, &bits, sizeof(value));
            char text[MR_DOUBLE_CHARS + 1];
            text[mr_double_write(value, text)] = '\0';
            assert_true(strtod(text, NULL) == value);
        }
    }
}

static void test_int_write(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"},
                 {9, "9"},
                 {10, "10"},
                 {-100, "-100"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[MR_INT_CHARS + 1];
        text[mr_int_write(cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

static void test_float_parse(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"1", 1},
        {" -1.5e3\n", -1500},
        {"1_000.5", 1000.5},
        {".5", 0.5},
        {"5.", 5},
        {"1e400", INFINITY},
        {"-1e-400", -0.0},
        {"Infinity", INFINITY},
        {"-inf", -INFINITY},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.00000000000000000000000000000000000000001", 9007199254740994.0},
        {"\xd9\xa1\xd9\xa2", 12}, /* ARABIC-INDIC DIGIT ONE, TWO */
        {"\xe3\x80\x80"
         "7"
         "\xc2\xa0",
         7}, /* IDEOGRAPHIC SPACE, NO-BREAK SPACE */
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double value = 0;
        assert_true(mr_float_parse(mr_str_from(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    static const char *const bad[] = {"",   " ",    "+",    ".",     "1__0", "_1",
                                      "1_", "1e",   "0x10", "1 2",   "nano", "1_.5",
                                      "e5", "1e5_", "- 1",  "infin", "\xff", "1.5f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double value;
        assert_false(mr_float_parse(mr_str_from(bad[i]), &value));
    }
    double value;
    assert_true(mr_float_parse(mr_str_from("nan"), &value) && isnan(value));
}

static void test_int_parse(void **state) {
    (void)state;
    int64_t value = 0;
    bool is_big = false;
    assert_true(mr_int_parse(mr_str_from(" 1_2 "), &value, &is_big));
    assert_int_equal(value, 12);
    assert_true(mr_int_parse(mr_str_from("-9223372036854775808"), &value, &is_big));
    assert_false(is_big);
    assert_true(value == INT64_MIN);
    assert_true(mr_int_parse(mr_str_from("9223372036854775808"), &value, &is_big));
    assert_true(is_big);
    assert_true(mr_int_parse(mr_str_from("0000000000000000000000000001"), &value, &is_big));
    assert_false(is_big);
    assert_int_equal(value, 1);
    assert_false(mr_int_parse(mr_str_from("1.0"), &value, &is_big));
    assert_false(mr_int_parse(mr_str_from(""), &value, &is_big));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double_write), cmocka_unit_test(test_double_round_trip),
        cmocka_unit_test(test_int_write),    cmocka_unit_test(test_float_parse),
        cmocka_unit_test(test_int_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
