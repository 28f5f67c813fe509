#include "schema/ndarray_item.h"

#include <math.h>

#include "base/half.h"
#include "schema/numpy_datetime.h"
#include "schema/py_value.h"

mr_item_result mr_item_double(yyjson_val *value, double *out) {
    switch (mr_py_kind_of(value)) {
    case MR_PY_FLOAT: *out = mr_py_float(value); return MR_ITEM_OK;
    case MR_PY_INT: *out = (double)yyjson_get_sint(value); return MR_ITEM_OK;
    case MR_PY_UINT: *out = (double)yyjson_get_uint(value); return MR_ITEM_OK;
    case MR_PY_BOOL: *out = yyjson_get_bool(value); return MR_ITEM_OK;
    case MR_PY_NONE: *out = NAN; return MR_ITEM_OK;
    case MR_PY_STR: return mr_float_parse(mr_py_text(value), out) ? MR_ITEM_OK : MR_ITEM_WRONG;
    case MR_PY_BIG: /* "int too large to convert to float" */
        return mr_float_parse(mr_py_text(value), out) && !isinf(*out) ? MR_ITEM_OK : MR_ITEM_RANGE;
    default: return MR_ITEM_WRONG;
    }
}

mr_item_result mr_item_int(yyjson_val *value, int64_t low, int64_t high, int64_t *out) {
    int64_t number;
    bool is_big = false;
    switch (mr_py_kind_of(value)) {
    case MR_PY_INT: number = yyjson_get_sint(value); break;
    case MR_PY_BOOL: number = yyjson_get_bool(value); break;
    case MR_PY_FLOAT: {
        double whole = trunc(mr_py_float(value));
        if (isnan(whole)) return MR_ITEM_WRONG;
        if (!(whole >= -0x1p63 && whole < 0x1p63)) return MR_ITEM_RANGE;
        number = (int64_t)whole;
        break;
    }
    case MR_PY_STR:
        if (!mr_int_parse(mr_py_text(value), &number, &is_big)) return MR_ITEM_WRONG;
        if (is_big) return MR_ITEM_RANGE;
        break;
    case MR_PY_UINT:
    case MR_PY_BIG: return MR_ITEM_RANGE;
    default: return MR_ITEM_WRONG;
    }
    if (number < low || number > high) return MR_ITEM_RANGE;
    *out = number;
    return MR_ITEM_OK;
}

/* int(text) beyond int64, as far as it is written in ASCII. */
static mr_item_result text_to_uint64(struct mr_str text, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x80) return MR_ITEM_RAW;
        if (c == '-') return MR_ITEM_RANGE;
        if (c < '0' || c > '9') continue; /* white space, a sign or an underscore */
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, c - '0', out)) {
            return MR_ITEM_RANGE;
        }
    }
    return MR_ITEM_OK;
}

static mr_item_result store_uint64(yyjson_val *value, uint64_t *out) {
    mr_py_kind kind = mr_py_kind_of(value);
    if (kind == MR_PY_UINT) {
        *out = yyjson_get_uint(value);
        return MR_ITEM_OK;
    }
    if (kind == MR_PY_FLOAT && mr_py_float(value) >= 0x1p63) {
        if (mr_py_float(value) >= 0x1p64) return MR_ITEM_RANGE;
        *out = (uint64_t)mr_py_float(value);
        return MR_ITEM_OK;
    }
    int64_t number;
    mr_item_result result = mr_item_int(value, 0, INT64_MAX, &number);
    if (result == MR_ITEM_RANGE && kind == MR_PY_STR) return text_to_uint64(mr_py_text(value), out);
    if (result == MR_ITEM_OK) *out = (uint64_t)number;
    return result;
}

/* UNICODE_getitem drops trailing NULs. */
static struct mr_str without_nuls(struct mr_str text) {
    while (text.size && text.data[text.size - 1] == '\0') text.size--;
    return text;
}

static mr_item_result store_text(yyjson_val *value, bool is_ascii_only, struct mr_str *out,
                                 struct mr_arena *arena, const char **fault) {
    char room[MR_PY_STR_CHARS];
    mr_py_kind kind = mr_py_kind_of(value);
    if (kind == MR_PY_LIST || (kind == MR_PY_DICT && yyjson_obj_size(value))) return MR_ITEM_RAW;
    struct mr_str text = kind == MR_PY_DICT ? mr_str_from("{}") : mr_py_str(value, room);
    if (kind != MR_PY_STR) {
        char *copy = mr_arena_strdup(arena, text);
        if (!copy) return MR_ITEM_NO_MEMORY;
        text.data = copy;
    } else if (is_ascii_only) {
        for (size_t i = 0; i < text.size; i++) {
            if ((unsigned char)text.data[i] >= 0x80) {
                *fault = "which is not ASCII";
                return MR_ITEM_WRONG;
            }
        }
    }
    *out = without_nuls(text);
    return MR_ITEM_OK;
}

/* convert_pyobject_to_datetime (datetime.c): bools count as the ints they are. */
static mr_item_result store_datetime(yyjson_val *value, int64_t *out, const char **fault) {
    switch (mr_py_kind_of(value)) {
    case MR_PY_NONE: *out = MR_NAT; return MR_ITEM_OK;
    case MR_PY_STR:
        return mr_numpy_datetime_ns(mr_py_text(value), out, fault) ? MR_ITEM_OK : MR_ITEM_WRONG;
    case MR_PY_BOOL:
    case MR_PY_INT: return mr_item_int(value, INT64_MIN, INT64_MAX, out);
    case MR_PY_UINT:
    case MR_PY_BIG: return MR_ITEM_RANGE;
    default: return MR_ITEM_WRONG;
    }
}

/* What Python ints an integer dtype holds; uint64 is a case of its own. */
static const struct {
    int64_t low, high;
} int_ranges[MR_N_DTYPES] = {
    [MR_INT8] = {INT8_MIN, INT8_MAX},    [MR_INT16] = {INT16_MIN, INT16_MAX},
    [MR_INT32] = {INT32_MIN, INT32_MAX}, [MR_INT64] = {INT64_MIN, INT64_MAX},
    [MR_UINT8] = {0, UINT8_MAX},         [MR_UINT16] = {0, UINT16_MAX},
    [MR_UINT32] = {0, UINT32_MAX},
};

static mr_item_result store_int(yyjson_val *value, mr_dtype dtype, void *out) {
    int64_t number;
    mr_item_result result = mr_item_int(value, int_ranges[dtype].low, int_ranges[dtype].high,
                                        &number);
    if (result != MR_ITEM_OK) return result;
    switch (mr_dtype_size(dtype)) {
    case 1: *(uint8_t *)out = (uint8_t)number; break;
    case 2: *(uint16_t *)out = (uint16_t)number; break;
    case 4: *(uint32_t *)out = (uint32_t)number; break;
    default: *(int64_t *)out = number; break;
    }
    return MR_ITEM_OK;
}

static mr_item_result store_float(yyjson_val *value, mr_dtype dtype, void *out) {
    double number;
    mr_item_result result = mr_item_double(value, &number);
    if (result != MR_ITEM_OK) return result;
    switch (dtype) {
    case MR_FLOAT16: *(uint16_t *)out = mr_half_from_double(number); break;
    case MR_FLOAT32: *(float *)out = (float)number; break; /* too large: an infinity */
    default: *(double *)out = number; break;
    }
    return MR_ITEM_OK;
}

mr_item_result mr_item_store(yyjson_val *value, mr_dtype dtype, void *out, struct mr_arena *arena,
                             const char **fault) {
    switch (dtype) {
    case MR_BOOL: *(uint8_t *)out = mr_py_truth(value); return MR_ITEM_OK;
    case MR_UINT64: return store_uint64(value, out);
    case MR_FLOAT16:
    case MR_FLOAT32:
    case MR_FLOAT64: return store_float(value, dtype, out);
    case MR_STRING: return store_text(value, false, out, arena, fault);
    case MR_BINARY: return store_text(value, true, out, arena, fault);
    case MR_DATETIME: return store_datetime(value, out, fault);
    case MR_OBJECT: *(yyjson_val **)out = value; return MR_ITEM_OK;
    default: return store_int(value, dtype, out);
    }
}

yyjson_val *mr_item_via(yyjson_val *value, mr_dtype dtype, struct mr_arena *arena) {
    bool is_number = dtype == MR_INT64 || dtype == MR_UINT64 || dtype == MR_FLOAT64;
    if (dtype != MR_STRING && !is_number) return value;
    yyjson_val *out = mr_arena_alloc(arena, sizeof(*out));
    if (!out) return NULL;
    const char *fault;
    double number;
    struct mr_str text;
    if (dtype == MR_STRING) {
        if (mr_item_store(value, MR_STRING, &text, arena, &fault) != MR_ITEM_OK) return NULL;
        unsafe_yyjson_set_strn(out, text.data, text.size);
    } else if (dtype == MR_FLOAT64 && mr_item_double(value, &number) == MR_ITEM_OK) {
        unsafe_yyjson_set_real(out, number);
    } else if (mr_py_kind_of(value) == MR_PY_BOOL) {
        unsafe_yyjson_set_uint(out, yyjson_get_bool(value));
    } else {
        return value;
    }
    return out;
}
