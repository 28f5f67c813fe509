/* The part of GET /metrics that tells of each model: its version, whether it can be asked, and of
 * one that Python evaluates its queue and workers. Samples have the model's name as a label where
 * the operator has given it one. */
#ifndef MR_API_METRICS_MODELS_H
#define MR_API_METRICS_MODELS_H

#include "api/endpoints.h"

/* Append it.
 * returns  whether Python evaluates any of the models
 * threads  any */
bool mr_metrics_models(const struct mr_endpoints *endpoints, struct mr_buf *out);

#endif
