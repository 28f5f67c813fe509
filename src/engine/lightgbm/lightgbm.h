/* LightGBM's models as mlflow.lightgbm saves them: boosters, and the scikit-learn wrappers in skops
 * files and pickles. */
#ifndef MR_ENGINE_LIGHTGBM_LIGHTGBM_H
#define MR_ENGINE_LIGHTGBM_LIGHTGBM_H

#include "engine/tree/tree.h"

extern const struct mr_tree_family mr_lgb_family;

#endif
