#include "engine/pipeline/pipeline_int.h"
#include "schema/slice.h"

size_t mr_pipe_n_rows(const struct mr_pipe_x *x) {
    if (x->kind == MR_PIPE_SPARSE) return x->csr->n_rows;
    if (x->input.kind == MR_INPUT_TABLE) return (size_t)x->input.table.n_rows;
    const struct mr_tensor *tensor = &x->input.tensors[0];
    return tensor->n_dims ? (size_t)tensor->shape[0] : 0;
}

size_t mr_pipe_n_cols(const struct mr_pipe_x *x) {
    if (x->kind == MR_PIPE_SPARSE) return x->csr->n_cols;
    if (x->input.kind == MR_INPUT_TABLE) return x->input.table.n_cols;
    const struct mr_tensor *tensor = &x->input.tensors[0];
    return tensor->n_dims > 1 ? (size_t)tensor->shape[1] : 1;
}

mr_status mr_pipe_first_row(const struct mr_pipe_x *x, struct mr_arena *arena,
                            struct mr_pipe_x *out, struct mr_error *err) {
    *out = *x;
    if (mr_pipe_n_rows(x) <= 1) return MR_OK;
    return mr_input_slice(&x->input, 0, 1, arena, &out->input, err);
}

/* Numbers -------------------------------------------------------------------------------------- */

bool mr_pipe_is_number(mr_dtype dtype) {
    return strchr("biuf", mr_dtype_kind(dtype)) && dtype != MR_UINT64 && dtype != MR_FLOAT16;
}

static bool is_number_column(const struct mr_column *column) {
    bool has_holes = column->validity && column->n_nulls > 0;
    return mr_pipe_is_number(column->dtype) && (!has_holes || mr_dtype_kind(column->dtype) == 'f');
}

bool mr_pipe_are_numbers(const struct mr_pipe_x *x, const char **reason) {
    *reason = "a transformer of numbers is given something else";
    if (x->input.kind != MR_INPUT_TABLE) return mr_pipe_is_number(x->input.tensors[0].dtype);
    for (size_t i = 0; i < x->input.table.n_cols; i++) {
        if (!is_number_column(&x->input.table.columns[i])) return false;
    }
    return true;
}

bool mr_pipe_take_numbers(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                          struct mr_arena *arena, const char **reason) {
    (void)step;
    (void)arena;
    return mr_pipe_are_numbers(x, reason);
}

mr_status mr_pipe_new_numbers(size_t n_rows, size_t n_cols, bool is_float32, struct mr_arena *arena,
                              struct mr_pipe_numbers *out, struct mr_error *err) {
    *out = (struct mr_pipe_numbers){.n_rows = n_rows, .n_cols = n_cols, .is_float32 = is_float32};
    size_t row_bytes;
    if (__builtin_mul_overflow(n_cols, sizeof(double), &row_bytes)) row_bytes = SIZE_MAX;
    out->values = mr_arena_array(arena, n_rows, row_bytes);
    return out->values ? MR_OK : mr_arena_fail(arena, err);
}

mr_status mr_pipe_read_numbers(const struct mr_sk_feature_spec *spec, const struct mr_pipe_x *x,
                               struct mr_arena *arena, struct mr_pipe_numbers *out,
                               struct mr_error *err) {
    struct mr_sk_features features;
    MR_TRY(mr_sk_features_init(spec, &x->input, arena, &features, err));
    MR_TRY(mr_pipe_new_numbers((size_t)features.n_rows, spec->n_features,
                               features.width == MR_SK_NARROW, arena, out, err));
    for (size_t r = 0; r < out->n_rows; r++) {
        MR_TRY(mr_sk_features_row(&features, (int64_t)r, out->values + r * out->n_cols, err));
    }
    return MR_OK;
}

void mr_pipe_round(struct mr_pipe_numbers *numbers) {
    if (!numbers->is_float32) return;
    size_t n = numbers->n_rows * numbers->n_cols;
    for (size_t i = 0; i < n; i++) numbers->values[i] = (double)(float)numbers->values[i];
}

mr_status mr_pipe_give_tensor(size_t n_rows, size_t n_cols, mr_dtype dtype, const void *values,
                              struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    struct mr_tensor *tensor = mr_arena_zalloc(arena, sizeof(*tensor));
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    if (!tensor || !shape) return mr_arena_fail(arena, err);
    shape[0] = (int64_t)n_rows;
    shape[1] = (int64_t)n_cols;
    *tensor = (struct mr_tensor){.dtype = dtype,
                                 .n_dims = 2,
                                 .shape = shape,
                                 .n_values = (int64_t)(n_rows * n_cols),
                                 .values = values};
    *out = (struct mr_pipe_x){
        .kind = MR_PIPE_FRAME,
        .input = {.kind = MR_INPUT_TENSOR, .tensors = tensor, .n_tensors = 1},
    };
    return MR_OK;
}

mr_status mr_pipe_give_numbers(const struct mr_pipe_numbers *numbers, struct mr_arena *arena,
                               struct mr_pipe_x *out, struct mr_error *err) {
    const void *values = numbers->values;
    if (numbers->is_float32) {
        size_t n = numbers->n_rows * numbers->n_cols;
        float *floats = mr_arena_array(arena, n, sizeof(*floats));
        if (!floats) return mr_arena_fail(arena, err);
        for (size_t i = 0; i < n; i++) floats[i] = (float)numbers->values[i];
        values = floats;
    }
    return mr_pipe_give_tensor(numbers->n_rows, numbers->n_cols,
                               numbers->is_float32 ? MR_FLOAT32 : MR_FLOAT64, values, arena, out,
                               err);
}

/* Sparse --------------------------------------------------------------------------------------- */

mr_status mr_pipe_toarray(const struct mr_csr *csr, struct mr_arena *arena, struct mr_pipe_x *out,
                          struct mr_error *err) {
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_new_numbers(csr->n_rows, csr->n_cols, csr->dtype == MR_FLOAT32, arena, &numbers,
                               err));
    memset(numbers.values, 0, csr->n_rows * csr->n_cols * sizeof(double));
    for (size_t r = 0; r < csr->n_rows; r++) {
        double *row = numbers.values + r * csr->n_cols;
        for (size_t i = csr->starts[r]; i < csr->starts[r + 1]; i++) {
            row[csr->columns[i]] = csr->values[i];
        }
    }
    return mr_pipe_give_numbers(&numbers, arena, out, err);
}
