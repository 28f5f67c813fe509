/* LightGBM's models: boosters in text files, and the scikit-learn wrappers in skops files and
 * pickles, as mlflow.lightgbm and mlflow.sklearn save them. */
#ifndef MR_ENGINE_LIGHTGBM_LIGHTGBM_H
#define MR_ENGINE_LIGHTGBM_LIGHTGBM_H

#include "engine/tree/tree.h"

extern const struct mr_tree_family mr_lgb_family;

#endif
