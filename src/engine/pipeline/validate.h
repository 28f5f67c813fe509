/* validate_data(X, reset=False) of transformers that keep the dtype of X. */
#ifndef MR_ENGINE_PIPELINE_VALIDATE_H
#define MR_ENGINE_PIPELINE_VALIDATE_H

#include "engine/pipeline/pipeline_int.h"

/* Some columns of a FRAME of numbers, after a check of all of them, as an ndarray of the dtype that
 * check_array makes of them, with dtype=None and with dtype="numeric".
 * spec     not with MR_SK_FINITE_OR_LATE; the dtype is not looked at
 * columns  their numbers, n of them
 * returns  MR_OK; MR_E_BAD_REQUEST as mr_sk_features_init and _column; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_validate(const struct mr_sk_feature_spec *spec,
                                         const struct mr_pipe_x *x, const uint32_t *columns,
                                         size_t n, struct mr_arena *arena, struct mr_pipe_x *out,
                                         struct mr_error *err);

#endif
