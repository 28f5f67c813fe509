#include "engine/cell.h"

#include <math.h>
#include <yyjson.h>

#include "base/half.h"
#include "base/number.h"

/* float(bytes) in Python takes ASCII only, float(str) any decimal digits. */
static bool parse_text(struct mr_str text, bool is_bytes, double *out) {
    for (size_t i = 0; is_bytes && i < text.size; i++) {
        if ((unsigned char)text.data[i] >= 0x80) return false;
    }
    return mr_float_parse(text, out);
}

/* float(value) of what json.loads gives. */
static bool read_json(const yyjson_val *cell, double *out) {
    yyjson_val *value = (yyjson_val *)(uintptr_t)cell;
    if (!value || yyjson_is_null(value)) {
        *out = NAN;
        return true;
    }
    if (yyjson_is_bool(value)) {
        *out = yyjson_get_bool(value) ? 1 : 0;
        return true;
    }
    if (yyjson_is_num(value)) {
        *out = yyjson_get_num(value);
        return true;
    }
    if (yyjson_is_raw(value)) { /* digits of an integer beyond 64 bits */
        return mr_float_parse((struct mr_str){yyjson_get_raw(value), yyjson_get_len(value)}, out) &&
               isfinite(*out); /* else OverflowError */
    }
    if (!yyjson_is_str(value)) return false;
    return parse_text((struct mr_str){yyjson_get_str(value), yyjson_get_len(value)}, false, out);
}

bool mr_cell_of_array(mr_dtype dtype, const void *values, int64_t i, double *out) {
    switch (dtype) {
    case MR_BOOL: *out = ((const uint8_t *)values)[i]; return true;
    case MR_INT8: *out = ((const int8_t *)values)[i]; return true;
    case MR_INT16: *out = ((const int16_t *)values)[i]; return true;
    case MR_INT32: *out = ((const int32_t *)values)[i]; return true;
    case MR_INT64:
    case MR_DATETIME: *out = (double)((const int64_t *)values)[i]; return true;
    case MR_UINT8: *out = ((const uint8_t *)values)[i]; return true;
    case MR_UINT16: *out = ((const uint16_t *)values)[i]; return true;
    case MR_UINT32: *out = ((const uint32_t *)values)[i]; return true;
    case MR_UINT64: *out = (double)((const uint64_t *)values)[i]; return true;
    case MR_FLOAT16: *out = mr_half_to_double(((const uint16_t *)values)[i]); return true;
    case MR_FLOAT32: *out = ((const float *)values)[i]; return true;
    case MR_FLOAT64: *out = ((const double *)values)[i]; return true;
    case MR_OBJECT: return read_json(((const yyjson_val *const *)values)[i], out);
    case MR_STRING:
    case MR_BINARY: return parse_text(((const struct mr_str *)values)[i], dtype == MR_BINARY, out);
    default: return false;
    }
}

bool mr_cell_of_column(const struct mr_column *column, int64_t i, double *out) {
    if (column->validity && column->dtype != MR_OBJECT && !mr_column_is_valid(column, i)) {
        *out = NAN;
        return true;
    }
    if (column->dtype == MR_STRING || column->dtype == MR_BINARY) {
        struct mr_str text = {column->bytes + column->offsets[i],
                              (size_t)(column->offsets[i + 1] - column->offsets[i])};
        return parse_text(text, column->dtype == MR_BINARY, out);
    }
    return mr_cell_of_array(column->dtype, column->values, i, out);
}
