#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/decode.h"

static const struct {
    const char *value;
    int format; /* -1: 415 */
} cases[] = {
    {"application/json", MR_FORMAT_JSON},
    {"application/json;", MR_FORMAT_JSON}, /* as MLflow's documentation shows */
    {"application/json; charset=utf-8", MR_FORMAT_JSON},
    {" Application/JSON ;CHARSET=UTF8 ; ", MR_FORMAT_JSON},
    {"application/json;charset=utf-8;charset=utf-8", MR_FORMAT_JSON},
    {"text/csv", MR_FORMAT_CSV},
    {"application/csv", MR_FORMAT_CSV},
    {"TEXT/CSV;;", MR_FORMAT_CSV},
    {"application/vnd.apache.parquet", MR_FORMAT_PARQUET},
    {";", -1},
    {"application", -1},
    {"application/jsonl", -1},
    {"application/xml", -1},
    {"application/json; charset=latin-1", -1},
    {"application/json; charset", -1},
    {"application/json; charset=", -1},
    {"application/json; header=present", -1},
    {"text/csv; charset=utf-8; header=present", -1},
};

static void test_content_types(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mr_format format;
        struct mr_error err = {0};
        mr_status status = mr_format_find(mr_str_from(cases[i].value), &format, &err);
        if (cases[i].format < 0) {
            assert_int_equal(status, MR_E_MEDIA_TYPE);
            assert_true(strlen(err.message) > 10);
        } else {
            if (status != MR_OK) fail_msg("%s: %s", cases[i].value, err.message);
            assert_int_equal(format, cases[i].format);
        }
    }
}

/* MLflow fails with a Python exception here. */
static void test_no_content_type(void **state) {
    (void)state;
    mr_format format;
    assert_int_equal(mr_format_find((struct mr_str){NULL, 0}, &format, NULL), MR_E_BAD_REQUEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_content_types),
                                       cmocka_unit_test(test_no_content_type)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
