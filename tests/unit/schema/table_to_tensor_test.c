#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <yyjson.h>

#include "arena_fixture.h"
#include "schema/table_to_tensor.h"

static struct mr_error err;
static yyjson_doc *doc;

static struct mr_tensor_spec spec_of(mr_dtype dtype, const int64_t *shape, size_t n_dims) {
    return (struct mr_tensor_spec){
        .dtype = dtype, .is_known = true, .n_dims = n_dims, .shape = shape};
}

#define SPEC(dtype, ...)                                                                           \
    spec_of(dtype, (int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* A table of one column of JSON cells, as decoding leaves lists. */
static struct mr_table cells(const char *json) {
    yyjson_doc_free(doc);
    doc = yyjson_read(json, strlen(json), YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_val *list = yyjson_doc_get_root(doc), *item;
    size_t i, n = yyjson_arr_size(list), max;
    yyjson_val **values = mr_arena_array(arena, n, sizeof(*values));
    struct mr_table table;
    assert_int_equal(mr_table_new(arena, (int64_t)n, 1, &table, &err), MR_OK);
    yyjson_arr_foreach(list, i, max, item) values[i] = item;
    table.columns->name = mr_str_from("a");
    table.columns->dtype = MR_OBJECT;
    table.columns->values = values;
    return table;
}

static struct mr_tensor convert(const struct mr_table *table, struct mr_tensor_spec spec) {
    struct mr_tensor out = {.n_dims = 99};
    const char *raw_reason = NULL;
    if (mr_table_to_tensor(table, &spec, arena, &out, &raw_reason, &err) != MR_OK) {
        fail_msg("%s", err.message);
    }
    if (raw_reason) fail_msg("%s", raw_reason);
    return out;
}

static void refuse(const struct mr_table *table, struct mr_tensor_spec spec, const char *message) {
    struct mr_tensor out;
    const char *raw_reason = NULL;
    assert_int_equal(mr_table_to_tensor(table, &spec, arena, &out, &raw_reason, &err),
                     MR_E_INVALID_PARAMETER);
    assert_string_equal(err.message, message);
}

static void leave_raw(const struct mr_table *table, struct mr_tensor_spec spec) {
    struct mr_tensor out;
    const char *raw_reason = NULL;
    assert_int_equal(mr_table_to_tensor(table, &spec, arena, &out, &raw_reason, &err), MR_OK);
    assert_non_null(raw_reason);
}

static void test_lists(void **state) {
    (void)state;
    struct mr_table table = cells("[[1, 2, 3, 4], [5, 6, 7.5, true]]");
    struct mr_tensor tensor = convert(&table, SPEC(MR_FLOAT32, -1, 2, 2));
    assert_int_equal(tensor.n_dims, 3);
    assert_int_equal(tensor.shape[0], 2);
    assert_true(((const float *)tensor.values)[6] == 7.5f);
    /* C's casts: 7.5 is cut off, 300 wraps around. */
    table = cells("[[1, 300], [7.5, -1]]");
    tensor = convert(&table, SPEC(MR_INT64, -1, 2));
    assert_int_equal(((const int64_t *)tensor.values)[2], 7);
    table = cells("[[1, 300], [-1, 4]]");
    tensor = convert(&table, SPEC(MR_UINT8, -1, 2));
    const uint8_t wrapped[] = {1, 44, 255, 4};
    assert_memory_equal(tensor.values, wrapped, 4);
    tensor = convert(&table, SPEC(MR_BOOL, -1, 2));
    assert_int_equal(((const uint8_t *)tensor.values)[0], 1);
    table = cells("[[1, null], [3, 4]]");
    tensor = convert(&table, SPEC(MR_FLOAT64, -1, 2));
    assert_true(((const double *)tensor.values)[2] == 3);
}

static void test_lists_that_do_not_fit(void **state) {
    (void)state;
    const char *of_another_size =
        "column 'a': expected lists that make up the rest of the signature's shape, received lists "
        "of another size";
    struct mr_table table = cells("[[1, 2, 3], [4, 5, 6]]");
    refuse(&table, SPEC(MR_FLOAT64, -1, 2), of_another_size);
    refuse(&table, SPEC(MR_FLOAT64, -1, 2, 2), of_another_size);
    refuse(
        &table, SPEC(MR_FLOAT64, -1, -1),
        "column 'a': expected an array, because only the first dimension of a DataFrame is free, "
        "received a DataFrame");
    refuse(
        &table, SPEC(MR_FLOAT64, 2, 3),
        "column 'a': expected an array, because only the first dimension of a DataFrame is free, "
        "received a DataFrame");
    table = cells("[[1, 2], [3]]");
    refuse(&table, SPEC(MR_FLOAT64, -1, 2),
           "column 'a'[1]: expected a list of 2 as in the values before, received a list of 1");
    table = cells("[[1, 2], 3]");
    refuse(&table, SPEC(MR_FLOAT64, -1, 2),
           "column 'a': expected a list in each row, received a single value");
    table = cells("[[[1]]]");
    refuse(&table, SPEC(MR_FLOAT64, -1, 1),
           "column 'a': expected lists of values, received a list that does not begin with one");
    table = cells("[[]]");
    refuse(&table, SPEC(MR_FLOAT64, -1, 1),
           "column 'a': expected lists of values, received a list that does not begin with one");
    table = cells("[null]");
    refuse(&table, SPEC(MR_FLOAT64, -1), "column 'a': expected values or lists, received null");
}

/* What numpy.vstack or the machine decides. */
static void test_left_to_numpy(void **state) {
    (void)state;
    struct mr_table table = cells("[[1], 2]");
    leave_raw(&table, SPEC(MR_FLOAT64, -1, 1));
    table = cells("[[1], [[2]]]");
    leave_raw(&table, SPEC(MR_FLOAT64, -1, 1));
    table = cells("[[1e300]]");
    leave_raw(&table, SPEC(MR_INT32, -1, 1));
    table = cells("[[-1.5]]");
    leave_raw(&table, SPEC(MR_UINT16, -1, 1));
    table = cells("[[1]]");
    leave_raw(&table, SPEC(MR_STRING, -1, 1));
}

/* MLflow looks at pd_series[0], which is a label. */
static void test_label(void **state) {
    (void)state;
    struct mr_table table = cells("[[1], [2]]");
    table.row_of_label_0 = -1;
    refuse(&table, SPEC(MR_FLOAT64, -1, 1),
           "column 'a': expected one row with the label 0, received none, or several");
    table.row_of_label_0 = 1;
    convert(&table, SPEC(MR_FLOAT64, -1, 1));
}

static void test_single_values(void **state) {
    (void)state;
    const float values[] = {1, 2, 3};
    struct mr_table table;
    assert_int_equal(mr_table_new(arena, 3, 1, &table, &err), MR_OK);
    table.columns->name = mr_str_from("a");
    table.columns->dtype = MR_FLOAT32;
    table.columns->values = values;
    struct mr_tensor tensor = convert(&table, SPEC(MR_FLOAT32, -1));
    assert_int_equal(tensor.n_dims, 1);
    tensor = convert(&table, SPEC(MR_FLOAT32, -1, 1));
    assert_int_equal(tensor.shape[0], 3);
    assert_int_equal(tensor.shape[1], 1);
    refuse(&table, SPEC(MR_FLOAT32, -1, 2),
           "column 'a': expected lists that make up the rest of the signature's shape, received "
           "single values, which need the shape (-1,) or (-1, 1)");
    leave_raw(&table, SPEC(MR_FLOAT64, -1));
    table.columns->dtype = MR_DATETIME;
    refuse(&table, SPEC(MR_DATETIME, -1), "column 'a': expected values or lists, received dates");
}

static void test_side_by_side(void **state) {
    (void)state;
    const int16_t a[] = {1, 2}, b[] = {3, 4};
    struct mr_table table;
    assert_int_equal(mr_table_new(arena, 2, 2, &table, &err), MR_OK);
    table.columns[0].dtype = table.columns[1].dtype = MR_INT16;
    table.columns[0].values = a;
    table.columns[1].values = b;
    struct mr_tensor tensor = convert(&table, SPEC(MR_INT16, -1, 2));
    const int16_t expected[] = {1, 3, 2, 4};
    assert_memory_equal(tensor.values, expected, sizeof(expected));
    refuse(&table, SPEC(MR_INT16, -1, 3),
           "a DataFrame of 2 columns needs a signature of shape (-1, 2)");
    table.columns[1].name = mr_str_from("b");
    table.columns[1].dtype = MR_OBJECT;
    refuse(&table, SPEC(MR_INT16, -1, 2), "column 'b': expected int16, received object");
    table.n_rows = 0;
    refuse(&table, SPEC(MR_INT16, -1, 2), "the DataFrame is empty: 0 rows, 2 columns");
}

static int teardown(void **state) {
    yyjson_doc_free(doc);
    return arena_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),         cmocka_unit_test(test_lists_that_do_not_fit),
        cmocka_unit_test(test_left_to_numpy), cmocka_unit_test(test_label),
        cmocka_unit_test(test_single_values), cmocka_unit_test(test_side_by_side),
    };
    return cmocka_run_group_tests(tests, arena_setup, teardown);
}
