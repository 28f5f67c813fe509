#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "arena_fixture.h"
#include "codec/json_int.h"
#include "schema/enforce.h"

#define COLUMN(name, type) "{\"type\": \"" type "\", \"name\": \"" name "\"}"
#define TENSOR(name, dtype, shape)                                                                 \
    "{\"type\": \"tensor\", \"name\": \"" name "\", \"tensor-spec\": {\"dtype\": \"" dtype         \
    "\", \"shape\": " shape "}}"

static struct mr_error err;

/* Decode {"inputs": ...} or {"instances": ...} and enforce the signature. */
static mr_status decode_in(struct mr_arena *where, const char *signature_json, const char *body,
                           struct mr_input *out) {
    struct mr_signature signature;
    struct mr_decoded decoded = {.params = NULL};
    struct mr_str none = {0};
    size_t size = strlen(body);
    MR_TRY(mr_signature_read(mr_str_from(signature_json), none, none, where, &signature, &err));
    char *copy = mr_arena_zalloc(where, size + 64);
    if (!copy) return mr_arena_fail(where, &err);
    memcpy(copy, body, size);
    MR_TRY(mr_json_decode(copy, size, size + 64, &signature, where, &decoded, &err));
    MR_TRY(mr_enforce_inputs(&signature, &decoded.input, where, &err));
    *out = decoded.input;
    return MR_OK;
}

static struct mr_input decode(const char *signature, const char *body, mr_input_kind kind) {
    struct mr_input input;
    if (decode_in(arena, signature, body, &input) != MR_OK) fail_msg("%s: %s", body, err.message);
    assert_int_equal(input.kind, kind);
    return input;
}

static void refuse(const char *signature, const char *body, mr_status status, const char *message) {
    struct mr_input input;
    if (decode_in(arena, signature, body, &input) != status) fail_msg("%s: %s", body, err.message);
    assert_string_equal(err.message, message);
}

static void test_array(void **state) {
    (void)state;
    struct mr_input input = decode(NULL, "{\"inputs\": [[5.1, 3.5], [1, 2]]}", MR_INPUT_TENSOR);
    assert_int_equal(input.tensors->n_dims, 2);
    assert_true(((const double *)input.tensors->values)[3] == 2);
    input = decode(NULL, "{\"instances\": [1, 2, 3]}", MR_INPUT_TENSOR);
    assert_int_equal(input.tensors->dtype, MR_INT64);
    input = decode(NULL, "{\"inputs\": null}", MR_INPUT_TENSOR);
    assert_int_equal(input.tensors->dtype, MR_OBJECT);
}

static void test_dict(void **state) {
    (void)state;
    struct mr_input input = decode(NULL, "{\"inputs\": {\"a\": [1], \"b\": \"x\", \"a\": [2.5]}}",
                                   MR_INPUT_TENSORS);
    assert_int_equal(input.n_tensors, 2);
    assert_true(mr_str_is(input.tensors[0].name, "a"));
    assert_true(*(const double *)input.tensors[0].values == 2.5);
    assert_int_equal(input.tensors[1].n_dims, 0);
    decode(NULL, "{\"inputs\": [{\"a\": 1}]}", MR_INPUT_RAW);
    decode(NULL, "{\"inputs\": []}", MR_INPUT_RAW);
}

static void test_tensors(void **state) {
    (void)state;
    const char *two = "[" TENSOR("a", "float32", "[-1, 2]") "," TENSOR("b", "int8", "[-1]") "]";
    struct mr_input input = decode(two, "{\"inputs\": {\"b\": [1, 2], \"x\": 0, \"a\": [[1, 2]]}}",
                                   MR_INPUT_TENSORS);
    assert_int_equal(input.n_tensors, 2);
    assert_true(mr_str_is(input.tensors[0].name, "a"));
    assert_int_equal(input.tensors[0].dtype, MR_FLOAT32);
    input = decode(two, "{\"instances\": [{\"a\": [1, 2], \"b\": 3}, {\"b\": 4, \"a\": [5, 6]}]}",
                   MR_INPUT_TENSORS);
    assert_int_equal(input.tensors[0].shape[0], 2);
    assert_true(((const float *)input.tensors[0].values)[2] == 5);
    assert_int_equal(((const int8_t *)input.tensors[1].values)[1], 4);
    refuse(two, "{\"inputs\": {\"a\": [[1, 2]]}}", MR_E_INVALID_PARAMETER,
           "input 'b' of the signature is missing: expected a dict of arrays by name, or a "
           "DataFrame with such columns");
    refuse(two, "{\"inputs\": {\"a\": [[1, 2, 3]], \"b\": [1]}}", MR_E_INVALID_PARAMETER,
           "input 'a': expected shape (-1, 2), received (1, 3)");
    refuse(two, "{\"inputs\": {\"a\": [[1, 2]], \"b\": [1, 1000]}}", MR_E_BAD_REQUEST,
           "inputs 'b'[1]: expected int8, received 1000 (int), which is out of its range");
    refuse(two, "{\"inputs\": [{\"a\": [1]}]}", MR_E_INVALID_PARAMETER,
           "inputs: expected an array or a dict of arrays for a signature of tensors, received a "
           "list of dicts");
    refuse(two, "{\"instances\": [{\"a\": [1, 2], \"b\": 1}, 5]}", MR_E_BAD_REQUEST,
           "instances[1]: expected a dict as in the items before, received 5 (int)");
    refuse(two, "{\"instances\": {\"a\": [[1, 2]], \"b\": [1, 2]}}", MR_E_BAD_REQUEST,
           "instances 'b': expected 1 values as in 'a', received 2");
    /* One array is taken for the only input. */
    const char *one = "[" TENSOR("a", "bool", "[-1]") "]";
    input = decode(one, "{\"inputs\": [0, 1]}", MR_INPUT_TENSORS);
    assert_true(mr_str_is(input.tensors[0].name, "a"));
}

static void test_unnamed_tensor(void **state) {
    (void)state;
    const char *unnamed = "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", "
                          "\"shape\": [-1, 2]}}]";
    decode(unnamed, "{\"inputs\": [[1, 2]]}", MR_INPUT_TENSOR);
    refuse(unnamed, "{\"inputs\": {\"a\": [[1, 2]]}}", MR_E_BAD_REQUEST,
           "inputs: the signature has no input names, so one array or one value is expected, "
           "received a dict of 1");
    refuse(unnamed, "{\"inputs\": [1, 2]}", MR_E_INVALID_PARAMETER,
           "input: expected shape (-1, 2), received (2,)");
    refuse(unnamed, "{\"inputs\": [[1, \"x\"]]}", MR_E_BAD_REQUEST,
           "inputs[0][1]: expected float64, received \"x\" (str)");
}

static void test_columns(void **state) {
    (void)state;
    const char *ab = "[" COLUMN("a", "double") "," COLUMN("b", "string") "]";
    struct mr_input input = decode(ab, "{\"inputs\": {\"b\": [\"x\", \"yz\"], \"a\": [1, null]}}",
                                   MR_INPUT_TABLE);
    assert_int_equal(input.table.n_rows, 2);
    assert_true(mr_str_is(input.table.columns[0].name, "a"));
    assert_true(isnan(((const double *)input.table.columns[0].values)[1]));
    assert_int_equal(input.table.columns[1].offsets[2], 3);
    /* A single value is spread over the rows of the others. */
    input = decode(ab, "{\"inputs\": {\"b\": \"x\", \"a\": [1, 2, 3]}}", MR_INPUT_TABLE);
    assert_memory_equal(input.table.columns[1].bytes, "xxx", 3);
    refuse(ab, "{\"inputs\": {\"a\": [1, 2], \"b\": [\"x\"]}}", MR_E_INVALID_PARAMETER,
           "input 'b': expected 2 values as in 'a', received 1");
    refuse(ab, "{\"inputs\": {\"a\": [[1], [2]], \"b\": [\"x\", \"y\"]}}", MR_E_INVALID_PARAMETER,
           "input 'a': expected double values, received lists");
    decode(ab, "{\"inputs\": {\"a\": [1, 2], \"b\": [[1], [2]]}}", MR_INPUT_RAW);
}

static void test_rows(void **state) {
    (void)state;
    const char *ab = "[" COLUMN("a", "float") "," COLUMN("b", "string") "]";
    const char *body = "{\"inputs\": [{\"b\": \"x\", \"a\": 1.1}, {\"c\": [1], \"a\": 2}]}";
    /* NaN beside float32 makes float64, which is no float. */
    refuse(ab, "{\"inputs\": [{\"b\": \"x\", \"a\": 1.1}, {\"b\": \"y\"}]}", MR_E_INVALID_PARAMETER,
           "column 'a': expected float, received float64, which cannot be converted safely");
    const char *db = "[" COLUMN("a", "double") "," COLUMN("b", "string") "]";
    struct mr_input input = decode(db, body, MR_INPUT_TABLE);
    assert_int_equal(input.table.n_rows, 2);
    assert_true(((const double *)input.table.columns[0].values)[0] == 1.1);
    assert_int_equal(input.table.columns[1].n_nulls, 1);
    assert_false(mr_column_is_valid(&input.table.columns[1], 1));
    refuse(db, "{\"inputs\": [{\"a\": \"x\"}]}", MR_E_BAD_REQUEST,
           "row 0: inputs 'a': expected float64, received \"x\" (str)");
    refuse(db, "{\"inputs\": [{\"b\": \"x\"}, {}, {\"a\": {}}]}", MR_E_BAD_REQUEST,
           "row 2: inputs 'a': expected float64, received a dict of 0");
    refuse(db, "{\"inputs\": [{\"a\": [1]}, {\"b\": \"x\"}]}", MR_E_INVALID_PARAMETER,
           "inputs 'a': expected single values, received a list");
    refuse(db, "{\"inputs\": [{\"x\": [1, [2]]}]}", MR_E_BAD_REQUEST,
           "inputs 'x'[1]: expected a value as in the values before, received a list of 1");
}

static void test_unnamed_columns(void **state) {
    (void)state;
    const char *two = "[{\"type\": \"double\"}, {\"type\": \"double\"}]";
    struct mr_input input = decode(two, "{\"inputs\": [[1, 2, 3], [4, 5, 6]]}", MR_INPUT_TABLE);
    assert_int_equal(input.table.n_cols, 2);
    assert_true(mr_str_is(input.table.columns[1].name, "1"));
    assert_false(input.table.columns[1].is_named);
    assert_true(((const double *)input.table.columns[1].values)[1] == 5);
    refuse(two, "{\"inputs\": [[[1, 2]]]}", MR_E_INVALID_PARAMETER,
           "expected an array of rows and columns for a signature of columns, received one of 3 "
           "dimensions");
}

/* Lets the n-th allocation fail. */
static void *allocate(void *ctx, size_t size) {
    int *left = ctx;
    return --*left == 0 ? NULL : malloc(size);
}

static void release(void *ctx, void *block, size_t size) {
    (void)ctx;
    (void)size;
    free(block);
}

/* Every allocation fails once: nothing crashes, and the status says why. */
static void test_out_of_memory(void **state) {
    (void)state;
    static const struct {
        const char *signature, *body;
    } cases[] = {
        {NULL, "{\"inputs\": [[1, 2.5, \"a\"], [null, {}, true]]}"},
        {NULL, "{\"instances\": [{\"a\": [1, 2]}, {\"a\": [\"x\", 4.5]}]}"},
        {"[" TENSOR("a", "str", "[-1]") "]", "{\"inputs\": {\"a\": [1.5, \"x\"], \"b\": [1]}}"},
        {"[" COLUMN("a", "double") "," COLUMN("b", "binary") "]",
         "{\"inputs\": {\"a\": [1, 2], \"b\": [\"x\", \"y\"]}}"},
        {"[" COLUMN("a", "double") "," COLUMN("b", "datetime") "]",
         "{\"inputs\": [{\"a\": 1, \"b\": 5}, {\"b\": \"2020\", \"x\": [1]}]}"},
        {"[{\"type\": \"string\"}, {\"type\": \"string\"}]", "{\"inputs\": [[\"x\", \"y\"]]}"},
        {"[" TENSOR("a", "float16", "[-1, 2]") "]",
         "{\"dataframe_split\": {\"columns\": [\"a\"], \"data\": [[[1, 2]], [[3, 4]]]}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mr_status status = MR_E_NO_MEMORY;
        int n_failed = 0;
        while (status != MR_OK) {
            int left = n_failed + 2; /* the first allocation is the arena itself */
            struct mr_allocator allocator = {allocate, release, &left};
            struct mr_arena *small = mr_arena_new(0, &allocator);
            struct mr_input input;
            status = decode_in(small, cases[i].signature, cases[i].body, &input);
            mr_arena_free(small);
            if (status != MR_OK && status != MR_E_NO_MEMORY) fail_msg("%s", err.message);
            n_failed++;
        }
        assert_true(n_failed > 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array),           cmocka_unit_test(test_dict),
        cmocka_unit_test(test_tensors),         cmocka_unit_test(test_unnamed_tensor),
        cmocka_unit_test(test_columns),         cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unnamed_columns), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
