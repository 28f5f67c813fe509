/* A JSON value as Python sees it after json.loads: its type, its truth, its float, int and str.
 *
 * Values follow codec/json_int.h: integers beyond 64 bits and numbers too large for a double are
 * YYJSON_TYPE_RAW. Nothing here allocates. */
#ifndef MR_SCHEMA_PY_VALUE_H
#define MR_SCHEMA_PY_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/number.h"
#include "base/str.h"

/* Python's types, int in three sizes. The numbers are bits so that kinds seen can be collected. */
typedef enum mr_py_kind {
    MR_PY_NONE = 1,
    MR_PY_BOOL = 2,
    MR_PY_INT = 4,  /* fits int64 */
    MR_PY_UINT = 8, /* fits uint64 only */
    MR_PY_BIG = 16, /* an int beyond 64 bits */
    MR_PY_FLOAT = 32,
    MR_PY_STR = 64,
    MR_PY_LIST = 128,
    MR_PY_DICT = 256
} mr_py_kind;

/* The kind of a YYJSON_TYPE_RAW: MR_PY_BIG or MR_PY_FLOAT. */
mr_py_kind mr_py_raw_kind(yyjson_val *value);

/* The kind of a value; never NULL. */
static inline mr_py_kind mr_py_kind_of(yyjson_val *value) {
    switch (yyjson_get_tag(value)) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL: return MR_PY_FLOAT;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT:
        return yyjson_get_uint(value) > INT64_MAX ? MR_PY_UINT : MR_PY_INT;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT: return MR_PY_INT;
    default: break;
    }
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL: return MR_PY_BOOL;
    case YYJSON_TYPE_STR: return MR_PY_STR;
    case YYJSON_TYPE_ARR: return MR_PY_LIST;
    case YYJSON_TYPE_OBJ: return MR_PY_DICT;
    case YYJSON_TYPE_RAW: return mr_py_raw_kind(value);
    default: return MR_PY_NONE;
    }
}

/* The name of a kind's type: "int", "NoneType", ... */
const char *mr_py_kind_name(mr_py_kind kind);

/* The text of a MR_PY_STR, or of a number kept as YYJSON_TYPE_RAW. */
static inline struct mr_str mr_py_text(yyjson_val *value) {
    return (struct mr_str){yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value),
                           yyjson_get_len(value)};
}

/* bool(value). */
bool mr_py_truth(yyjson_val *value);

/* The number of a MR_PY_FLOAT. */
double mr_py_float(yyjson_val *value);

/* Room that mr_py_str may use for a value that is neither text, list, dict nor MR_PY_BIG. */
#define MR_PY_STR_CHARS 32

/* str(value). room: where numbers are written; texts and big ints are returned as they are.
 * The kind is neither MR_PY_LIST nor MR_PY_DICT. */
struct mr_str mr_py_str(yyjson_val *value, char room[MR_PY_STR_CHARS]);

/* A short description for messages: `"abc" (str)`, `2.5 (float)`, `a list`. Cut to fit. */
void mr_py_describe(yyjson_val *value, char *out, size_t size);

#endif
