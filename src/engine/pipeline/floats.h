/* Transformers of numbers that validate_data makes floating-point ones of (FLOAT_DTYPES). */
#ifndef MR_ENGINE_PIPELINE_FLOATS_H
#define MR_ENGINE_PIPELINE_FLOATS_H

#include "engine/pipeline/pipeline_int.h"

/* A step begins with this. */
struct mr_pipe_floats {
    struct mr_pipe_step step;
    struct mr_sk_feature_spec features;
};

/* Fills a new step (mr_pipe_new_step): n_in, n_out, features; it gives the kind that it takes.
 * returns  MR_OK; MR_E_UNSUPPORTED also for copy=False, which changes the X that other transformers
 *          get; MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_begin_floats(struct mr_pipe_builder *b,
                                             const struct mr_sk_estimator *estimator,
                                             mr_sk_finite finite, struct mr_pipe_floats *floats);

/* A copy of a sparse X as float32 or float64, and its values, writable.
 * returns  MR_OK; MR_E_BAD_REQUEST: a value that is not finite, and may not pass; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_copy_floats(const struct mr_sk_feature_spec *spec,
                                            const struct mr_csr *csr, struct mr_arena *arena,
                                            struct mr_csr **out, double **values,
                                            struct mr_error *err);

#endif
