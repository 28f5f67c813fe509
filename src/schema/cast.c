/* What pandas infers from a list of Python values (lib.maybe_convert_objects in
 * pandas/_libs/lib.pyx) and what `astype` makes of the result (pandas/core/dtypes/astype.py).
 *
 * One pass over the cells collects the kinds of values seen; they decide the inferred dtype, which
 * decides how the second pass converts. */
#include "schema/cast.h"

#include <math.h>

#include "base/base64.h"
#include "base/number.h"
#include "schema/py_value.h"

/* Kinds of cells, as far as inference tells them apart. */
enum {
    SEEN_NULL = 1,
    SEEN_NAN = 2, /* NaN, or a cell that is not there */
    SEEN_BOOL = 4,
    SEEN_INT = 8,       /* 0 .. 2^63 - 1 */
    SEEN_NEGATIVE = 16, /* -2^63 .. -1 */
    SEEN_UINT = 32,     /* 2^63 .. 2^64 - 1 */
    SEEN_BIG = 64,      /* an integer beyond these */
    SEEN_REAL = 128,
    SEEN_TEXT = 256,
    SEEN_SURROGATE = 512, /* a text that is not well-formed Unicode */
    SEEN_NESTED = 1024,

    SEEN_ANY_TEXT = SEEN_TEXT | SEEN_SURROGATE,
    SEEN_MISSING = SEEN_NULL | SEEN_NAN
};

#define TAG_REAL (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL)
#define TAG_UINT (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT)
#define TAG_SINT (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT)
#define TAG_TRUE (YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE)
#define TAG_FALSE (YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE)

static unsigned kind_of_other(yyjson_val *cell) {
    if (!cell) return SEEN_NAN;
    switch ((uint8_t)cell->tag & YYJSON_TYPE_MASK) {
    case YYJSON_TYPE_STR:
        return ((uint8_t)cell->tag & YYJSON_SUBTYPE_MASK) == MR_SUBTYPE_SURROGATE ? SEEN_SURROGATE
                                                                                  : SEEN_TEXT;
    case YYJSON_TYPE_RAW: return mr_py_raw_kind(cell) == MR_PY_BIG ? SEEN_BIG : SEEN_REAL;
    case YYJSON_TYPE_NULL: return SEEN_NULL;
    default: return SEEN_NESTED;
    }
}

static inline unsigned kind_of(yyjson_val *cell) {
    switch (cell ? (uint8_t)cell->tag : 0) {
    case TAG_REAL: return isnan(cell->uni.f64) ? SEEN_NAN : SEEN_REAL;
    case TAG_UINT: return cell->uni.u64 > INT64_MAX ? SEEN_UINT : SEEN_INT;
    case TAG_SINT: return cell->uni.i64 < 0 ? SEEN_NEGATIVE : SEEN_INT;
    case TAG_TRUE:
    case TAG_FALSE: return SEEN_BOOL;
    default: return kind_of_other(cell);
    }
}

/* The dtype of a column before any cast. Booleans mixed with anything, integers on both sides of
 * int64 and uint64, and integers beyond them stay Python objects. */
static mr_dtype infer_dtype(unsigned seen) {
    if (seen & SEEN_NESTED) return MR_OBJECT;
    if (seen & SEEN_ANY_TEXT) {
        return seen & ~(unsigned)(SEEN_ANY_TEXT | SEEN_MISSING) ? MR_OBJECT : MR_STRING;
    }
    if (seen & SEEN_BOOL) return seen == SEEN_BOOL ? MR_BOOL : MR_OBJECT;
    if (seen & SEEN_BIG) return MR_OBJECT;
    if ((seen & SEEN_NEGATIVE) && (seen & SEEN_UINT)) return MR_OBJECT;
    if (seen & SEEN_REAL) return MR_FLOAT64;
    if (seen & (SEEN_INT | SEEN_NEGATIVE | SEEN_UINT)) {
        return seen & SEEN_MISSING ? MR_FLOAT64 : seen & SEEN_UINT ? MR_UINT64 : MR_INT64;
    }
    return seen & SEEN_NAN ? MR_FLOAT64 : MR_OBJECT;
}

static mr_status cell_error(const struct mr_cast *cast, yyjson_val *cell, int64_t row,
                            const char *why, struct mr_error *err) {
    if (!err) return MR_E_BAD_REQUEST;
    char received[128] = "nothing";
    if (cell) mr_py_describe(cell, received, sizeof(received));
    return mr_fail(err, MR_E_BAD_REQUEST, "column '%.*s' row %lld: expected %s, received %s%s%s",
                   MR_STR_ARGS(cast->column->name), (long long)row, cast->expected, received,
                   why ? ": " : "", why ? why : "");
}

static struct mr_str cell_text(yyjson_val *cell) {
    return (struct mr_str){unsafe_yyjson_get_str(cell), unsafe_yyjson_get_len(cell)};
}

/* --- Floats ---------------------------------------------------------------------------------- */

/* float(value) of what is not plainly a number. Returns false where Python raises. */
static bool float_of_other(yyjson_val *cell, double *out) {
    switch (kind_of(cell)) {
    case SEEN_NULL:
    case SEEN_NAN: *out = NAN; return true;
    case SEEN_TEXT:
    case SEEN_SURROGATE: return mr_float_parse(cell_text(cell), out);
    case SEEN_REAL: *out = mr_py_float(cell); return true;
    case SEEN_BIG: /* beyond a double: int too large to convert to float */
        return mr_float_parse(mr_py_text(cell), out) && isfinite(*out);
    default: return false;
    }
}

static inline bool float_of(yyjson_val *cell, double *out) {
    switch (cell ? (uint8_t)cell->tag : 0) {
    case TAG_REAL: *out = cell->uni.f64; return true;
    case TAG_UINT: *out = (double)cell->uni.u64; return true;
    case TAG_SINT: *out = (double)cell->uni.i64; return true;
    case TAG_TRUE: *out = 1; return true;
    case TAG_FALSE: *out = 0; return true;
    default: return float_of_other(cell, out);
    }
}

static mr_status to_float64(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                            struct mr_error *err) {
    double *values = (double *)cast->values + row;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        if (!float_of(cell, &values[i])) return cell_error(cast, cell, row + i, NULL, err);
        n_nulls += isnan(values[i]);
    }
    cast->column->n_nulls += n_nulls;
    return MR_OK;
}

/* Integer columns are rounded once; all else passes through a double. */
static mr_status to_float32(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                            struct mr_error *err) {
    float *values = (float *)cast->values + row;
    bool is_int = cast->source == MR_INT64 || cast->source == MR_UINT64;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        double value;
        if (is_int) {
            values[i] = unsafe_yyjson_is_uint(cell) ? (float)cell->uni.u64 : (float)cell->uni.i64;
            continue;
        }
        if (!float_of(cell, &value)) return cell_error(cast, cell, row + i, NULL, err);
        values[i] = (float)value;
        n_nulls += isnan(value);
    }
    cast->column->n_nulls += n_nulls;
    return MR_OK;
}

/* --- Integers -------------------------------------------------------------------------------- */

/* The range of an integer dtype. */
static void int_range(mr_dtype dtype, int64_t *low, uint64_t *high) {
    unsigned bits = 8 * (unsigned)mr_dtype_size(dtype);
    bool is_signed = mr_dtype_kind(dtype) == 'i';
    *high = UINT64_MAX >> (64 - bits + is_signed);
    *low = is_signed ? -(int64_t)*high - 1 : 0;
}

/* A C cast of a double as x86 does it: into an int32 or int64 that is then cut to size; what does
 * not fit that becomes its smallest value. */
static uint64_t truncate_double(double value, mr_dtype dtype) {
    double whole = trunc(value);
    if (dtype == MR_UINT64 && whole >= 0x1p63) return whole < 0x1p64 ? (uint64_t)whole : 0;
    bool is_wide = dtype == MR_INT64 || dtype == MR_UINT64 || dtype == MR_UINT32;
    double limit = is_wide ? 0x1p63 : 0x1p31;
    if (whole >= -limit && whole < limit) return (uint64_t)(int64_t)whole;
    return (uint64_t)(is_wide ? INT64_MIN : INT32_MIN);
}

/* int(value) of a cell in a column of objects or texts, which must be in the dtype's range.
 * Returns NULL, or why Python raises. */
static const char *int_of_object(yyjson_val *cell, mr_dtype dtype, uint64_t *out) {
    int64_t low, value = 0;
    uint64_t high;
    int_range(dtype, &low, &high);
    bool is_big = false;
    double real;
    switch (kind_of(cell)) {
    case SEEN_BOOL: *out = unsafe_yyjson_is_true(cell); return NULL;
    case SEEN_INT:
    case SEEN_UINT: *out = cell->uni.u64; return *out > high ? "out of range" : NULL;
    case SEEN_NEGATIVE: value = cell->uni.i64; break;
    case SEEN_BIG: return "out of range";
    case SEEN_REAL:
        real = trunc(mr_py_float(cell));
        if (!(real >= (double)low && real < (double)high + 1)) return "out of range";
        *out = real < 0 ? (uint64_t)(int64_t)real : (uint64_t)real;
        return NULL;
    case SEEN_TEXT:
        if (!mr_int_parse(cell_text(cell), &value, &is_big)) return "not an integer";
        if (is_big) return "out of range";
        if (value >= 0) {
            *out = (uint64_t)value;
            return *out > high ? "out of range" : NULL;
        }
        break;
    case SEEN_NULL:
    case SEEN_NAN: return "an integer cannot be missing";
    default: return "not an integer";
    }
    *out = (uint64_t)value;
    return value < low ? "out of range" : NULL;
}

static inline const char *int_of(const struct mr_cast *cast, yyjson_val *cell, uint64_t *out) {
    double value;
    switch (cast->source) {
    case MR_BOOL: *out = unsafe_yyjson_is_true(cell); return NULL;
    case MR_INT64:
    case MR_UINT64: *out = cell->uni.u64; return NULL; /* wraps around */
    case MR_FLOAT64:
        if (!float_of(cell, &value) || isnan(value)) return "an integer cannot be missing";
        if (isinf(value)) return "an integer cannot be infinite";
        if (value < 0 && mr_dtype_kind(cast->dtype) == 'u') return "it is negative";
        *out = truncate_double(value, cast->dtype);
        return NULL;
    default: return int_of_object(cell, cast->dtype, out);
    }
}

static mr_status to_int(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                        struct mr_error *err) {
    size_t size = mr_dtype_size(cast->dtype);
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        uint64_t value;
        const char *why = int_of(cast, cell, &value);
        if (why) return cell_error(cast, cell, row + i, why, err);
        switch (size) {
        case 1: ((uint8_t *)cast->values)[row + i] = (uint8_t)value; break;
        case 2: ((uint16_t *)cast->values)[row + i] = (uint16_t)value; break;
        case 4: ((uint32_t *)cast->values)[row + i] = (uint32_t)value; break;
        default: ((uint64_t *)cast->values)[row + i] = value; break;
        }
    }
    return MR_OK;
}

/* --- Booleans -------------------------------------------------------------------------------- */

/* bool(value); a missing value is NaN, which is true, but where pandas kept None. */
static mr_status to_bool(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                         struct mr_error *err) {
    (void)err;
    uint8_t *values = (uint8_t *)cast->values + row;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        values[i] = !cell                  ? true
                    : yyjson_is_null(cell) ? cast->source != MR_OBJECT
                                           : mr_py_truth(cell);
    }
    return MR_OK;
}

/* --- Texts, bytes, objects ------------------------------------------------------------------- */

/* A column of texts and missing values. */
static mr_status to_text(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                         struct mr_error *err) {
    (void)err;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        cast->offsets[row + i] = (int64_t)cast->bytes_used;
        if (!yyjson_is_str(cell)) {
            cast->column->n_nulls++;
            continue;
        }
        struct mr_str text = cell_text(cell);
        memcpy(cast->bytes + cast->bytes_used, text.data, text.size);
        cast->bytes_used += text.size;
        if (cast->validity) cast->validity[(row + i) / 8] |= (uint8_t)(1 << (row + i) % 8);
    }
    return MR_OK;
}

/* Making a column of texts fails for the first lone surrogate. */
static mr_status refuse_surrogate(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                                  struct mr_error *err) {
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        if (kind_of(cell) != SEEN_SURROGATE) continue;
        cast->expected = "a text";
        return cell_error(cast, cell, row + i, "it has a lone surrogate", err);
    }
    return MR_OK;
}

/* base64.decodebytes(bytes(x, 'utf8')) of every cell. */
static mr_status to_binary(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                           struct mr_error *err) {
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        cast->offsets[row + i] = (int64_t)cast->bytes_used;
        if (kind_of(cell) != SEEN_TEXT) return cell_error(cast, cell, row + i, NULL, err);
        size_t size = mr_base64_decode(cell_text(cell), cast->bytes + cast->bytes_used);
        if (size == MR_BASE64_ERROR) {
            return cell_error(cast, cell, row + i, "wrong length or padding", err);
        }
        cast->bytes_used += size;
    }
    return MR_OK;
}

/* bytes(x, 'utf8') of every cell: a tensor of bytes. */
static mr_status to_utf8_bytes(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                               struct mr_error *err) {
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        if (kind_of(cell) != SEEN_TEXT) return cell_error(cast, cell, row + i, NULL, err);
    }
    return to_text(cast, cells, row, err);
}

/* The cells as they are. A null among floats is NaN, as is a missing cell. */
static mr_status to_object(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                           struct mr_error *err) {
    (void)err;
    yyjson_val **values = (yyjson_val **)cast->values + row;
    for (int64_t i = 0; i < cells->n; i++) {
        values[i] = mr_cell(cells, i);
        if (!(kind_of(values[i]) & SEEN_MISSING)) continue;
        if (cast->source == MR_FLOAT64) values[i] = NULL;
        cast->column->n_nulls++;
    }
    return MR_OK;
}

/* --- Dates ----------------------------------------------------------------------------------- */

/* A text that no format of digits, 'T' and 'Z' could match. */
static bool has_other_letters(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)(text.data[i] | 0x20);
        if (c >= 'a' && c <= 'z' && c != 't' && c != 'z') return true;
    }
    return false;
}

static bool is_relative_date(struct mr_str text) {
    return mr_str_is(text, "now") || mr_str_is(text, "today");
}

/* A text after the first one, which has set the format. Returns NULL, or what is wrong with it;
 * sets is_raw where only pandas can tell. */
static const char *later_date(struct mr_cast *cast, struct mr_str text, struct mr_date *date) {
    const struct mr_date *first = &cast->first_date;
    mr_date_result result = mr_date_parse(text, date);
    if (is_relative_date(text) || result == MR_DATE_LEAP_SECOND) {
        cast->is_raw = true;
        return NULL;
    }
    if (result == MR_DATE_OUT_OF_RANGE) return "out of range";
    if (result == MR_DATE_OTHER && !has_other_letters(text)) {
        cast->is_raw = true;
        return NULL;
    }
    if (result == MR_DATE_OTHER || date->format != first->format) {
        return "not in the format of the first one";
    }
    bool is_same_zone = date->zone_offset_minutes == first->zone_offset_minutes;
    return is_same_zone ? NULL : "another time zone than the first one has";
}

/* The first text that is not missing sets the format of all. */
static const char *first_date(struct mr_cast *cast, struct mr_str text, int64_t row,
                              struct mr_date *date) {
    mr_date_result result = mr_date_parse(text, date);
    cast->first_date = *date;
    cast->first_date_row = row;
    cast->is_raw = result == MR_DATE_OTHER;
    return result == MR_DATE_OK || cast->is_raw ? NULL : "out of range";
}

/* A column of texts and missing values. */
static mr_status texts_to_dates(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                                struct mr_error *err) {
    int64_t *values = (int64_t *)cast->values + row;
    for (int64_t i = 0; i < cells->n && !cast->is_raw; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        if (!yyjson_is_str(cell) || mr_date_is_missing(cell_text(cell))) {
            values[i] = INT64_MIN;
            cast->column->n_nulls++;
            continue;
        }
        struct mr_date date;
        const char *why = cast->first_date_row < 0
                              ? first_date(cast, cell_text(cell), row + i, &date)
                              : later_date(cast, cell_text(cell), &date);
        if (why) return cell_error(cast, cell, row + i, why, err);
        values[i] = date.ns;
    }
    return MR_OK;
}

/* pandas.to_datetime of numbers: nanoseconds since 1970, of floats without their fraction. */
static mr_status numbers_to_dates(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                                  struct mr_error *err) {
    int64_t *values = (int64_t *)cast->values + row;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        unsigned kind = kind_of(cell);
        double value = 0;
        values[i] = INT64_MIN;
        if (kind & (SEEN_BOOL | SEEN_NESTED)) return cell_error(cast, cell, row + i, NULL, err);
        if (kind & (SEEN_UINT | SEEN_BIG) && cast->source != MR_FLOAT64) {
            return cell_error(cast, cell, row + i, "out of range", err);
        }
        if (cast->source == MR_INT64) {
            values[i] = cell->uni.i64;
        } else if (cast->source == MR_FLOAT64 && float_of(cell, &value) && !isnan(value)) {
            values[i] = (int64_t)truncate_double(value, MR_INT64);
        }
        cast->column->n_nulls += values[i] == INT64_MIN;
    }
    return MR_OK;
}

/* --- Steps ----------------------------------------------------------------------------------- */

/* Field by field: a row of four numbers should not pay for clearing four of these. */
static void init(struct mr_cast *cast, struct mr_column *column, mr_dtype dtype) {
    cast->column = column;
    cast->is_raw = false;
    cast->needs_scan = true;
    cast->dtype = dtype;
    cast->seen = 0;
    cast->text_bytes = 0;
    cast->bytes_used = 0;
    cast->validity = NULL;
    cast->first_date_row = -1;
}

void mr_cast_init_infer(struct mr_cast *cast, struct mr_column *column) {
    init(cast, column, MR_OBJECT);
    cast->aim = MR_CAST_INFER;
}

void mr_cast_init_type(struct mr_cast *cast, struct mr_column *column, mr_col_type type) {
    init(cast, column, mr_col_type_dtype(type));
    cast->aim = MR_CAST_TYPE;
    cast->type = type;
    cast->expected = mr_col_type_name(type);
    /* Whatever pandas infers, each cell becomes the same double or fails. */
    cast->needs_scan = type != MR_COL_DOUBLE;
}

void mr_cast_init_dtype(struct mr_cast *cast, struct mr_column *column, mr_dtype dtype) {
    init(cast, column, dtype);
    cast->aim = MR_CAST_DTYPE;
    cast->expected = mr_dtype_name(dtype);
}

void mr_cast_scan(struct mr_cast *cast, const struct mr_cells *cells) {
    unsigned seen = 0;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        unsigned kind = kind_of(cell);
        seen |= kind;
        if (kind & SEEN_ANY_TEXT) cast->text_bytes += unsafe_yyjson_get_len(cell);
    }
    cast->seen |= seen;
}

/* Room for values, or for offsets, bytes and, where cells are missing, the bitmap of the others. */
static mr_status make_room(struct mr_cast *cast, size_t n, struct mr_error *err) {
    struct mr_column *column = cast->column;
    size_t size = mr_dtype_size(column->dtype);
    if (size) {
        column->values = cast->values = mr_arena_array(cast->arena, n, size);
        return cast->values ? MR_OK : mr_arena_fail(cast->arena, err);
    }
    bool has_missing = cast->seen & SEEN_MISSING;
    cast->offsets = mr_arena_array(cast->arena, n + 1, sizeof(*cast->offsets));
    cast->bytes = mr_arena_alloc(cast->arena, cast->text_bytes);
    if (has_missing) cast->validity = mr_arena_zalloc(cast->arena, (n + 7) / 8);
    bool is_ok = cast->offsets && cast->bytes && (cast->validity || !has_missing);
    if (!is_ok) return mr_arena_fail(cast->arena, err);
    column->offsets = cast->offsets;
    column->bytes = cast->bytes;
    column->validity = cast->validity;
    return MR_OK;
}

static void convert_numbers(struct mr_cast *cast) {
    switch (cast->dtype) {
    case MR_BOOL: cast->convert = to_bool; break;
    case MR_FLOAT32: cast->convert = to_float32; break;
    case MR_FLOAT64: cast->convert = to_float64; break;
    default: cast->convert = to_int; break;
    }
}

/* Keep Python objects where there are only missing ones; others C cannot hand on. */
static void convert_objects(struct mr_cast *cast) {
    cast->is_raw = cast->seen & ~(unsigned)SEEN_MISSING;
    cast->convert = to_object;
    cast->dtype = MR_OBJECT;
}

static void choose_inferred(struct mr_cast *cast) {
    cast->dtype = cast->source;
    cast->expected = mr_dtype_name(cast->source);
    if (cast->source == MR_STRING) {
        cast->convert = to_text;
    } else if (cast->source == MR_OBJECT) {
        cast->convert = to_object;
    } else {
        convert_numbers(cast);
    }
}

static mr_status choose_for_type(struct mr_cast *cast, bool is_empty_float, struct mr_error *err) {
    switch (cast->type) {
    case MR_COL_STRING:
        cast->convert = to_text;
        if (cast->source != MR_STRING) convert_objects(cast);
        return MR_OK;
    case MR_COL_BINARY:
        cast->convert = to_binary;
        cast->expected = "binary (a text in base64)";
        if (!is_empty_float) return MR_OK;
        /* An empty list is a column of float64, and so is what map() makes of it. */
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "column '%.*s': expected binary, received an empty list of numbers",
                       MR_STR_ARGS(cast->column->name));
    case MR_COL_DATETIME:
        cast->convert = cast->source == MR_STRING ? texts_to_dates : numbers_to_dates;
        if (cast->source == MR_STRING || !(cast->seen & SEEN_ANY_TEXT)) return MR_OK;
        /* Texts among numbers are left to pandas; what it certainly refuses is not. */
        if (!(cast->seen & (SEEN_BOOL | SEEN_NESTED))) convert_objects(cast);
        return MR_OK;
    case MR_COL_BOOLEAN:
    case MR_COL_INTEGER:
    case MR_COL_LONG:
    case MR_COL_FLOAT:
    case MR_COL_DOUBLE: convert_numbers(cast); return MR_OK;
    default: convert_objects(cast); return MR_OK;
    }
}

static mr_status choose_for_dtype(struct mr_cast *cast, int64_t n_rows, yyjson_val *first_cell,
                                  struct mr_error *err) {
    if (cast->dtype == MR_BINARY) {
        cast->convert = to_utf8_bytes;
        cast->expected = "a text";
        return MR_OK;
    }
    if (n_rows == 0) {
        return mr_fail(err, MR_E_BAD_REQUEST, "column '%.*s': expected %s, received no rows",
                       MR_STR_ARGS(cast->column->name), cast->expected);
    }
    if (yyjson_is_arr(first_cell)) {
        cast->convert = to_object;
        cast->dtype = MR_OBJECT;
        return MR_OK;
    }
    convert_numbers(cast);
    switch (cast->dtype) {
    case MR_STRING:
        cast->convert = to_text;
        cast->is_raw = cast->source != MR_STRING;
        break;
    case MR_FLOAT16:
    case MR_DATETIME:
    case MR_OBJECT: cast->is_raw = true; break;
    case MR_UINT64: cast->is_raw = cast->seen & SEEN_ANY_TEXT; break; /* of 2^63 and more */
    default: break;
    }
    return MR_OK;
}

mr_status mr_cast_begin(struct mr_cast *cast, int64_t n_rows, yyjson_val *first_cell,
                        bool is_object, struct mr_arena *arena, struct mr_error *err) {
    cast->arena = arena;
    cast->source = n_rows ? infer_dtype(cast->seen) : is_object ? MR_OBJECT : MR_FLOAT64;
    cast->column->n_rows = n_rows;
    bool is_empty_float = n_rows == 0 && !is_object;
    if (cast->source == MR_STRING && (cast->seen & SEEN_SURROGATE)) {
        cast->convert = refuse_surrogate;
        return MR_OK;
    }
    switch (cast->aim) {
    case MR_CAST_INFER: choose_inferred(cast); break;
    case MR_CAST_TYPE: MR_TRY(choose_for_type(cast, is_empty_float, err)); break;
    case MR_CAST_DTYPE: MR_TRY(choose_for_dtype(cast, n_rows, first_cell, err)); break;
    }
    cast->column->dtype = cast->dtype;
    return cast->is_raw ? MR_OK : make_room(cast, (size_t)n_rows, err);
}

mr_status mr_cast_convert(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                          struct mr_error *err) {
    return cast->is_raw ? MR_OK : cast->convert(cast, cells, row, err);
}

mr_status mr_cast_end(struct mr_cast *cast, struct mr_error *err) {
    struct mr_column *column = cast->column;
    if (cast->is_raw) return MR_OK;
    bool has_bytes = column->dtype == MR_STRING || column->dtype == MR_BINARY;
    if (has_bytes) cast->offsets[column->n_rows] = (int64_t)cast->bytes_used;
    if (cast->first_date_row < 0 || !cast->first_date.has_zone) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "column '%.*s' row %lld: expected a datetime without a time zone, received one "
                   "with a zone",
                   MR_STR_ARGS(column->name), (long long)cast->first_date_row);
}

mr_status mr_cast_all(struct mr_cast *cast, const struct mr_cells *cells, bool is_object,
                      struct mr_arena *arena, struct mr_error *err) {
    if (cast->needs_scan) mr_cast_scan(cast, cells);
    yyjson_val *first_cell = cells->n ? mr_cell(cells, 0) : NULL;
    MR_TRY(mr_cast_begin(cast, cells->n, first_cell, is_object, arena, err));
    MR_TRY(mr_cast_convert(cast, cells, 0, err));
    return mr_cast_end(cast, err);
}
