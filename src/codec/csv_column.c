#include "codec/csv_column_int.h"

#include <math.h>
#include <yyjson.h>

/* --- inference -------------------------------------------------------------------------------- */

/* A cell of a column that is not int64. */
static void infer_cell(struct mr_csv_facts *facts, struct mr_str cell) {
    double number;
    bool truth, is_double = !facts->is_no_double && mr_csv_double(cell, &number);
    if (!is_double && mr_csv_is_missing(cell)) {
        facts->has_null = true;
        return;
    }
    facts->is_no_double = !is_double;
    if (facts->uint_fault == MR_CSV_INT_OK) {
        uint64_t value = 0;
        bool is_negative = false;
        facts->uint_fault = mr_csv_uint64(cell, &value, &is_negative);
        facts->has_minus |= is_negative;
        facts->has_large |= value > INT64_MAX;
    }
    if (!facts->is_no_python_int) facts->is_no_python_int = !mr_csv_is_python_int(cell);
    if (!facts->is_no_bool) facts->is_no_bool = !mr_csv_bool(cell, &truth);
}

static bool has_minus_sign(struct mr_str cell) {
    uint64_t value;
    bool is_negative;
    return mr_csv_uint64(cell, &value, &is_negative) == MR_CSV_INT_OK && is_negative;
}

void mr_csv_infer(struct mr_csv_facts *facts, const struct mr_str *cells, size_t n) {
    size_t i = 0;
    for (; i < n && facts->int_fault == MR_CSV_INT_OK; i++) {
        int64_t value;
        mr_csv_int result = mr_csv_int64(cells[i], &value);
        if (result == MR_CSV_INT_OK) {
            /* Integers are doubles and Python's integers too, but no booleans. */
            facts->is_no_bool = true;
            if (value <= 0 && !facts->has_minus) facts->has_minus = has_minus_sign(cells[i]);
            continue;
        }
        if (!mr_csv_is_missing(cells[i])) facts->int_fault = result;
        infer_cell(facts, cells[i]);
    }
    for (; i < n; i++) infer_cell(facts, cells[i]);
}

void mr_csv_merge(struct mr_csv_facts *facts, const struct mr_csv_facts *next) {
    if (facts->int_fault == MR_CSV_INT_OK) facts->int_fault = next->int_fault;
    if (facts->uint_fault == MR_CSV_INT_OK) facts->uint_fault = next->uint_fault;
    facts->has_null |= next->has_null;
    facts->has_minus |= next->has_minus;
    facts->has_large |= next->has_large;
    facts->is_no_double |= next->is_no_double;
    facts->is_no_bool |= next->is_no_bool;
    facts->is_no_python_int |= next->is_no_python_int;
}

/* After an integer beyond int64 pandas tries uint64, then Python's integers, then leaves the column
 * as it is written, missing values included. */
static mr_csv_kind kind_of_large(const struct mr_csv_facts *facts) {
    if (facts->uint_fault == MR_CSV_INT_OK) {
        if (facts->has_large && (facts->has_minus || facts->has_null)) return MR_CSV_TEXT_ALL;
        if (!facts->has_minus) return MR_CSV_UINT64;
    }
    return facts->is_no_python_int ? MR_CSV_TEXT_ALL : MR_CSV_PYTHON_INT;
}

mr_csv_kind mr_csv_kind_of(const struct mr_csv_facts *facts) {
    if (facts->int_fault == MR_CSV_INT_OK) {
        return facts->has_null ? MR_CSV_INT64_OR_NULL : MR_CSV_INT64;
    }
    bool is_integer = facts->uint_fault == MR_CSV_INT_OK ||
                      facts->uint_fault == MR_CSV_INT_OVERFLOW;
    if (facts->int_fault == MR_CSV_INT_OVERFLOW && is_integer) return kind_of_large(facts);
    if (!facts->is_no_double) return MR_CSV_FLOAT64;
    if (!facts->is_no_bool) return facts->has_null ? MR_CSV_BOOL_OR_NULL : MR_CSV_BOOL;
    return MR_CSV_TEXT;
}

/* --- conversion ------------------------------------------------------------------------------- */

static size_t to_int64(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    int64_t *out = (int64_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        if (mr_csv_int64(cells[i], &out[i]) != MR_CSV_INT_OK) return i;
    }
    return n;
}

static size_t to_int32(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    int32_t *out = (int32_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        if (mr_csv_int64(cells[i], &value) != MR_CSV_INT_OK || value != (int32_t)value) return i;
        out[i] = (int32_t)value;
    }
    return n;
}

static size_t to_uint64(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    uint64_t *out = (uint64_t *)builder->values + builder->n_rows;
    bool is_negative;
    for (size_t i = 0; i < n; i++) {
        if (mr_csv_uint64(cells[i], &out[i], &is_negative) != MR_CSV_INT_OK) return i;
    }
    return n;
}

/* _maybe_upcast: integers with missing values become float64 after they were int64. */
static size_t to_float64_by_int64(struct mr_csv_builder *builder, const struct mr_str *cells,
                                  size_t n) {
    double *out = (double *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        if (mr_csv_int64(cells[i], &value) == MR_CSV_INT_OK) {
            out[i] = (double)value;
            continue;
        }
        if (!mr_csv_is_missing(cells[i])) return i;
        out[i] = NAN;
        builder->n_nulls++;
    }
    return n;
}

static size_t to_float64(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    double *out = (double *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        if (mr_csv_double(cells[i], &out[i])) continue;
        if (!mr_csv_is_missing(cells[i])) return i;
        out[i] = NAN;
        builder->n_nulls++;
    }
    return n;
}

static size_t to_float32(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    float *out = (float *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        double value;
        if (!mr_csv_double(cells[i], &value)) {
            if (!mr_csv_is_missing(cells[i])) return i;
            value = NAN;
            builder->n_nulls++;
        }
        out[i] = (float)value; /* rounded a second time, as astype does */
    }
    return n;
}

static size_t to_bool(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    uint8_t *out = (uint8_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        bool value;
        if (!mr_csv_bool(cells[i], &value)) return i;
        out[i] = value;
    }
    return n;
}

/* --- casts: of what pandas inferred to what it was told, when no value changes ---------------- */

static size_t cast_float64_to_int64(struct mr_csv_builder *builder, const struct mr_str *cells,
                                    size_t n) {
    int64_t *out = (int64_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        double value;
        if (!mr_csv_double(cells[i], &value)) return i;
        if (!(value >= -0x1p63 && value < 0x1p63) || value != trunc(value)) return i;
        out[i] = (int64_t)value;
    }
    return n;
}

static size_t cast_float64_to_int32(struct mr_csv_builder *builder, const struct mr_str *cells,
                                    size_t n) {
    int32_t *out = (int32_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        double value;
        if (!mr_csv_double(cells[i], &value)) return i;
        if (!(value >= -0x1p31 && value < 0x1p31) || value != trunc(value)) return i;
        out[i] = (int32_t)value;
    }
    return n;
}

static size_t cast_float64_to_bool(struct mr_csv_builder *builder, const struct mr_str *cells,
                                   size_t n) {
    uint8_t *out = (uint8_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        double value;
        if (!mr_csv_double(cells[i], &value) || (value != 0 && value != 1)) return i;
        out[i] = value == 1;
    }
    return n;
}

static size_t cast_bool_to_int64(struct mr_csv_builder *builder, const struct mr_str *cells,
                                 size_t n) {
    int64_t *out = (int64_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        bool value;
        if (!mr_csv_bool(cells[i], &value)) return i;
        out[i] = value;
    }
    return n;
}

static size_t cast_bool_to_int32(struct mr_csv_builder *builder, const struct mr_str *cells,
                                 size_t n) {
    int32_t *out = (int32_t *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        bool value;
        if (!mr_csv_bool(cells[i], &value)) return i;
        out[i] = value;
    }
    return n;
}

static bool bool_or_null(struct mr_csv_builder *builder, struct mr_str cell, double *out) {
    bool value;
    if (mr_csv_bool(cell, &value)) {
        *out = value;
        return true;
    }
    *out = NAN;
    builder->n_nulls++;
    return mr_csv_is_missing(cell);
}

static size_t cast_bool_to_float64(struct mr_csv_builder *builder, const struct mr_str *cells,
                                   size_t n) {
    double *out = (double *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        if (!bool_or_null(builder, cells[i], &out[i])) return i;
    }
    return n;
}

static size_t cast_bool_to_float32(struct mr_csv_builder *builder, const struct mr_str *cells,
                                   size_t n) {
    float *out = (float *)builder->values + builder->n_rows;
    for (size_t i = 0; i < n; i++) {
        double value;
        if (!bool_or_null(builder, cells[i], &value)) return i;
        out[i] = (float)value;
    }
    return n;
}

/* --- texts and objects ------------------------------------------------------------------------ */

static bool mark_null(struct mr_csv_builder *builder, size_t row) {
    size_t size = builder->max_rows / 8 + 1;
    if (!builder->validity) {
        builder->validity = mr_arena_alloc(builder->arena, size);
        if (!builder->validity) return false;
        memset(builder->validity, 0xFF, size);
    }
    builder->validity[row / 8] &= (uint8_t) ~(1u << row % 8);
    builder->n_nulls++;
    return true;
}

/* Room for `more` bytes of text; grows by doubling. */
static bool reserve_text(struct mr_csv_builder *builder, size_t used, size_t more) {
    if (builder->bytes_size - used >= more) return true;
    size_t wanted = builder->bytes_size * 2;
    if (wanted < used + more) wanted = used + more;
    char *bytes = mr_arena_realloc(builder->arena, builder->bytes, builder->bytes_size, wanted);
    if (!bytes) return false;
    builder->bytes = bytes;
    builder->bytes_size = wanted;
    return true;
}

static size_t append_texts(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n,
                           bool has_nulls) {
    int64_t *offsets = builder->values;
    if (builder->n_rows == 0) offsets[0] = 0;
    size_t used = (size_t)offsets[builder->n_rows], more = 0;
    for (size_t i = 0; i < n; i++) more += cells[i].size;
    builder->is_out_of_memory = !reserve_text(builder, used, more);
    for (size_t i = 0; i < n && !builder->is_out_of_memory; i++) {
        size_t row = builder->n_rows + i;
        if (has_nulls && mr_csv_is_missing(cells[i])) {
            builder->is_out_of_memory = !mark_null(builder, row);
        } else {
            if (cells[i].size) memcpy(builder->bytes + used, cells[i].data, cells[i].size);
            used += cells[i].size;
        }
        offsets[row + 1] = (int64_t)used;
    }
    return builder->is_out_of_memory ? 0 : n;
}

static size_t to_text(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    return append_texts(builder, cells, n, true);
}

static size_t to_text_all(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    return append_texts(builder, cells, n, false);
}

/* An integer of Python as the JSON decoder has it: beyond 64 bits it is its digits. */
static bool set_python_int(yyjson_val *value, struct mr_str cell, struct mr_arena *arena) {
    char *text = mr_arena_alloc(arena, cell.size + 1);
    if (!text) return false;
    size_t size = 0;
    bool is_negative = false;
    for (size_t i = 0; i < cell.size; i++) {
        char c = cell.data[i];
        is_negative |= c == '-';
        if (c < '0' || c > '9' || (c == '0' && size == 0)) continue; /* signs, blanks, _ */
        text[size++] = c;
    }
    struct mr_str digits = {text, size ? size : 1};
    if (!size) text[0] = '0';
    uint64_t magnitude;
    bool unused;
    if (mr_csv_uint64(digits, &magnitude, &unused) == MR_CSV_INT_OK) {
        if (!is_negative) return yyjson_set_uint(value, magnitude);
        if (magnitude <= (uint64_t)INT64_MAX + 1) {
            return yyjson_set_sint(value, (int64_t)-magnitude);
        }
    }
    if (is_negative) {
        memmove(text + 1, text, size++);
        text[0] = '-';
    }
    return yyjson_set_raw(value, text, size);
}

static size_t to_objects(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n) {
    yyjson_val **out = (yyjson_val **)builder->values + builder->n_rows;
    yyjson_val *values = mr_arena_zalloc(builder->arena, n * sizeof(*values));
    builder->is_out_of_memory = !values;
    for (size_t i = 0; i < n && !builder->is_out_of_memory; i++) {
        bool truth;
        out[i] = &values[i];
        if (mr_csv_bool(cells[i], &truth)) {
            yyjson_set_bool(out[i], truth);
        } else if (mr_csv_is_missing(cells[i])) {
            out[i] = NULL;
            builder->n_nulls++;
        } else if (mr_csv_is_python_int(cells[i])) {
            builder->is_out_of_memory = !set_python_int(out[i], cells[i], builder->arena);
        } else {
            return i;
        }
    }
    return builder->is_out_of_memory ? 0 : n;
}

/* --- recipes ---------------------------------------------------------------------------------- */

struct mr_csv_recipe mr_csv_recipe_of_kind(mr_csv_kind kind) {
    static const struct mr_csv_recipe recipes[] = {
        [MR_CSV_INT64] = {MR_INT64, to_int64},
        [MR_CSV_INT64_OR_NULL] = {MR_FLOAT64, to_float64_by_int64},
        [MR_CSV_UINT64] = {MR_UINT64, to_uint64},
        [MR_CSV_FLOAT64] = {MR_FLOAT64, to_float64},
        [MR_CSV_BOOL] = {MR_BOOL, to_bool},
        [MR_CSV_BOOL_OR_NULL] = {MR_OBJECT, to_objects},
        [MR_CSV_PYTHON_INT] = {MR_OBJECT, to_objects},
        [MR_CSV_TEXT] = {MR_STRING, to_text},
        [MR_CSV_TEXT_ALL] = {MR_STRING, to_text_all},
    };
    return recipes[kind];
}

struct mr_csv_recipe mr_csv_recipe_of_dtype(mr_dtype dtype) {
    switch (dtype) {
    case MR_BOOL: return (struct mr_csv_recipe){dtype, to_bool};
    case MR_INT32: return (struct mr_csv_recipe){dtype, to_int32};
    case MR_INT64: return (struct mr_csv_recipe){dtype, to_int64};
    case MR_FLOAT32: return (struct mr_csv_recipe){dtype, to_float32};
    case MR_FLOAT64: return (struct mr_csv_recipe){dtype, to_float64};
    case MR_STRING: return (struct mr_csv_recipe){dtype, to_text};
    default: return (struct mr_csv_recipe){dtype, NULL};
    }
}

/* The end of _convert_tokens. Integers never get here for a float, since every one is a double. A
 * float column of integers written with underscores beside one beyond 64 bits, which pandas takes
 * by way of Python's integers when all of them are doubles, is refused. */
struct mr_csv_recipe mr_csv_recipe_of_cast(mr_csv_kind kind, mr_dtype dtype) {
    bool is_float = kind == MR_CSV_FLOAT64, is_bool = kind == MR_CSV_BOOL;
    bool is_bool_or_null = is_bool || kind == MR_CSV_BOOL_OR_NULL;
    mr_csv_convert *convert = NULL;
    switch (dtype) {
    case MR_INT64:
        convert = is_float ? cast_float64_to_int64 : is_bool ? cast_bool_to_int64 : NULL;
        break;
    case MR_INT32:
        convert = is_float ? cast_float64_to_int32 : is_bool ? cast_bool_to_int32 : NULL;
        break;
    case MR_FLOAT64: convert = is_bool_or_null ? cast_bool_to_float64 : NULL; break;
    case MR_FLOAT32: convert = is_bool_or_null ? cast_bool_to_float32 : NULL; break;
    case MR_BOOL: convert = is_float || kind == MR_CSV_INT64 ? cast_float64_to_bool : NULL; break;
    default: break;
    }
    return (struct mr_csv_recipe){dtype, convert};
}

struct mr_csv_recipe mr_csv_recipe_for_fault(mr_dtype dtype) {
    bool is_integer = dtype == MR_INT32 || dtype == MR_INT64;
    return is_integer ? mr_csv_recipe_of_cast(MR_CSV_FLOAT64, dtype)
                      : mr_csv_recipe_of_dtype(dtype);
}

/* --- builders --------------------------------------------------------------------------------- */

mr_status mr_csv_builder_init(struct mr_csv_builder *builder, mr_dtype dtype, size_t max_rows,
                              struct mr_arena *arena, struct mr_error *err) {
    *builder = (struct mr_csv_builder){.arena = arena, .dtype = dtype, .max_rows = max_rows};
    size_t size = mr_dtype_size(dtype);
    builder->values = mr_arena_array(arena, max_rows + 1, size ? size : sizeof(int64_t));
    return builder->values ? MR_OK : mr_arena_fail(arena, err);
}

void mr_csv_builder_reset(struct mr_csv_builder *builder, mr_dtype dtype) {
    builder->dtype = dtype;
    builder->n_rows = builder->n_nulls = 0;
    builder->validity = NULL;
}

void mr_csv_builder_finish(struct mr_csv_builder *builder, struct mr_str name,
                           struct mr_column *out) {
    bool is_text = builder->dtype == MR_STRING;
    if (is_text && builder->n_nulls == builder->n_rows) {
        memset(builder->values, 0, builder->n_rows * sizeof(yyjson_val *));
        builder->validity = NULL;
        builder->dtype = MR_OBJECT;
        is_text = false;
    }
    *out = (struct mr_column){
        .name = name,
        .is_named = true,
        .dtype = builder->dtype,
        .n_rows = (int64_t)builder->n_rows,
        .n_nulls = (int64_t)builder->n_nulls,
        .validity = builder->validity,
        .values = is_text ? NULL : builder->values,
        .offsets = is_text ? builder->values : NULL,
        .bytes = is_text ? (builder->bytes ? builder->bytes : "") : NULL,
    };
}
