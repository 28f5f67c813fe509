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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
