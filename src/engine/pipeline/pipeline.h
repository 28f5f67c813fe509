/* scikit-learn's pipelines, evaluated in C: transformers, and behind them an estimator of another
 * native engine.
 *
 * Each transformer is computed in numpy's order of operations, so that what the estimator gets has
 * the bits that it has in scikit-learn. Transformers or parameters that are not known here, and
 * sums that numpy leaves to BLAS before a comparison, are refused. */
#ifndef MR_ENGINE_PIPELINE_PIPELINE_H
#define MR_ENGINE_PIPELINE_PIPELINE_H

#include "engine/engine.h"

extern const struct mr_engine_ops mr_pipeline_engine;

#endif
