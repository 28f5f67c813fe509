/* Objectives of XGBoost: from sums to what its predict returns, and back for the intercept.
 *
 * Functions are in float with the C library's expf and logf, as XGBoost's own (src/objective of
 * version 3.2.0), so that the bits are the same. */
#ifndef MR_ENGINE_XGBOOST_OBJECTIVE_H
#define MR_ENGINE_XGBOOST_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

typedef enum mr_xgb_transform {
    MR_XGB_IDENTITY,
    MR_XGB_SIGMOID,
    MR_XGB_EXP,
    MR_XGB_STEP,    /* 1 for positive sums, else 0 */
    MR_XGB_SOFTMAX, /* probabilities of all classes */
    MR_XGB_CLASS    /* number of the class with the largest sum */
} mr_xgb_transform;

/* ProbToMargin: how the intercept of a model file becomes a sum. */
typedef enum mr_xgb_link {
    MR_XGB_LINK_IDENTITY,
    MR_XGB_LINK_LOGIT, /* for 0 to 1 */
    MR_XGB_LINK_LOG,
    MR_XGB_LINK_LOG_POSITIVE /* for more than 0 */
} mr_xgb_link;

struct mr_xgb_objective {
    const char *name;
    mr_xgb_transform transform;
    mr_xgb_link link;
};

/* The objective of that name; NULL when it is not known. */
const struct mr_xgb_objective *mr_xgb_objective_find(struct mr_str name);

/* Replace an intercept by the sum it stands for. False: XGBoost refuses that intercept. */
bool mr_xgb_objective_link(const struct mr_xgb_objective *objective, float *intercept);

/* Transform the sums of n_rows rows with n_outputs each, in place.
 * returns  values that each row has now: n_outputs, or 1 for MR_XGB_CLASS */
size_t mr_xgb_objective_transform(const struct mr_xgb_objective *objective, float *sums,
                                  size_t n_rows, size_t n_outputs);

#endif
