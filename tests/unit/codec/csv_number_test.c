#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/csv_number_int.h"

static struct mr_str cell(const char *text) {
    return mr_str_from(text);
}

static void test_int64(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mr_csv_int result;
        int64_t value;
    } cases[] = {
        {"0", MR_CSV_INT_OK, 0},
        {"-0", MR_CSV_INT_OK, 0},
        {"+12", MR_CSV_INT_OK, 12},
        {" 7\t", MR_CSV_INT_OK, 7},
        {"000000000000000000000000012", MR_CSV_INT_OK, 12},
        {"12345678", MR_CSV_INT_OK, 12345678},
        {"-1234567890123456789", MR_CSV_INT_OK, -1234567890123456789},
        {"9223372036854775807", MR_CSV_INT_OK, INT64_MAX},
        {"-9223372036854775808", MR_CSV_INT_OK, INT64_MIN},
        {"9223372036854775808", MR_CSV_INT_OVERFLOW, 0},
        {"-9223372036854775809", MR_CSV_INT_OVERFLOW, 0},
        {"18446744073709551616", MR_CSV_INT_OVERFLOW, 0},
        {"19999999999999999999", MR_CSV_INT_OVERFLOW, 0},
        {"99999999999999999999", MR_CSV_INT_OVERFLOW, 0},
        {"123456789012345678901", MR_CSV_INT_OVERFLOW, 0},
        {"99999999999999999999 ", MR_CSV_INT_INVALID, 0},
        {"99999999999999999999.0", MR_CSV_INT_INVALID, 0},
        {"1.0", MR_CSV_INT_INVALID, 0},
        {"1 2", MR_CSV_INT_INVALID, 0},
        {"1_000", MR_CSV_INT_INVALID, 0},
        {"", MR_CSV_INT_NO_DIGITS, 0},
        {" ", MR_CSV_INT_NO_DIGITS, 0},
        {"-", MR_CSV_INT_NO_DIGITS, 0},
        {"+-5", MR_CSV_INT_NO_DIGITS, 0},
        {"- 5", MR_CSV_INT_NO_DIGITS, 0},
        {".5", MR_CSV_INT_NO_DIGITS, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;
        mr_csv_int result = mr_csv_int64(cell(cases[i].text), &value);
        if (result != cases[i].result || value != cases[i].value) fail_msg("'%s'", cases[i].text);
    }
    int64_t value;
    assert_int_equal(mr_csv_int64((struct mr_str){"1\0", 2}, &value), MR_CSV_INT_INVALID);
}

static void test_uint64(void **state) {
    (void)state;
    uint64_t value;
    bool is_negative;
    assert_int_equal(mr_csv_uint64(cell("18446744073709551615"), &value, &is_negative),
                     MR_CSV_INT_OK);
    assert_true(value == UINT64_MAX && !is_negative);
    assert_int_equal(mr_csv_uint64(cell("18446744073709551616"), &value, &is_negative),
                     MR_CSV_INT_OVERFLOW);
    assert_int_equal(mr_csv_uint64(cell(" -abc"), &value, &is_negative), MR_CSV_INT_OK);
    assert_true(value == 0 && is_negative);
    assert_int_equal(mr_csv_uint64(cell("abc"), &value, &is_negative), MR_CSV_INT_NO_DIGITS);
}

/* Expected bits are those of pandas 3.1.1; tests/parity/test_csv.py asks pandas itself. */
static void test_double(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0.0},
        {"-0", -0.0},
        {"5.", 5.0},
        {".5", 0.5},
        {"-.5", -0.5},
        {"+1.5", 1.5},
        {"0.1", 0.1},
        {"1e1", 10.0},
        {"1E+2", 100.0},
        {"123456789", 123456789.0},
        {"0.30000000000000004", 0.30000000000000004},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.0000000000000001", 9007199254740994.0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"1e400", INFINITY},
        {"-1e400", -INFINITY},
        {"4.9e-324", 4.9e-324},
        {"1e-400", 0.0},
        {"0e99999999999999999999", 0.0},
        {"1e99999999999999999999", INFINITY},
        {"12345678901234567890123", 12345678901234567890123.0},
        {"0.000000000000000000000000000001", 1e-30},
        {"1e27", 1e27},
        {"8888888888888888888e-27", 8888888888888888888e-27},
        {"7205759403792793200001e-5", 72057594037927932.00001},
        {" 2.5 ", 2.5},
        {"\t-2.5\v", -2.5},
        {"inf", INFINITY},
        {"-Infinity", -INFINITY},
        {"+INF", INFINITY},
        /* a plus sign with white space: the older algorithm */
        {" +1.1", 1.1},
        {"+1e 5", 100000.0},
        {" +780.2428111516103001", 780.2428111516102},
        {"+1e400 ", INFINITY},
        {" +0e999", 0.0},
        {" +1e-320", 1e-320},
        {" +12345678901234567890", 12345678901234567000.0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double value = NAN;
        bool is_double = mr_csv_double(cell(cases[i].text), &value);
        if (!is_double || memcmp(&value, &cases[i].value, sizeof(value)) != 0) {
            fail_msg("'%s': %.17g, expected %.17g", cases[i].text, value, cases[i].value);
        }
    }
    static const char *const others[] = {"",      " ",    ".",     "-",     "+",   "e5",     "1e",
                                         "1e+",   "1e 5", "1.2.3", "0x10",  "nan", " inf",   "inf ",
                                         "infin", "--1",  "+-1",   "1_000", "1,5", " + 1.5", "- 1",
                                         " +e5",  " +.",  "+1e",   " +1x"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        double value;
        if (mr_csv_double(cell(others[i]), &value)) fail_msg("'%s' is no number", others[i]);
    }
    double value;
    assert_false(mr_csv_double((struct mr_str){"1\0", 2}, &value));
}

/* Correctly rounded: what was printed with 17 digits reads back as itself. */
static void test_double_round_trip(void **state) {
    (void)state;
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value, read;
        memcpy(&value, &bits, sizeof(value));
        if (i % 2) value = (double)(int64_t)bits / 0x1p53;
        if (!isfinite(value)) continue;
        char text[64];
        snprintf(text, sizeof(text), "%.*e", 16 + i % 8, value);
        if (i % 4 == 1) snprintf(text, sizeof(text), "%.20f", value);
        double nearest = strtod(text, NULL);
        if (!mr_csv_double(cell(text), &read) || memcmp(&nearest, &read, sizeof(read)) != 0) {
            fail_msg("%s: %.17g", text, read);
        }
    }
}

static void test_words(void **state) {
    (void)state;
    bool value = false;
    assert_true(mr_csv_bool(cell("True"), &value) && value);
    assert_true(mr_csv_bool(cell("fALSE"), &value) && !value);
    assert_false(mr_csv_bool(cell("yes"), &value));
    assert_false(mr_csv_bool(cell(" True"), &value));

    static const char *const missing[] = {"",        "NA",      "NaN",      "nan",     "null",
                                          "NULL",    "None",    "N/A",      "n/a",     "#N/A",
                                          "<NA>",    "-nan",    "-NaN",     "#NA",     "1.#IND",
                                          "1.#QNAN", "-1.#IND", "-1.#QNAN", "#N/A N/A"};
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        assert_true(mr_csv_is_missing(cell(missing[i])));
    }
    static const char *const present[] = {"na", "NAN", "none", "Null", "-", "1", " ", "NA "};
    for (size_t i = 0; i < sizeof(present) / sizeof(present[0]); i++) {
        assert_false(mr_csv_is_missing(cell(present[i])));
    }

    assert_true(mr_csv_is_python_int(cell(" -1_000 ")));
    assert_true(mr_csv_is_python_int(cell("007")));
    assert_false(mr_csv_is_python_int(cell("1__0")));
    assert_false(mr_csv_is_python_int(cell("_1")));
    assert_false(mr_csv_is_python_int(cell("1_")));
    assert_false(mr_csv_is_python_int(cell("1.0")));
    assert_false(mr_csv_is_python_int(cell("")));
    char digits[4302];
    memset(digits, '7', sizeof(digits));
    assert_true(mr_csv_is_python_int((struct mr_str){digits, 4300}));
    assert_false(mr_csv_is_python_int((struct mr_str){digits, 4301}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int64),  cmocka_unit_test(test_uint64),
        cmocka_unit_test(test_double), cmocka_unit_test(test_double_round_trip),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
