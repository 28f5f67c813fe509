#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "base/str.h"
#include "base/utf8.h"

static void test_long_message_is_cut_between_characters(void **state) {
    (void)state;
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof(text); i += 2) memcpy(text + i, "\xc3\xa9", 2);
    text[1998] = '\0';
    struct mr_error err;
    assert_int_equal(mr_fail(&err, MR_E_BAD_REQUEST, "x%s", text), MR_E_BAD_REQUEST);
    size_t size = strlen(err.message);
    assert_true(size < sizeof(err.message));
    assert_string_equal(err.message + size - 3, "...");
    assert_int_equal((size - 3 - 1) % 2, 0);
}

static void test_message_is_utf8_whatever_it_names(void **state) {
    (void)state;
    struct mr_error err;
    assert_int_equal(
        mr_fail(&err, MR_E_BAD_REQUEST, "\xff'%s' \xc3\xa9 \xed\xa0\x80\xe2\x82", "a\x80"),
        MR_E_BAD_REQUEST);
    assert_string_equal(err.message, "?'a?' \xc3\xa9 \xed\xa0\x80??");
    char name[402];
    for (size_t i = 0; i < 400; i += 2) memcpy(name + 1 + i, "\xc3\xa9", 2);
    name[0] = 'x';
    struct mr_str text = {name, 401};
    (void)mr_fail(&err, MR_E_BAD_REQUEST, "'%.*s'", MR_STR_ARGS(text)); /* cut within a character */
    assert_int_equal(mr_utf8_check(err.message, strlen(err.message)), strlen(err.message));
    assert_string_equal(err.message + strlen(err.message) - 4, "\xc3\xa9?'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_message_is_cut_between_characters),
        cmocka_unit_test(test_message_is_utf8_whatever_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
