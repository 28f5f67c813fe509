#include "engine/sklearn/features.h"

#include <math.h>
#include <yyjson.h>

#include "base/name_map.h"
#include "engine/cell.h"

/* Names ------------------------------------------------------------------------------------ */

static mr_status check_unique(const struct mr_table *table, struct mr_arena *arena,
                              struct mr_error *err) {
    struct mr_name_map names;
    mr_name_map_init(&names, arena);
    for (size_t i = 0; i < table->n_cols; i++) {
        size_t index;
        bool is_new;
        MR_TRY(mr_name_map_add(&names, table->columns[i].name, &index, &is_new, err));
        if (is_new) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "two columns are called \"%.*s\"; names must be unique",
                       MR_STR_ARGS(table->columns[i].name));
    }
    return MR_OK;
}

static mr_status check_fitted_names(const struct mr_sk_feature_spec *spec,
                                    const struct mr_table *table, struct mr_error *err) {
    for (size_t i = 0; i < table->n_cols && i < spec->n_features; i++) {
        if (mr_str_equal(table->columns[i].name, spec->names[i])) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "column %zu: %s was fitted with \"%.*s\" there, received \"%.*s\"; names "
                       "must match in order",
                       i, spec->estimator, MR_STR_ARGS(spec->names[i]),
                       MR_STR_ARGS(table->columns[i].name));
    }
    return MR_OK;
}

/* _get_feature_names, _check_feature_names. */
static mr_status check_names(const struct mr_sk_feature_spec *spec, const struct mr_table *table,
                             struct mr_arena *arena, struct mr_error *err) {
    size_t n_named = 0;
    for (size_t i = 0; i < table->n_cols; i++) n_named += table->columns[i].is_named;
    if (n_named != 0 && n_named != table->n_cols) {
        if (!spec->is_mix_of_names_forbidden) return MR_OK;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "column names must all be strings or all be numbers; %zu of %zu are strings",
                       n_named, table->n_cols);
    }
    /* Names that match the fitted ones are unique, as those are. */
    if (n_named && spec->names) return check_fitted_names(spec, table, err);
    return spec->is_duplicate_forbidden ? check_unique(table, arena, err) : MR_OK;
}

/* Dtypes ----------------------------------------------------------------------------------- */

static bool is_numeric(const struct mr_sk_feature_spec *spec) {
    return spec->dtype == MR_SK_NUMERIC || spec->dtype == MR_SK_NUMERIC_FLOAT32;
}

static bool is_float32(const struct mr_sk_feature_spec *spec) {
    return spec->dtype == MR_SK_FLOAT32 || spec->dtype == MR_SK_FLOAT32_LATER ||
           spec->dtype == MR_SK_NUMERIC_FLOAT32;
}

static bool is_narrow(mr_dtype dtype) {
    switch (dtype) {
    case MR_BOOL:
    case MR_INT8:
    case MR_INT16:
    case MR_UINT8:
    case MR_UINT16:
    case MR_FLOAT16:
    case MR_FLOAT32: return true;
    default: return false;
    }
}

/* numpy.result_type of the columns, joined with float32: is it float32? */
static mr_sk_width find_width(const struct mr_sk_feature_spec *spec, const struct mr_table *table) {
    bool has_float32 = false, has_float = false, has_signed = false, has_uint16 = false;
    for (size_t i = 0; i < table->n_cols; i++) {
        mr_dtype dtype = table->columns[i].dtype;
        if (!is_narrow(dtype)) return MR_SK_WIDE;
        has_float32 |= dtype == MR_FLOAT32;
        has_float |= dtype == MR_FLOAT16 || dtype == MR_FLOAT32;
        has_signed |= dtype == MR_INT8 || dtype == MR_INT16;
        has_uint16 |= dtype == MR_UINT16;
    }
    if (spec->dtype == MR_SK_FLOATS && !has_float32) return MR_SK_WIDE;
    return has_signed && has_uint16 && !has_float ? MR_SK_WIDE : MR_SK_NARROW; /* int32 */
}

/* Whether float32 values are made of integers directly: from an array of nothing else, and column
 * by column, which is what a boolean among them makes check_array do. Else they are doubles first.
 */
static bool is_rounded_once(const struct mr_sk_feature_spec *spec, const struct mr_table *table) {
    bool has_bool = false, has_signed = false, has_uint64 = false, has_other = false;
    for (size_t i = 0; i < table->n_cols; i++) {
        mr_dtype dtype = table->columns[i].dtype;
        char kind = mr_dtype_kind(dtype);
        has_bool |= kind == 'b';
        has_signed |= kind == 'i';
        has_uint64 |= dtype == MR_UINT64;
        has_other |= !strchr("biuM", kind) || table->columns[i].validity;
    }
    if (spec->dtype == MR_SK_FLOAT32 && has_bool) return true;
    return !has_other && !(has_signed && has_uint64);
}

/* datetime64 joins no other dtype but objects, and cannot be multiplied; only a dtype of floats
 * makes floats (nanoseconds) of a frame that has nothing else. */
static mr_status check_datetimes(const struct mr_sk_feature_spec *spec,
                                 const struct mr_table *table, struct mr_error *err) {
    size_t n = 0, n_used = 0, last = 0;
    bool has_object = false;
    for (size_t i = 0; i < table->n_cols; i++) {
        mr_dtype dtype = table->columns[i].dtype;
        has_object |= dtype == MR_OBJECT || dtype == MR_STRING || dtype == MR_BINARY;
        if (dtype != MR_DATETIME) continue;
        n++;
        n_used += !spec->is_unused || !spec->is_unused[i];
        last = i;
    }
    if (n == 0 || (n == table->n_cols && !is_numeric(spec))) return MR_OK;
    if (has_object && n_used == 0) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST, "column \"%.*s\": %s takes numbers, received datetimes",
                   MR_STR_ARGS(table->columns[last].name), spec->estimator);
}

/* Input ------------------------------------------------------------------------------------ */

static mr_status check_shape(const struct mr_sk_feature_spec *spec, int64_t n_rows, int64_t n_cols,
                             struct mr_error *err) {
    if (n_cols < 0 || (uint64_t)n_cols != spec->n_features) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects %zu features, received %lld",
                       spec->estimator, spec->n_features, (long long)n_cols);
    }
    if (n_rows < 1) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects at least one row, received none",
                       spec->estimator);
    }
    return MR_OK;
}

static mr_status init_table(const struct mr_sk_feature_spec *spec, const struct mr_table *table,
                            struct mr_arena *arena, struct mr_sk_features *out,
                            struct mr_error *err) {
    MR_TRY(check_names(spec, table, arena, err));
    MR_TRY(check_shape(spec, table->n_rows, (int64_t)table->n_cols, err));
    MR_TRY(check_datetimes(spec, table, err));
    *out = (struct mr_sk_features){.spec = spec,
                                   .n_rows = table->n_rows,
                                   .width = find_width(spec, table),
                                   .is_rounded_once = is_rounded_once(spec, table),
                                   .columns = table->columns};
    return MR_OK;
}

static mr_status init_tensor(const struct mr_sk_feature_spec *spec, const struct mr_tensor *tensor,
                             struct mr_sk_features *out, struct mr_error *err) {
    if (tensor->n_dims != 2) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects an array of 2 dimensions, received one of %zu", spec->estimator,
                       tensor->n_dims);
    }
    MR_TRY(check_shape(spec, tensor->shape[0], tensor->shape[1], err));
    mr_dtype dtype = tensor->dtype;
    bool is_number = dtype != MR_STRING && dtype != MR_BINARY && dtype != MR_DATETIME;
    if (!is_number && is_numeric(spec)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects numbers, received an array of dtype %s",
                       spec->estimator, mr_dtype_name(dtype));
    }
    bool is_single = spec->dtype == MR_SK_FLOATS ? dtype == MR_FLOAT32 : is_narrow(dtype);
    *out = (struct mr_sk_features){.spec = spec,
                                   .n_rows = tensor->shape[0],
                                   .width = is_single ? MR_SK_NARROW : MR_SK_WIDE,
                                   .is_rounded_once = true,
                                   .tensor = tensor};
    return MR_OK;
}

mr_status mr_sk_features_init(const struct mr_sk_feature_spec *spec, const struct mr_input *input,
                              struct mr_arena *arena, struct mr_sk_features *out,
                              struct mr_error *err) {
    switch (input->kind) {
    case MR_INPUT_TABLE: return init_table(spec, &input->table, arena, out, err);
    case MR_INPUT_TENSOR: return init_tensor(spec, &input->tensors[0], out, err);
    case MR_INPUT_TENSORS: /* np.asarray makes a scalar of a dict */
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s expects one array of 2 dimensions, received %zu named arrays",
                       spec->estimator, input->n_tensors);
    case MR_INPUT_RAW: break;
    }
    return mr_fail(err, MR_E_BAD_REQUEST, "%s expects a table or an array of numbers, received %s",
                   spec->estimator, input->raw_reason ? input->raw_reason : "something else");
}

/* Values ----------------------------------------------------------------------------------- */

static bool read_feature(const struct mr_sk_features *x, size_t feature, int64_t row, double *out) {
    if (x->columns) return mr_cell_of_column(&x->columns[feature], row, out);
    int64_t i = row * (int64_t)x->spec->n_features + (int64_t)feature;
    return mr_cell_of_array(x->tensor->dtype, x->tensor->values, i, out);
}

/* float32(value). The compiler's conversions of 64-bit integers round once, to nearest. */
static double round_value(const struct mr_sk_features *x, size_t feature, int64_t row,
                          double value) {
    if (!is_float32(x->spec)) return value;
    const struct mr_column *column = x->columns ? &x->columns[feature] : NULL;
    mr_dtype dtype = column ? column->dtype : x->tensor->dtype;
    bool is_wide_integer = dtype == MR_INT64 || dtype == MR_UINT64 || dtype == MR_DATETIME;
    if (!is_wide_integer || !x->is_rounded_once || isnan(value)) return (double)(float)value;
    const void *values = column ? column->values : x->tensor->values;
    int64_t i = column ? row : row * (int64_t)x->spec->n_features + (int64_t)feature;
    return (double)(dtype == MR_UINT64 ? (float)((const uint64_t *)values)[i]
                                       : (float)((const int64_t *)values)[i]);
}

/* Whether a cell that reads as NaN is none yet to numpy: Python's None, or a text. A record without
 * the key has NaN there. */
static bool is_late_nan(const struct mr_sk_features *x, size_t feature, int64_t row) {
    const struct mr_column *column = x->columns ? &x->columns[feature] : NULL;
    mr_dtype dtype = column ? column->dtype : x->tensor->dtype;
    if (dtype == MR_STRING || dtype == MR_BINARY) return !column || mr_column_is_valid(column, row);
    if (dtype != MR_OBJECT) return false;
    const yyjson_val *const *cells = column ? column->values : x->tensor->values;
    int64_t i = column ? row : row * (int64_t)x->spec->n_features + (int64_t)feature;
    yyjson_val *cell = (yyjson_val *)(uintptr_t)cells[i];
    return yyjson_is_null(cell) || yyjson_is_str(cell);
}

static bool may_pass(const struct mr_sk_features *x, size_t feature, int64_t row, double value) {
    if (isfinite(value)) return true;
    switch (x->spec->finite) {
    case MR_SK_FINITE: break;
    case MR_SK_FINITE_OR_NAN: return isnan(value);
    case MR_SK_FINITE_OR_LATE: return isnan(value) && is_late_nan(x, feature, row);
    case MR_SK_ANY: return true;
    }
    return false;
}

static const char *describe_value(const struct mr_sk_features *x, size_t feature, int64_t row) {
    double value;
    if (!read_feature(x, feature, row, &value)) return "a value that is no number";
    if (isnan(value)) return "NaN or a missing value";
    return isinf(value) ? "infinity" : "a number too large for float32";
}

static mr_status fail_value(const struct mr_sk_features *x, size_t feature, int64_t row,
                            struct mr_error *err) {
    const char *received = describe_value(x, feature, row);
    const char *expected = x->spec->finite == MR_SK_ANY ? "number" : "finite number";
    struct mr_str name = x->columns ? x->columns[feature].name : (struct mr_str){0};
    if (name.size == 0) {
        return mr_fail(err, MR_E_BAD_REQUEST, "row %lld, feature %zu: %s expects a %s, received %s",
                       (long long)row, feature, x->spec->estimator, expected, received);
    }
    return mr_fail(err, MR_E_BAD_REQUEST, "column \"%.*s\", row %lld: %s expects a %s, received %s",
                   MR_STR_ARGS(name), (long long)row, x->spec->estimator, expected, received);
}

mr_status mr_sk_features_row(const struct mr_sk_features *x, int64_t row, double *out,
                             struct mr_error *err) {
    const bool *is_unused = x->spec->is_unused;
    for (size_t i = 0; i < x->spec->n_features; i++) {
        out[i] = 0;
        if (is_unused && is_unused[i]) continue;
        if (!read_feature(x, i, row, &out[i])) return fail_value(x, i, row, err);
        out[i] = round_value(x, i, row, out[i]);
        if (!may_pass(x, i, row, out[i])) return fail_value(x, i, row, err);
    }
    return MR_OK;
}

/* Whether all values are finite: adding one to a full exponent carries into the sign bit. Integer
 * arithmetic, because the compiler may not reorder a sum of doubles into vectors. */
static bool are_finite(const double *values, size_t n) {
    const uint64_t exponent = UINT64_C(0x7ff) << 52;
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        carry |= (bits & exponent) + (UINT64_C(1) << 52);
    }
    return carry >> 63 == 0;
}

#define CONVERT(type)                                                                              \
    do {                                                                                           \
        const type *from = (const type *)values + start;                                           \
        for (size_t i = 0; i < n; i++) scratch[i] = (double)from[i * stride];                      \
        return true;                                                                               \
    } while (0)

/* Strided numbers to doubles; false for dtypes that need a look at every single value. */
static bool convert(mr_dtype dtype, const void *values, size_t start, size_t stride, size_t n,
                    double *scratch) {
    switch (dtype) {
    case MR_BOOL:
    case MR_UINT8: CONVERT(uint8_t);
    case MR_INT32: CONVERT(int32_t);
    case MR_INT64: CONVERT(int64_t);
    case MR_FLOAT32: CONVERT(float);
    case MR_FLOAT64: CONVERT(double);
    default: return false;
    }
}

/* Rounds n values of a feature to float32; *values may lie in the input itself. */
static void round_column(const struct mr_sk_features *x, size_t feature, int64_t row, size_t n,
                         double *scratch, const double **values) {
    mr_dtype dtype = x->columns ? x->columns[feature].dtype : x->tensor->dtype;
    if (dtype == MR_FLOAT64 || dtype == MR_FLOAT32) { /* most columns: a loop of vectors */
        const double *from = *values;
        for (size_t i = 0; i < n; i++) scratch[i] = (double)(float)from[i];
    } else {
        for (size_t i = 0; i < n; i++) {
            scratch[i] = round_value(x, feature, row + (int64_t)i, (*values)[i]);
        }
    }
    *values = scratch;
}

mr_status mr_sk_features_column(const struct mr_sk_features *x, size_t feature, int64_t row,
                                size_t n, double *scratch, const double **out,
                                struct mr_error *err) {
    const struct mr_column *column = x->columns ? &x->columns[feature] : NULL;
    mr_dtype dtype = column ? column->dtype : x->tensor->dtype;
    const void *values = column ? column->values : x->tensor->values;
    size_t stride = column ? 1 : x->spec->n_features;
    size_t start = column ? (size_t)row : (size_t)row * stride + feature;
    bool is_plain = !column || !column->validity;
    size_t n_read = n; /* how many float() took */
    if (is_plain && dtype == MR_FLOAT64 && stride == 1) {
        *out = (const double *)values + start;
    } else {
        *out = scratch;
        if (!is_plain || !convert(dtype, values, start, stride, n, scratch)) {
            n_read = 0;
            while (n_read < n && read_feature(x, feature, row + (int64_t)n_read, &scratch[n_read]))
                n_read++;
        }
    }
    if (is_float32(x->spec)) round_column(x, feature, row, n_read, scratch, out);
    if (n_read == n && are_finite(*out, n)) return MR_OK;
    size_t bad = 0;
    while (bad < n_read && may_pass(x, feature, row + (int64_t)bad, (*out)[bad])) bad++;
    return bad == n ? MR_OK : fail_value(x, feature, row + (int64_t)bad, err);
}
