#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/utf8.h"

static void test_check(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t good;
    } cases[] = {
        {"", 0},
        {"plain ascii, longer than eight", 30},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9},
        {"ab\x80", 2},           /* lone continuation */
        {"\xc0\xaf", 0},         /* overlong */
        {"\xe0\x80\xaf", 0},     /* overlong */
        {"a\xed\xa0\x80", 1},    /* surrogate */
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"12345678\xe2\x82", 8}, /* cut short */
        {"\xf8\x88\x80\x80\x80", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(mr_utf8_check(cases[i].text, strlen(cases[i].text)), cases[i].good);
    }
}

static void test_floor(void **state) {
    (void)state;
    const char *text = "a\xe2\x82\xac";
    assert_int_equal(mr_utf8_floor(text, 4), 4);
    assert_int_equal(mr_utf8_floor(text, 3), 1);
    assert_int_equal(mr_utf8_floor(text, 2), 1);
    assert_int_equal(mr_utf8_floor(text, 1), 1);
    assert_int_equal(mr_utf8_floor(text, 0), 0);
}

static void test_encode_and_next(void **state) {
    (void)state;
    static const unsigned codes[] = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char text[4];
        size_t size = mr_utf8_encode(codes[i], text);
        size_t at = 0;
        assert_int_equal(mr_utf8_next(text, size, &at), codes[i]);
        assert_int_equal(at, size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_encode_and_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
