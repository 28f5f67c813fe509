/* sklearn.feature_extraction.text.TfidfTransformer: from counts to weights. */
#ifndef MR_ENGINE_PIPELINE_TEXT_WEIGHTS_H
#define MR_ENGINE_PIPELINE_TEXT_WEIGHTS_H

#include "engine/pipeline/pipeline_int.h"

/* Logarithms of counts up to this one are the same whatever numpy 2 computes them with: libm's, or
 * its own for AVX-512, which is another from 9170 on. That of numpy 1 is another from 3 on. */
#define MR_TEXT_MAX_COUNT_OF_LOG 8192

typedef enum mr_text_norm { MR_TEXT_NO_NORM, MR_TEXT_L1, MR_TEXT_L2 } mr_text_norm;

struct mr_text_weights {
    bool is_sublinear; /* 1 + log(count) */
    const double *idf; /* by column; NULL: none */
    bool is_widened;   /* the product with idf is float64 in any case */
    mr_text_norm norm;
    /* Before 1.5 the product with the diagonal matrix of idf left the columns of a row in
     * descending order (csr_matmat of scipy's sparsetools/csr.h), and so they were summed. */
    bool is_summed_backwards;
};

/* Read a TfidfTransformer of n columns (0: not known, then n_features_in_) into *out.
 * returns  MR_OK; MR_E_UNSUPPORTED, MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_text_read_weights(struct mr_pipe_builder *b,
                                             const struct mr_sk_estimator *estimator, size_t n,
                                             struct mr_text_weights *out, size_t *n_out);

/* None, "l1" or "l2" under the attribute `norm`.  returns  MR_OK, MR_E_UNSUPPORTED */
MR_MUST_CHECK mr_status mr_text_read_norm(struct mr_pipe_builder *b,
                                          const struct mr_sk_estimator *estimator,
                                          mr_text_norm *out);

/* Weigh a matrix of float64 or float32 in place, which may become float64. values: csr->values,
 * writable.
 * returns  MR_OK; MR_E_BAD_REQUEST: infinite before normalize() */
MR_MUST_CHECK mr_status mr_text_weigh(const struct mr_text_weights *weights, struct mr_csr *csr,
                                      double *values, struct mr_error *err);

/* The step of a TfidfTransformer, for the table of classes. */
MR_MUST_CHECK mr_status mr_text_build_transformer(struct mr_pipe_builder *b,
                                                  const struct mr_sk_estimator *estimator,
                                                  mr_pipe_kind takes, size_t n_in,
                                                  struct mr_pipe_step **out);

#endif
