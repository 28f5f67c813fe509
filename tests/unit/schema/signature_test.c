#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "schema/signature.h"

static mr_status read(const char *inputs, const char *params, struct mr_signature *out,
                      struct mr_error *err) {
    return mr_signature_read(mr_str_from(inputs), (struct mr_str){0}, mr_str_from(params), arena,
                             out, err);
}

static void test_columns(void **state) {
    (void)state;
    struct mr_signature signature;
    assert_int_equal(read("[{\"type\": \"double\", \"name\": \"a\", \"required\": true},"
                          " {\"type\": \"string\", \"name\": \"b\", \"required\": false},"
                          " {\"type\": \"array\", \"items\": {\"type\": \"long\"}, "
                          "\"name\": \"c\", \"required\": true}]",
                          NULL, &signature, NULL),
                     MR_OK);
    assert_int_equal(signature.kind, MR_SCHEMA_COLUMNS);
    assert_int_equal(signature.n_inputs, 3);
    assert_true(signature.has_names);
    assert_true(signature.is_nested);
    assert_int_equal(signature.columns[0].type, MR_COL_DOUBLE);
    assert_false(signature.columns[1].is_required);
    assert_int_equal(mr_signature_find(&signature, mr_str_from("b"), 0), 1);
    assert_true(mr_signature_find(&signature, mr_str_from("z"), 0) == MR_NAME_NONE);
}

static void test_numbered(void **state) {
    (void)state;
    struct mr_signature signature;
    assert_int_equal(
        read("[{\"type\": \"double\", \"name\": 0}, {\"type\": \"long\", \"name\": 1}]", NULL,
             &signature, NULL),
        MR_OK);
    assert_true(signature.has_names);
    assert_true(signature.is_numbered);
    assert_false(signature.is_lost);
    assert_true(mr_str_is(signature.columns[1].name, "1"));
    assert_true(mr_signature_find(&signature, mr_str_from("1"), 1) == MR_NAME_NONE);
    assert_int_equal(
        read("[{\"type\": \"double\", \"name\": 1}, {\"type\": \"long\", \"name\": 0}]", NULL,
             &signature, NULL),
        MR_OK);
    assert_true(signature.is_lost);
    assert_int_equal(
        read("[{\"type\": \"double\", \"name\": 0}, {\"type\": \"long\", \"name\": \"b\"}]", NULL,
             &signature, NULL),
        MR_E_UNSUPPORTED);
    assert_int_equal(read("[{\"type\": \"double\", \"name\": true}]", NULL, &signature, NULL),
                     MR_E_UNSUPPORTED);
    assert_int_equal(read("[{\"type\": \"double\", \"name\": \"\"}]", NULL, &signature, NULL),
                     MR_OK);
    assert_true(signature.is_lost);
}

static void test_tensors(void **state) {
    (void)state;
    struct mr_signature signature;
    assert_int_equal(read("[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float32\", "
                          "\"shape\": [-1, 4]}}]",
                          NULL, &signature, NULL),
                     MR_OK);
    assert_int_equal(signature.kind, MR_SCHEMA_TENSORS);
    assert_false(signature.has_names);
    assert_int_equal(signature.tensors[0].dtype, MR_FLOAT32);
    assert_int_equal(signature.tensors[0].n_dims, 2);
    assert_int_equal(signature.tensors[0].shape[0], -1);
    assert_int_equal(read("[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"complex64\", "
                          "\"shape\": [-1]}}]",
                          NULL, &signature, NULL),
                     MR_OK);
    assert_false(signature.tensors[0].is_known);
}

static void test_params(void **state) {
    (void)state;
    struct mr_signature signature;
    assert_int_equal(read(NULL,
                          "[{\"name\": \"top\", \"default\": 3, \"shape\": null, \"type\": "
                          "\"long\"}, {\"name\": \"stops\", \"default\": [\"a\"], \"shape\": [-1], "
                          "\"dtype\": \"string\"}]",
                          &signature, NULL),
                     MR_OK);
    assert_int_equal(signature.kind, MR_SCHEMA_NONE);
    assert_true(signature.has_params);
    assert_int_equal(signature.n_params, 2);
    assert_true(mr_str_is(signature.params[0].default_json, "3"));
    assert_true(signature.params[1].is_list);
    assert_true(mr_str_is(signature.params[1].default_json, "[\"a\"]"));
}

static void test_absent(void **state) {
    (void)state;
    struct mr_signature signature;
    assert_int_equal(read("null", NULL, &signature, NULL), MR_OK);
    assert_int_equal(signature.kind, MR_SCHEMA_NONE);
    assert_false(signature.has_params);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const inputs[] = {
        "",
        "[",
        "{}",
        "[]",
        "[1]",
        "[{\"type\": \"decimal\"}]",
        "[{\"type\": \"long\", \"name\": \"a\"}, {\"type\": \"long\"}]",
        "[{\"type\": \"long\"}, {\"type\": \"tensor\"}]",
        "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"int64\", \"shape\": [-2]}}]",
        "[{\"type\": \"tensor\", \"tensor-spec\": {\"shape\": [1]}}]",
    };
    for (size_t i = 1; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct mr_signature signature;
        struct mr_error err = {0};
        assert_int_equal(read(inputs[i], NULL, &signature, &err), MR_E_FORMAT);
        assert_true(err.message[0] != '\0');
    }
    struct mr_signature signature;
    assert_int_equal(read(NULL, "[{\"name\": \"a\", \"type\": \"long\"}]", &signature, NULL),
                     MR_E_FORMAT);
    assert_int_equal(read(NULL,
                          "[{\"name\": \"a\", \"type\": \"long\", \"default\": 1},"
                          " {\"name\": \"a\", \"type\": \"long\", \"default\": 1}]",
                          &signature, NULL),
                     MR_E_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns), cmocka_unit_test(test_numbered),
        cmocka_unit_test(test_tensors), cmocka_unit_test(test_params),
        cmocka_unit_test(test_absent),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
