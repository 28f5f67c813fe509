#include "store/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "arena_fixture.h"

static const char text[] = "; a comment\nkey = outside\n"
                           "[one]\nKey = 1 \r\nlong =\n  key = 7\nkey: 2\n#key = 3\nno value\n"
                           "[two words]\nkey=a = b : c\nempty =\n[cut";

static void assert_value(const char *section, const char *key, const char *expected) {
    struct mr_str value;
    assert_true(mr_ini_find(mr_str_from(text), section, key, &value));
    if (!mr_str_is(value, expected)) {
        fail_msg("%s.%s is '%.*s'", section, key, (int)value.size, value.data);
    }
}

static void test_find(void **state) {
    (void)state;
    struct mr_str value;
    assert_value("one", "key", "2");
    assert_value("one", "long", "");
    assert_value("two words", "key", "a = b : c");
    assert_value("two words", "empty", "");
    assert_false(mr_ini_find(mr_str_from(text), "two", "key", &value));
    assert_false(mr_ini_find(mr_str_from(text), "one", "no value", &value));
    assert_false(mr_ini_find((struct mr_str){NULL, 0}, "one", "key", &value));
    assert_true(mr_ini_has_section(mr_str_from(text), "one"));
    assert_false(mr_ini_has_section(mr_str_from(text), "cut"));
}

static void test_load(void **state) {
    (void)state;
    struct mr_str file;
    struct mr_error err = {0};
    assert_int_equal(mr_ini_load("/nowhere/credentials", arena, &file, &err), MR_OK);
    assert_int_equal(file.size, 0);
    assert_int_equal(mr_ini_load("README.md", arena, &file, &err), MR_OK);
    assert_true(file.size > 1000);
    assert_int_equal(mr_ini_load("/tmp", arena, &file, &err), MR_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_load)};
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
