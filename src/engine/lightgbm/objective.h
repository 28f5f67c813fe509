/* Objectives of LightGBM: from the sums of a row to what its predict returns.
 *
 * ConvertOutput of the classes in src/objective of LightGBM 4.7.0, with the C library's functions
 * of doubles, as there, so that the bits are the same. */
#ifndef MR_ENGINE_LIGHTGBM_OBJECTIVE_H
#define MR_ENGINE_LIGHTGBM_OBJECTIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum mr_lgb_transform {
    MR_LGB_IDENTITY,
    MR_LGB_SQUARE, /* sign(x) * x * x: regression of square roots */
    MR_LGB_EXP,
    MR_LGB_SIGMOID, /* of each output */
    MR_LGB_LOG_EXP, /* log(1 + exp(x)) */
    MR_LGB_SOFTMAX
} mr_lgb_transform;

struct mr_lgb_objective {
    const char *name; /* "binary"; "custom" for none */
    mr_lgb_transform transform;
    double sigmoid; /* MR_LGB_SIGMOID: the factor of x */
};

/* Read the objective that a model file names.
 * text       as in struct mr_lgb_file
 * returns    MR_OK; MR_E_UNSUPPORTED for one that is not known, or with parameters LightGBM refuses
 *            or for another number of classes */
MR_MUST_CHECK mr_status mr_lgb_objective_read(struct mr_str text, uint32_t n_classes,
                                              struct mr_lgb_objective *out, struct mr_error *err);

/* Transform the sums of n_rows rows with n_outputs each, in place. */
void mr_lgb_objective_transform(const struct mr_lgb_objective *objective, double *sums,
                                size_t n_rows, size_t n_outputs);

#endif
