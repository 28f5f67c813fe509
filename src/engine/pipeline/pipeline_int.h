/* Inside of the pipeline engine: what flows between the steps, and what a step is.
 *
 * pipeline.c: the engine. build.c: object graph -> steps; the table of known classes. chain.c:
 * Pipeline. columns.c: ColumnTransformer. x.c: what flows. The other files: a family of
 * transformers each. */
#ifndef MR_ENGINE_PIPELINE_PIPELINE_INT_H
#define MR_ENGINE_PIPELINE_PIPELINE_INT_H

#include "engine/csr.h"
#include "engine/pipeline/pipeline.h"
#include "engine/sklearn/estimator.h"
#include "engine/sklearn/features.h"
#include "schema/table.h"

/* What flows ----------------------------------------------------------------------------------- */

/* What a step is given, and gives. */
typedef enum mr_pipe_kind {
    MR_PIPE_FRAME,   /* two dimensions, dense: the request's DataFrame or ndarray, columns of a
                        DataFrame, or a step's ndarray of numbers */
    MR_PIPE_OBJECTS, /* a step's ndarray of objects: texts and NaN */
    MR_PIPE_SERIES,  /* one column of a DataFrame, or an ndarray of one dimension */
    MR_PIPE_SPARSE
} mr_pipe_kind;

/* X. Points to the request's input, or to the request's arena. */
struct mr_pipe_x {
    mr_pipe_kind kind;
    /* FRAME: a DataFrame is a table, an ndarray a tensor in C order. OBJECTS: a table of columns
     * without names, MR_STRING with is_object. SERIES: a table of one column, or a tensor of one
     * dimension. Not of SPARSE. */
    struct mr_input input;
    const struct mr_csr *csr; /* SPARSE */
};

size_t mr_pipe_n_rows(const struct mr_pipe_x *x);
size_t mr_pipe_n_cols(const struct mr_pipe_x *x);

/* Writable numbers of a FRAME, as validate_data lets them pass to a transformer. */
struct mr_pipe_numbers {
    size_t n_rows, n_cols;
    double *values;  /* in C order, as many; each is a float32 when is_float32 */
    bool is_float32; /* numpy's array would be float32: results are rounded to it */
};

/* A copy of X's numbers. spec: with dtype MR_SK_FLOATS as FLOAT_DTYPES, with MR_SK_NUMERIC as
 * dtype="numeric" (is_float32 then only says that X is no wider).
 * returns  MR_OK; MR_E_BAD_REQUEST as mr_sk_features_init and _row; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_read_numbers(const struct mr_sk_feature_spec *spec,
                                             const struct mr_pipe_x *x, struct mr_arena *arena,
                                             struct mr_pipe_numbers *out, struct mr_error *err);

/* Room for numbers that are still to be computed. Statuses: MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_new_numbers(size_t n_rows, size_t n_cols, bool is_float32,
                                            struct mr_arena *arena, struct mr_pipe_numbers *out,
                                            struct mr_error *err);

/* Rounds every value to float32 when the array is. For after each operation of numpy on it. */
void mr_pipe_round(struct mr_pipe_numbers *numbers);

/* The FRAME that is that ndarray: a tensor of float64 or float32. */
MR_MUST_CHECK mr_status mr_pipe_give_numbers(const struct mr_pipe_numbers *numbers,
                                             struct mr_arena *arena, struct mr_pipe_x *out,
                                             struct mr_error *err);

/* A tensor of two dimensions around values in C order that live in the arena. */
MR_MUST_CHECK mr_status mr_pipe_give_tensor(size_t n_rows, size_t n_cols, mr_dtype dtype,
                                            const void *values, struct mr_arena *arena,
                                            struct mr_pipe_x *out, struct mr_error *err);

/* Whether a dtype is one that the steps take for numbers: booleans, integers up to int64 and
 * uint32, float32, float64. */
bool mr_pipe_is_number(mr_dtype dtype);

/* Whether every column is of such a dtype, without missing values where that has none of its own: a
 * FRAME of which numpy makes an array of numbers. false: *reason is a phrase. For `can_take`. */
bool mr_pipe_are_numbers(const struct mr_pipe_x *x, const char **reason);

/* A copy of a sparse X as an ndarray. */
MR_MUST_CHECK mr_status mr_pipe_toarray(const struct mr_csr *csr, struct mr_arena *arena,
                                        struct mr_pipe_x *out, struct mr_error *err);

/* Steps ---------------------------------------------------------------------------------------- */

struct mr_pipe_step;

struct mr_pipe_step_ops {
    /* Whether the step can be given an X like that: by its dtypes and shape, not by its values.
     * Asked of X that comes from a request; of what another step gives only where is_choosy. false:
     * *reason is a phrase that says why; Python answers then. arena: scratch. NULL: whatever has
     * the right kind. */
    bool (*can_take)(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason);
    /* transform(X). x: of the step's `takes`, with n_in columns when that is not 0. out: of the
     * step's `gives`, with n_out columns, in the arena, or shares what x has.
     * returns  MR_OK; MR_E_BAD_REQUEST: scikit-learn would raise; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
    mr_status (*transform)(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err);
};

/* A fitted transformer. A family's own begins with this; all of it lives in the model's arena. */
struct mr_pipe_step {
    const struct mr_pipe_step_ops *ops;
    const char *name; /* class name */
    size_t n_in;      /* columns of X; 0: SERIES, or not known (ColumnTransformer of names) */
    size_t n_out;
    mr_pipe_kind takes, gives;
    bool is_choosy; /* an ndarray of numbers that another step gives may be none that can_take is
                       true of: it depends on the request's dtypes */
};

/* X.transform. */
MR_MUST_CHECK mr_status mr_pipe_transform(const struct mr_pipe_step *step,
                                          const struct mr_pipe_x *x, struct mr_arena *arena,
                                          struct mr_pipe_x *out, struct mr_error *err);
bool mr_pipe_can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                      struct mr_arena *arena, const char **reason);

/* The first row of an X that comes from a request, or all of one row: it has the same dtypes.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_first_row(const struct mr_pipe_x *x, struct mr_arena *arena,
                                          struct mr_pipe_x *out, struct mr_error *err);

/* The `can_take` of a step that takes any numbers: mr_pipe_are_numbers. */
bool mr_pipe_take_numbers(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                          struct mr_arena *arena, const char **reason);

/* Building ------------------------------------------------------------------------------------- */

/* Transformers inside of each other; a graph may contain itself. */
#define MR_PIPE_MAX_DEPTH 16
/* All steps, and a graph may share them. */
#define MR_PIPE_MAX_STEPS 10000
/* Columns between two steps. */
#define MR_PIPE_MAX_COLUMNS ((size_t)1 << 24)

struct mr_pipe_builder {
    struct mr_arena *arena; /* the model's */
    struct mr_arena *scratch;
    struct mr_error *err;
    unsigned depth;
    unsigned n_steps;
    size_t widest; /* columns that one of them gives at most, but for sparse matrices */
    /* Texts that are missing are NaN, of whatever format a request was: see requirements.h. Else
     * those of columns that are not is_object may be None, or NaN. */
    bool is_missing_text_nan;
    bool is_numpy_2; /* Python would compute with numpy 2 or later; false: not known */
    bool is_shared;  /* several steps get the same X: none may change it */
};

struct mr_pipe_class {
    const char *module, *name;
    /* Read, check and build the step of a fitted transformer.
     * takes    what the step before gives; n_in its columns, 0: not known
     * returns  MR_OK; MR_E_UNSUPPORTED when scikit-learn's answers cannot be reproduced, or X is
     *          none that it was made for; MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
    mr_status (*build)(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out);
};

/* The tables of the families, each ended by a class without a module. */
extern const struct mr_pipe_class mr_pipe_bins_classes[];
extern const struct mr_pipe_class mr_pipe_chain_classes[];
extern const struct mr_pipe_class mr_pipe_columns_classes[];
extern const struct mr_pipe_class mr_pipe_encode_classes[];
extern const struct mr_pipe_class mr_pipe_function_classes[];
extern const struct mr_pipe_class mr_pipe_impute_classes[];
extern const struct mr_pipe_class mr_pipe_normalize_classes[];
extern const struct mr_pipe_class mr_pipe_polynomial_classes[];
extern const struct mr_pipe_class mr_pipe_scale_classes[];
extern const struct mr_pipe_class mr_pipe_select_classes[];
extern const struct mr_pipe_class mr_pipe_text_classes[];
extern const struct mr_pipe_class mr_pipe_union_classes[];

/* Build the step of an object inside of an estimator: an instance of a known class, "passthrough"
 * or None (*out NULL: X goes through, also through a Pipeline of nothing else).  statuses as above
 */
MR_MUST_CHECK mr_status mr_pipe_build_step(struct mr_pipe_builder *b,
                                           const struct mr_sk_estimator *outer,
                                           const struct mr_object *object, mr_pipe_kind takes,
                                           size_t n_in, struct mr_pipe_step **out);

/* A zeroed step of `size` bytes of that estimator: ops, name, takes and n_in are filled, gives is
 * MR_PIPE_FRAME, n_out is n_in.
 * returns  NULL: mr_arena_fail(b->arena, b->err) says why */
void *mr_pipe_new_step(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       const struct mr_pipe_step_ops *ops, size_t size, mr_pipe_kind takes,
                       size_t n_in);

/* MR_E_UNSUPPORTED unless X is a dense FRAME: "no native engine for StandardScaler of a sparse
 * matrix yet". */
MR_MUST_CHECK mr_status mr_pipe_check_dense(struct mr_pipe_builder *b,
                                            const struct mr_sk_estimator *estimator,
                                            mr_pipe_kind takes);

/* MR_E_UNSUPPORTED unless every attribute is in that sorted list and set_output is "default" (where
 * `_sklearn_output_config` is in the list). */
MR_MUST_CHECK mr_status mr_pipe_check_attributes(struct mr_pipe_builder *b,
                                                 const struct mr_sk_estimator *estimator,
                                                 const char *const *known, size_t n_known);

/* n_features_in_, which must be n_in unless that is 0. */
MR_MUST_CHECK mr_status mr_pipe_count_features(struct mr_pipe_builder *b,
                                               const struct mr_sk_estimator *estimator, size_t n_in,
                                               size_t *out);

/* A vector of n doubles under an attribute, which numpy broadcasts over rows: float64 of one
 * dimension. */
MR_MUST_CHECK mr_status mr_pipe_vector(struct mr_pipe_builder *b,
                                       const struct mr_sk_estimator *estimator,
                                       const char *attribute, size_t n, const double **out);

/* True or False under an attribute, Python's or numpy's. */
MR_MUST_CHECK mr_status mr_pipe_flag(struct mr_pipe_builder *b,
                                     const struct mr_sk_estimator *estimator, const char *attribute,
                                     bool *out);

/* The steps of a Pipeline object, but for its last one, as one step (*out NULL: none), and that
 * last one. */
MR_MUST_CHECK mr_status mr_pipe_build_chain(struct mr_pipe_builder *b,
                                            const struct mr_sk_estimator *estimator,
                                            mr_pipe_kind takes, size_t n_in,
                                            struct mr_pipe_step **out,
                                            const struct mr_object **last);

#endif
