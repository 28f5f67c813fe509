/* What the files of sklearn.impute share: impute.c (SimpleImputer), impute_numbers.c,
 * impute_texts.c (what its steps do), indicator.c (MissingIndicator). */
#ifndef MR_ENGINE_PIPELINE_IMPUTE_INT_H
#define MR_ENGINE_PIPELINE_IMPUTE_INT_H

#include <math.h>

#include "engine/pipeline/pipeline_int.h"

/* Which values count as missing: missing_values. */
struct mr_impute_missing {
    bool is_text;
    double number;      /* NaN, or one that float32 has too */
    struct mr_str text; /* is_text */
};

/* A fitted SimpleImputer. Columns are numbered from 0. */
struct mr_imputer {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features;
    struct mr_impute_missing missing;
    size_t n_kept; /* columns that had a statistic when it was fitted, unless all are kept */
    const uint32_t *kept;
    size_t n_indicators; /* columns whose mask is added behind them */
    const uint32_t *indicators;

    /* Numbers. */
    const double *fills;       /* of kept columns, as float64; the dtype of X rounds them */
    double min_fill, max_fill; /* of them; infinite when there is a NaN */
    bool is_dtype_kept;        /* validate_data gets dtype=None: integers stay what they are */
    mr_dtype fitted;           /* dtype of the X that it was fitted to */
    bool is_kind_checked;      /* whether `fitted` must be one that X's dtype can hold */

    /* Texts. */
    const struct mr_str *texts; /* of kept columns */
    bool is_missing_text_nan;
};

extern const struct mr_pipe_step_ops mr_impute_numbers_ops; /* impute_numbers.c */
extern const struct mr_pipe_step_ops mr_impute_texts_ops;   /* impute_texts.c */

/* MissingIndicator; indicator.c. */
MR_MUST_CHECK mr_status mr_indicator_build(struct mr_pipe_builder *b,
                                           const struct mr_sk_estimator *estimator,
                                           mr_pipe_kind takes, size_t n_in,
                                           struct mr_pipe_step **out);

/* missing_values of an estimator.  returns  MR_OK; MR_E_UNSUPPORTED: None, pandas.NA, infinity, a
 * number that float32 lacks; MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_impute_read_missing(struct mr_pipe_builder *b,
                                               const struct mr_sk_estimator *estimator,
                                               struct mr_impute_missing *out);

/* features_ of a MissingIndicator: ascending columns of n.  returns  MR_OK; MR_E_FORMAT;
 * MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_indicator_read_features(struct mr_pipe_builder *b,
                                                   const struct mr_sk_estimator *estimator,
                                                   size_t n, size_t *n_out, const uint32_t **out);

/* The attributes that are known of a MissingIndicator, sorted. */
extern const char *const mr_indicator_attributes[];
extern const size_t mr_indicator_n_attributes;

/* Whether an integer dtype has that value, which has no fraction; false for NaN. */
bool mr_impute_fits(mr_dtype dtype, double value);

static inline bool mr_impute_is_missing(const struct mr_impute_missing *missing, double value) {
    return isnan(missing->number) ? isnan(value) : value == missing->number;
}

#endif
