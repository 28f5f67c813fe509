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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_uint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
