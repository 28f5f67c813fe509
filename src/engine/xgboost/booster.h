/* A booster as XGBoost saves it (.ubj, .json): read, checked, and brought into the common form of
 * trees. Files of XGBoost 1.7 to 3.2 are known to be read; what changed in between is said where it
 * is read.
 *
 * The file is untrusted. All of what is read lives in the arena that the caller gives. */
#ifndef MR_ENGINE_XGBOOST_BOOSTER_H
#define MR_ENGINE_XGBOOST_BOOSTER_H

#include "engine/tree/ensemble.h"
#include "engine/xgboost/objective.h"
#include "loader/object.h"

typedef enum mr_xgb_kind { MR_XGB_TREES, MR_XGB_DART, MR_XGB_LINEAR } mr_xgb_kind;

struct mr_xgb_booster {
    mr_xgb_kind kind;
    const char *version; /* "3.2.0", of XGBoost that saved it */
    const struct mr_xgb_objective *objective;
    uint32_t n_features;
    uint32_t n_outputs; /* sums of a row: num_target, num_class or 1 */
    uint32_t n_classes; /* num_class; 0 where it is not given */
    const float *base;  /* n_outputs sums to start with */
    size_t n_names;     /* 0: no feature names, else n_features */
    const struct mr_str *names;
    int best_iteration;           /* of early stopping; -1: none */
    struct mr_str estimator_type; /* "classifier"...: what saved it; size 0: not said */

    /* MR_XGB_TREES, MR_XGB_DART */
    struct mr_tree_ensemble ensemble;
    uint32_t n_rounds;
    const uint32_t *round_starts; /* n_rounds + 1: first tree of each round, then n_trees */
    const float *tree_weights;    /* MR_XGB_DART: one for each tree */

    /* MR_XGB_LINEAR: weight of feature i for output k at weights[i * n_outputs + k]; the biases
     * follow the last feature. */
    const float *weights;
};

/* Read a parsed model file.
 * returns  MR_OK; MR_E_FORMAT with what is wrong and where; MR_E_UNSUPPORTED with what is not
 *          evaluated here; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_xgb_booster_read(const struct mr_object *file, struct mr_arena *arena,
                                            struct mr_xgb_booster *out, struct mr_error *err);

#endif
