#include "codec/json_tensor_int.h"
#include "schema/py_value.h"
#include "schema/tensor_column.h"

static struct mr_str name_of(yyjson_val *key) {
    return (struct mr_str){yyjson_get_str(key), yyjson_get_len(key)};
}

/* --- instances: the values of each key, in the order of the items ------------------------------
 */

struct stack {
    yyjson_val **values;
    int64_t n;
    int64_t last_item; /* where the key was met last, from 1 */
};

struct stacks {
    struct mr_name_map names;
    struct stack *items;
    size_t capacity;
};

/* The stack of a key. Items mostly have the same keys in the same order: hint is the key's place.
 */
static mr_status find_stack(struct stacks *stacks, yyjson_val *key, size_t hint, struct stack **out,
                            struct mr_arena *arena, struct mr_error *err) {
    struct mr_str name = name_of(key);
    size_t index = hint;
    if (hint >= stacks->names.n || !mr_str_equal(stacks->names.names[hint], name)) {
        bool is_new;
        MR_TRY(mr_name_map_add(&stacks->names, name, &index, &is_new, err));
        if (index == stacks->capacity) {
            size_t wanted = stacks->capacity ? stacks->capacity * 2 : 16;
            struct stack *items = mr_arena_array(arena, wanted, sizeof(*items));
            if (!items) return mr_arena_fail(arena, err);
            if (index) memcpy(items, stacks->items, index * sizeof(*items));
            stacks->items = items;
            stacks->capacity = wanted;
        }
        if (is_new) stacks->items[index] = (struct stack){.n = 0};
    }
    *out = &stacks->items[index];
    return MR_OK;
}

/* First pass: how many values each key has. A key given twice in one item counts once. */
static mr_status count_values(const struct mr_tensor_job *job, yyjson_val *list,
                              struct stacks *stacks, struct mr_error *err) {
    size_t row, n_rows, place, n_keys;
    yyjson_val *item, *key, *value;
    yyjson_arr_foreach(list, row, n_rows, item) {
        if (!yyjson_is_obj(item)) {
            char received[96];
            mr_py_describe(item, received, sizeof(received));
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "%s[%zu]: expected a dict as in the items before, received %s", job->key,
                           row, received);
        }
        yyjson_obj_foreach(item, place, n_keys, key, value) {
            struct stack *stack;
            MR_TRY(find_stack(stacks, key, place, &stack, job->arena, err));
            if (stack->last_item != (int64_t)row + 1) stack->n++;
            stack->last_item = (int64_t)row + 1;
        }
    }
    return MR_OK;
}

/* Second pass: the values. Of a key given twice in one item the last value stands. */
static mr_status list_values(const struct mr_tensor_job *job, yyjson_val *list,
                             struct stacks *stacks, struct mr_error *err) {
    for (size_t i = 0; i < stacks->names.n; i++) {
        struct stack *stack = &stacks->items[i];
        stack->values = mr_arena_array(job->arena, (size_t)stack->n, sizeof(*stack->values));
        if (!stack->values) return mr_arena_fail(job->arena, err);
        stack->n = stack->last_item = 0;
    }
    size_t row, n_rows, place, n_keys;
    yyjson_val *item, *key, *value;
    yyjson_arr_foreach(list, row, n_rows, item) {
        yyjson_obj_foreach(item, place, n_keys, key, value) {
            struct stack *stack;
            MR_TRY(find_stack(stacks, key, place, &stack, job->arena, err));
            if (stack->last_item != (int64_t)row + 1) stack->n++;
            stack->last_item = (int64_t)row + 1;
            stack->values[stack->n - 1] = value;
        }
    }
    return MR_OK;
}

/* Single values of unknown type that have no common one make an array of arrays without
 * dimensions. Where the signature has such a column without a name, only text, boolean and binary
 * let it pass (_enforce_mlflow_datatype); where there is no signature, Python gets it. */
static void check_objects(struct mr_tensor_job *job, const struct mr_tensor *tensor, size_t i) {
    if (tensor->dtype != MR_OBJECT || tensor->n_dims != 1) return;
    const struct mr_signature *signature = job->signature;
    bool is_column = signature->kind == MR_SCHEMA_COLUMNS && !signature->has_names;
    if (signature->kind == MR_SCHEMA_NONE) {
        job->object_reason = "values without a common type";
    } else if (is_column && i < signature->n_inputs) {
        if (mr_column_takes_objects(signature->columns[i].type)) {
            job->object_reason = "values without a common type";
        } else {
            mr_job_set_misfit(job, tensor->name, "the values have no common type");
        }
    }
}

mr_status mr_job_stacks(struct mr_tensor_job *job, yyjson_val *list, struct mr_error *err) {
    struct stacks stacks = {.items = NULL};
    mr_name_map_init(&stacks.names, job->arena);
    MR_TRY(count_values(job, list, &stacks, err));
    MR_TRY(list_values(job, list, &stacks, err));
    size_t n = stacks.names.n;
    struct mr_tensor *tensors = mr_arena_array(job->arena, n, sizeof(*tensors));
    if (!tensors) return mr_arena_fail(job->arena, err);
    for (size_t i = 0; i < n; i++) {
        struct mr_str name = stacks.names.names[i];
        size_t spec = mr_signature_find(job->signature, name, i);
        MR_TRY(mr_job_convert(job, name, stacks.items[i].values, stacks.items[i].n, spec,
                              &tensors[i], err));
        if (spec == MR_NAME_NONE) check_objects(job, &tensors[i], i);
    }
    *job->input = (struct mr_input){.kind = MR_INPUT_TENSORS, .tensors = tensors, .n_tensors = n};
    return MR_OK;
}

/* --- inputs: a DataFrame of rows ------------------------------------------------------------- */

/* The cells of one column of the signature; NULL where a row lacks the key. */
struct cells {
    yyjson_val **values; /* NULL: no row has the key */
    int64_t n_present;
};

/* The last value under each key of one record. */
struct last_values {
    yyjson_val *item; /* NULL: no record has been looked at */
    struct mr_name_map names;
    yyjson_val **values;
};

struct rows {
    int64_t n;
    struct last_values last;
    struct cells *cells;      /* of each column of a named signature */
    struct mr_name_map names; /* of the columns, when the signature has no names */
};

/* Whether a later value of a record has the same key: Python keeps only that one. Asked for values
 * that fail, so that the map of a record is made when one does. */
static mr_status is_overwritten(struct mr_tensor_job *job, struct last_values *last,
                                yyjson_val *item, yyjson_val *key, yyjson_val *value, bool *out,
                                struct mr_error *err) {
    size_t place, n_keys, index;
    yyjson_val *each, *each_value;
    bool is_new;
    if (last->item != item) {
        last->item = item;
        mr_name_map_init(&last->names, job->arena);
        last->values = mr_arena_array(job->arena, yyjson_obj_size(item), sizeof(*last->values));
        if (!last->values) return mr_arena_fail(job->arena, err);
        yyjson_obj_foreach(item, place, n_keys, each, each_value) {
            MR_TRY(mr_name_map_add(&last->names, name_of(each), &index, &is_new, err));
            last->values[index] = each_value;
        }
    }
    *out = last->values[mr_name_map_find(&last->names, name_of(key))] != value;
    return MR_OK;
}

/* convert_data_type of a value that does not reach the model: MLflow makes an array of it all the
 * same, and fails where np.array fails. */
static mr_status convert_and_drop(struct mr_tensor_job *job, struct last_values *last,
                                  yyjson_val *item, yyjson_val *key, yyjson_val *value, size_t spec,
                                  struct mr_error *err) {
    /* np.array of anything but a list never fails. */
    if (!yyjson_is_arr(value) && spec == MR_NAME_NONE) return MR_OK;
    struct mr_tensor dropped;
    mr_status status = mr_job_convert(job, name_of(key), &value, MR_NDARRAY_ONE, spec, &dropped,
                                      err);
    if (status != MR_E_BAD_REQUEST) return status;
    bool is_dropped = false;
    MR_TRY(is_overwritten(job, last, item, key, value, &is_dropped, NULL));
    return is_dropped ? MR_OK : status;
}

static mr_status put_cell(struct mr_tensor_job *job, struct rows *rows, size_t spec, size_t row,
                          yyjson_val *value, struct mr_error *err) {
    struct cells *cells = &rows->cells[spec];
    if (!cells->values) {
        size_t bytes;
        if (__builtin_mul_overflow((size_t)rows->n, sizeof(*cells->values), &bytes))
            bytes = SIZE_MAX;
        cells->values = mr_arena_zalloc(job->arena, bytes);
        if (!cells->values) return mr_arena_fail(job->arena, err);
    }
    cells->n_present += !cells->values[row];
    cells->values[row] = value;
    return MR_OK;
}

static mr_status collect_rows(struct mr_tensor_job *job, yyjson_val *list, struct rows *rows,
                              struct mr_error *err) {
    size_t row, n_rows, place, n_keys;
    yyjson_val *item, *key, *value;
    bool is_named = job->signature->has_names && job->signature->kind == MR_SCHEMA_COLUMNS;
    yyjson_arr_foreach(list, row, n_rows, item) {
        yyjson_obj_foreach(item, place, n_keys, key, value) {
            size_t spec = mr_signature_find(job->signature, name_of(key), place), index;
            bool is_new;
            if (spec != MR_NAME_NONE && is_named) {
                MR_TRY(put_cell(job, rows, spec, row, value, err));
                continue;
            }
            MR_TRY(convert_and_drop(job, &rows->last, item, key, value, spec, err));
            if (job->signature->kind == MR_SCHEMA_COLUMNS && !is_named) {
                MR_TRY(mr_name_map_add(&rows->names, name_of(key), &index, &is_new, err));
            }
        }
    }
    return MR_OK;
}

/* The cells of a column that are single values, and the rows they stand in. */
struct scalars {
    yyjson_val **values;
    int64_t n;
    uint8_t *present; /* bit i: row i has one */
};

/* A list becomes an array, which no type but text, boolean and binary takes as a cell; of a
 * double's empty ones pandas.to_numeric makes NaN. */
static mr_status drop_list(struct mr_tensor_job *job, size_t spec, yyjson_val *list,
                           struct mr_error *err) {
    const struct mr_col_spec *column = &job->signature->columns[spec];
    struct mr_tensor dropped;
    MR_TRY(mr_job_convert(job, column->name, &list, MR_NDARRAY_ONE, spec, &dropped, err));
    if (mr_column_takes_objects(column->type)) {
        job->object_reason = "a column of arrays";
    } else if (column->type != MR_COL_DOUBLE || yyjson_arr_size(list) != 0) {
        mr_job_set_misfit(job, column->name, "expected single values, received a list");
    }
    return MR_OK;
}

static mr_status pick_scalars(struct mr_tensor_job *job, const struct rows *rows, size_t spec,
                              struct scalars *out, struct mr_error *err) {
    yyjson_val *const *cells = rows->cells[spec].values;
    out->n = 0;
    out->values = mr_arena_array(job->arena, (size_t)rows->cells[spec].n_present,
                                 sizeof(*out->values));
    out->present = mr_arena_zalloc(job->arena, (size_t)rows->n / 8 + 1);
    if (!out->values || !out->present) return mr_arena_fail(job->arena, err);
    for (int64_t i = 0; i < rows->n; i++) {
        if (!cells[i]) continue;
        if (yyjson_is_arr(cells[i])) {
            MR_TRY(drop_list(job, spec, cells[i], err));
            continue;
        }
        out->present[i / 8] |= (uint8_t)(1u << i % 8);
        out->values[out->n++] = cells[i];
    }
    return MR_OK;
}

/* Say in which row the value stands that could not be converted: the array of values leaves out
 * the rows that have none. */
static mr_status fail_row(struct mr_tensor_job *job, const struct rows *rows, size_t spec,
                          struct mr_error *err) {
    yyjson_val *const *cells = rows->cells[spec].values;
    for (int64_t i = 0; i < rows->n; i++) {
        struct mr_tensor dropped;
        struct mr_error fault;
        if (!cells[i] || mr_job_convert(job, job->signature->columns[spec].name, &cells[i],
                                        MR_NDARRAY_ONE, spec, &dropped, &fault) == MR_OK) {
            continue;
        }
        return mr_fail(err, fault.status, "row %lld: %s", (long long)i, fault.message);
    }
    return MR_E_BAD_REQUEST; /* err holds what was found before */
}

static mr_status fill_column(struct mr_tensor_job *job, const struct rows *rows, size_t i,
                             struct mr_column *column, struct mr_error *err) {
    const struct mr_col_spec *spec = &job->signature->columns[i];
    struct scalars scalars;
    struct mr_tensor tensor;
    column->name = spec->name;
    column->is_named = true;
    MR_TRY(pick_scalars(job, rows, i, &scalars, err));
    mr_status status = mr_job_convert(job, spec->name, scalars.values, scalars.n, i, &tensor, err);
    if (status != MR_OK) {
        return status == MR_E_BAD_REQUEST ? fail_row(job, rows, i, err) : status;
    }
    bool has_missing = scalars.n < rows->n;
    if (spec->type == MR_COL_BOOLEAN && has_missing) {
        job->object_reason = "booleans beside missing ones";
    }
    if (job->raw_reason || job->misfit || job->object_reason) return MR_OK;
    struct mr_tensor_slice slice = {&tensor, 0, 1, rows->n, has_missing ? scalars.present : NULL};
    return mr_tensor_column(&slice, job->arena, column, err);
}

/* pandas.DataFrame(rows) for a signature of columns with names. */
static mr_status named_table(struct mr_tensor_job *job, const struct rows *rows,
                             struct mr_error *err) {
    struct mr_table table;
    size_t n_cols = 0;
    MR_TRY(mr_table_new(job->arena, rows->n, job->signature->n_inputs, &table, err));
    for (size_t i = 0; i < job->signature->n_inputs; i++) {
        if (!rows->cells[i].values) continue;
        MR_TRY(fill_column(job, rows, i, &table.columns[n_cols++], err));
    }
    table.n_cols = n_cols;
    *job->input = (struct mr_input){.kind = MR_INPUT_TABLE, .table = table};
    return MR_OK;
}

/* pandas.DataFrame(rows) for columns without names: all its cells are arrays. */
static void unnamed_table(struct mr_tensor_job *job, const struct rows *rows) {
    const struct mr_signature *signature = job->signature;
    const struct mr_str whole = {0};
    if (rows->names.n < signature->n_inputs) {
        mr_job_set_misfit(job, whole, "there are fewer columns than the signature has");
    }
    for (size_t i = 0; i < signature->n_inputs; i++) {
        if (!mr_column_takes_objects(signature->columns[i].type)) {
            mr_job_set_misfit(job, whole, "expected a list of rows without names, received dicts");
        }
    }
    job->object_reason = "a column of arrays";
}

mr_status mr_job_rows(struct mr_tensor_job *job, yyjson_val *list, struct mr_error *err) {
    const struct mr_signature *signature = job->signature;
    if (signature->kind == MR_SCHEMA_NONE) {
        job->raw_reason = yyjson_arr_size(list) ? "a list of dicts" : "an empty list";
        return MR_OK;
    }
    struct rows rows = {.n = (int64_t)yyjson_arr_size(list)};
    mr_name_map_init(&rows.names, job->arena);
    rows.cells = mr_arena_zalloc(job->arena, signature->n_inputs * sizeof(*rows.cells));
    if (!rows.cells) return mr_arena_fail(job->arena, err);
    MR_TRY(collect_rows(job, list, &rows, err));
    if (signature->kind == MR_SCHEMA_COLUMNS && signature->has_names) {
        return named_table(job, &rows, err);
    }
    if (signature->kind == MR_SCHEMA_COLUMNS) {
        unnamed_table(job, &rows);
        return MR_OK;
    }
    mr_job_set_misfit(job, (struct mr_str){0},
                      "expected an array or a dict of arrays for a "
                      "signature of tensors, received a list of dicts");
    return MR_OK;
}
