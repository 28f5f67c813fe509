#include "schema/py_value.h"

#include <math.h>
#include <stdio.h>

#include "base/utf8.h"

mr_py_kind mr_py_raw_kind(yyjson_val *value) {
    struct mr_str text = mr_py_text(value);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c != '-' && (c < '0' || c > '9')) return MR_PY_FLOAT;
    }
    return MR_PY_BIG;
}

const char *mr_py_kind_name(mr_py_kind kind) {
    switch (kind) {
    case MR_PY_NONE: return "NoneType";
    case MR_PY_BOOL: return "bool";
    case MR_PY_INT:
    case MR_PY_UINT:
    case MR_PY_BIG: return "int";
    case MR_PY_FLOAT: return "float";
    case MR_PY_STR: return "str";
    case MR_PY_LIST: return "list";
    case MR_PY_DICT: return "dict";
    }
    return "object";
}

bool mr_py_truth(yyjson_val *value) {
    switch (mr_py_kind_of(value)) {
    case MR_PY_NONE: return false;
    case MR_PY_BOOL: return yyjson_get_bool(value);
    case MR_PY_INT: return yyjson_get_sint(value) != 0;
    case MR_PY_FLOAT: return mr_py_float(value) != 0; /* NaN is true */
    case MR_PY_STR: return yyjson_get_len(value) != 0;
    case MR_PY_LIST: return yyjson_arr_size(value) != 0;
    case MR_PY_DICT: return yyjson_obj_size(value) != 0;
    default: return true;
    }
}

double mr_py_float(yyjson_val *value) {
    if (!yyjson_is_raw(value)) return yyjson_get_real(value);
    /* Beyond a double; where NaN and infinities are read as well, yyjson keeps them as text too. */
    struct mr_str text = mr_py_text(value);
    if ((text.data[0] | 0x20) == 'n') return NAN;
    return text.data[0] == '-' ? -INFINITY : INFINITY;
}

struct mr_str mr_py_str(yyjson_val *value, char room[MR_PY_STR_CHARS]) {
    switch (mr_py_kind_of(value)) {
    case MR_PY_NONE: return mr_str_from("None");
    case MR_PY_BOOL: return mr_str_from(yyjson_get_bool(value) ? "True" : "False");
    case MR_PY_INT: return (struct mr_str){room, mr_int_write(yyjson_get_sint(value), room)};
    case MR_PY_UINT: {
        int size = snprintf(room, MR_PY_STR_CHARS, "%llu",
                            (unsigned long long)yyjson_get_uint(value));
        return (struct mr_str){room, (size_t)size};
    }
    case MR_PY_FLOAT: return (struct mr_str){room, mr_double_write(mr_py_float(value), room)};
    default: return mr_py_text(value);
    }
}

void mr_py_describe(yyjson_val *value, char *out, size_t size) {
    mr_py_kind kind = mr_py_kind_of(value);
    if (kind == MR_PY_NONE) {
        snprintf(out, size, "null");
    } else if (kind == MR_PY_LIST || kind == MR_PY_DICT) {
        snprintf(out, size, "a %s of %zu", mr_py_kind_name(kind), yyjson_get_len(value));
    } else {
        char room[MR_PY_STR_CHARS];
        struct mr_str text = mr_py_str(value, room);
        size_t shown = text.size > 40 ? mr_utf8_floor(text.data, 40) : text.size;
        const char *quote = kind == MR_PY_STR ? "\"" : "";
        snprintf(out, size, "%s%.*s%s%s (%s)", quote, (int)shown, text.data,
                 shown < text.size ? "..." : "", quote, mr_py_kind_name(kind));
    }
}
