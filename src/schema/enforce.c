/* _enforce_schema in mlflow/models/utils.py: the way of a request past its signature, and the part
 * for signatures of columns. enforce_tensor.c has the part for tensors. */
#include "schema/enforce.h"

#include <math.h>
#include <stdio.h>

#include "base/half.h"
#include "base/name_map.h"
#include "schema/cast.h"
#include "schema/enforce_int.h"
#include "schema/ndarray_item.h"

/* --- One column: _enforce_mlflow_datatype ----------------------------------------------------- */

static mr_status type_error(const struct mr_column *column, mr_col_type type, const char *hint,
                            struct mr_error *err) {
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "column '%.*s': expected %s, received %s, which cannot be converted safely%s",
                   MR_STR_ARGS(column->name), mr_col_type_name(type), mr_dtype_name(column->dtype),
                   hint);
}

static double number_at(const struct mr_column *column, int64_t i) {
    switch (column->dtype) {
    case MR_INT8: return ((const int8_t *)column->values)[i];
    case MR_INT16: return ((const int16_t *)column->values)[i];
    case MR_INT32: return ((const int32_t *)column->values)[i];
    case MR_UINT8: return ((const uint8_t *)column->values)[i];
    case MR_UINT16: return ((const uint16_t *)column->values)[i];
    case MR_UINT32: return ((const uint32_t *)column->values)[i];
    case MR_INT64: return (double)((const int64_t *)column->values)[i];
    case MR_FLOAT16: return mr_half_to_double(((const uint16_t *)column->values)[i]);
    case MR_FLOAT32: return ((const float *)column->values)[i];
    default: return ((const double *)column->values)[i];
    }
}

/* Widen a column; every value it can hold fits a double exactly. */
static mr_status convert(struct mr_column *column, mr_dtype dtype, struct mr_arena *arena,
                         struct mr_error *err) {
    if (column->dtype == dtype) return MR_OK;
    char *values = mr_arena_array(arena, (size_t)column->n_rows, mr_dtype_size(dtype));
    if (!values) return mr_arena_fail(arena, err);
    for (int64_t i = 0; i < column->n_rows; i++) {
        double value = number_at(column, i);
        switch (dtype) {
        case MR_INT32: ((int32_t *)(void *)values)[i] = (int32_t)value; break;
        case MR_INT64: ((int64_t *)(void *)values)[i] = (int64_t)value; break;
        case MR_FLOAT32: ((float *)(void *)values)[i] = (float)value; break;
        default: ((double *)(void *)values)[i] = value; break;
        }
    }
    column->values = values;
    column->dtype = dtype;
    return MR_OK;
}

/* Whether pandas widens without loss: the same kind and no wider, unsigned to a wider signed, and
 * integers of up to four bytes to double. */
static bool is_upcast(mr_dtype from, mr_dtype to) {
    char from_kind = mr_dtype_kind(from), to_kind = mr_dtype_kind(to);
    size_t from_size = mr_dtype_size(from), to_size = mr_dtype_size(to);
    if (!strchr("biuf", from_kind) || !strchr("biuf", to_kind)) return false;
    if (from_kind == to_kind) return from_size <= to_size;
    if (from_kind == 'u' && to_kind == 'i') return from_size < to_size;
    return (from_kind == 'i' || from_kind == 'u') && to == MR_FLOAT64 && from_size <= 4;
}

static bool is_all_zero_or_one(const struct mr_column *column) {
    const int64_t *values = column->values;
    for (int64_t i = 0; i < column->n_rows; i++) {
        if (values[i] != 0 && values[i] != 1) return false;
    }
    return true;
}

/* Floats that would be integers but for missing values: the usual reason for this error. */
static const char *integer_hint(const struct mr_column *column, mr_dtype dtype) {
    if (column->dtype != MR_FLOAT64 || mr_dtype_kind(dtype) != 'i') return "";
    const double *values = column->values;
    bool has_missing = false;
    for (int64_t i = 0; i < column->n_rows; i++) {
        if (isnan(values[i])) {
            has_missing = true;
        } else if (values[i] != trunc(values[i])) {
            return "";
        }
    }
    return has_missing ? " (an integer column cannot hold missing values; declare it as double in "
                         "the signature)"
                       : "";
}

/* pandas.to_numeric, which _enforce_mlflow_datatype calls for a double because numpy takes the
 * dtype of decimal.Decimal for object: integers of any size pass, what is missing or empty is
 * NaN. */
static mr_status objects_to_double(struct mr_column *column, struct mr_arena *arena, bool *is_raw,
                                   struct mr_error *err) {
    double *values = mr_arena_array(arena, (size_t)column->n_rows, sizeof(*values));
    if (!values) return mr_arena_fail(arena, err);
    for (int64_t i = 0; i < column->n_rows; i++) {
        yyjson_val *cell = ((yyjson_val *const *)column->values)[i];
        bool is_sized = yyjson_is_ctn(cell) || yyjson_is_str(cell);
        values[i] = NAN;
        if (!cell || yyjson_is_null(cell) || (is_sized && yyjson_get_len(cell) == 0)) continue;
        if (yyjson_is_ctn(cell) || mr_item_double(cell, &values[i]) != MR_ITEM_OK) {
            return type_error(column, MR_COL_DOUBLE, "", err);
        }
        *is_raw |= yyjson_is_str(cell) || yyjson_is_bool(cell); /* numbers to float() */
    }
    column->values = values;
    column->dtype = MR_FLOAT64;
    return MR_OK;
}

/* A column of Python objects for a type that is neither string nor binary: pandas looks again at
 * what they are (infer_objects). *is_raw: only Python can go on. */
static mr_status enforce_objects(struct mr_column *column, mr_col_type type, struct mr_arena *arena,
                                 bool *is_raw, struct mr_error *err) {
    struct mr_cells cells = {.n = column->n_rows, .items = (yyjson_val *const *)column->values};
    struct mr_column inferred = {
        .name = column->name, .is_named = column->is_named, .n_rows = column->n_rows};
    struct mr_cast cast;
    mr_cast_init_infer(&cast, &inferred);
    mr_status status = mr_cast_all(&cast, &cells, true, arena, err);
    if (status == MR_E_BAD_REQUEST && err) err->status = MR_E_INVALID_PARAMETER;
    if (status == MR_E_BAD_REQUEST) return MR_E_INVALID_PARAMETER;
    if (status != MR_OK) return status;
    *column = inferred;
    if (column->dtype != MR_OBJECT) return MR_OK;
    if (type == MR_COL_DOUBLE) return objects_to_double(column, arena, is_raw, err);
    *is_raw = type == MR_COL_DATETIME || type == MR_COL_BOOLEAN;
    return MR_OK;
}

static mr_status enforce_column(struct mr_column *column, mr_col_type type, struct mr_arena *arena,
                                bool *is_raw, struct mr_error *err) {
    mr_dtype dtype = mr_col_type_dtype(type);
    if (column->dtype == dtype) return MR_OK;
    bool takes_objects = type == MR_COL_STRING || type == MR_COL_BINARY;
    /* Bytes are objects too, but where a whole array became the columns: those keep its dtype. */
    bool is_object = column->dtype == MR_OBJECT || (column->dtype == MR_BINARY && column->is_named);
    if (takes_objects && is_object) return MR_OK;
    /* Binary takes texts as they are: both were columns of objects before pandas 3. */
    if (type == MR_COL_BINARY && column->dtype == MR_STRING) return MR_OK;
    if (column->dtype == MR_OBJECT) {
        MR_TRY(enforce_objects(column, type, arena, is_raw, err));
        if (*is_raw || column->dtype == dtype) return MR_OK;
    }
    if (is_upcast(column->dtype, dtype)) return convert(column, dtype, arena, err);
    bool is_float = dtype == MR_FLOAT32 || dtype == MR_FLOAT64;
    if (column->dtype == MR_INT64 && is_float && is_all_zero_or_one(column)) {
        return convert(column, dtype, arena, err);
    }
    return type_error(column, type, integer_hint(column, dtype), err);
}

/* --- All columns ------------------------------------------------------------------------------ */

/* The names of required columns that the request lacks, for the message. */
static mr_status missing_error(const struct mr_signature *signature,
                               const struct mr_name_map *given, struct mr_error *err) {
    char names[400];
    size_t used = 0, n_missing = 0;
    for (size_t i = 0; i < signature->n_inputs; i++) {
        struct mr_str name = signature->columns[i].name;
        if (!signature->columns[i].is_required) continue;
        if (mr_name_map_find(given, name) != MR_NAME_NONE) continue;
        n_missing++;
        if (used + name.size + 8 >= sizeof(names)) continue;
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s'%.*s'", used ? ", " : "",
                                 (int)name.size, name.data);
    }
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "the model requires %zu column%s that the request lacks: %.*s", n_missing,
                   n_missing == 1 ? "" : "s", (int)used, names);
}

/* Whether the table has exactly the signature's columns, in its order. Their names become the
 * signature's own texts, so that who compares them again finds them in the same place. */
static bool is_in_order(const struct mr_signature *signature, struct mr_table *table) {
    if (table->n_cols != signature->n_inputs) return false;
    for (size_t i = 0; i < table->n_cols; i++) {
        struct mr_column *column = &table->columns[i];
        if (column->is_named == signature->is_numbered ||
            !mr_str_equal(column->name, signature->columns[i].name)) {
            return false;
        }
        column->name = signature->columns[i].name;
    }
    return true;
}

/* Bring the columns into the signature's order, without those it does not name. */
static mr_status sort_columns(const struct mr_signature *signature, struct mr_table *table,
                              mr_col_type *types, struct mr_arena *arena, struct mr_error *err) {
    struct mr_name_map given;
    mr_name_map_init(&given, arena);
    size_t *places = mr_arena_array(arena, table->n_cols, sizeof(*places));
    bool *is_twice = mr_arena_zalloc(arena, table->n_cols * sizeof(*is_twice));
    struct mr_column *columns = mr_arena_array(arena, signature->n_inputs, sizeof(*columns));
    if (!places || !is_twice || !columns) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < table->n_cols; i++) {
        size_t index;
        bool is_new;
        if (table->columns[i].is_named == signature->is_numbered) continue;
        MR_TRY(mr_name_map_add(&given, table->columns[i].name, &index, &is_new, err));
        if (is_new) places[index] = i;
        if (!is_new) is_twice[index] = true;
    }
    size_t n = 0;
    const struct mr_col_spec *twice = NULL;
    for (size_t i = 0; i < signature->n_inputs; i++) {
        const struct mr_col_spec *spec = &signature->columns[i];
        size_t index = mr_name_map_find(&given, spec->name);
        if (index == MR_NAME_NONE && spec->is_required)
            return missing_error(signature, &given, err);
        if (index == MR_NAME_NONE) continue;
        if (is_twice[index]) twice = spec;
        types[n] = spec->type;
        columns[n] = table->columns[places[index]];
        columns[n++].name = spec->name;
    }
    if (twice) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "column '%.*s' is given more than once",
                       MR_STR_ARGS(twice->name));
    }
    table->columns = columns;
    table->n_cols = n;
    if (!n) {
        table->n_rows = 0; /* pd.DataFrame({}) has no rows */
        table->index = NULL;
        table->odd_labels = NULL;
    }
    return MR_OK;
}

static mr_status check_count(const struct mr_signature *signature, struct mr_table *table,
                             struct mr_error *err) {
    if (table->n_cols < signature->n_inputs) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the model has %zu inputs without names, but the request has %zu columns",
                       signature->n_inputs, table->n_cols);
    }
    table->n_cols = signature->n_inputs;
    return MR_OK;
}

mr_status mr_enforce_columns(const struct mr_signature *signature, struct mr_input *input,
                             struct mr_arena *arena, struct mr_error *err) {
    struct mr_table *table = &input->table;
    mr_col_type *types = NULL; /* NULL: as the signature has them */
    if (!signature->has_names) {
        MR_TRY(check_count(signature, table, err));
    } else if (!is_in_order(signature, table)) {
        types = mr_arena_array(arena, signature->n_inputs, sizeof(*types));
        if (!types) return mr_arena_fail(arena, err);
        MR_TRY(sort_columns(signature, table, types, arena, err));
    }
    bool is_raw = false;
    for (size_t i = 0; i < table->n_cols; i++) {
        bool is_column_raw = false;
        mr_col_type type = types ? types[i] : signature->columns[i].type;
        MR_TRY(enforce_column(&table->columns[i], type, arena, &is_column_raw, err));
        is_raw |= is_column_raw;
    }
    if (!is_raw) return MR_OK;
    input->kind = MR_INPUT_RAW;
    input->raw_reason = "values that only Python can convert to the column's type";
    return MR_OK;
}

mr_status mr_enforce_inputs(const struct mr_signature *signature, struct mr_input *input,
                            struct mr_arena *arena, struct mr_error *err) {
    if (input->kind == MR_INPUT_RAW || signature->kind == MR_SCHEMA_NONE) return MR_OK;
    if (signature->is_lost) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the signature has an input called \"\" or 0, which no request can have: "
                       "save the model with another name");
    }
    if (signature->kind == MR_SCHEMA_TENSORS) {
        return mr_enforce_tensors(signature, input, arena, err);
    }
    if (input->kind != MR_INPUT_TABLE) {
        MR_TRY(mr_enforce_tensors_as_table(signature, input, arena, err));
        if (input->kind == MR_INPUT_RAW) return MR_OK;
    }
    return mr_enforce_columns(signature, input, arena, err);
}
