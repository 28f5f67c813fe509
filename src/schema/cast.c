/* What pandas infers from a list of Python values (lib.maybe_convert_objects in
 * pandas/_libs/lib.pyx) and what `astype` makes of the result (pandas/core/dtypes/astype.py).
 *
 * One pass over the cells collects the kinds of values seen; they decide the inferred dtype, which
 * decides how the second pass converts. */
#include "schema/cast.h"

#include <math.h>

#include "base/base64.h"
#include "base/number.h"
#include "base/utf8.h"
#include "schema/datetime.h"
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

/* A column being cast. */
struct job {
    const struct mr_cells *cells;
    unsigned seen;
    mr_dtype source; /* what pandas inferred */
    struct mr_arena *arena;
    struct mr_column *column;
    const char *expected; /* the target's name, for messages */
    struct mr_error *err;
};

static unsigned kind_of(const yyjson_val *cell) {
    if (!cell) return SEEN_NAN;
    switch ((uint8_t)cell->tag) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL: return isnan(cell->uni.f64) ? SEEN_NAN : SEEN_REAL;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT:
        return cell->uni.u64 > INT64_MAX ? SEEN_UINT : SEEN_INT;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT: return cell->uni.i64 < 0 ? SEEN_NEGATIVE : SEEN_INT;
    case YYJSON_TYPE_NULL: return SEEN_NULL;
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE:
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE: return SEEN_BOOL;
    case YYJSON_TYPE_STR | MR_SUBTYPE_SURROGATE: return SEEN_SURROGATE;
    default: break;
    }
    switch ((uint8_t)cell->tag & YYJSON_TYPE_MASK) {
    case YYJSON_TYPE_STR: return SEEN_TEXT;
    case YYJSON_TYPE_RAW:
        return mr_py_raw_kind((yyjson_val *)cell) == MR_PY_BIG ? SEEN_BIG : SEEN_REAL;
    default: return SEEN_NESTED;
    }
}

static unsigned scan(const struct mr_cells *cells) {
    unsigned seen = 0;
    for (int64_t i = 0; i < cells->n; i++) seen |= kind_of(mr_cell(cells, i));
    return seen;
}

/* The dtype of the column before any cast. Booleans mixed with anything, integers on both sides of
 * int64 and uint64, and integers beyond them stay Python objects. */
static mr_dtype infer_dtype(const struct mr_cells *cells, unsigned seen) {
    if (cells->n == 0) return cells->is_object ? MR_OBJECT : MR_FLOAT64;
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

/* --- Messages -------------------------------------------------------------------------------- */

static mr_status cell_error(const struct job *job, int64_t row, const char *why) {
    if (!job->err) return MR_E_BAD_REQUEST;
    char received[128] = "nothing";
    yyjson_val *cell = mr_cell(job->cells, row);
    if (cell) mr_py_describe(cell, received, sizeof(received));
    return mr_fail(job->err, MR_E_BAD_REQUEST,
                   "column '%.*s' row %lld: expected %s, received %s%s%s",
                   MR_STR_ARGS(job->column->name), (long long)row, job->expected, received,
                   why ? ": " : "", why ? why : "");
}

static struct mr_str cell_text(yyjson_val *cell) {
    return (struct mr_str){unsafe_yyjson_get_str(cell), unsafe_yyjson_get_len(cell)};
}

static void *new_values(struct job *job, size_t size) {
    void *values = mr_arena_array(job->arena, (size_t)job->cells->n, size);
    job->column->values = values;
    return values;
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
    case SEEN_BIG: /* int too large to convert to float */
        return mr_float_parse(mr_py_text(cell), out) && isfinite(*out);
    default: return false;
    }
}

static inline bool float_of(yyjson_val *cell, double *out) {
    switch (cell ? (uint8_t)cell->tag : 0) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL: *out = cell->uni.f64; return true;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT: *out = (double)cell->uni.u64; return true;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT: *out = (double)cell->uni.i64; return true;
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE: *out = 1; return true;
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE: *out = 0; return true;
    default: return float_of_other(cell, out);
    }
}

static mr_status to_float64(struct job *job) {
    double *values = new_values(job, sizeof(*values));
    if (!values) return mr_arena_fail(job->arena, job->err);
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < job->cells->n; i++) {
        if (!float_of(mr_cell(job->cells, i), &values[i])) return cell_error(job, i, NULL);
        n_nulls += isnan(values[i]);
    }
    job->column->n_nulls = n_nulls;
    return MR_OK;
}

/* Integer columns are rounded once; all else passes through a double. */
static mr_status to_float32(struct job *job) {
    float *values = new_values(job, sizeof(*values));
    if (!values) return mr_arena_fail(job->arena, job->err);
    bool is_int = job->source == MR_INT64 || job->source == MR_UINT64;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < job->cells->n; i++) {
        yyjson_val *cell = mr_cell(job->cells, i);
        double value;
        if (is_int) {
            values[i] = unsafe_yyjson_is_uint(cell) ? (float)cell->uni.u64 : (float)cell->uni.i64;
            continue;
        }
        if (!float_of(cell, &value)) return cell_error(job, i, NULL);
        values[i] = (float)value;
        n_nulls += isnan(value);
    }
    job->column->n_nulls = n_nulls;
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

/* int(value) of a cell in a column of objects or texts, which must be in the dtype's range. */
static const char *int_of_object(yyjson_val *cell, mr_dtype dtype, uint64_t *out) {
    int64_t low;
    uint64_t high;
    int_range(dtype, &low, &high);
    bool is_big = false;
    int64_t value = 0;
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

static const char *int_of(const struct job *job, yyjson_val *cell, mr_dtype dtype, uint64_t *out) {
    double value;
    switch (job->source) {
    case MR_BOOL: *out = unsafe_yyjson_is_true(cell); return NULL;
    case MR_INT64:
    case MR_UINT64: *out = cell->uni.u64; return NULL; /* wraps around */
    case MR_FLOAT64:
        if (!float_of(cell, &value) || isnan(value)) return "an integer cannot be missing";
        if (isinf(value)) return "an integer cannot be infinite";
        if (value < 0 && mr_dtype_kind(dtype) == 'u') return "it is negative";
        *out = truncate_double(value, dtype);
        return NULL;
    default: return int_of_object(cell, dtype, out);
    }
}

static mr_status to_int(struct job *job, mr_dtype dtype) {
    size_t size = mr_dtype_size(dtype);
    char *values = new_values(job, size);
    if (!values) return mr_arena_fail(job->arena, job->err);
    for (int64_t i = 0; i < job->cells->n; i++) {
        uint64_t value;
        const char *why = int_of(job, mr_cell(job->cells, i), dtype, &value);
        if (why) return cell_error(job, i, why);
        switch (size) {
        case 1: ((uint8_t *)values)[i] = (uint8_t)value; break;
        case 2: ((uint16_t *)(void *)values)[i] = (uint16_t)value; break;
        case 4: ((uint32_t *)(void *)values)[i] = (uint32_t)value; break;
        default: ((uint64_t *)(void *)values)[i] = value; break;
        }
    }
    return MR_OK;
}

/* --- Booleans -------------------------------------------------------------------------------- */

/* bool(value); a missing value is NaN, which is true, but where pandas kept None. */
static bool bool_of(const struct job *job, yyjson_val *cell) {
    if (!cell) return true;
    if (yyjson_is_null(cell)) return job->source != MR_OBJECT;
    return mr_py_truth(cell);
}

static mr_status to_bool(struct job *job) {
    uint8_t *values = new_values(job, sizeof(*values));
    if (!values) return mr_arena_fail(job->arena, job->err);
    for (int64_t i = 0; i < job->cells->n; i++) values[i] = bool_of(job, mr_cell(job->cells, i));
    return MR_OK;
}

/* --- Texts, bytes, objects ------------------------------------------------------------------- */

/* Room for offsets, bytes and, where cells are missing, the bitmap of present ones. */
static mr_status new_bytes(struct job *job, size_t n_bytes, int64_t **offsets, char **bytes,
                           uint8_t **validity) {
    size_t n = (size_t)job->cells->n;
    *offsets = mr_arena_array(job->arena, n + 1, sizeof(**offsets));
    *bytes = mr_arena_alloc(job->arena, n_bytes);
    *validity = NULL;
    if (job->seen & SEEN_MISSING) *validity = mr_arena_zalloc(job->arena, (n + 7) / 8);
    bool is_ok = *offsets && *bytes && (*validity || !(job->seen & SEEN_MISSING));
    if (!is_ok) return mr_arena_fail(job->arena, job->err);
    job->column->offsets = *offsets;
    job->column->bytes = *bytes;
    job->column->validity = *validity;
    return MR_OK;
}

static size_t text_bytes(const struct mr_cells *cells) {
    size_t n_bytes = 0;
    for (int64_t i = 0; i < cells->n; i++) {
        yyjson_val *cell = mr_cell(cells, i);
        if (yyjson_is_str(cell)) n_bytes += unsafe_yyjson_get_len(cell);
    }
    return n_bytes;
}

/* A column of texts and missing values. */
static mr_status to_text(struct job *job, mr_dtype dtype) {
    int64_t *offsets, n_nulls = 0;
    char *bytes;
    uint8_t *validity;
    MR_TRY(new_bytes(job, text_bytes(job->cells), &offsets, &bytes, &validity));
    size_t at = 0;
    for (int64_t i = 0; i < job->cells->n; i++) {
        yyjson_val *cell = mr_cell(job->cells, i);
        offsets[i] = (int64_t)at;
        if (!yyjson_is_str(cell)) {
            n_nulls++;
            continue;
        }
        struct mr_str text = cell_text(cell);
        memcpy(bytes + at, text.data, text.size);
        at += text.size;
        if (validity) validity[i / 8] |= (uint8_t)(1 << i % 8);
    }
    offsets[job->cells->n] = (int64_t)at;
    job->column->dtype = dtype;
    job->column->n_nulls = n_nulls;
    return MR_OK;
}

/* base64.decodebytes(bytes(x, 'utf8')) of every cell. */
static mr_status to_binary(struct job *job) {
    job->expected = "binary (a text in base64)";
    for (int64_t i = 0; i < job->cells->n; i++) {
        if (!(kind_of(mr_cell(job->cells, i)) & SEEN_TEXT)) return cell_error(job, i, NULL);
    }
    int64_t *offsets;
    char *bytes;
    uint8_t *validity;
    MR_TRY(new_bytes(job, text_bytes(job->cells), &offsets, &bytes, &validity));
    size_t at = 0;
    for (int64_t i = 0; i < job->cells->n; i++) {
        offsets[i] = (int64_t)at;
        size_t size = mr_base64_decode(cell_text(mr_cell(job->cells, i)), bytes + at);
        if (size == MR_BASE64_ERROR) return cell_error(job, i, "wrong length or padding");
        at += size;
    }
    offsets[job->cells->n] = (int64_t)at;
    return MR_OK;
}

/* bytes(x, 'utf8') of every cell: a tensor of bytes. */
static mr_status to_utf8_bytes(struct job *job) {
    job->expected = "a text";
    for (int64_t i = 0; i < job->cells->n; i++) {
        if (!(kind_of(mr_cell(job->cells, i)) & SEEN_TEXT)) return cell_error(job, i, NULL);
    }
    return to_text(job, MR_BINARY);
}

/* The cells as they are. A null among floats is NaN, as is a missing cell. */
static mr_status to_object(struct job *job) {
    yyjson_val **values = new_values(job, sizeof(*values));
    if (!values) return mr_arena_fail(job->arena, job->err);
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < job->cells->n; i++) {
        values[i] = mr_cell(job->cells, i);
        bool is_missing = kind_of(values[i]) & SEEN_MISSING;
        if (is_missing && job->source == MR_FLOAT64) values[i] = NULL;
        n_nulls += is_missing;
    }
    job->column->dtype = MR_OBJECT;
    job->column->n_nulls = n_nulls;
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

/* A text after the first one, which has set the format. *is_other: only pandas can tell. */
static mr_status later_date(const struct job *job, int64_t row, const struct mr_date *first,
                            struct mr_date *date, bool *is_other) {
    struct mr_str text = cell_text(mr_cell(job->cells, row));
    mr_date_result result = mr_date_parse(text, date);
    if (is_relative_date(text) || result == MR_DATE_LEAP_SECOND) {
        *is_other = true;
    } else if (result == MR_DATE_OUT_OF_RANGE) {
        return cell_error(job, row, "out of range");
    } else if (result == MR_DATE_OTHER) {
        *is_other = !has_other_letters(text);
        if (!*is_other) return cell_error(job, row, "not in the format of the first one");
    } else if (date->format != first->format) {
        return cell_error(job, row, "not in the format of the first one");
    } else if (date->zone_offset_minutes != first->zone_offset_minutes) {
        return cell_error(job, row, "another time zone than the first one");
    }
    return MR_OK;
}

/* A column of texts and missing values. */
static mr_status texts_to_dates(struct job *job) {
    int64_t *values = new_values(job, sizeof(*values)), n_nulls = 0, first_row = -1;
    if (!values) return mr_arena_fail(job->arena, job->err);
    struct mr_date first = {0}, date;
    bool is_other = false;
    for (int64_t i = 0; i < job->cells->n && !is_other; i++) {
        yyjson_val *cell = mr_cell(job->cells, i);
        if (!yyjson_is_str(cell) || mr_date_is_missing(cell_text(cell))) {
            values[i] = INT64_MIN;
            n_nulls++;
            continue;
        }
        if (first_row >= 0) {
            MR_TRY(later_date(job, i, &first, &date, &is_other));
        } else {
            mr_date_result result = mr_date_parse(cell_text(cell), &first);
            is_other = result == MR_DATE_OTHER;
            if (result != MR_DATE_OK && !is_other) return cell_error(job, i, "out of range");
            first_row = i;
            date = first;
        }
        values[i] = date.ns;
    }
    if (is_other) return to_object(job);
    job->column->n_nulls = n_nulls;
    if (!first.has_zone) return MR_OK;
    job->expected = "a datetime without a time zone";
    if (job->err) (void)cell_error(job, first_row, NULL);
    if (job->err) job->err->status = MR_E_INVALID_PARAMETER;
    return MR_E_INVALID_PARAMETER;
}

/* pandas.to_datetime. Integers are nanoseconds since 1970, floats too, without their fraction.
 * Texts among numbers are left to it. */
static mr_status to_datetime(struct job *job) {
    if (job->source == MR_STRING) return texts_to_dates(job);
    if ((job->seen & SEEN_ANY_TEXT) && !(job->seen & (SEEN_BOOL | SEEN_NESTED))) {
        return to_object(job);
    }
    int64_t *values = new_values(job, sizeof(*values)), n_nulls = 0;
    if (!values) return mr_arena_fail(job->arena, job->err);
    for (int64_t i = 0; i < job->cells->n; i++) {
        yyjson_val *cell = mr_cell(job->cells, i);
        unsigned kind = kind_of(cell);
        double value = 0;
        values[i] = INT64_MIN;
        if (kind & (SEEN_BOOL | SEEN_NESTED)) return cell_error(job, i, NULL);
        if (kind & (SEEN_UINT | SEEN_BIG) && job->source != MR_FLOAT64) {
            return cell_error(job, i, "out of range");
        }
        if (job->source == MR_INT64) {
            values[i] = cell->uni.i64;
        } else if (job->source == MR_FLOAT64 && float_of(cell, &value) && !isnan(value)) {
            values[i] = (int64_t)truncate_double(value, MR_INT64);
        }
        n_nulls += values[i] == INT64_MIN;
    }
    job->column->n_nulls = n_nulls;
    return MR_OK;
}

/* --- Entry points ---------------------------------------------------------------------------- */

/* Scan and infer; a lone surrogate is what making a column of texts fails for. */
static mr_status start(struct job *job) {
    job->seen = scan(job->cells);
    job->source = infer_dtype(job->cells, job->seen);
    job->column->n_rows = job->cells->n;
    if (job->source != MR_STRING || !(job->seen & SEEN_SURROGATE)) return MR_OK;
    for (int64_t i = 0; i < job->cells->n; i++) {
        if (kind_of(mr_cell(job->cells, i)) == SEEN_SURROGATE) {
            job->expected = "a text";
            return cell_error(job, i, "it has a lone surrogate");
        }
    }
    return MR_OK;
}

static mr_status to_number(struct job *job, mr_dtype dtype) {
    job->column->dtype = dtype;
    switch (dtype) {
    case MR_BOOL: return to_bool(job);
    case MR_FLOAT32: return to_float32(job);
    case MR_FLOAT64: return to_float64(job);
    default: return to_int(job, dtype);
    }
}

mr_status mr_cast_infer(const struct mr_cells *cells, struct mr_arena *arena,
                        struct mr_column *column, struct mr_error *err) {
    struct job job = {.cells = cells, .arena = arena, .column = column, .err = err};
    MR_TRY(start(&job));
    job.expected = mr_dtype_name(job.source);
    if (job.source == MR_STRING) return to_text(&job, MR_STRING);
    if (job.source == MR_OBJECT) return to_object(&job);
    return to_number(&job, job.source);
}

mr_status mr_cast_to(const struct mr_cells *cells, mr_col_type type, struct mr_arena *arena,
                     struct mr_column *column, struct mr_error *err) {
    struct job job = {.cells = cells, .arena = arena, .column = column, .err = err};
    MR_TRY(start(&job));
    job.expected = mr_col_type_name(type);
    column->dtype = mr_col_type_dtype(type);
    switch (type) {
    case MR_COL_STRING: return job.source == MR_STRING ? to_text(&job, MR_STRING) : to_object(&job);
    case MR_COL_BINARY:
        if (cells->n == 0 && !cells->is_object) {
            /* An empty list is a column of float64, and so is what map() makes of it. */
            return mr_fail(err, MR_E_INVALID_PARAMETER,
                           "column '%.*s': expected binary, received an empty list of numbers",
                           MR_STR_ARGS(column->name));
        }
        return to_binary(&job);
    case MR_COL_DATETIME: return to_datetime(&job);
    case MR_COL_BOOLEAN:
    case MR_COL_INTEGER:
    case MR_COL_LONG:
    case MR_COL_FLOAT:
    case MR_COL_DOUBLE: return to_number(&job, column->dtype);
    default: return to_object(&job);
    }
}

mr_status mr_cast_to_dtype(const struct mr_cells *cells, mr_dtype dtype, struct mr_arena *arena,
                           struct mr_column *column, struct mr_error *err) {
    struct job job = {.cells = cells, .arena = arena, .column = column, .err = err};
    MR_TRY(start(&job));
    job.expected = mr_dtype_name(dtype);
    column->dtype = dtype;
    if (dtype == MR_BINARY) return to_utf8_bytes(&job);
    if (cells->n == 0) {
        return mr_fail(err, MR_E_BAD_REQUEST, "column '%.*s': expected %s, received no rows",
                       MR_STR_ARGS(column->name), job.expected);
    }
    if (yyjson_is_arr(mr_cell(cells, 0))) return to_object(&job);
    switch (dtype) {
    case MR_STRING: return job.source == MR_STRING ? to_text(&job, MR_STRING) : to_object(&job);
    case MR_FLOAT16:
    case MR_DATETIME:
    case MR_OBJECT: return to_object(&job);
    case MR_UINT64: /* texts of 2^63 and more */
        if (job.source == MR_STRING || job.source == MR_OBJECT) return to_object(&job);
        return to_number(&job, dtype);
    default: return to_number(&job, dtype);
    }
}
