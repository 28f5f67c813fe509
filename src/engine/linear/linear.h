/* scikit-learn's linear models, evaluated in C: y = f(X @ coef_.T + intercept_).
 *
 * Products are float64 and added in the order of the features, with no fused operations, for one
 * row as for many, so that a row gets the same bits whatever batch it comes in. */
#ifndef MR_ENGINE_LINEAR_LINEAR_H
#define MR_ENGINE_LINEAR_LINEAR_H

#include "engine/csr.h"
#include "engine/engine.h"

extern const struct mr_engine_ops mr_linear_engine;

/* Whether a model of this engine is the same for a sparse matrix of that many columns, which a
 * pipeline makes. */
bool mr_linear_takes_sparse(const struct mr_engine_model *model, size_t n_cols);

/* `predict` of a sparse matrix that has only finite values.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_linear_predict_sparse(const struct mr_engine_model *model,
                                                 const struct mr_csr *x, struct mr_arena *arena,
                                                 struct mr_output *out, struct mr_error *err);

#endif
