/* An MLflow model signature: what a model's inputs and params must look like.
 *
 * Read from the JSON texts in MLmodel (mlflow/types/schema.py: Schema.from_json,
 * ParamSchema.from_json). Immutable after loading and shared by all threads. */
#ifndef MR_SCHEMA_SIGNATURE_H
#define MR_SCHEMA_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/name_map.h"
#include "base/status.h"
#include "base/str.h"
#include "schema/dtype.h"

/* MLflow's DataType and the nested column types. X(name, MLflow name, dtype, is nested) */
#define MR_COL_TYPE_TABLE(X)                                                                       \
    X(MR_COL_BOOLEAN, "boolean", MR_BOOL, false)                                                   \
    X(MR_COL_INTEGER, "integer", MR_INT32, false)                                                  \
    X(MR_COL_LONG, "long", MR_INT64, false)                                                        \
    X(MR_COL_FLOAT, "float", MR_FLOAT32, false)                                                    \
    X(MR_COL_DOUBLE, "double", MR_FLOAT64, false)                                                  \
    X(MR_COL_STRING, "string", MR_STRING, false)                                                   \
    X(MR_COL_BINARY, "binary", MR_BINARY, false)                                                   \
    X(MR_COL_DATETIME, "datetime", MR_DATETIME, false)                                             \
    X(MR_COL_ARRAY, "array", MR_OBJECT, true)                                                      \
    X(MR_COL_OBJECT, "object", MR_OBJECT, true)                                                    \
    X(MR_COL_MAP, "map", MR_OBJECT, true)                                                          \
    X(MR_COL_ANY, "any", MR_OBJECT, true)                                                          \
    X(MR_COL_SPARKML_VECTOR, "sparkml_vector", MR_OBJECT, true)

typedef enum mr_col_type {
#define MR_COL_TYPE_ENUM(name, text, dtype, is_nested) name,
    MR_COL_TYPE_TABLE(MR_COL_TYPE_ENUM)
#undef MR_COL_TYPE_ENUM
        MR_N_COL_TYPES
} mr_col_type;

const char *mr_col_type_name(mr_col_type type); /* MLflow's name: "double" */
bool mr_col_type_find(struct mr_str name, mr_col_type *out);
mr_dtype mr_col_type_dtype(mr_col_type type); /* DataType.to_numpy() */
bool mr_col_type_is_nested(mr_col_type type);

struct mr_col_spec {
    struct mr_str name; /* size 0 in an unnamed signature */
    mr_col_type type;
    bool is_required;
};

struct mr_tensor_spec {
    struct mr_str name; /* size 0 in an unnamed signature */
    mr_dtype dtype;
    bool is_known;            /* false: a dtype that C does not have; the raw lane takes it */
    struct mr_str dtype_name; /* as written in the signature */
    size_t n_dims;
    const int64_t *shape; /* -1: any size */
};

struct mr_param_spec {
    struct mr_str name;
    mr_col_type type;
    bool is_list;               /* shape [-1] */
    struct mr_str default_json; /* JSON text of the default; "null" when there is none */
    struct yyjson_val *object;  /* MR_COL_OBJECT: the type with its properties, as JSON */
};

typedef enum mr_schema_kind {
    MR_SCHEMA_NONE,    /* the model has no input schema */
    MR_SCHEMA_COLUMNS, /* ColSpecs */
    MR_SCHEMA_TENSORS  /* TensorSpecs */
} mr_schema_kind;

struct mr_signature {
    mr_schema_kind kind;
    bool has_names;   /* Schema.has_input_names(): the first input has a name */
    bool is_numbered; /* the names are integers, as those of a DataFrame made of an array: only an
                         integer label equals them, no text does */
    bool is_lost;     /* a name is "" or 0, which Schema.input_names() replaces by its place: MLflow
                         decodes requests and then refuses all of them */
    bool is_nested;   /* a column only Python can type: the raw lane */
    size_t n_inputs;
    const struct mr_col_spec *columns;    /* MR_SCHEMA_COLUMNS */
    const struct mr_tensor_spec *tensors; /* MR_SCHEMA_TENSORS */
    struct mr_name_map names;             /* of the inputs, for mr_signature_find */
    bool has_params;                      /* false: params of a request are ignored */
    size_t n_params;
    const struct mr_param_spec *params;
    struct mr_str inputs_json, outputs_json, params_json; /* as in MLmodel; size 0: null */
};

/* Read a signature from the JSON texts of MLmodel's `signature` (size 0: absent or null).
 * Copies what it keeps into the arena, which must outlive *out.
 * returns  MR_OK; MR_E_FORMAT with what is wrong and where; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_signature_read(struct mr_str inputs_json, struct mr_str outputs_json,
                                          struct mr_str params_json, struct mr_arena *arena,
                                          struct mr_signature *out, struct mr_error *err);

/* The name of an input, column or tensor. */
static inline struct mr_str mr_signature_name(const struct mr_signature *signature, size_t i) {
    return signature->kind == MR_SCHEMA_COLUMNS ? signature->columns[i].name
                                                : signature->tensors[i].name;
}

/* The index of the input of that name (of two, the last: Schema.input_dict); MR_NAME_NONE when
 * there is none, or when the signature has no names or is numbered. hint: where it likely is. */
size_t mr_signature_find(const struct mr_signature *signature, struct mr_str name, size_t hint);

#endif
