/* Numbers among the attributes of a transformer, and inside of them. */
#ifndef MR_ENGINE_PIPELINE_PARAM_H
#define MR_ENGINE_PIPELINE_PARAM_H

#include "engine/pipeline/pipeline_int.h"

/* The integer that an object is, Python's or a scalar of numpy; false: it is none. */
bool mr_pipe_integer(const struct mr_object *object, int64_t *out);

/* An integer under an attribute that is not negative. */
MR_MUST_CHECK mr_status mr_pipe_count_param(struct mr_pipe_builder *b,
                                            const struct mr_sk_estimator *estimator,
                                            const char *attribute, int64_t *out);

/* A number: Python's, or numpy's of 64 bits, which is not NaN. */
MR_MUST_CHECK mr_status mr_pipe_real_param(struct mr_pipe_builder *b,
                                           const struct mr_sk_estimator *estimator,
                                           const char *attribute, double *out);

/* MR_E_UNSUPPORTED: "SelectKBest: k should be `expected`, but is float". */
MR_MUST_CHECK mr_status mr_pipe_fail_param(struct mr_pipe_builder *b,
                                           const struct mr_sk_estimator *estimator,
                                           const char *attribute, const char *expected);

#endif
