/* Element types of columns and tensors: numpy's, and what MLflow calls them. */
#ifndef MR_SCHEMA_DTYPE_H
#define MR_SCHEMA_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* X(name, bytes per value (0: variable), numpy name, kind letter of numpy.dtype.kind) */
#define MR_DTYPE_TABLE(X)                                                                          \
    X(MR_BOOL, 1, "bool", 'b')                                                                     \
    X(MR_INT8, 1, "int8", 'i')                                                                     \
    X(MR_INT16, 2, "int16", 'i')                                                                   \
    X(MR_INT32, 4, "int32", 'i')                                                                   \
    X(MR_INT64, 8, "int64", 'i')                                                                   \
    X(MR_UINT8, 1, "uint8", 'u')                                                                   \
    X(MR_UINT16, 2, "uint16", 'u')                                                                 \
    X(MR_UINT32, 4, "uint32", 'u')                                                                 \
    X(MR_UINT64, 8, "uint64", 'u')                                                                 \
    X(MR_FLOAT16, 2, "float16", 'f')                                                               \
    X(MR_FLOAT32, 4, "float32", 'f')                                                               \
    X(MR_FLOAT64, 8, "float64", 'f')                                                               \
    X(MR_STRING, 0, "str", 'U')                                                                    \
    X(MR_BINARY, 0, "bytes", 'S')                                                                  \
    X(MR_DATETIME, 8, "datetime64[ns]", 'M')                                                       \
    X(MR_OBJECT, 8, "object", 'O')

typedef enum mr_dtype {
#define MR_DTYPE_ENUM(name, size, text, kind) name,
    MR_DTYPE_TABLE(MR_DTYPE_ENUM)
#undef MR_DTYPE_ENUM
        MR_N_DTYPES
} mr_dtype;

/* Bytes of one value; 0 for MR_STRING and MR_BINARY. */
size_t mr_dtype_size(mr_dtype dtype);

/* numpy's name ("float64") and kind letter ('f'). */
const char *mr_dtype_name(mr_dtype dtype);
char mr_dtype_kind(mr_dtype dtype);

/* Find a dtype by numpy's name; false when it is none of ours (complex, unsized datetime, ...). */
bool mr_dtype_find(struct mr_str name, mr_dtype *out);

#endif
