/* Answers as Python's json.dump writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "arena_fixture.h"
#include "codec/encode.h"

static void tensor_is_written_as(mr_dtype dtype, const void *values, size_t n_dims,
                                 const int64_t *shape, bool is_nan_literal, const char *expected) {
    struct mr_output output = {
        .tensor = {
            .dtype = dtype, .n_dims = n_dims, .shape = shape, .n_values = 1, .values = values}};
    for (size_t i = 0; i < n_dims; i++) output.tensor.n_values *= shape[i];
    struct mr_encode_options options = {.is_nan_literal = is_nan_literal};
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_json_encode(&output, &options, &buf);
    mr_buf_char(&buf, '\0');
    assert_int_equal(mr_buf_status(&buf, NULL), MR_OK);
    assert_string_equal(buf.data, expected);
}

static void test_dtypes(void **state) {
    (void)state;
    const int64_t two[] = {2};
    tensor_is_written_as(MR_INT64, (int64_t[]){-1, 9}, 1, two, false, "{\"predictions\": [-1, 9]}");
    tensor_is_written_as(MR_UINT64, (uint64_t[]){0, UINT64_MAX}, 1, two, false,
                         "{\"predictions\": [0, 18446744073709551615]}");
    tensor_is_written_as(MR_BOOL, (uint8_t[]){0, 1}, 1, two, false,
                         "{\"predictions\": [false, true]}");
    tensor_is_written_as(MR_FLOAT64, (double[]){0.5, 1e21}, 1, two, false,
                         "{\"predictions\": [0.5, 1e+21]}");
    tensor_is_written_as(MR_FLOAT32, (float[]){0.1f, 2}, 1, two, false,
                         "{\"predictions\": [0.10000000149011612, 2.0]}");
    tensor_is_written_as(MR_FLOAT16, (uint16_t[]){0x3C01, 0x8001}, 1, two, false,
                         "{\"predictions\": [1.0009765625, -5.960464477539063e-08]}");
    tensor_is_written_as(MR_STRING, (struct mr_str[]){{"a\"\n", 3}, {"\xf0\x9f\x98\x80\x7f", 5}}, 1,
                         two, false, "{\"predictions\": [\"a\\\"\\n\", \"\\ud83d\\ude00\x7f\"]}");
}

static void test_nan(void **state) {
    (void)state;
    const int64_t three[] = {3};
    const double values[] = {NAN, INFINITY, -INFINITY};
    tensor_is_written_as(MR_FLOAT64, values, 1, three, false,
                         "{\"predictions\": [null, null, null]}");
    tensor_is_written_as(MR_FLOAT64, values, 1, three, true,
                         "{\"predictions\": [NaN, Infinity, -Infinity]}");
}

static void test_shapes(void **state) {
    (void)state;
    const int64_t values[] = {1, 2, 3, 4, 5, 6};
    tensor_is_written_as(MR_INT64, values, 0, NULL, false, "{\"predictions\": 1}");
    tensor_is_written_as(MR_INT64, values, 2, (int64_t[]){2, 3}, false,
                         "{\"predictions\": [[1, 2, 3], [4, 5, 6]]}");
    tensor_is_written_as(MR_INT64, values, 3, (int64_t[]){3, 1, 2}, false,
                         "{\"predictions\": [[[1, 2]], [[3, 4]], [[5, 6]]]}");
    tensor_is_written_as(MR_INT64, values, 1, (int64_t[]){0}, false, "{\"predictions\": []}");
    tensor_is_written_as(MR_INT64, values, 2, (int64_t[]){2, 0}, false,
                         "{\"predictions\": [[], []]}");
    tensor_is_written_as(MR_INT64, values, 2, (int64_t[]){0, 2}, false, "{\"predictions\": []}");
}

static void output_is_written_as(const struct mr_output *output, const char *expected) {
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_json_encode(output, &(struct mr_encode_options){0}, &buf);
    mr_buf_char(&buf, '\0');
    assert_int_equal(mr_buf_status(&buf, NULL), MR_OK);
    assert_string_equal(buf.data, expected);
}

/* What json.dump writes of DataFrame.to_dict(orient="records"). */
static void test_records(void **state) {
    (void)state;
    struct mr_column columns[] = {
        {.name = mr_str_from("\"a\""), .dtype = MR_FLOAT32, .values = (float[]){0.1f, NAN}},
        {.name = mr_str_from("\"\\u00e9\""), .dtype = MR_BOOL, .values = (uint8_t[]){1, 0}},
        {.name = mr_str_from("\"0\""), .dtype = MR_UINT64, .values = (uint64_t[]){7, UINT64_MAX}}};
    struct mr_output output = {.kind = MR_OUTPUT_RECORDS,
                               .records = {.n_rows = 2, .n_cols = 3, .columns = columns}};
    output_is_written_as(&output,
                         "{\"predictions\": [{\"a\": 0.10000000149011612, \"\\u00e9\": true, "
                         "\"0\": 7}, {\"a\": null, \"\\u00e9\": false, \"0\": "
                         "18446744073709551615}]}");
    output.records.n_rows = 0;
    output_is_written_as(&output, "{\"predictions\": []}");
}

static void test_json(void **state) {
    (void)state;
    struct mr_output output = {.kind = MR_OUTPUT_JSON, .json = mr_str_from("{\"a\": [1]}")};
    output_is_written_as(&output, "{\"predictions\": {\"a\": [1]}}");
    output.is_bare = true;
    output_is_written_as(&output, "{\"a\": [1]}");
    output.is_bare = false;
    output.http_status = 418;
    output_is_written_as(&output, "{\"a\": [1]}");
}

static void test_error(void **state) {
    (void)state;
    struct mr_error err;
    mr_fail(&err, MR_E_INVALID_PARAMETER, "column \"%s\"", "é");
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_json_encode_error(&err, &buf);
    assert_true(mr_str_is(mr_buf_str(&buf), "{\"error_code\": \"INVALID_PARAMETER_VALUE\", "
                                            "\"message\": \"column \\\"\\u00e9\\\"\"}"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),  cmocka_unit_test(test_nan),  cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_records), cmocka_unit_test(test_json), cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
