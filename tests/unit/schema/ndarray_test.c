#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/ndarray.h"
#include "schema/ndarray_item.h"

static struct mr_arena *arena;
static yyjson_doc *doc;
static struct mr_error err;

static int setup(void **state) {
    (void)state;
    arena = mr_arena_new(0, NULL);
    return arena ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    yyjson_doc_free(doc);
    doc = NULL;
    mr_arena_free(arena);
    return 0;
}

static yyjson_val *parse(const char *json) {
    yyjson_doc_free(doc);
    doc = yyjson_read(json, strlen(json), YYJSON_READ_BIGNUM_AS_RAW);
    if (!doc) fail_msg("%s is not JSON", json);
    return yyjson_doc_get_root(doc);
}

static struct mr_ndarray_source one(yyjson_val **value) {
    return (struct mr_ndarray_source){"inputs", {NULL, 0}, value, MR_NDARRAY_ONE};
}

static struct mr_tensor infer(const char *json) {
    struct mr_tensor out = {.n_dims = 99};
    yyjson_val *value = parse(json);
    struct mr_ndarray_source source = one(&value);
    if (mr_ndarray_infer(&source, arena, &out, &err) != MR_OK) fail_msg("%s", err.message);
    return out;
}

static struct mr_tensor cast(const char *json, mr_dtype dtype) {
    struct mr_tensor out = {.n_dims = 99};
    const char *raw_reason = NULL;
    yyjson_val *value = parse(json);
    struct mr_ndarray_source source = one(&value);
    if (mr_ndarray_cast(&source, dtype, arena, &out, &raw_reason, &err) != MR_OK) {
        fail_msg("%s", err.message);
    }
    assert_null(raw_reason);
    return out;
}

/* Expects a refusal with exactly this message. */
static void refuse(const char *json, mr_dtype dtype, const char *message) {
    struct mr_tensor out;
    const char *raw_reason = NULL;
    yyjson_val *value = parse(json);
    struct mr_ndarray_source source = one(&value);
    assert_int_equal(mr_ndarray_cast(&source, dtype, arena, &out, &raw_reason, &err),
                     MR_E_BAD_REQUEST);
    assert_string_equal(err.message, message);
}

static void check_shape(const struct mr_tensor *tensor, mr_dtype dtype, size_t n_dims,
                        const int64_t *shape) {
    int64_t n_values = 1;
    assert_string_equal(mr_dtype_name(tensor->dtype), mr_dtype_name(dtype));
    assert_int_equal(tensor->n_dims, n_dims);
    for (size_t i = 0; i < n_dims; i++) {
        assert_int_equal(tensor->shape[i], shape[i]);
        n_values *= shape[i];
    }
    assert_int_equal(tensor->n_values, n_values);
}

#define SHAPE(...) sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), ((int64_t[]){__VA_ARGS__})

static void test_inferred_dtypes(void **state) {
    (void)state;
    static const struct {
        const char *json;
        mr_dtype dtype;
    } cases[] = {
        {"true", MR_BOOL},
        {"1", MR_INT64},
        {"[true, 1]", MR_INT64},
        {"[1, 2.5, true]", MR_FLOAT64},
        {"[9223372036854775807]", MR_INT64},
        {"[9223372036854775808]", MR_UINT64},
        {"[true, 9223372036854775808]", MR_UINT64},
        {"[9223372036854775808, 1]", MR_FLOAT64},
        {"[9223372036854775808, -1]", MR_FLOAT64},
        {"[18446744073709551616]", MR_OBJECT},
        {"[1e400]", MR_FLOAT64},
        {"\"a\"", MR_STRING},
        {"[\"a\", 1, 2.5, true]", MR_STRING},
        {"[\"a\", null]", MR_OBJECT},
        {"[\"a\", 18446744073709551616]", MR_OBJECT},
        {"null", MR_OBJECT},
        {"{}", MR_OBJECT},
        {"[]", MR_FLOAT64},
        {"[[], []]", MR_FLOAT64},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_tensor tensor = infer(cases[i].json);
        if (tensor.dtype != cases[i].dtype) {
            fail_msg("%s: %s", cases[i].json, mr_dtype_name(tensor.dtype));
        }
    }
}

static void test_shapes(void **state) {
    (void)state;
    struct mr_tensor tensor = infer("[[5.1, 3, true, -2], [1e3, 9223372036854775808, 0, 1]]");
    check_shape(&tensor, MR_FLOAT64, SHAPE(2, 4));
    const double *values = tensor.values;
    assert_true(values[0] == 5.1 && values[1] == 3 && values[2] == 1 && values[3] == -2);
    assert_true(values[4] == 1e3 && values[5] == 0x1p63 && values[7] == 1);
    tensor = infer("[[[]], [[]]]");
    check_shape(&tensor, MR_FLOAT64, SHAPE(2, 1, 0));
    tensor = infer("7");
    check_shape(&tensor, MR_INT64, 0, NULL);
    assert_int_equal(*(const int64_t *)tensor.values, 7);
    tensor = infer("[{\"a\": [1]}, {}]");
    check_shape(&tensor, MR_OBJECT, SHAPE(2));
}

static void test_ragged(void **state) {
    (void)state;
    refuse("[[1, 2], [3]]", MR_FLOAT64,
           "inputs[1]: expected a list of 2 as in the values before, received a list of 1");
    refuse("[[1, 2], 3]", MR_FLOAT64,
           "inputs[1]: expected a list of 2 as in the values before, received 3 (int)");
    refuse("[[1, 2], [3, [4]]]", MR_FLOAT64,
           "inputs[1][1]: expected a value as in the values before, received a list of 1");
    refuse("[[], 1]", MR_STRING,
           "inputs[1]: expected a list of 0 as in the values before, received 1 (int)");
    /* Lists that do not fit are elements of an array of objects. */
    struct mr_tensor tensor = cast("[[1, 2], [3]]", MR_OBJECT);
    check_shape(&tensor, MR_OBJECT, SHAPE(2));
    tensor = cast("[[[1], [2]], [[3], 4]]", MR_OBJECT);
    check_shape(&tensor, MR_OBJECT, SHAPE(2, 2));
    assert_true(yyjson_is_arr(((yyjson_val *const *)tensor.values)[2]));
    tensor = cast("[[[1], [2]], [[3]]]", MR_OBJECT);
    check_shape(&tensor, MR_OBJECT, SHAPE(2));
}

static void test_depth(void **state) {
    (void)state;
    char json[2 * 70 + 2];
    struct mr_tensor out;
    for (int depth = 63; depth <= 65; depth++) {
        memset(json, '[', (size_t)depth);
        json[depth] = '1';
        memset(json + depth + 1, ']', (size_t)depth);
        json[2 * depth + 1] = '\0';
        yyjson_val *value = parse(json);
        struct mr_ndarray_source source = one(&value);
        mr_status status = mr_ndarray_infer(&source, arena, &out, &err);
        assert_int_equal(status, depth <= 64 ? MR_OK : MR_E_BAD_REQUEST);
        if (status == MR_OK) assert_int_equal(out.n_dims, depth);
        /* One more dimension by stacking is too much as well. */
        source.n = 1;
        assert_int_equal(mr_ndarray_infer(&source, arena, &out, &err),
                         depth < 64 ? MR_OK : MR_E_BAD_REQUEST);
        const char *raw_reason = NULL;
        assert_int_equal(mr_ndarray_cast(&source, MR_OBJECT, arena, &out, &raw_reason, &err),
                         depth < 64 ? MR_OK : MR_E_BAD_REQUEST);
        out = cast(json, MR_OBJECT);
        assert_int_equal(out.n_dims, depth <= 64 ? depth : 64);
    }
}

static void test_integers(void **state) {
    (void)state;
    struct mr_tensor tensor = cast("[-128, 127, 1.9, -1.9, true, \" 1_2 \"]", MR_INT8);
    const int8_t expected[] = {-128, 127, 1, -1, 1, 12};
    assert_memory_equal(tensor.values, expected, sizeof(expected));
    tensor = cast("[65535, 0]", MR_UINT16);
    assert_int_equal(((const uint16_t *)tensor.values)[0], 65535);
    tensor = cast("[18446744073709551615, 9.3e18, 0, -0.5]", MR_UINT64);
    assert_true(((const uint64_t *)tensor.values)[0] == UINT64_MAX);
    assert_true(((const uint64_t *)tensor.values)[1] == 9300000000000000000u);
    assert_true(((const uint64_t *)tensor.values)[3] == 0);
    refuse("[[0, 128]]", MR_INT8,
           "inputs[0][1]: expected int8, received 128 (int), which is out of its range");
    refuse("[300.5]", MR_UINT8,
           "inputs[0]: expected uint8, received 300.5 (float), which is out of its range");
    refuse("-1", MR_UINT64,
           "inputs: expected uint64, received -1 (int), which is out of its range");
    refuse("1e19", MR_INT64,
           "inputs: expected int64, received 1e+19 (float), which is out of its range");
    refuse("1e400", MR_INT64,
           "inputs: expected int64, received inf (float), which is out of its range");
    refuse("\"1.5\"", MR_INT32, "inputs: expected int32, received \"1.5\" (str)");
    refuse("null", MR_INT32, "inputs: expected int32, received null");
    refuse("{\"a\": 1}", MR_INT32, "inputs: expected int32, received a dict of 1");
}

static void test_floats(void **state) {
    (void)state;
    struct mr_tensor tensor = cast("[1, null, \"nan\", \"1e5\", true, 1e300]", MR_FLOAT32);
    const float *values = tensor.values;
    assert_true(values[0] == 1 && isnan(values[1]) && isnan(values[2]) && values[3] == 1e5f);
    assert_true(values[4] == 1 && isinf(values[5]));
    tensor = cast("[18446744073709551617, 1e400, -1e400]", MR_FLOAT64);
    assert_true(((const double *)tensor.values)[0] == 0x1p64);
    assert_true(((const double *)tensor.values)[2] == -INFINITY);
    refuse("[\"abc\"]", MR_FLOAT64, "inputs[0]: expected float64, received \"abc\" (str)");
    refuse("[{}]", MR_FLOAT64, "inputs[0]: expected float64, received a dict of 0");
}

static void test_texts(void **state) {
    (void)state;
    struct mr_tensor tensor = cast("[\"a\\u0000b\\u0000\", 1, 1.0, -1e22, true, null, {}, "
                                   "18446744073709551616, 9223372036854775808]",
                                   MR_STRING);
    const char *const expected[] = {NULL,
                                    "1",
                                    "1.0",
                                    "-1e+22",
                                    "True",
                                    "None",
                                    "{}",
                                    "18446744073709551616",
                                    "9223372036854775808"};
    const struct mr_str *values = tensor.values;
    assert_true(mr_str_equal(values[0], (struct mr_str){"a\0b", 3}));
    for (size_t i = 1; i < 9; i++) assert_true(mr_str_is(values[i], expected[i]));
    tensor = cast("[\"x\", 5]", MR_BINARY);
    assert_true(mr_str_is(((const struct mr_str *)tensor.values)[1], "5"));
    refuse("[\"\xc3\xa9\"]", MR_BINARY,
           "inputs[0]: expected bytes, received \"\xc3\xa9\" (str), which is not ASCII");
    yyjson_val *value = parse("[{\"a\": 1}]");
    struct mr_ndarray_source source = one(&value);
    const char *raw_reason = NULL;
    assert_int_equal(mr_ndarray_cast(&source, MR_STRING, arena, &tensor, &raw_reason, &err), MR_OK);
    assert_non_null(raw_reason);
}

static void test_dates(void **state) {
    (void)state;
    struct mr_tensor tensor = cast("[\"1970-01-02\", 5, null, true]", MR_DATETIME);
    const int64_t expected[] = {86400000000000, 5, INT64_MIN, 1};
    assert_memory_equal(tensor.values, expected, sizeof(expected));
    refuse("[1.5]", MR_DATETIME, "inputs[0]: expected datetime64[ns], received 1.5 (float)");
    refuse("[\"2020-13\"]", MR_DATETIME,
           "inputs[0]: expected datetime64[ns], received \"2020-13\" (str), month out of range");
}

static void test_truth(void **state) {
    (void)state;
    struct mr_tensor tensor = cast("[0, -1, 0.0, 1e400, \"\", \"false\", null, {}, {\"a\": 0}]",
                                   MR_BOOL);
    const uint8_t expected[] = {0, 1, 0, 1, 0, 1, 0, 0, 1};
    assert_memory_equal(tensor.values, expected, sizeof(expected));
}

/* np.array([np.array(value) for value in values]) */
static void test_stacks(void **state) {
    (void)state;
    yyjson_val *list = parse("[[1, 2.5], [true, 3], [\"a\", 4]]"), *values[3];
    for (size_t i = 0; i < 3; i++) values[i] = yyjson_arr_get(list, i);
    struct mr_ndarray_source source = {"instances", {"a", 1}, values, 3};
    struct mr_tensor tensor;
    assert_int_equal(mr_ndarray_infer(&source, arena, &tensor, &err), MR_OK);
    check_shape(&tensor, MR_STRING, SHAPE(3, 2));
    const struct mr_str *texts = tensor.values;
    assert_true(mr_str_is(texts[0], "1.0")); /* it was a float64 array before */
    assert_true(mr_str_is(texts[2], "1"));   /* True of an int64 array */
    assert_true(mr_str_is(texts[5], "4"));
    source.n = 2;
    assert_int_equal(mr_ndarray_infer(&source, arena, &tensor, &err), MR_OK);
    check_shape(&tensor, MR_FLOAT64, SHAPE(2, 2));
    values[1] = yyjson_arr_get_first(values[0]);
    assert_int_equal(mr_ndarray_infer(&source, arena, &tensor, &err), MR_E_BAD_REQUEST);
    assert_string_equal(err.message, "instances 'a'[1]: expected a list of 2 as in the values "
                                     "before, received 1 (int)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_inferred_dtypes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ragged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_integers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_floats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stacks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
