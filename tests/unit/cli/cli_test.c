#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"

static void test_bytes(void **state) {
    (void)state;
    size_t bytes = 0;
    assert_true(mr_cli_parse_bytes("1", &bytes) && bytes == 1);
    assert_true(mr_cli_parse_bytes("512K", &bytes) && bytes == 512 * 1024);
    assert_true(mr_cli_parse_bytes("100mb", &bytes) && bytes == (size_t)100 << 20);
    assert_true(mr_cli_parse_bytes("2G", &bytes) && bytes == (size_t)2 << 30);
    assert_true(mr_cli_parse_bytes("1TB", &bytes) && bytes == (size_t)1 << 40);
    static const char *const bad[] = {"",    "0",  "-1",  "1X", "K",  "1KK", "99999999999G",
                                      "1 M", "1 ", "1 B", "1@", "1\v"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mr_cli_parse_bytes(bad[i], &bytes));
    }
}

static void test_uint(void **state) {
    (void)state;
    unsigned long value = 0;
    assert_true(mr_cli_parse_uint("65535", 0, 65535, &value) && value == 65535);
    static const char *const bad[] = {"", "65536", "-1", "1.5", "x", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mr_cli_parse_uint(bad[i], 0, 65535, &value));
    }
}

static void test_ms(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned long ms;
    } good[] = {{"30", 30000}, {"30s", 30000}, {"250ms", 250}, {"5m", 300000}, {"2h", 7200000}};
    unsigned long ms;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mr_cli_parse_ms(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"", "s", "-1s", "1 s", "1.5s", "5d", "9999999999999999999h"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mr_cli_parse_ms(bad[i], &ms));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_uint),
        cmocka_unit_test(test_ms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
