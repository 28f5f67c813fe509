#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

/* What Python's base64.decodebytes gives; NULL where it raises binascii.Error. */
static const struct {
    const char *text, *bytes;
} cases[] = {
    {"", ""},        {"aGk=", "hi"}, {"aGk", NULL},     {"aGkh", "hi!"}, {"aG k=\n", "hi"},
    {"YQ==", "a"},   {"YQ=", NULL},  {"Y", NULL},       {"====", ""},    {"=aGk=", "hi"},
    {"a=Gk=", "hi"}, {"aG=k", NULL}, {"YQ==aGk=", "a"}, {"aGk=!", "hi"}, {"\xc3\xa9", ""},
};

static void test_decode(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        size_t size = mr_base64_decode(mr_str_from(cases[i].text), out);
        if (!cases[i].bytes) {
            assert_true(size == MR_BASE64_ERROR);
            continue;
        }
        if (size != strlen(cases[i].bytes)) fail_msg("%s: %zu bytes", cases[i].text, size);
        assert_memory_equal(out, cases[i].bytes, size);
    }
}

static void test_encode(void **state) {
    (void)state;
    char out[256];
    assert_int_equal(mr_base64_encode("", 0, out), 0);
    assert_int_equal(mr_base64_encode("hi", 2, out), 5);
    assert_memory_equal(out, "aGk=\n", 5);
    assert_int_equal(mr_base64_encoded_size(2), 5);
}

/* Lines end after 57 bytes, and what is written is read back. */
static void test_round_trip(void **state) {
    (void)state;
    unsigned char data[150];
    for (size_t i = 0; i < sizeof(data); i++) data[i] = (unsigned char)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof(data); size++) {
        char text[256], back[256];
        size_t n = mr_base64_encode(data, size, text);
        assert_int_equal(n, mr_base64_encoded_size(size));
        for (size_t i = 76; i < n; i += 77) assert_int_equal(text[i], '\n');
        assert_int_equal(mr_base64_decode((struct mr_str){text, n}, back), size);
        assert_memory_equal(back, data, size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
