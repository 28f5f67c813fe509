/* xgboost/data.py (pandas_feature_info, pandas_transform_data, _from_numpy_array), xgboost/core.py
 * (Booster._validate_features, Booster.inplace_predict, DMatrix.feature_names). */
#include <math.h>

#include "base/name_map.h"
#include "engine/xgboost/xgboost_int.h"

/* Names ------------------------------------------------------------------------------------- */

/* DMatrix refuses names that its text formats could not hold. */
static mr_status check_characters(const struct mr_column *columns, size_t n, struct mr_error *err) {
    for (size_t i = 0; i < n; i++) {
        struct mr_str name = columns[i].name;
        for (size_t k = 0; k < name.size; k++) {
            char c = name.data[k];
            if (c != '[' && c != ']' && c != '<') continue;
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "column \"%.*s\": XGBoost takes no names with [, ] or <",
                           MR_STR_ARGS(name));
        }
    }
    return MR_OK;
}

static mr_status check_unique(const struct mr_column *columns, size_t n, struct mr_arena *arena,
                              struct mr_error *err) {
    struct mr_name_map names;
    mr_name_map_init(&names, arena);
    for (size_t i = 0; i < n; i++) {
        size_t index;
        bool is_new = false;
        MR_TRY(mr_name_map_add(&names, columns[i].name, &index, &is_new, err));
        if (is_new) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "two columns are called \"%.*s\"; names must be unique",
                       MR_STR_ARGS(columns[i].name));
    }
    return MR_OK;
}

static bool are_known(const struct mr_xgb_model *model, const struct mr_table *table) {
    if (table->n_cols != model->n_sound_names) return false;
    for (size_t i = 0; i < table->n_cols; i++) {
        if (!mr_str_equal(table->columns[i].name, model->sound_names[i])) return false;
    }
    return true;
}

static mr_status check_names(const struct mr_xgb_model *model, const struct mr_table *table,
                             struct mr_arena *arena, struct mr_error *err) {
    if (model->n_names == 0) {
        if (are_known(model, table)) return MR_OK;
        if (!mr_xgb_is_in_place(model)) {
            MR_TRY(check_characters(table->columns, table->n_cols, err));
        }
        return check_unique(table->columns, table->n_cols, arena, err);
    }
    if (table->n_cols != model->n_names) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects %zu columns, received %zu",
                       model->class_name, model->n_names, table->n_cols);
    }
    for (size_t i = 0; i < model->n_names; i++) {
        if (mr_str_equal(table->columns[i].name, model->names[i])) continue;
        return mr_fail(
            err, MR_E_BAD_REQUEST, "column %zu: %s expects the name \"%.*s\", received \"%.*s\"", i,
            model->class_name, MR_STR_ARGS(model->names[i]), MR_STR_ARGS(table->columns[i].name));
    }
    return MR_OK;
}

/* Of a name that the signature has, too, its own text, which enforced columns have. */
static mr_status keep_names(const struct mr_str *names, size_t n,
                            const struct mr_signature *signature, struct mr_arena *arena,
                            const struct mr_str **out, struct mr_error *err) {
    struct mr_str *kept = mr_arena_array(arena, n, sizeof(*kept));
    if (!kept) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n; i++) {
        if (signature && i < signature->n_inputs &&
            mr_str_equal(names[i], signature->columns[i].name)) {
            kept[i] = signature->columns[i].name;
            continue;
        }
        kept[i] = (struct mr_str){mr_arena_strdup(arena, names[i]), names[i].size};
        if (!kept[i].data) return mr_arena_fail(arena, err);
    }
    *out = kept;
    return MR_OK;
}

static mr_status learn_columns(struct mr_xgb_model *model, const struct mr_signature *signature,
                               struct mr_arena *scratch, struct mr_error *err) {
    size_t n = signature->n_inputs;
    struct mr_column *columns = mr_arena_zalloc(scratch, n * sizeof(*columns));
    struct mr_str *names = mr_arena_array(scratch, n, sizeof(*names));
    if (!columns || !names) return mr_arena_fail(scratch, err);
    for (size_t i = 0; i < n; i++) names[i] = columns[i].name = signature->columns[i].name;
    struct mr_error fault = {0};
    mr_status status = check_characters(columns, n, &fault);
    if (status == MR_OK) status = check_unique(columns, n, scratch, &fault);
    if (status == MR_E_BAD_REQUEST) return MR_OK; /* each request will be told */
    if (status != MR_OK) return mr_fail(err, status, "%s", fault.message);
    model->n_sound_names = n;
    return keep_names(names, n, signature, model->base.arena, &model->sound_names, err);
}

mr_status mr_xgb_input_learn(struct mr_xgb_model *model, const struct mr_xgb_booster *booster,
                             const struct mr_signature *signature, struct mr_arena *scratch,
                             struct mr_error *err) {
    model->n_names = booster->n_names;
    bool has_names = signature && signature->kind == MR_SCHEMA_COLUMNS && signature->has_names;
    MR_TRY(keep_names(booster->names, booster->n_names, has_names ? signature : NULL,
                      model->base.arena, &model->names, err));
    return has_names ? learn_columns(model, signature, scratch, err) : MR_OK;
}

/* Shape and dtypes -------------------------------------------------------------------------- */

/* A DMatrix with fewer columns than the booster has features gets answers from XGBoost that differ
 * for one row and for several: the features that it lacks count as missing only sometimes. */
static mr_status check_width(const struct mr_xgb_model *model, int64_t n_cols,
                             struct mr_error *err) {
    if (n_cols == (int64_t)model->n_features) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST, "%s expects %u columns, received %lld", model->class_name,
                   model->n_features, (long long)n_cols);
}

static bool is_number(mr_dtype dtype) {
    return dtype != MR_STRING && dtype != MR_BINARY && dtype != MR_DATETIME && dtype != MR_OBJECT;
}

/* XGBRanker: the column of query ids, which some were fitted with (_get_qid in xgboost/sklearn.py).
 */
static mr_status drop_queries(const struct mr_table *table, struct mr_arena *arena,
                              struct mr_table *out, struct mr_error *err) {
    *out = *table;
    out->columns = mr_arena_array(arena, table->n_cols, sizeof(*out->columns));
    if (!out->columns) return mr_arena_fail(arena, err);
    out->n_cols = 0;
    for (size_t i = 0; i < table->n_cols; i++) {
        const struct mr_column *column = &table->columns[i];
        if (column->is_named && mr_str_is(column->name, "qid")) continue;
        out->columns[out->n_cols++] = *column;
    }
    return MR_OK;
}

static mr_status init_table(const struct mr_xgb_model *model, const struct mr_table *table,
                            struct mr_arena *arena, struct mr_xgb_input *out,
                            struct mr_error *err) {
    struct mr_table features;
    if (model->wrapper == MR_XGB_RANKER) {
        MR_TRY(drop_queries(table, arena, &features, err));
        table = &features;
    }
    MR_TRY(check_names(model, table, arena, err));
    MR_TRY(check_width(model, (int64_t)table->n_cols, err));
    for (size_t i = 0; i < table->n_cols; i++) {
        const struct mr_column *column = &table->columns[i];
        if (is_number(column->dtype)) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "column \"%.*s\": XGBoost takes numbers and booleans, received %s",
                       MR_STR_ARGS(column->name), mr_dtype_name(column->dtype));
    }
    out->matrix = (struct mr_matrix){.n_rows = table->n_rows,
                                     .n_cols = (uint32_t)table->n_cols,
                                     .columns = table->columns,
                                     .library = "XGBoost"};
    return MR_OK;
}

static mr_status init_tensor(const struct mr_xgb_model *model, const struct mr_tensor *tensor,
                             struct mr_xgb_input *out, struct mr_error *err) {
    bool is_in_place = mr_xgb_is_in_place(model);
    /* A column on its own is a matrix to a model of one feature. */
    bool is_column = tensor->n_dims == 1 && is_in_place && model->n_features == 1;
    if (tensor->n_dims != 2 && !is_column) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects an array of 2 dimensions, received one of %zu",
                       model->class_name, tensor->n_dims);
    }
    if (!is_in_place && model->n_names) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects columns with the names of its features, received an array",
                       model->class_name);
    }
    int64_t n_cols = is_column ? 1 : tensor->shape[1];
    MR_TRY(check_width(model, n_cols, err));
    if (!is_number(tensor->dtype) && tensor->dtype != MR_OBJECT) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects numbers, received an array of dtype %s",
                       model->class_name, mr_dtype_name(tensor->dtype));
    }
    out->matrix = (struct mr_matrix){.n_rows = tensor->shape[0],
                                     .n_cols = (uint32_t)n_cols,
                                     .tensor = tensor,
                                     .library = "XGBoost"};
    return MR_OK;
}

/* Values ------------------------------------------------------------------------------------ */

/* Values are compared with `missing` as floats (AdapterView::DoFill in
 * src/predictor/cpu_predictor.cc, IsValidFunctor in src/data/adapter.h). */
static void replace_missing(const struct mr_xgb_input *input, size_t n, float *values) {
    if (isnan(input->missing)) return;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == input->missing) values[i] = NAN;
    }
}

mr_status mr_xgb_input_read(const struct mr_xgb_input *input, uint32_t feature, int64_t row,
                            size_t n, float *out, struct mr_error *err) {
    MR_TRY(mr_matrix_floats(&input->matrix, feature, row, n, out, err));
    replace_missing(input, n, out);
    return MR_OK;
}

mr_status mr_xgb_input_read_row(const struct mr_xgb_input *input, const uint32_t *features,
                                size_t n, int64_t row, float *out, struct mr_error *err) {
    MR_TRY(mr_matrix_float_row(&input->matrix, features, n, row, out, err));
    replace_missing(input, n, out);
    return MR_OK;
}

/* Whether among n values may be what XGBoost refuses, in features that no tree asks for too: what
 * is no number among Python objects, and for a DMatrix, infinities and what becomes one as float
 * (SparsePage::Push in src/data/data.cc). */
static bool are_suspicious(mr_dtype dtype, const void *values, size_t n, bool is_in_place) {
    const double limit = 0x1.ffffffp127; /* half a unit above the largest float */
    bool is_large = false;
    if (dtype == MR_OBJECT) return true;
    if (is_in_place || mr_dtype_kind(dtype) != 'f') return false;
    if (dtype != MR_FLOAT64 && dtype != MR_FLOAT32) return true;
    for (size_t i = 0; i < n; i++) {
        double value = dtype == MR_FLOAT64 ? ((const double *)values)[i]
                                           : (double)((const float *)values)[i];
        is_large |= fabs(value) >= limit;
    }
    return is_large;
}

static mr_status check_values(const struct mr_xgb_model *model, const struct mr_xgb_input *input,
                              uint32_t feature, struct mr_error *err) {
    float values[256];
    const size_t n_at_once = sizeof(values) / sizeof(*values);
    for (int64_t row = 0; row < input->matrix.n_rows; row += (int64_t)n_at_once) {
        size_t n = (size_t)(input->matrix.n_rows - row);
        if (n > n_at_once) n = n_at_once;
        MR_TRY(mr_xgb_input_read(input, feature, row, n, values, err));
        for (size_t i = 0; i < n && !mr_xgb_is_in_place(model); i++) {
            if (!isinf(values[i])) continue;
            return mr_fail(
                err, MR_E_BAD_REQUEST,
                "row %lld, column %u: %s takes no infinity, and no value too large for a "
                "float",
                (long long)row + (long long)i, feature, model->class_name);
        }
    }
    return MR_OK;
}

static mr_status check_all(const struct mr_xgb_model *model, const struct mr_xgb_input *input,
                           struct mr_error *err) {
    bool is_in_place = mr_xgb_is_in_place(model);
    const struct mr_tensor *tensor = input->matrix.tensor;
    if (input->matrix.columns && is_in_place) return MR_OK; /* its columns are numbers */
    if (tensor &&
        !are_suspicious(tensor->dtype, tensor->values, (size_t)tensor->n_values, is_in_place)) {
        return MR_OK;
    }
    for (uint32_t feature = 0; feature < input->matrix.n_cols; feature++) {
        if (input->matrix.columns) {
            const struct mr_column *column = &input->matrix.columns[feature];
            size_t n = (size_t)input->matrix.n_rows;
            if (!are_suspicious(column->dtype, column->values, n, is_in_place)) continue;
        }
        MR_TRY(check_values(model, input, feature, err));
    }
    return MR_OK;
}

mr_status mr_xgb_input_init(const struct mr_xgb_model *model, const struct mr_input *input,
                            struct mr_arena *arena, struct mr_xgb_input *out,
                            struct mr_error *err) {
    switch (input->kind) {
    case MR_INPUT_TABLE: MR_TRY(init_table(model, &input->table, arena, out, err)); break;
    case MR_INPUT_TENSOR: MR_TRY(init_tensor(model, &input->tensors[0], out, err)); break;
    case MR_INPUT_TENSORS:
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects a table or one array, received %zu named arrays",
                       model->class_name, input->n_tensors);
    default:
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects a table or an array of numbers, received %s", model->class_name,
                       input->raw_reason ? input->raw_reason : "something else");
    }
    out->missing = model->missing;
    return check_all(model, out, err);
}
