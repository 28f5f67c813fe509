/* X of a prediction: what scikit-learn's validate_data(estimator, X, reset=False) lets pass, as
 * doubles (sklearn/utils/validation.py, version 1.9.1: validate_data, check_array,
 * _check_feature_names, _check_n_features).
 *
 * Whatever makes scikit-learn raise is MR_E_BAD_REQUEST here. Feature names that a model was not
 * fitted with, or that X lacks, are only a warning there and nothing here. */
#ifndef MR_ENGINE_SKLEARN_FEATURES_H
#define MR_ENGINE_SKLEARN_FEATURES_H

#include "base/arena.h"
#include "base/status.h"
#include "schema/table.h"

/* The dtype that an estimator's methods give validate_data. */
typedef enum mr_sk_dtype {
    MR_SK_NUMERIC,        /* "numeric" */
    MR_SK_FLOATS,         /* [float64, float32], [float64] */
    MR_SK_FLOAT32,        /* float32: values are rounded to it */
    MR_SK_FLOAT32_LATER,  /* None; the estimators inside ask for float32 of what that gives */
    MR_SK_NUMERIC_FLOAT32 /* "numeric", and inside float32 */
} mr_sk_dtype;

/* Which values it lets pass. They are checked as they are after rounding to the dtype. */
typedef enum mr_sk_finite {
    MR_SK_FINITE,
    MR_SK_FINITE_OR_NAN,
    MR_SK_FINITE_OR_LATE, /* no NaN, but what float() makes one later: None, "nan" */
    MR_SK_ANY
} mr_sk_finite;

/* What an estimator's fit() saw, and how its methods call validate_data. */
struct mr_sk_feature_spec {
    const char *estimator; /* class name, for messages */
    size_t n_features;
    const struct mr_str *names; /* feature_names_in_; NULL: fitted without names */
    const bool *is_unused;      /* features whose values nobody looks at; NULL: none */
    mr_sk_dtype dtype;
    mr_sk_finite finite;
    bool is_mix_of_names_forbidden; /* since 1.2 names must all be texts, or none; before, such a
                                       mix counts as none */
    bool is_duplicate_forbidden;    /* since 1.9 two columns with one name raise */
};

/* How wide numpy's dtype of X is: decides whether float32 coefficients give float32 results. */
typedef enum mr_sk_width {
    MR_SK_NARROW, /* every value and the product with a float32 fit float32 */
    MR_SK_WIDE    /* float64 from here on */
} mr_sk_width;

/* A validated X. Points into the request's input. */
struct mr_sk_features {
    const struct mr_sk_feature_spec *spec;
    int64_t n_rows;
    mr_sk_width width;
    bool is_rounded_once;            /* float32 of an integer is made without a double between */
    const struct mr_column *columns; /* a table; else NULL */
    const struct mr_tensor *tensor;  /* a matrix; else NULL */
};

/* Check shape, names and dtypes; the values are checked as they are read.
 * spec     borrowed as long as *out is used
 * arena    scratch
 * returns  MR_OK; MR_E_BAD_REQUEST with what was expected and received; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_sk_features_init(const struct mr_sk_feature_spec *spec,
                                            const struct mr_input *input, struct mr_arena *arena,
                                            struct mr_sk_features *out, struct mr_error *err);

/* Rows row .. row + n of one feature that is not unused.
 * scratch  room for n doubles
 * out      the values: in scratch, or in place
 * returns  MR_OK; MR_E_BAD_REQUEST naming column and row of what is no number that may pass */
MR_MUST_CHECK mr_status mr_sk_features_column(const struct mr_sk_features *x, size_t feature,
                                              int64_t row, size_t n, double *scratch,
                                              const double **out, struct mr_error *err);

/* All features of one row; unused ones are 0. out: room for n_features doubles. Statuses as above.
 */
MR_MUST_CHECK mr_status mr_sk_features_row(const struct mr_sk_features *x, int64_t row, double *out,
                                           struct mr_error *err);

#endif
