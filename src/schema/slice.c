#include "schema/slice.h"

#include <assert.h>

/* Bytes of one value in a tensor's values. */
static size_t value_bytes(mr_dtype dtype) {
    size_t size = mr_dtype_size(dtype);
    return size ? size : sizeof(struct mr_str);
}

/* Slices of inputs --------------------------------------------------------------------------- */

int64_t mr_input_n_rows(const struct mr_input *input) {
    if (input->kind == MR_INPUT_TABLE) return input->table.n_rows;
    if (input->kind != MR_INPUT_TENSOR || input->tensors[0].n_dims == 0) return -1;
    return input->tensors[0].shape[0];
}

static void slice_column(const struct mr_column *column, int64_t first, int64_t n,
                         struct mr_column *out) {
    *out = *column;
    out->n_rows = n;
    if (column->validity) out->validity = column->validity + first / 8;
    if (column->offsets) out->offsets = column->offsets + first;
    if (column->values) {
        out->values = (const char *)column->values + (size_t)first * mr_dtype_size(column->dtype);
    }
}

static mr_status slice_table(const struct mr_table *table, int64_t first, int64_t n,
                             struct mr_arena *arena, struct mr_table *out, struct mr_error *err) {
    *out = *table;
    out->n_rows = n;
    out->columns = mr_arena_array(arena, table->n_cols, sizeof(*out->columns));
    if (!out->columns) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < table->n_cols; i++) {
        slice_column(&table->columns[i], first, n, &out->columns[i]);
    }
    if (table->index) {
        struct mr_column *index = mr_arena_alloc(arena, sizeof(*index));
        if (!index) return mr_arena_fail(arena, err);
        slice_column(table->index, first, n, index);
        out->index = index;
    }
    bool has_label_0 = table->row_of_label_0 >= first && table->row_of_label_0 < first + n;
    out->row_of_label_0 = has_label_0 ? table->row_of_label_0 - first : -1;
    return MR_OK;
}

static mr_status slice_tensor(const struct mr_tensor *tensor, int64_t first, int64_t n,
                              struct mr_arena *arena, struct mr_tensor **out,
                              struct mr_error *err) {
    struct mr_tensor *slice = mr_arena_alloc(arena, sizeof(*slice));
    int64_t *shape = mr_arena_array(arena, tensor->n_dims, sizeof(*shape));
    if (!slice || !shape) return mr_arena_fail(arena, err);
    memcpy(shape, tensor->shape, tensor->n_dims * sizeof(*shape));
    shape[0] = n;
    int64_t n_each = tensor->shape[0] ? tensor->n_values / tensor->shape[0] : 0;
    size_t offset = (size_t)(first * n_each) * value_bytes(tensor->dtype);
    *slice = *tensor;
    slice->shape = shape;
    slice->n_values = n * n_each;
    slice->values = (const char *)tensor->values + offset;
    *out = slice;
    return MR_OK;
}

mr_status mr_input_slice(const struct mr_input *input, int64_t first, int64_t end,
                         struct mr_arena *arena, struct mr_input *out, struct mr_error *err) {
    assert(first % MR_SLICE_ROWS == 0 && first <= end && end <= mr_input_n_rows(input));
    *out = *input;
    if (input->kind == MR_INPUT_TABLE) {
        return slice_table(&input->table, first, end - first, arena, &out->table, err);
    }
    return slice_tensor(&input->tensors[0], first, end - first, arena, &out->tensors, err);
}

/* Answers ------------------------------------------------------------------------------------ */

mr_status mr_output_like(const struct mr_output *slice, int64_t n_rows, struct mr_arena *arena,
                         struct mr_output *out, struct mr_error *err) {
    const struct mr_tensor *tensor = &slice->tensor;
    bool is_list = slice->kind == MR_OUTPUT_TENSOR && !slice->http_status && !slice->is_by_target &&
                   tensor->n_dims > 0;
    if (!is_list || tensor->shape[0] == 0) {
        return mr_fail(err, MR_E_UNSUPPORTED, "the answer is no list with an entry for each row");
    }
    int64_t n_each = tensor->n_values / tensor->shape[0];
    int64_t *shape = mr_arena_array(arena, tensor->n_dims, sizeof(*shape));
    void *values = mr_arena_array(arena, (size_t)n_rows,
                                  (size_t)n_each * value_bytes(tensor->dtype));
    if (!shape || !values) return mr_arena_fail(arena, err);
    memcpy(shape, tensor->shape, tensor->n_dims * sizeof(*shape));
    shape[0] = n_rows;
    *out = *slice;
    out->tensor.shape = shape;
    out->tensor.n_values = n_rows * n_each;
    out->tensor.values = values;
    return MR_OK;
}

bool mr_output_put(const struct mr_output *slice, int64_t first, int64_t n, struct mr_output *out) {
    const struct mr_tensor *from = &slice->tensor, *to = &out->tensor;
    bool is_like = slice->kind == MR_OUTPUT_TENSOR && !slice->http_status &&
                   slice->is_bare == out->is_bare && from->dtype == to->dtype &&
                   from->n_dims == to->n_dims && from->shape[0] == n;
    for (size_t i = 1; is_like && i < to->n_dims; i++) is_like = from->shape[i] == to->shape[i];
    if (!is_like || n == 0) return is_like;
    size_t row_bytes = (size_t)(from->n_values / n) * value_bytes(from->dtype);
    char *values = (char *)(uintptr_t)to->values;
    if (row_bytes) memcpy(values + (size_t)first * row_bytes, from->values, (size_t)n * row_bytes);
    return true;
}
