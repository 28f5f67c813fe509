/* scikit-learn's trees and what is built of them: decision trees, random forests, extra trees,
 * bagging of trees, isolation forests, AdaBoost of trees, gradient boosting of both kinds.
 *
 * The trees are a forest (engine/tree/forest.h) with float64 sums, in the order of the estimators:
 * what scikit-learn gives with n_jobs=1. */
#ifndef MR_ENGINE_SKTREE_SKTREE_H
#define MR_ENGINE_SKTREE_SKTREE_H

#include "engine/tree/tree.h"

extern const struct mr_tree_family mr_skt_family;

#endif
