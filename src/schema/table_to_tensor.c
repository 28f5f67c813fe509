#include "schema/table_to_tensor.h"

#include "base/half.h"
#include "schema/ndarray.h"
#include "schema/ndarray_item.h"
#include "schema/py_value.h"

#define ONLY_NUMPY "a conversion between array types that is left to numpy"

static mr_status fail(const struct mr_column *column, const char *expected, const char *received,
                      struct mr_error *err) {
    return mr_fail(err, MR_E_INVALID_PARAMETER, "column '%.*s': expected %s, received %s",
                   MR_STR_ARGS(column->name), expected, received);
}

static mr_status set_shape(struct mr_tensor *out, const int64_t *sizes, size_t n_dims,
                           struct mr_arena *arena, struct mr_error *err) {
    int64_t *shape = mr_arena_array(arena, n_dims, sizeof(*shape));
    if (!shape) return mr_arena_fail(arena, err);
    memcpy(shape, sizes, n_dims * sizeof(*shape));
    out->shape = shape;
    out->n_dims = n_dims;
    return MR_OK;
}

/* A spec's shape with its first, free dimension filled in. */
static mr_status set_spec_shape(struct mr_tensor *out, const struct mr_tensor_spec *spec,
                                int64_t n_rows, struct mr_arena *arena, struct mr_error *err) {
    int64_t sizes[MR_MAX_DIMS];
    memcpy(sizes, spec->shape, spec->n_dims * sizeof(*sizes));
    sizes[0] = n_rows;
    return set_shape(out, sizes, spec->n_dims, arena, err);
}

/* Errors of conversions are the signature's here, not the request's. */
static mr_status as_enforcement(mr_status status, struct mr_error *err) {
    if (status != MR_E_BAD_REQUEST) return status;
    if (err) err->status = MR_E_INVALID_PARAMETER;
    return MR_E_INVALID_PARAMETER;
}

/* --- single values --------------------------------------------------------------------------- */

/* np.array(series, dtype) of texts; a missing one is a float NaN, whose text is "nan". */
static mr_status texts(const struct mr_column *column, struct mr_arena *arena,
                       struct mr_tensor *out, struct mr_error *err) {
    struct mr_str *values = mr_arena_array(arena, (size_t)column->n_rows, sizeof(*values));
    if (!values) return mr_arena_fail(arena, err);
    bool has_nul = false, is_empty = true;
    for (int64_t i = 0; i < column->n_rows; i++) {
        size_t size = (size_t)(column->offsets[i + 1] - column->offsets[i]);
        struct mr_str text = {column->bytes + column->offsets[i], size};
        if (!mr_column_is_valid(column, i)) text = mr_str_from("nan");
        has_nul |= text.size && text.data[text.size - 1] == '\0';
        is_empty &= text.size == 0;
        while (text.size && text.data[text.size - 1] == '\0') text.size--;
        values[i] = text;
    }
    out->values = values;
    /* numpy makes room for NULs though it leaves them out, and of empty texts alone for two. */
    out->is_wide = has_nul || is_empty;
    return MR_OK;
}

static mr_status single_values(const struct mr_column *column, const struct mr_tensor_spec *spec,
                               struct mr_arena *arena, struct mr_tensor *out,
                               const char **raw_reason, struct mr_error *err) {
    if (spec->n_dims > 2 || (spec->n_dims == 2 && spec->shape[1] != 1)) {
        return fail(column, "lists that make up the rest of the signature's shape",
                    "single values, which need the shape (-1,) or (-1, 1)", err);
    }
    out->dtype = spec->dtype;
    out->n_values = column->n_rows;
    if (column->dtype != spec->dtype) {
        *raw_reason = ONLY_NUMPY;
        return MR_OK;
    }
    if (column->dtype == MR_STRING || column->dtype == MR_BINARY) {
        MR_TRY(texts(column, arena, out, err));
    } else {
        out->values = column->values;
    }
    return set_spec_shape(out, spec, column->n_rows, arena, err);
}

/* --- lists ----------------------------------------------------------------------------------- */

static double double_at(const struct mr_tensor *tensor, int64_t i) {
    switch (tensor->dtype) {
    case MR_BOOL: return ((const uint8_t *)tensor->values)[i];
    case MR_INT64: return (double)((const int64_t *)tensor->values)[i];
    case MR_UINT64: return (double)((const uint64_t *)tensor->values)[i];
    default: return ((const double *)tensor->values)[i];
    }
}

/* The bits of a number as a C cast to a 64-bit integer gives them; false for floats that do not
 * fit, where the machine decides. */
static bool bits_at(const struct mr_tensor *tensor, int64_t i, uint64_t *bits) {
    switch (tensor->dtype) {
    case MR_BOOL: *bits = ((const uint8_t *)tensor->values)[i]; return true;
    case MR_INT64:
    case MR_UINT64: *bits = ((const uint64_t *)tensor->values)[i]; return true;
    default: {
        double value = ((const double *)tensor->values)[i];
        if (!(value > -0x1p63 && value < 0x1p63)) return false;
        *bits = (uint64_t)(int64_t)value;
        return true;
    }
    }
}

static bool is_float(mr_dtype dtype) {
    return dtype == MR_FLOAT16 || dtype == MR_FLOAT32 || dtype == MR_FLOAT64;
}

static void store_double(mr_dtype dtype, double value, char *to) {
    float narrow = (float)value;
    uint16_t half = mr_half_from_double(value);
    if (dtype == MR_FLOAT64) memcpy(to, &value, sizeof(value));
    if (dtype == MR_FLOAT32) memcpy(to, &narrow, sizeof(narrow));
    if (dtype == MR_FLOAT16) memcpy(to, &half, sizeof(half));
}

/* Whether an integer from a float is within a dtype: outside, C leaves the result open. */
static bool is_within(mr_dtype dtype, int64_t value) {
    size_t bits = mr_dtype_size(dtype) * 8;
    bool is_signed = mr_dtype_kind(dtype) == 'i';
    if (bits == 64) return is_signed || value >= 0;
    int64_t limit = (int64_t)1 << (bits - is_signed);
    return value < limit && value >= (is_signed ? -limit : 0);
}

/* array.astype(dtype) from what np.array infers for numbers; C's casts. */
static mr_status cast_numbers(const struct mr_tensor *from, mr_dtype dtype, struct mr_arena *arena,
                              struct mr_tensor *out, const char **raw_reason,
                              struct mr_error *err) {
    size_t size = mr_dtype_size(dtype);
    char *to = mr_arena_array(arena, (size_t)from->n_values, size);
    if (!to) return mr_arena_fail(arena, err);
    out->values = to;
    for (int64_t i = 0; i < from->n_values; i++, to += size) {
        uint64_t bits;
        if (dtype == MR_BOOL) {
            *(uint8_t *)to = double_at(from, i) != 0;
        } else if (is_float(dtype)) {
            store_double(dtype, double_at(from, i), to);
        } else if (bits_at(from, i, &bits) &&
                   (from->dtype != MR_FLOAT64 || is_within(dtype, (int64_t)bits))) {
            memcpy(to, &bits, size); /* little-endian: the low bytes come first */
        } else {
            *raw_reason = ONLY_NUMPY;
            return MR_OK;
        }
    }
    return MR_OK;
}

static bool is_number(mr_dtype dtype) {
    return dtype <= MR_FLOAT64; /* the table in dtype.h begins with them */
}

/* np.vstack(lists).reshape(shape).astype(dtype) */
static mr_status stack_lists(const struct mr_column *column, const struct mr_tensor_spec *spec,
                             struct mr_arena *arena, struct mr_tensor *out, const char **raw_reason,
                             struct mr_error *err) {
    struct mr_ndarray_source source = {"column", column->name, column->values, column->n_rows};
    struct mr_tensor stacked;
    MR_TRY(as_enforcement(mr_ndarray_infer(&source, arena, &stacked, err), err));
    int64_t row_size = 1;
    for (size_t i = 1; i < spec->n_dims; i++) {
        if (__builtin_mul_overflow(row_size, spec->shape[i], &row_size)) row_size = -1;
    }
    if (stacked.n_dims != 2 || stacked.shape[1] != row_size) {
        return fail(column, "lists that make up the rest of the signature's shape",
                    "lists of another size", err);
    }
    out->dtype = spec->dtype;
    out->n_values = stacked.n_values;
    out->values = stacked.values;
    out->is_wide = stacked.is_wide;
    if (stacked.dtype == MR_OBJECT && is_number(spec->dtype)) {
        /* Objects become numbers one by one, as Python converts them. */
        MR_TRY(as_enforcement(mr_ndarray_cast(&source, spec->dtype, arena, out, raw_reason, err),
                              err));
    } else if (stacked.dtype != spec->dtype && is_number(stacked.dtype) && is_number(spec->dtype)) {
        MR_TRY(cast_numbers(&stacked, spec->dtype, arena, out, raw_reason, err));
    } else if (stacked.dtype != spec->dtype) {
        *raw_reason = ONLY_NUMPY;
    }
    return set_spec_shape(out, spec, column->n_rows, arena, err);
}

static mr_status lists(const struct mr_column *column, int64_t row_of_label_0,
                       const struct mr_tensor_spec *spec, struct mr_arena *arena,
                       struct mr_tensor *out, const char **raw_reason, struct mr_error *err) {
    yyjson_val *const *cells = column->values;
    yyjson_val *first = yyjson_arr_get_first(cells[row_of_label_0]);
    if (!first || yyjson_is_null(first) || yyjson_is_ctn(first)) {
        return fail(column, "lists of values", "a list that does not begin with one", err);
    }
    size_t width = yyjson_arr_size(cells[row_of_label_0]);
    for (int64_t i = 0; i < column->n_rows; i++) {
        if (yyjson_is_arr(cells[i]) && !yyjson_is_arr(yyjson_arr_get_first(cells[i]))) continue;
        /* numpy.vstack takes a single value for a row of one, and a list of lists for rows. */
        if (!yyjson_is_arr(cells[i]) && width != 1) {
            return fail(column, "a list in each row", "a single value", err);
        }
        *raw_reason = "rows of lists and of other things";
        return MR_OK;
    }
    return stack_lists(column, spec, arena, out, raw_reason, err);
}

mr_status mr_column_to_tensor(const struct mr_table *table, const struct mr_column *column,
                              const struct mr_tensor_spec *spec, struct mr_arena *arena,
                              struct mr_tensor *out, const char **raw_reason,
                              struct mr_error *err) {
    bool has_free_dim = false;
    for (size_t i = 1; i < spec->n_dims; i++) has_free_dim |= spec->shape[i] == -1;
    if (spec->n_dims == 0 || spec->shape[0] != -1 || has_free_dim) {
        return fail(column, "an array, because only the first dimension of a DataFrame is free",
                    "a DataFrame", err);
    }
    /* MLflow looks at pd_series[0], a label, to see what the column holds. */
    int64_t row = table->row_of_label_0;
    if (column->n_rows == 0 || row < 0) {
        return fail(column, "one row with the label 0", "none, or several", err);
    }
    if (column->dtype == MR_DATETIME) return fail(column, "values or lists", "dates", err);
    if (column->dtype != MR_OBJECT) {
        return single_values(column, spec, arena, out, raw_reason, err);
    }
    yyjson_val *first = ((yyjson_val *const *)column->values)[row];
    if (first && (yyjson_is_null(first) || yyjson_is_obj(first))) {
        return fail(column, "values or lists", yyjson_is_null(first) ? "null" : "a dict", err);
    }
    return first && yyjson_is_arr(first) ? lists(column, row, spec, arena, out, raw_reason, err)
                                         : single_values(column, spec, arena, out, raw_reason, err);
}

/* --- a whole DataFrame ----------------------------------------------------------------------- */

/* DataFrame.to_numpy() of columns of one dtype. */
static mr_status side_by_side(const struct mr_table *table, mr_dtype dtype, struct mr_arena *arena,
                              struct mr_tensor *out, struct mr_error *err) {
    size_t size = mr_dtype_size(dtype), row_bytes = size * table->n_cols;
    char *to = mr_arena_array(arena, (size_t)table->n_rows, row_bytes);
    if (!to) return mr_arena_fail(arena, err);
    for (size_t k = 0; k < table->n_cols; k++) {
        const char *from = table->columns[k].values;
        for (int64_t i = 0; i < table->n_rows; i++) {
            memcpy(to + (size_t)i * row_bytes + k * size, from + (size_t)i * size, size);
        }
    }
    out->dtype = dtype;
    out->is_fortran = true; /* a frame's columns lie one after the other */
    out->values = to;
    out->n_values = table->n_rows * (int64_t)table->n_cols;
    return set_shape(out, (int64_t[]){table->n_rows, (int64_t)table->n_cols}, 2, arena, err);
}

mr_status mr_table_to_tensor(const struct mr_table *table, const struct mr_tensor_spec *spec,
                             struct mr_arena *arena, struct mr_tensor *out, const char **raw_reason,
                             struct mr_error *err) {
    if (table->n_rows == 0 || table->n_cols == 0) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the DataFrame is empty: %lld rows, %zu columns", (long long)table->n_rows,
                       table->n_cols);
    }
    if (table->n_cols == 1) {
        return mr_column_to_tensor(table, table->columns, spec, arena, out, raw_reason, err);
    }
    if (spec->n_dims != 2 || spec->shape[0] != -1 || spec->shape[1] != (int64_t)table->n_cols) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "a DataFrame of %zu columns needs a signature of shape (-1, %zu)",
                       table->n_cols, table->n_cols);
    }
    for (size_t i = 0; i < table->n_cols; i++) {
        mr_dtype dtype = table->columns[i].dtype;
        /* Texts, bytes and lists make an array of objects. */
        bool is_object = dtype == MR_STRING || dtype == MR_BINARY || dtype == MR_OBJECT;
        if (is_object && spec->dtype != MR_OBJECT) {
            return fail(&table->columns[i], mr_dtype_name(spec->dtype), mr_dtype_name(MR_OBJECT),
                        err);
        }
        if (dtype != spec->dtype) *raw_reason = ONLY_NUMPY;
    }
    return *raw_reason ? MR_OK : side_by_side(table, spec->dtype, arena, out, err);
}
