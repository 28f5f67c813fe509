/* Which features the selectors of sklearn.feature_selection keep. */
#ifndef MR_ENGINE_PIPELINE_SELECT_H
#define MR_ENGINE_PIPELINE_SELECT_H

#include "engine/pipeline/pipeline_int.h"

/* _get_support_mask() of a fitted selector of n features: fills mask[n].
 * returns  MR_OK; MR_E_UNSUPPORTED when it cannot be known exactly; MR_E_FORMAT, MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
typedef mr_status mr_pipe_read_mask(struct mr_pipe_builder *b,
                                    const struct mr_sk_estimator *estimator, size_t n, bool *mask);

mr_pipe_read_mask mr_pipe_mask_of_kbest, mr_pipe_mask_of_percentile, mr_pipe_mask_of_fpr,
    mr_pipe_mask_of_fdr, mr_pipe_mask_of_fwe, mr_pipe_mask_of_univariate; /* select_scores.c */
mr_pipe_read_mask mr_pipe_mask_of_model;                                  /* select_model.c */

/* The estimator that SelectFromModel fitted, which counts its features and has their names. */
MR_MUST_CHECK mr_status mr_pipe_fitted_model(struct mr_pipe_builder *b,
                                             const struct mr_sk_estimator *selector,
                                             struct mr_sk_estimator *out);

/* The tag allow_nan of the estimator that a selector was made with, which it shares. */
MR_MUST_CHECK mr_status mr_pipe_allows_nan(struct mr_pipe_builder *b,
                                           const struct mr_sk_estimator *selector, bool *out);

#endif
