/* XGBoost's models as MLflow saves and calls them (mlflow/xgboost/__init__.py, _XGBModelWrapper):
 * boosters, which get a DMatrix of the input, and the scikit-learn wrappers, which predict in
 * place. Followed are XGBoost 3.2.0 and its Python package. */
#ifndef MR_ENGINE_XGBOOST_XGBOOST_H
#define MR_ENGINE_XGBOOST_XGBOOST_H

#include "engine/tree/tree.h"

extern const struct mr_tree_family mr_xgb_family;

#endif
