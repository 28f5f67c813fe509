#include "engine/linear/linear_int.h"

#define BASE "sklearn.linear_model._base"
#define BAYES "sklearn.linear_model._bayes"
#define DESCENT "sklearn.linear_model._coordinate_descent"
#define GLM "sklearn.linear_model._glm.glm"
#define LARS "sklearn.linear_model._least_angle"
#define LOGISTIC "sklearn.linear_model._logistic"
#define OMP "sklearn.linear_model._omp"
#define PASSIVE "sklearn.linear_model._passive_aggressive"
#define RIDGE "sklearn.linear_model._ridge"
#define SGD "sklearn.linear_model._stochastic_gradient"
#define SVM "sklearn.svm._classes"

#define REGRESSOR MR_LINEAR_REGRESSOR, MR_LINEAR_NO_PROBA
#define CLASSIFIER MR_LINEAR_CLASSIFIER

static const struct mr_linear_class classes[] = {
    {BASE, "LinearRegression", REGRESSOR},
    {RIDGE, "Ridge", REGRESSOR},
    {RIDGE, "RidgeCV", REGRESSOR},
    {DESCENT, "Lasso", REGRESSOR},
    {DESCENT, "LassoCV", REGRESSOR},
    {DESCENT, "ElasticNet", REGRESSOR},
    {DESCENT, "ElasticNetCV", REGRESSOR},
    {DESCENT, "MultiTaskLasso", REGRESSOR},
    {DESCENT, "MultiTaskLassoCV", REGRESSOR},
    {DESCENT, "MultiTaskElasticNet", REGRESSOR},
    {DESCENT, "MultiTaskElasticNetCV", REGRESSOR},
    {LARS, "Lars", REGRESSOR},
    {LARS, "LarsCV", REGRESSOR},
    {LARS, "LassoLars", REGRESSOR},
    {LARS, "LassoLarsCV", REGRESSOR},
    {LARS, "LassoLarsIC", REGRESSOR},
    {OMP, "OrthogonalMatchingPursuit", REGRESSOR},
    {OMP, "OrthogonalMatchingPursuitCV", REGRESSOR},
    {SGD, "SGDRegressor", REGRESSOR},
    {PASSIVE, "PassiveAggressiveRegressor", REGRESSOR},
    {SVM, "LinearSVR", REGRESSOR},
    {"sklearn.linear_model._huber", "HuberRegressor", REGRESSOR},
    {"sklearn.linear_model._theil_sen", "TheilSenRegressor", REGRESSOR},
    {"sklearn.linear_model._quantile", "QuantileRegressor", REGRESSOR},
    {BAYES, "BayesianRidge", REGRESSOR},
    {BAYES, "ARDRegression", REGRESSOR},
    {GLM, "PoissonRegressor", MR_LINEAR_GLM, MR_LINEAR_NO_PROBA},
    {GLM, "GammaRegressor", MR_LINEAR_GLM, MR_LINEAR_NO_PROBA},
    {GLM, "TweedieRegressor", MR_LINEAR_GLM, MR_LINEAR_NO_PROBA},
    {LOGISTIC, "LogisticRegression", CLASSIFIER, MR_LINEAR_LOGISTIC_PROBA},
    {LOGISTIC, "LogisticRegressionCV", CLASSIFIER, MR_LINEAR_LOGISTIC_PROBA},
    {SGD, "SGDClassifier", CLASSIFIER, MR_LINEAR_SGD_PROBA},
    {"sklearn.linear_model._perceptron", "Perceptron", CLASSIFIER, MR_LINEAR_NO_PROBA},
    {PASSIVE, "PassiveAggressiveClassifier", CLASSIFIER, MR_LINEAR_NO_PROBA},
    {SVM, "LinearSVC", CLASSIFIER, MR_LINEAR_NO_PROBA},
    {"sklearn.discriminant_analysis", "LinearDiscriminantAnalysis", CLASSIFIER,
     MR_LINEAR_DISCRIMINANT_PROBA},
    {RIDGE, "RidgeClassifier", MR_LINEAR_RIDGE_CLASSIFIER, MR_LINEAR_NO_PROBA},
    {RIDGE, "RidgeClassifierCV", MR_LINEAR_RIDGE_CLASSIFIER, MR_LINEAR_NO_PROBA},
    {SGD, "SGDOneClassSVM", MR_LINEAR_ONE_CLASS, MR_LINEAR_NO_PROBA},
};

const struct mr_linear_class *mr_linear_find_class(struct mr_str module, struct mr_str name) {
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (mr_str_is(module, classes[i].module) && mr_str_is(name, classes[i].name)) {
            return &classes[i];
        }
    }
    return NULL;
}
