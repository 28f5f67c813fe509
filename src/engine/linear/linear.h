/* scikit-learn's linear models, evaluated in C: y = f(X @ coef_.T + intercept_).
 *
 * Products are float64 and added in the order of the features, with no fused operations, for one
 * row as for many, so that a row gets the same bits whatever batch it comes in. */
#ifndef MR_ENGINE_LINEAR_LINEAR_H
#define MR_ENGINE_LINEAR_LINEAR_H

#include "engine/engine.h"

extern const struct mr_engine_ops mr_linear_engine;

#endif
