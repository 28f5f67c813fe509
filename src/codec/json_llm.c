/* Bodies with messages, prompt or input at the top level, which MLflow takes for the formats of
 * language models: the body itself is the data, whatever other format stands in it
 * (_parse_json_data and _split_data_and_params_for_llm_input in
 * mlflow/pyfunc/scoring_server/__init__.py). Such a dict is cast to nothing: _enforce_schema makes
 * a DataFrame of it as it is. */
#include "codec/json_int.h"
#include "schema/cast.h"

/* The members of a body that are data, as Python's dict has them. */
struct members {
    struct mr_name_map names;
    yyjson_val **values;
};

static bool is_param(const struct mr_signature *signature, struct mr_str name) {
    for (size_t i = 0; i < signature->n_params; i++) {
        if (mr_str_equal(signature->params[i].name, name)) return true;
    }
    return false;
}

static mr_status read_members(yyjson_val *root, const struct mr_signature *signature,
                              struct mr_arena *arena, struct members *out, struct mr_error *err) {
    mr_name_map_init(&out->names, arena);
    out->values = mr_arena_array(arena, yyjson_obj_size(root), sizeof(*out->values));
    if (!out->values) return mr_arena_fail(arena, err);
    yyjson_val *key, *value;
    size_t i, n;
    yyjson_obj_foreach(root, i, n, key, value) {
        struct mr_str name = {yyjson_get_str(key), yyjson_get_len(key)};
        size_t index;
        bool is_new;
        if (is_param(signature, name)) continue;
        MR_TRY(mr_name_map_add(&out->names, name, &index, &is_new, err));
        out->values[index] = value;
    }
    return MR_OK;
}

static mr_status check_required(const struct mr_signature *signature, const struct members *members,
                                struct mr_error *err) {
    for (size_t i = 0; signature->has_names && i < signature->n_inputs; i++) {
        const struct mr_col_spec *spec = &signature->columns[i];
        bool is_given = !signature->is_numbered &&
                        mr_name_map_find(&members->names, spec->name) != MR_NAME_NONE;
        if (is_given || !spec->is_required) continue;
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the body has messages, prompt or input and is read as the payload of a "
                       "language model; the model requires the column '%.*s', which it lacks",
                       MR_STR_ARGS(spec->name));
    }
    return MR_OK;
}

/* A list of texts counts as one value. */
static bool is_single(yyjson_val *value) {
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(value, i, n, item) {
        if (!yyjson_is_str(item)) return false;
    }
    return !yyjson_is_obj(value);
}

/* The rows of pandas.DataFrame([members]), one, or of pandas.DataFrame(members): lists must be of
 * one length. *raw_reason: only pandas can tell. */
static mr_status count_rows(const struct members *members, bool *is_row, int64_t *n_rows,
                            const char **raw_reason, struct mr_error *err) {
    size_t n_lists = 0, n_objects = 0, size = 0;
    *is_row = true;
    *n_rows = 1;
    for (size_t i = 0; i < members->names.n; i++) {
        yyjson_val *value = members->values[i];
        *is_row &= is_single(value);
        n_objects += yyjson_is_obj(value);
        if (!yyjson_is_arr(value)) continue;
        if (n_lists++ && yyjson_arr_size(value) != size) size = SIZE_MAX;
        if (n_lists == 1) size = yyjson_arr_size(value);
    }
    if (*is_row) return MR_OK;
    if (n_objects && n_lists == 0) *raw_reason = "columns given as objects";
    if (n_objects && n_lists == 0) return MR_OK;
    if (n_objects || size == SIZE_MAX) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the body has messages, prompt or input and is read as one table: expected "
                       "a list of one length for each column");
    }
    *n_rows = (int64_t)size;
    return MR_OK;
}

/* A single value stands in every row. */
static mr_status infer_column(yyjson_val *value, bool is_row, int64_t n_rows,
                              struct mr_arena *arena, struct mr_column *column,
                              struct mr_error *err) {
    yyjson_val **items = mr_arena_array(arena, (size_t)n_rows, sizeof(*items));
    if (!items) return mr_arena_fail(arena, err);
    bool is_list = !is_row && yyjson_is_arr(value);
    yyjson_val *item = is_list ? yyjson_arr_get_first(value) : value;
    for (int64_t i = 0; i < n_rows; i++) {
        items[i] = item;
        if (is_list) item = unsafe_yyjson_get_next(item);
    }
    struct mr_cells cells = {.n = n_rows, .items = items};
    struct mr_cast cast;
    mr_cast_init_infer(&cast, column);
    mr_status status = mr_cast_all(&cast, &cells, true, arena, err);
    if (status != MR_E_BAD_REQUEST) return status;
    if (err) err->status = MR_E_INVALID_PARAMETER;
    return MR_E_INVALID_PARAMETER;
}

static mr_status make_table(const struct members *members, const struct mr_signature *signature,
                            struct mr_arena *arena, struct mr_input *out, struct mr_error *err) {
    bool is_row;
    int64_t n_rows;
    struct mr_table table;
    MR_TRY(count_rows(members, &is_row, &n_rows, &out->raw_reason, err));
    if (out->raw_reason) return MR_OK;
    MR_TRY(mr_table_new(arena, n_rows, members->names.n, &table, err));
    size_t n = 0;
    for (size_t i = 0; i < members->names.n; i++) {
        struct mr_str name = members->names.names[i];
        bool is_wanted = signature->has_names
                             ? mr_signature_find(signature, name, n) != MR_NAME_NONE
                             : i < signature->n_inputs;
        if (!is_wanted) continue;
        struct mr_column *column = &table.columns[n++];
        column->name = name;
        column->is_named = true;
        MR_TRY(infer_column(members->values[i], is_row, n_rows, arena, column, err));
    }
    table.n_cols = n;
    out->kind = MR_INPUT_TABLE;
    out->table = table;
    return MR_OK;
}

mr_status mr_json_decode_llm(yyjson_val *root, const struct mr_signature *signature,
                             struct mr_arena *arena, struct mr_decoded *out, struct mr_error *err) {
    out->is_llm = true;
    out->params = root; /* those of the signature; other keys are ignored there */
    out->input.kind = MR_INPUT_RAW;
    if (signature->kind == MR_SCHEMA_TENSORS) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the body has messages, prompt or input and is read as the payload of a "
                       "language model; the model takes arrays: send them under inputs");
    }
    if (signature->kind == MR_SCHEMA_NONE || signature->is_nested) {
        out->input.raw_reason = "a payload for language models (messages, prompt or input)";
        return MR_OK;
    }
    struct members members;
    MR_TRY(read_members(root, signature, arena, &members, err));
    MR_TRY(check_required(signature, &members, err));
    return make_table(&members, signature, arena, &out->input, err);
}
