#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/datetime.h"

#define DAY INT64_C(86400000000000)
#define HOUR INT64_C(3600000000000)

static struct mr_date parse(const char *text) {
    struct mr_date date;
    if (mr_date_parse(mr_str_from(text), &date) != MR_DATE_OK) fail_msg("%s is no date", text);
    return date;
}

static void test_values(void **state) {
    (void)state;
    assert_int_equal(parse("1970-01-01").ns, 0);
    assert_int_equal(parse("1970-01-02T01:00").ns, DAY + HOUR);
    assert_int_equal(parse("1969-12-31 23:59:59.999999999").ns, -1);
    assert_int_equal(parse("2000-02-29T00:00:00.5").ns, 11016 * DAY + 500000000);
    assert_int_equal(parse("2024-02-29 01:02:03.123456789987654321").ns,
                     INT64_C(1709168523123456789));
    assert_int_equal(parse("1677-09-21T00:12:43.145224193").ns, -INT64_MAX);
    assert_int_equal(parse("2262-04-11T23:47:16.854775807").ns, INT64_MAX);
    assert_int_equal(mr_date_days(1, 1, 1), -719162);
    assert_int_equal(mr_date_days(9999, 12, 31), 2932896);
}

static void test_zones(void **state) {
    (void)state;
    static const char *const zones[] = {"+02", "+0200", "+02:00"};
    for (size_t i = 0; i < 3; i++) {
        char text[64] = "1970-01-01T02:00:00";
        memcpy(text + strlen(text), zones[i], strlen(zones[i]) + 1);
        struct mr_date date = parse(text);
        assert_int_equal(date.ns, 0);
        assert_true(date.has_zone);
        assert_int_equal(date.zone_offset_minutes, 120);
    }
    assert_int_equal(parse("1970-01-01T00:00Z").zone_offset_minutes, 0);
    assert_int_equal(parse("1970-01-01T00:00:00-01:30").ns, HOUR + HOUR / 2);
    assert_false(parse("1970-01-01T00:00").has_zone);
}

/* pandas guesses one format for each of these. */
static void test_formats(void **state) {
    (void)state;
    static const char *const texts[] = {
        "2024-01-02",          "2024-01-02 03:04",      "2024-01-02T03:04",
        "2024-01-02T03:04:05", "2024-01-02T03:04:05.6", "2024-01-02T03:04Z",
        "2024-01-02 03:04Z"};
    const size_t n = sizeof(texts) / sizeof(texts[0]);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(parse(texts[i]).format == parse(texts[j]).format, i == j);
        }
    }
    assert_int_equal(parse("2024-01-02T03:04:05.1").format, parse("1999-12-31T23:59:59.75").format);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mr_date_result result;
    } cases[] = {
        {"", MR_DATE_OTHER},
        {"abc", MR_DATE_OTHER},
        {"2024", MR_DATE_OTHER},
        {"20240102", MR_DATE_OTHER},
        {"2024-1-2", MR_DATE_OTHER},
        {"2024-01-02 ", MR_DATE_OTHER},
        {" 2024-01-02", MR_DATE_OTHER},
        {"2024-01-02T", MR_DATE_OTHER},
        {"2024-01-02t03:04", MR_DATE_OTHER},
        {"2024-01-02T03", MR_DATE_OTHER},
        {"2024-01-02T03:04:", MR_DATE_OTHER},
        {"2024-01-02T03:04:05.", MR_DATE_OTHER},
        {"2024-01-02T03:04:05.1234567890123456789", MR_DATE_OTHER},
        {"2024-01-02T03:04:05+24:00", MR_DATE_OTHER},
        {"2024-01-02T03:04:05+02:60", MR_DATE_OTHER},
        {"2024-01-02T03:04:05+2", MR_DATE_OTHER},
        {"2024-01-02T03:04:05Zx", MR_DATE_OTHER},
        {"2024-00-02", MR_DATE_OUT_OF_RANGE},
        {"2024-13-02", MR_DATE_OUT_OF_RANGE},
        {"2023-02-29", MR_DATE_OUT_OF_RANGE},
        {"1900-02-29", MR_DATE_OUT_OF_RANGE},
        {"2024-01-02T24:00", MR_DATE_OUT_OF_RANGE},
        {"2024-01-02T23:60", MR_DATE_OUT_OF_RANGE},
        {"2024-01-02T23:59:62", MR_DATE_OUT_OF_RANGE},
        {"2024-01-02T23:59:60", MR_DATE_LEAP_SECOND},
        {"0001-01-01", MR_DATE_OUT_OF_RANGE},
        {"9999-12-31", MR_DATE_OUT_OF_RANGE},
        {"1677-09-21T00:12:43.145224192", MR_DATE_OUT_OF_RANGE},
        {"2262-04-11T23:47:16.854775808", MR_DATE_OUT_OF_RANGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_date date;
        mr_date_result result = mr_date_parse(mr_str_from(cases[i].text), &date);
        if (result != cases[i].result) fail_msg("%s: %d", cases[i].text, (int)result);
    }
}

static void test_missing(void **state) {
    (void)state;
    assert_true(mr_date_is_missing(mr_str_from("")));
    assert_true(mr_date_is_missing(mr_str_from("NaT")));
    assert_true(mr_date_is_missing(mr_str_from("nan")));
    assert_false(mr_date_is_missing(mr_str_from("Nat")));
    assert_false(mr_date_is_missing(mr_str_from("None")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_zones),
        cmocka_unit_test(test_formats), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
