#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "schema/slice.h"

#define N_ROWS 20

static struct mr_error err;

/* A column of each layout: doubles with a bitmap (every third is missing), texts, booleans. */
static struct mr_input table_of_rows(void) {
    static double doubles[N_ROWS];
    static uint8_t bools[N_ROWS], validity[(N_ROWS + 7) / 8];
    static int64_t offsets[N_ROWS + 1], labels[N_ROWS];
    static char bytes[N_ROWS * 2];
    struct mr_input input = {.kind = MR_INPUT_TABLE};
    assert_int_equal(mr_table_new(arena, N_ROWS, 3, &input.table, &err), MR_OK);
    for (int i = 0; i < N_ROWS; i++) {
        doubles[i] = i + 0.5;
        bools[i] = i % 2;
        validity[i / 8] |= (uint8_t)((i % 3 != 0) << i % 8);
        offsets[i + 1] = offsets[i] + 1 + i % 2;
        memset(bytes + offsets[i], 'a' + i, (size_t)(1 + i % 2));
        labels[i] = i;
    }
    struct mr_column *columns = input.table.columns;
    columns[0].dtype = MR_FLOAT64;
    columns[0].values = doubles;
    columns[0].validity = validity;
    columns[1].dtype = MR_STRING;
    columns[1].offsets = offsets;
    columns[1].bytes = bytes;
    columns[2].dtype = MR_BOOL;
    columns[2].values = bools;
    struct mr_column *index = mr_arena_zalloc(arena, sizeof(*index));
    *index = (struct mr_column){.dtype = MR_INT64, .n_rows = N_ROWS, .values = labels};
    input.table.index = index;
    return input;
}

static void slices_of_a_table(void **state) {
    (void)state;
    struct mr_input input = table_of_rows(), slice;
    assert_int_equal(mr_input_n_rows(&input), N_ROWS);
    for (int64_t first = 0; first < N_ROWS; first += MR_SLICE_ROWS) {
        for (int64_t end = first; end <= N_ROWS; end++) {
            assert_int_equal(mr_input_slice(&input, first, end, arena, &slice, &err), MR_OK);
            const struct mr_table *table = &slice.table;
            assert_int_equal(mr_input_n_rows(&slice), end - first);
            assert_int_equal(table->row_of_label_0, first == 0 && end > 0 ? 0 : -1);
            for (int64_t i = 0; i < table->n_rows; i++) {
                int64_t row = first + i;
                const struct mr_column *text = &table->columns[1];
                assert_int_equal(table->columns[0].n_rows, end - first);
                assert_true(((const double *)table->columns[0].values)[i] == (double)row + 0.5);
                assert_int_equal(mr_column_is_valid(&table->columns[0], i), row % 3 != 0);
                assert_int_equal(text->offsets[i + 1] - text->offsets[i], 1 + row % 2);
                assert_int_equal(text->bytes[text->offsets[i]], 'a' + row);
                assert_int_equal(((const uint8_t *)table->columns[2].values)[i], row % 2);
                assert_int_equal(((const int64_t *)table->index->values)[i], row);
            }
        }
    }
    assert_int_equal(input.table.columns[0].n_rows, N_ROWS);
}

static void slices_of_a_tensor(void **state) {
    (void)state;
    static float values[N_ROWS * 6];
    const int64_t shape[] = {N_ROWS, 2, 3};
    for (int i = 0; i < N_ROWS * 6; i++) values[i] = (float)i;
    struct mr_tensor tensor = {
        .dtype = MR_FLOAT32, .n_dims = 3, .shape = shape, .n_values = N_ROWS * 6, .values = values};
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1}, slice;
    assert_int_equal(mr_input_n_rows(&input), N_ROWS);
    assert_int_equal(mr_input_slice(&input, 8, 13, arena, &slice, &err), MR_OK);
    const struct mr_tensor *part = &slice.tensors[0];
    assert_int_equal(part->n_values, 30);
    assert_int_equal(part->shape[0], 5);
    assert_int_equal(part->shape[2], 3);
    for (int i = 0; i < 30; i++) {
        assert_true(((const float *)part->values)[i] == (float)(48 + i));
    }
    assert_int_equal(shape[0], N_ROWS);
}

static void what_has_no_rows(void **state) {
    (void)state;
    struct mr_tensor scalar = {.dtype = MR_FLOAT64, .n_values = 1};
    struct mr_input tensor = {.kind = MR_INPUT_TENSOR, .tensors = &scalar, .n_tensors = 1};
    struct mr_input tensors = {.kind = MR_INPUT_TENSORS}, raw = {.kind = MR_INPUT_RAW};
    assert_int_equal(mr_input_n_rows(&tensor), -1);
    assert_int_equal(mr_input_n_rows(&tensors), -1);
    assert_int_equal(mr_input_n_rows(&raw), -1);
}

/* An answer of n rows from `first` on. */
static struct mr_output answer(mr_dtype dtype, int64_t n, int64_t n_each, int64_t first) {
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    shape[0] = n;
    shape[1] = n_each;
    struct mr_output out = {.kind = MR_OUTPUT_TENSOR,
                            .tensor = {.dtype = dtype,
                                       .n_dims = n_each ? 2 : 1,
                                       .shape = shape,
                                       .n_values = n * (n_each ? n_each : 1)}};
    size_t n_values = (size_t)out.tensor.n_values;
    if (dtype == MR_STRING) {
        struct mr_str *texts = mr_arena_array(arena, n_values, sizeof(*texts));
        for (size_t i = 0; i < n_values; i++) {
            char text[] = {(char)('a' + first + (int64_t)i), '\0'};
            texts[i] = mr_str_from(mr_arena_strdup(arena, mr_str_from(text)));
        }
        out.tensor.values = texts;
    } else {
        double *values = mr_arena_array(arena, n_values, sizeof(*values));
        for (size_t i = 0; i < n_values; i++) {
            values[i] = (double)(first * (n_each ? n_each : 1) + (int64_t)i);
        }
        out.tensor.values = values;
    }
    return out;
}

static void answers_go_to_their_place(void **state) {
    (void)state;
    for (int64_t n_each = 0; n_each < 4; n_each++) {
        struct mr_output joined, slice = answer(MR_FLOAT64, 8, n_each, 8);
        assert_int_equal(mr_output_like(&slice, 21, arena, &joined, &err), MR_OK);
        assert_true(mr_output_put(&slice, 8, 8, &joined));
        slice = answer(MR_FLOAT64, 5, n_each, 16);
        assert_true(mr_output_put(&slice, 16, 5, &joined));
        slice = answer(MR_FLOAT64, 8, n_each, 0);
        assert_true(mr_output_put(&slice, 0, 8, &joined));
        assert_int_equal(joined.tensor.shape[0], 21);
        assert_int_equal(joined.tensor.n_dims, n_each ? 2 : 1);
        assert_int_equal(joined.tensor.n_values, 21 * (n_each ? n_each : 1));
        for (int64_t i = 0; i < joined.tensor.n_values; i++) {
            assert_true(((const double *)joined.tensor.values)[i] == (double)i);
        }
    }
    struct mr_output joined, slice = answer(MR_STRING, 3, 0, 2);
    assert_int_equal(mr_output_like(&slice, 5, arena, &joined, &err), MR_OK);
    assert_true(mr_output_put(&slice, 2, 3, &joined));
    slice = answer(MR_STRING, 2, 0, 0);
    assert_true(mr_output_put(&slice, 0, 2, &joined));
    const struct mr_str *texts = joined.tensor.values;
    for (int i = 0; i < 5; i++) assert_int_equal(texts[i].data[0], 'a' + i);
}

static void answers_that_do_not_fit(void **state) {
    (void)state;
    struct mr_output joined, slice = answer(MR_FLOAT64, 4, 2, 0);
    struct mr_output json = {.kind = MR_OUTPUT_JSON}, scalar = slice;
    scalar.tensor.n_dims = 0;
    assert_int_equal(mr_output_like(&json, 9, arena, &joined, &err), MR_E_UNSUPPORTED);
    assert_int_equal(mr_output_like(&scalar, 9, arena, &joined, &err), MR_E_UNSUPPORTED);
    struct mr_output by_target = slice;
    by_target.is_by_target = true;
    assert_int_equal(mr_output_like(&by_target, 9, arena, &joined, &err), MR_E_UNSUPPORTED);
    assert_int_equal(mr_output_like(&slice, 9, arena, &joined, &err), MR_OK);
    struct mr_output wide = answer(MR_FLOAT64, 4, 3, 0), flat = answer(MR_FLOAT64, 4, 0, 0),
                     whole = answer(MR_INT64, 4, 2, 0), fails = slice;
    fails.http_status = 400;
    assert_false(mr_output_put(&wide, 0, 4, &joined));
    assert_false(mr_output_put(&flat, 0, 4, &joined));
    assert_false(mr_output_put(&whole, 0, 4, &joined));
    assert_false(mr_output_put(&fails, 0, 4, &joined));
    assert_false(mr_output_put(&json, 0, 4, &joined));
    assert_false(mr_output_put(&slice, 0, 3, &joined));
    assert_true(mr_output_put(&slice, 0, 4, &joined));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_of_a_table),       cmocka_unit_test(slices_of_a_tensor),
        cmocka_unit_test(what_has_no_rows),        cmocka_unit_test(answers_go_to_their_place),
        cmocka_unit_test(answers_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
