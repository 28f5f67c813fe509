/* mr_enforce_tensors_as_table: the part of _enforce_schema (mlflow/models/utils.py) that makes a
 * DataFrame of an array, or of a dict of arrays, for a signature of columns. */
#include <math.h>

#include "base/number.h"
#include "schema/enforce_int.h"
#include "schema/tensor_column.h"

/* Columns of an array of bytes keep numpy's dtype, which only binary columns take; from a dict of
 * arrays they would be objects, which pass for texts too. */
static mr_status check_bytes(const struct mr_signature *signature, int64_t n_cols,
                             struct mr_error *err) {
    for (size_t i = 0; i < signature->n_inputs; i++) {
        const struct mr_col_spec *spec = &signature->columns[i];
        int64_t label = (int64_t)i;
        bool is_big = false;
        bool is_label = !signature->has_names ||
                        (signature->is_numbered && mr_int_parse(spec->name, &label, &is_big));
        bool is_there = is_label && !is_big && label >= 0 && label < n_cols;
        if (!is_there || spec->type == MR_COL_BINARY) continue;
        return mr_fail(err, MR_E_INVALID_PARAMETER, "column %lld: expected %s, received bytes",
                       (long long)label, mr_col_type_name(spec->type));
    }
    return MR_OK;
}

/* pandas.DataFrame(array): a value, a list, or rows and columns; columns have no names. */
static mr_status table_of_array(const struct mr_signature *signature, struct mr_input *input,
                                struct mr_arena *arena, struct mr_error *err) {
    const struct mr_tensor *tensor = input->tensors;
    if (tensor->n_dims > 2) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "expected an array of rows and columns for a signature of columns, received "
                       "one of %zu dimensions",
                       tensor->n_dims);
    }
    int64_t n_rows = tensor->n_dims ? tensor->shape[0] : 1;
    int64_t n_cols = tensor->n_dims == 2 ? tensor->shape[1] : 1;
    if (tensor->dtype == MR_BINARY && tensor->n_dims) MR_TRY(check_bytes(signature, n_cols, err));
    struct mr_table table;
    MR_TRY(mr_table_new(arena, n_rows, (size_t)n_cols, &table, err));
    for (int64_t i = 0; i < n_cols; i++) {
        char *name = mr_arena_alloc(arena, MR_INT_CHARS);
        if (!name) return mr_arena_fail(arena, err);
        table.columns[i].name = (struct mr_str){name, mr_int_write(i, name)};
        struct mr_tensor_slice slice = {tensor, i, n_cols, n_rows, NULL};
        MR_TRY(mr_tensor_column(&slice, arena, &table.columns[i], err));
    }
    input->kind = MR_INPUT_TABLE;
    input->table = table;
    return MR_OK;
}

/* --- a dict of arrays ------------------------------------------------------------------------ */

/* The signature's column for the i-th input of a dict; NULL for what it does not have. */
static const struct mr_col_spec *spec_of(const struct mr_signature *signature, size_t i,
                                         const struct mr_tensor *tensor) {
    if (!signature->has_names) return i < signature->n_inputs ? &signature->columns[i] : NULL;
    if (tensor->is_numbered) return signature->columns; /* the only one */
    size_t index = mr_signature_find(signature, tensor->name, i);
    return index == MR_NAME_NONE ? NULL : &signature->columns[index];
}

/* Whether pandas.DataFrame([dict]) is called, which makes one row of single values: of numpy
 * scalars, which a signature with names makes of them, or of arrays of one text each. */
static bool is_one_row(const struct mr_signature *signature, const struct mr_input *input) {
    bool is_all_scalars = true, is_all_texts = true;
    for (size_t i = 0; i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        bool is_typed = signature->has_names && spec_of(signature, i, tensor);
        is_all_scalars &= is_typed && tensor->n_dims == 0;
        is_all_texts &= !is_typed && tensor->n_dims == 0 && tensor->dtype == MR_STRING;
    }
    return is_all_scalars || is_all_texts;
}

/* The rows of pandas.DataFrame(dict): arrays must be of one length, and there must be one. */
static mr_status count_rows(const struct mr_input *input, int64_t *n_rows, struct mr_error *err) {
    const struct mr_tensor *first = NULL;
    for (size_t i = 0; i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        if (tensor->n_dims == 0) continue;
        if (!first) first = tensor;
        if (tensor->shape[0] != first->shape[0]) {
            return mr_fail(err, MR_E_INVALID_PARAMETER,
                           "input '%.*s': expected %lld values as in '%.*s', received %lld",
                           MR_STR_ARGS(tensor->name), (long long)first->shape[0],
                           MR_STR_ARGS(first->name), (long long)tensor->shape[0]);
        }
    }
    if (!first) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "expected a list of values for at least one input, received single values "
                       "and inputs that the signature does not have");
    }
    *n_rows = first->shape[0];
    return MR_OK;
}

/* pandas spreads a single value over the rows; a dict among them counts as the list of its keys. */
static mr_status check_dict(const struct mr_tensor *tensor, int64_t n_rows, struct mr_error *err) {
    if (tensor->n_dims != 0 || tensor->dtype != MR_OBJECT) return MR_OK;
    yyjson_val *value = *(yyjson_val *const *)tensor->values;
    if (!yyjson_is_obj(value)) return MR_OK;
    int64_t n_keys = (int64_t)yyjson_obj_size(value);
    if (n_keys == 1 || n_keys == n_rows) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "input '%.*s': expected %lld values, received a dict of %lld",
                   MR_STR_ARGS(tensor->name), (long long)n_rows, (long long)n_keys);
}

/* A column of lists passes as text, boolean or binary, as Python objects
 * (_enforce_mlflow_datatype); pandas.to_numeric makes NaN of empty lists for a double; all else is
 * refused. */
static mr_status column_of_lists(const struct mr_col_spec *spec, const struct mr_tensor *tensor,
                                 struct mr_arena *arena, struct mr_column *column, bool *is_raw,
                                 struct mr_error *err) {
    if (mr_column_takes_objects(spec->type)) {
        *is_raw = true;
        return MR_OK;
    }
    if (spec->type != MR_COL_DOUBLE || tensor->n_dims != 2 || tensor->shape[1] != 0) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "input '%.*s': expected %s values, received lists",
                       MR_STR_ARGS(tensor->name), mr_col_type_name(spec->type));
    }
    double *values = mr_arena_array(arena, (size_t)column->n_rows, sizeof(*values));
    if (!values) return mr_arena_fail(arena, err);
    for (int64_t i = 0; i < column->n_rows; i++) values[i] = NAN;
    column->dtype = MR_FLOAT64;
    column->values = values;
    column->n_nulls = column->n_rows;
    return MR_OK;
}

static mr_status table_of_dict(const struct mr_signature *signature, struct mr_input *input,
                               struct mr_arena *arena, struct mr_error *err) {
    int64_t n_rows = 1;
    bool is_row = is_one_row(signature, input), is_raw = false;
    if (!is_row) MR_TRY(count_rows(input, &n_rows, err));
    struct mr_table table;
    MR_TRY(mr_table_new(arena, n_rows, input->n_tensors, &table, err));
    for (size_t i = 0; i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        const struct mr_col_spec *spec = spec_of(signature, i, tensor);
        struct mr_column *column = &table.columns[i];
        column->name = tensor->name;
        column->is_named = !tensor->is_numbered;
        if (!is_row) MR_TRY(check_dict(tensor, n_rows, err));
        if (tensor->n_dims > 1 || (is_row && !spec)) {
            /* What the signature does not have is dropped next: its values do not matter. */
            if (spec) MR_TRY(column_of_lists(spec, tensor, arena, column, &is_raw, err));
            continue;
        }
        struct mr_tensor_slice slice = {tensor, 0, tensor->n_dims ? 1 : 0, n_rows, NULL};
        MR_TRY(mr_tensor_column(&slice, arena, column, err));
    }
    input->kind = is_raw ? MR_INPUT_RAW : MR_INPUT_TABLE;
    input->raw_reason = is_raw ? "a column of lists" : NULL;
    input->table = table;
    return MR_OK;
}

mr_status mr_enforce_tensors_as_table(const struct mr_signature *signature, struct mr_input *input,
                                      struct mr_arena *arena, struct mr_error *err) {
    if (input->kind == MR_INPUT_TENSOR) return table_of_array(signature, input, arena, err);
    return table_of_dict(signature, input, arena, err);
}
