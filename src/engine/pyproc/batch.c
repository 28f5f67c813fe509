#include "engine/pyproc/batch.h"

#include "engine/pyproc/wire.h"

static bool is_fixed_size(mr_dtype dtype) {
    return dtype != MR_OBJECT && mr_dtype_size(dtype) > 0;
}

static bool tensors_have_rows(const struct mr_input *input) {
    for (size_t i = 0; i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        if (tensor->n_dims == 0 || tensor->is_fortran || !is_fixed_size(tensor->dtype))
            return false;
        if (tensor->shape[0] != input->tensors[0].shape[0]) return false;
    }
    return input->n_tensors > 0;
}

bool mr_batch_allows(const struct mr_call *call, bool has_rows) {
    const struct mr_input *input = call->input;
    if (call->wants_stream || mr_wire_n_rows(input) == 0) return false;
    switch (input->kind) {
    case MR_INPUT_TABLE: return !input->table.index && input->table.n_cols > 0;
    case MR_INPUT_TENSOR:
    case MR_INPUT_TENSORS: return has_rows && tensors_have_rows(input);
    default: return false;
    }
}

/* A column with missing values may become one of another dtype. */
static bool columns_match(const struct mr_column *a, const struct mr_column *b) {
    return a->dtype == b->dtype && a->is_named == b->is_named && a->is_object == b->is_object &&
           mr_wire_needs_validity(a) == mr_wire_needs_validity(b) && mr_str_equal(a->name, b->name);
}

static bool tensors_match(const struct mr_tensor *a, const struct mr_tensor *b) {
    if (a->dtype != b->dtype || a->n_dims != b->n_dims) return false;
    if (a->is_numbered != b->is_numbered || a->is_wide != b->is_wide) return false;
    size_t n_bytes = (a->n_dims - 1) * sizeof(*a->shape);
    return memcmp(a->shape + 1, b->shape + 1, n_bytes) == 0 && mr_str_equal(a->name, b->name);
}

/* As the request gave them: the defaults are the model's. */
static bool params_match(const struct mr_params *a, const struct mr_params *b) {
    if (a->is_given != b->is_given || a->n_given != b->n_given) return false;
    for (size_t i = 0; i < a->n_given; i++) {
        if (!mr_str_equal(a->items[i].name, b->items[i].name)) return false;
        if (!mr_str_equal(a->items[i].json, b->items[i].json)) return false;
    }
    return true;
}

bool mr_batch_matches(const struct mr_input *a, const struct mr_input *b) {
    if (a->kind != b->kind || !params_match(&a->params, &b->params)) return false;
    bool is_table = a->kind == MR_INPUT_TABLE;
    size_t n = is_table ? a->table.n_cols : a->n_tensors;
    if (n != (is_table ? b->table.n_cols : b->n_tensors)) return false;
    for (size_t i = 0; i < n; i++) {
        if (is_table ? !columns_match(&a->table.columns[i], &b->table.columns[i])
                     : !tensors_match(&a->tensors[i], &b->tensors[i])) {
            return false;
        }
    }
    return true;
}

bool mr_batch_is_open(const struct mr_queue_options *options, const struct mr_batch_state *state) {
    if (state->waited_us >= (int64_t)options->max_batch_delay_us) return false;
    return state->n_waiting < state->n_last_calls &&
           state->n_waiting_rows < options->max_batch_rows;
}

uint64_t mr_batch_share(const struct mr_queue_options *options,
                        const struct mr_batch_state *state) {
    uint64_t n_workers = state->n_workers ? state->n_workers : 1;
    uint64_t share = (state->n_waiting_rows + n_workers - 1) / n_workers;
    return share < options->max_batch_rows ? share : options->max_batch_rows;
}
