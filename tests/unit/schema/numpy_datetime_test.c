#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schema/numpy_datetime.h"

/* What numpy 2.4.6 answers: np.array([text], 'datetime64[ns]').astype('int64'). */
static const struct {
    const char *text;
    int64_t ns;
} readable[] = {
    {"1970-01-01", 0},
    {"2020-01-01", 1577836800000000000},
    {"1969-12-31T23:59:59.999999999", -1},
    {" \t+2020-01-01 10:20", 1577874000000000000},
    {"2020-01-01T00:30+01:00", 1577835000000000000},
    {"2020-01-01T00:30-0100", 1577842200000000000},
    {"2020-01-01T00:30Z  ", 1577838600000000000},
    {"2020-02-29T00:00:00.5", 1582934400500000000},
    {"2020-12-31T23:30-01", 1609461000000000000},
    {"2021-01-01T00:30+01", 1609457400000000000},
    {"2262-04-11T23:47:16.854775807", INT64_MAX},
    {"2262-04-11T23:47:16.854775808", MR_NAT}, /* wraps around */
    {"1", -6795364578871345152},
    {"300", 2640120221128654848},
    {"-1", -6858522978871345152},
    {" -1", -6795364578871345152}, /* the sign counts only at the start */
    {"NaT", MR_NAT},
    {"", MR_NAT},
};

static const char *const unreadable[] = {
    "2020-1-01", "2020-13",    "2020-02-30",       "2020-01-01T",      "2020-01-01T24",
    "2020-01-",  "2020/01/01", "2020-01-01T10:60", "2020-01-01 ",      "2020-01-01T10:20:61",
    "-",         "   ",        "2020-01-01Z",      "2020-01-01T10+24", "2020-01-01T10+1",
    "abc",       "20200101T",  "2020-01-01T10:",   "2020-01-01T10 x",  "2020-01-01T10:20:30.5.5",
};

static void test_nanoseconds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        int64_t ns = 1;
        const char *fault = NULL;
        if (!mr_numpy_datetime_ns(mr_str_from(readable[i].text), &ns, &fault) ||
            ns != readable[i].ns) {
            fail_msg("%s: %lld (%s)", readable[i].text, (long long)ns, fault ? fault : "read");
        }
    }
}

static void test_unreadable(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++) {
        int64_t ns;
        const char *fault = NULL;
        if (mr_numpy_datetime_ns(mr_str_from(unreadable[i]), &ns, &fault) || !fault) {
            fail_msg("%s was read", unreadable[i]);
        }
    }
}

/* A NUL ends no text. */
static void test_nul(void **state) {
    (void)state;
    int64_t ns;
    const char *fault;
    assert_false(mr_numpy_datetime_ns((struct mr_str){"2020\0", 5}, &ns, &fault));
    assert_true(mr_numpy_datetime_ns((struct mr_str){"2020\0", 4}, &ns, &fault));
}

static void check_iso(const char *text, const char *expected) {
    char out[MR_NUMPY_ISO_CHARS];
    size_t size = 0;
    const char *fault = NULL;
    bool is_read = mr_numpy_datetime_iso(mr_str_from(text), out, &size, &fault);
    if (!is_read && expected) fail_msg("%s: %s", text, fault);
    if (!expected) {
        if (is_read) fail_msg("%s was read", text);
        return;
    }
    if (size != strlen(expected) || memcmp(out, expected, size) != 0) {
        fail_msg("%s: %.*s, not %s", text, (int)size, out, expected);
    }
}

/* np.datetime64(text).item().isoformat() */
static void test_item(void **state) {
    (void)state;
    check_iso("2020", "2020-01-01");
    check_iso("2020-03", "2020-03-01");
    check_iso("2020-03-04", "2020-03-04");
    check_iso("2020-03-04T05", "2020-03-04T05:00:00");
    check_iso("2020-03-04T05:06:07", "2020-03-04T05:06:07");
    check_iso("2020-03-04T05:06:07.0", "2020-03-04T05:06:07");
    check_iso("2020-03-04T05:06:07.08", "2020-03-04T05:06:07.080000");
    check_iso("2020-03-04T05:06:07.000009", "2020-03-04T05:06:07.000009");
    check_iso("1960-02-29T23:59:59.999999+00:01", "1960-02-29T23:58:59.999999");
    check_iso("2020-03-01T00:00+00:01", "2020-02-29T23:59:00");
    check_iso("NaT", "");
    check_iso("", "");
    check_iso("2020-03-04T05:06:07.0000001", NULL); /* nanoseconds are an int */
    check_iso("0", NULL);
    check_iso("10000", NULL);
    check_iso("0001-01-01T00:00+00:01", NULL);
    check_iso("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999");
}

static void test_today(void **state) {
    (void)state;
    int64_t today, now;
    const char *fault;
    char out[MR_NUMPY_ISO_CHARS];
    size_t size;
    assert_true(mr_numpy_datetime_ns(mr_str_from("Today"), &today, &fault));
    assert_true(mr_numpy_datetime_ns(mr_str_from("now"), &now, &fault));
    assert_true(today % (INT64_C(86400) * 1000000000) == 0);
    assert_true(now > INT64_C(1577836800000000000));
    assert_true(mr_numpy_datetime_iso(mr_str_from("today"), out, &size, &fault));
    assert_int_equal(size, 10);
    assert_true(mr_numpy_datetime_iso(mr_str_from("NOW"), out, &size, &fault));
    assert_int_equal(size, 19);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nanoseconds), cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_nul),         cmocka_unit_test(test_item),
        cmocka_unit_test(test_today),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
