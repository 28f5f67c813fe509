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
    bool is_object; /* MR_STRING: pandas holds it as Python objects, not as its `str` dtype */
};

struct mr_table {
    int64_t n_rows;
    size_t n_cols;
    struct mr_column *columns;     /* in the order the model gets them */
    const struct mr_column *index; /* the row labels, MR_INT64 or MR_STRING; NULL: 0, 1, 2, ... */
    const char *odd_labels;        /* of rows or columns: what pandas has there cannot be said by
                                      index and the columns' names; a phrase for it, NULL: none */
    /* -1: no row is labelled 0, or more than one. Labels count from 0 unless a request gives
     * others; only signatures of tensors ask. */
    int64_t row_of_label_0;
};

#define MR_MAX_DIMS 64 /* numpy 2's own limit */

struct mr_tensor {
    struct mr_str name; /* size 0: unnamed */
    bool is_numbered;   /* the name is a number, not a text */
    bool is_wide;       /* texts, bytes: numpy has room for longer ones than the longest here */
    bool is_fortran;    /* numpy would hold it in Fortran order */
    mr_dtype dtype;
    size_t n_dims; /* 0: a scalar */
    const int64_t *shape;
    int64_t n_values; /* product of the shape */
    /* In C order all the same. MR_STRING, MR_BINARY: struct mr_str each; MR_OBJECT: `yyjson_val *`
     * each. */
    const void *values;
};

/* The named values that came under "params", after defaults, casts and checks. */
struct mr_param {
    struct mr_str name;
    struct mr_str json; /* the value as JSON text; datetimes as ISO 8601 strings */
};

struct mr_params {
    bool is_given; /* there are params in the request, if only unknown ones or {} */
    size_t n;
    size_t n_given; /* the first ones: from the request; the rest are defaults */
    const struct mr_param *items;
};

/* Formats of a request's body. */
typedef enum mr_format {
    MR_FORMAT_JSON,   /* application/json */
    MR_FORMAT_CSV,    /* text/csv, application/csv */
    MR_FORMAT_PARQUET /* application/vnd.apache.parquet */
} mr_format;

typedef enum mr_input_kind {
    MR_INPUT_TABLE,   /* a DataFrame */
    MR_INPUT_TENSOR,  /* one ndarray: tensors[0] */
    MR_INPUT_TENSORS, /* a dict of ndarrays */
    MR_INPUT_RAW      /* only MLflow's own code can type it: the body as it came */
} mr_input_kind;

/* What a request asks the model: the result of decoding, then of schema enforcement. */
struct mr_input {
    mr_input_kind kind;
    struct mr_table table;
    struct mr_tensor *tensors;
    size_t n_tensors;
    struct mr_params params;
    /* MR_INPUT_RAW */
    const char *raw_reason; /* a phrase that says why, for logs and errors */
    mr_format raw_format;
    struct mr_str raw_body;
};

typedef enum mr_output_kind {
    MR_OUTPUT_TENSOR,  /* nested lists */
    MR_OUTPUT_RECORDS, /* a list of objects, one a row: DataFrame.to_dict(orient="records") */
    MR_OUTPUT_JSON     /* JSON text that Python wrote */
} mr_output_kind;

/* What a model answers. */
struct mr_output {
    mr_output_kind kind;
    struct mr_tensor tensor;
    struct mr_table records; /* columns of numbers and booleans; each name is JSON text, with its
                                quotes: "\"x\"" */
    struct mr_str json;      /* the predictions; with an http_status that is an error, the whole
                                body */
    int http_status;         /* 0: 200; else what a model's own exception asks for */
    bool is_bare;            /* not to be wrapped in {"predictions": ...} */
    bool is_by_target;       /* TENSOR: an entry for each target, which has one for each row */
};

/* Zeroed columns; MR_E_NO_MEMORY or MR_E_TOO_LARGE when the arena says so. */
MR_MUST_CHECK mr_status mr_table_new(struct mr_arena *arena, int64_t n_rows, size_t n_cols,
                                     struct mr_table *out, struct mr_error *err);

/* The column of that name, NULL when there is none. */
struct mr_column *mr_table_find(const struct mr_table *table, struct mr_str name);

/* Whether row i is present (not null, NaN or NaT). */
bool mr_column_is_valid(const struct mr_column *column, int64_t i);

#endif
