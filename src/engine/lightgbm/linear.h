/* Trees with linear models in their leaves (linear_tree of LightGBM), which a forest has no place
 * for: walked one by one. */
#ifndef MR_ENGINE_LIGHTGBM_LINEAR_H
#define MR_ENGINE_LIGHTGBM_LINEAR_H

#include "engine/tree/ensemble.h"
#include "loader/lightgbm.h"

struct mr_lgb_linear;

/* Check and copy trees.
 * ensemble  made of the file's first trees by mr_lgb_trees_build
 * arena     holds *out
 * returns   MR_OK; the statuses of mr_tree_ensemble_validate; MR_E_FORMAT for a term of no feature
 */
MR_MUST_CHECK mr_status mr_lgb_linear_build(const struct mr_lgb_file *file,
                                            const struct mr_tree_ensemble *ensemble,
                                            struct mr_arena *arena, struct mr_arena *scratch,
                                            const struct mr_lgb_linear **out, struct mr_error *err);

size_t mr_lgb_linear_n_trees(const struct mr_lgb_linear *linear);
size_t mr_lgb_linear_n_leaves(const struct mr_lgb_linear *linear);

/* Sums of n_rows rows.
 * x     feature i of row r at x[i * stride + r]; what LightGBM takes for zero is 0
 * sums  output k of row r at sums[r * n_outputs + k] */
void mr_lgb_linear_sum(const struct mr_lgb_linear *linear, const double *x, size_t stride,
                       size_t n_rows, double *sums);

#endif
