/* What an imputer gives that no native estimator shows: texts, and integers that no double has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "engine/pipeline/impute_int.h"

static struct mr_error err;

static const uint32_t both[] = {0, 1}, second[] = {1};
static const struct mr_str fills[] = {{"one", 3}, {"two", 3}};

static const int64_t offsets[] = {0, 1, 1, 3, 5};
static const uint8_t third_missing[] = {0x0b}, none_missing[] = {0x0f};

/* Columns of "a", "", "bc", "de". */
static struct mr_column texts(const char *name, const uint8_t *validity, int64_t n_nulls) {
    return (struct mr_column){.name = mr_str_from(name),
                              .is_named = true,
                              .dtype = MR_STRING,
                              .n_rows = 4,
                              .n_nulls = n_nulls,
                              .validity = validity,
                              .offsets = offsets,
                              .bytes = "abcde"};
}

static struct mr_pipe_x frame(struct mr_column *columns, size_t n) {
    struct mr_pipe_x x = {.kind = MR_PIPE_FRAME, .input = {.kind = MR_INPUT_TABLE}};
    x.input.table = (struct mr_table){.n_rows = 4, .n_cols = n, .columns = columns};
    return x;
}

static struct mr_imputer imputer(size_t n_features) {
    return (struct mr_imputer){
        .base = {.ops = &mr_impute_texts_ops, .name = "SimpleImputer", .n_in = n_features},
        .features = {.estimator = "SimpleImputer", .n_features = n_features, .dtype = MR_SK_FLOATS},
        .missing = {.number = NAN},
        .n_kept = n_features,
        .kept = both,
        .texts = fills,
    };
}

static bool can_take(const struct mr_imputer *step, const struct mr_pipe_x *x) {
    const char *reason = NULL;
    bool is_taken = mr_pipe_can_take(&step->base, x, arena, &reason);
    assert_true(is_taken || reason);
    return is_taken;
}

static void assert_texts(const struct mr_pipe_x *x, size_t c, const char *const *want) {
    assert_int_equal(x->kind, MR_PIPE_OBJECTS);
    assert_int_equal(x->input.table.n_rows, 4);
    const struct mr_column *column = &x->input.table.columns[c];
    assert_true(column->dtype == MR_STRING && column->is_object && !column->is_named);
    assert_true(!column->validity && column->n_nulls == 0 && column->n_rows == 4);
    for (size_t r = 0; r < 4; r++) {
        struct mr_str text = {column->bytes + column->offsets[r],
                              (size_t)(column->offsets[r + 1] - column->offsets[r])};
        assert_true(mr_str_is(text, want[r]));
    }
}

static void test_missing_texts(void **state) {
    (void)state;
    struct mr_column columns[] = {texts("a", third_missing, 1), texts("b", none_missing, 7)};
    columns[0].is_object = columns[1].is_object = true;
    struct mr_imputer step = imputer(2);
    struct mr_pipe_x x = frame(columns, 2), out;
    assert_true(can_take(&step, &x));
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_OK);
    static const char *const a[] = {"a", "", "one", "de"}, *const b[] = {"a", "", "bc", "de"};
    assert_texts(&out, 0, a);
    assert_texts(&out, 1, b);
    assert_ptr_equal(out.input.table.columns[1].bytes, columns[1].bytes); /* nothing to copy */
    assert_true(columns[0].is_named &&
                columns[0].n_nulls == 1); /* the request's own is as it was */

    step.n_kept = 1;
    step.kept = second;
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_OK);
    assert_int_equal(out.input.table.n_cols, 1);
    assert_texts(&out, 0, b);
}

/* A text of JSON that is missing is None before pandas 3. */
static void test_missing_by_version_of_pandas(void **state) {
    (void)state;
    struct mr_column columns[] = {texts("a", third_missing, 1)};
    struct mr_imputer step = imputer(1);
    struct mr_pipe_x x = frame(columns, 1);
    assert_false(can_take(&step, &x));
    step.is_missing_text_nan = true;
    assert_true(can_take(&step, &x));
    step.is_missing_text_nan = false;
    columns[0].n_nulls = 0;
    assert_true(can_take(&step, &x));
    columns[0].dtype = MR_OBJECT;
    assert_false(can_take(&step, &x));
    struct mr_tensor tensor = {.dtype = MR_STRING, .n_dims = 2};
    struct mr_pipe_x array = {.input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor}};
    assert_false(can_take(&step, &array));
}

static void test_texts_that_count_as_missing(void **state) {
    (void)state;
    struct mr_column columns[] = {texts("a", NULL, 0)};
    struct mr_imputer step = imputer(1);
    struct mr_pipe_x x = frame(columns, 1), out;
    step.missing = (struct mr_impute_missing){.is_text = true, .number = NAN};
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_OK);
    static const char *const empty[] = {"a", "one", "bc", "de"};
    assert_texts(&out, 0, empty);
    step.missing.text = (struct mr_str){"de", 2};
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_OK);
    static const char *const last[] = {"a", "", "bc", "one"};
    assert_texts(&out, 0, last);
    columns[0] = texts("a", third_missing, 1);
    columns[0].is_object = true;
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_E_BAD_REQUEST);
    assert_string_equal(err.message,
                        "column \"a\", row 2: SimpleImputer expects a text, received a "
                        "missing value");
}

static void test_columns_that_do_not_match(void **state) {
    (void)state;
    static const struct mr_str names[] = {{"a", 1}, {"b", 1}};
    struct mr_column columns[] = {texts("b", NULL, 0), texts("a", NULL, 0)};
    struct mr_imputer step = imputer(2);
    step.features.names = names;
    struct mr_pipe_x x = frame(columns, 2), out;
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_E_BAD_REQUEST);
    x.input.table.n_cols = 1;
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_E_BAD_REQUEST);
}

static void test_integers_that_no_double_has(void **state) {
    (void)state;
    static const double numbers[] = {7, 9};
    const int64_t values[] = {(INT64_C(1) << 53) + 1, -1, -1, INT64_MIN + 1};
    const int64_t shape[] = {2, 2};
    struct mr_tensor tensor = {
        .dtype = MR_INT64, .n_dims = 2, .shape = shape, .n_values = 4, .values = values};
    struct mr_imputer step = imputer(2);
    step.base.ops = &mr_impute_numbers_ops;
    step.base.n_out = 3;
    step.missing.number = -1;
    step.fills = numbers;
    step.min_fill = 7;
    step.max_fill = 9;
    step.is_dtype_kept = true;
    step.fitted = MR_INT64;
    step.n_indicators = 1;
    step.indicators = second;
    struct mr_pipe_x out,
        x = {.input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1}};
    assert_true(can_take(&step, &x));
    assert_int_equal(mr_pipe_transform(&step.base, &x, arena, &out, &err), MR_OK);
    const int64_t want[] = {values[0], 9, 1, 7, values[3], 0};
    assert_int_equal(out.input.tensors[0].dtype, MR_INT64);
    assert_memory_equal(out.input.tensors[0].values, want, sizeof(want));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_texts),
        cmocka_unit_test(test_missing_by_version_of_pandas),
        cmocka_unit_test(test_texts_that_count_as_missing),
        cmocka_unit_test(test_columns_that_do_not_match),
        cmocka_unit_test(test_integers_that_no_double_has),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
