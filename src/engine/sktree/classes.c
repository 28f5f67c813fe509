#include "engine/sktree/sktree_int.h"

#define TREE "sklearn.tree._classes"
#define FOREST "sklearn.ensemble._forest"
#define HISTOGRAM "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"

#define PREDICT MR_SK_PREDICT
#define PROBA (MR_SK_PREDICT | MR_SK_PREDICT_PROBA)
#define LOG_PROBA (PROBA | MR_SK_PREDICT_LOG_PROBA)
#define DECISION MR_SK_DECISION_FUNCTION

static const struct mr_skt_class classes[] = {
    {TREE, "DecisionTreeClassifier", MR_SKT_TREE, true, LOG_PROBA},
    {TREE, "ExtraTreeClassifier", MR_SKT_TREE, true, LOG_PROBA},
    {TREE, "DecisionTreeRegressor", MR_SKT_TREE, false, PREDICT},
    {TREE, "ExtraTreeRegressor", MR_SKT_TREE, false, PREDICT},
    {FOREST, "RandomForestClassifier", MR_SKT_FOREST, true, LOG_PROBA},
    {FOREST, "ExtraTreesClassifier", MR_SKT_FOREST, true, LOG_PROBA},
    {FOREST, "RandomForestRegressor", MR_SKT_FOREST, false, PREDICT},
    {FOREST, "ExtraTreesRegressor", MR_SKT_FOREST, false, PREDICT},
    {"sklearn.ensemble._bagging", "BaggingClassifier", MR_SKT_BAGGING, true, LOG_PROBA},
    {"sklearn.ensemble._bagging", "BaggingRegressor", MR_SKT_BAGGING, false, PREDICT},
    {"sklearn.ensemble._iforest", "IsolationForest", MR_SKT_ISOLATION, false,
     PREDICT | DECISION | MR_SK_SCORE_SAMPLES},
    {"sklearn.ensemble._weight_boosting", "AdaBoostClassifier", MR_SKT_ADABOOST, true,
     LOG_PROBA | DECISION},
    {"sklearn.ensemble._weight_boosting", "AdaBoostRegressor", MR_SKT_ADABOOST, false, PREDICT},
    {"sklearn.ensemble._gb", "GradientBoostingClassifier", MR_SKT_GRADIENT, true,
     LOG_PROBA | DECISION},
    {"sklearn.ensemble._gb", "GradientBoostingRegressor", MR_SKT_GRADIENT, false, PREDICT},
    {HISTOGRAM, "HistGradientBoostingClassifier", MR_SKT_HISTOGRAM, true, PROBA | DECISION},
    {HISTOGRAM, "HistGradientBoostingRegressor", MR_SKT_HISTOGRAM, false, PREDICT},
};

const struct mr_skt_class *mr_skt_find_class(struct mr_str module, struct mr_str name) {
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (mr_str_is(module, classes[i].module) && mr_str_is(name, classes[i].name)) {
            return &classes[i];
        }
    }
    return NULL;
}
