/* Tables, tensors, and what a decoded request is: the data types every later stage shares.
 *
 * Plain structs in the request's arena; nothing here owns or frees. A column has Arrow's physical
 * layout (validity bitmap, offsets + bytes for text, 64-byte aligned values) with one exception:
 * booleans take a byte each, as in numpy. Rows are counted in int64_t. */
#ifndef MR_SCHEMA_TABLE_H
#define MR_SCHEMA_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "schema/dtype.h"

struct mr_column {
    struct mr_str name; /* UTF-8; for columns without a name, their decimal number */
    bool is_named;      /* false: pandas would hold an integer label (0, 1, ...) */
    mr_dtype dtype;
    int64_t n_rows;
    int64_t n_nulls;         /* missing values; floats hold them as NaN, datetimes as NaT too */
    const uint8_t *validity; /* bit i set: row i is present; NULL: as the values themselves say */
    /* MR_STRING, MR_BINARY: row i is bytes[offsets[i] .. offsets[i + 1]].
     * MR_DATETIME: int64_t nanoseconds since 1970-01-01T00:00, INT64_MIN is NaT.
     * MR_OBJECT: `yyjson_val *`, NULL where a record lacks the key; what pandas would hold as a
     * column of Python objects. Else: an array of the dtype. */
    const void *values;
    const int64_t *offsets;
    const char *bytes;
};

struct mr_table {
    int64_t n_rows;
    size_t n_cols;
    struct mr_column *columns; /* in the order the model gets them */
    /* -1: no row is labelled 0, or more than one. Labels count from 0 unless a request gives
     * others; only signatures of tensors ask. */
    int64_t row_of_label_0;
};

#define MR_MAX_DIMS 64 /* numpy 2's own limit */

struct mr_tensor {
    struct mr_str name; /* size 0: unnamed */
    bool is_numbered;   /* the name is a number, not a text */
    mr_dtype dtype;
    size_t n_dims; /* 0: a scalar */
    const int64_t *shape;
    int64_t n_values; /* product of the shape */
    /* In C order. MR_STRING, MR_BINARY: struct mr_str each; MR_OBJECT: `yyjson_val *` each. */
    const void *values;
};

/* The named values that came under "params", after defaults, casts and checks. */
struct mr_param {
    struct mr_str name;
    struct mr_str json; /* the value as JSON text; datetimes as ISO 8601 strings */
};

struct mr_params {
    size_t n;
    const struct mr_param *items;
};

typedef enum mr_input_kind {
    MR_INPUT_TABLE,   /* a DataFrame */
    MR_INPUT_TENSOR,  /* one ndarray: tensors[0] */
    MR_INPUT_TENSORS, /* a dict of ndarrays */
    MR_INPUT_RAW      /* only MLflow's own code can type it: `body` as it came */
} mr_input_kind;

/* What a request asks the model: the result of decoding, then of schema enforcement. */
struct mr_input {
    mr_input_kind kind;
    struct mr_table table;
    struct mr_tensor *tensors;
    size_t n_tensors;
    struct mr_params params;
    const char *raw_reason; /* MR_INPUT_RAW: a phrase that says why, for logs and errors */
};

/* What a model answers. */
struct mr_output {
    struct mr_tensor tensor;
    bool is_bare; /* not to be wrapped in {"predictions": ...} */
};

/* Zeroed columns; MR_E_NO_MEMORY or MR_E_TOO_LARGE when the arena says so. */
MR_MUST_CHECK mr_status mr_table_new(struct mr_arena *arena, int64_t n_rows, size_t n_cols,
                                     struct mr_table *out, struct mr_error *err);

/* The column of that name, NULL when there is none. */
struct mr_column *mr_table_find(const struct mr_table *table, struct mr_str name);

/* Whether row i is present (not null, NaN or NaT). */
bool mr_column_is_valid(const struct mr_column *column, int64_t i);

#endif
