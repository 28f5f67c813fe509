#include "engine/xgboost/objective.h"

#include <math.h>

/* clang-format off */
static const struct mr_xgb_objective objectives[] = {
    {"reg:squarederror", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"reg:linear", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"reg:squaredlogerror", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"reg:pseudohubererror", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"reg:absoluteerror", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"reg:quantileerror", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"reg:logistic", MR_XGB_SIGMOID, MR_XGB_LINK_LOGIT},
    {"reg:gamma", MR_XGB_EXP, MR_XGB_LINK_LOG_POSITIVE},
    {"reg:tweedie", MR_XGB_EXP, MR_XGB_LINK_LOG},
    {"count:poisson", MR_XGB_EXP, MR_XGB_LINK_LOG},
    {"survival:cox", MR_XGB_EXP, MR_XGB_LINK_LOG},
    {"survival:aft", MR_XGB_EXP, MR_XGB_LINK_LOG},
    {"binary:logistic", MR_XGB_SIGMOID, MR_XGB_LINK_LOGIT},
    {"binary:logitraw", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"binary:hinge", MR_XGB_STEP, MR_XGB_LINK_IDENTITY},
    {"multi:softprob", MR_XGB_SOFTMAX, MR_XGB_LINK_IDENTITY},
    {"multi:softmax", MR_XGB_CLASS, MR_XGB_LINK_IDENTITY},
    {"rank:pairwise", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"rank:ndcg", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
    {"rank:map", MR_XGB_IDENTITY, MR_XGB_LINK_IDENTITY},
};
/* clang-format on */

const struct mr_xgb_objective *mr_xgb_objective_find(struct mr_str name) {
    for (size_t i = 0; i < sizeof(objectives) / sizeof(*objectives); i++) {
        if (mr_str_is(name, objectives[i].name)) return &objectives[i];
    }
    return NULL;
}

/* LogisticRegression::ProbToMargin with kRtEps; common::Logit. */
static float logit(float probability) {
    const float epsilon = 1e-6F;
    float x = probability > epsilon ? probability : epsilon;
    if (x > 1.0F - epsilon) x = 1.0F - epsilon;
    return -logf(1.0F / x - 1.0F);
}

bool mr_xgb_objective_link(const struct mr_xgb_objective *objective, float *intercept) {
    float value = *intercept;
    switch (objective->link) {
    case MR_XGB_LINK_IDENTITY: return true;
    case MR_XGB_LINK_LOGIT: *intercept = logit(value); return value >= 0 && value <= 1;
    case MR_XGB_LINK_LOG: *intercept = logf(value); return true;
    case MR_XGB_LINK_LOG_POSITIVE: *intercept = logf(value); return value > 0;
    }
    return false;
}

/* common::Sigmoid. */
static float sigmoid(float x) {
    float negative = 88.7F < -x ? 88.7F : -x;
    float denominator = expf(negative) + 1.0F + 1e-16F;
    return 1.0F / denominator;
}

/* common::Softmax. */
static void softmax(float *x, size_t n) {
    float largest = x[0];
    for (size_t i = 1; i < n; i++) largest = fmaxf(x[i], largest);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - largest);
        sum += (double)x[i];
    }
    for (size_t i = 0; i < n; i++) x[i] /= (float)sum;
}

/* common::FindMaxIndex. */
static size_t find_largest(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (x[i] > x[best]) best = i;
    }
    return best;
}

size_t mr_xgb_objective_transform(const struct mr_xgb_objective *objective, float *sums,
                                  size_t n_rows, size_t n_outputs) {
    size_t n = n_rows * n_outputs;
    switch (objective->transform) {
    case MR_XGB_IDENTITY: break;
    case MR_XGB_SIGMOID:
        for (size_t i = 0; i < n; i++) sums[i] = sigmoid(sums[i]);
        break;
    case MR_XGB_EXP:
        for (size_t i = 0; i < n; i++) sums[i] = expf(sums[i]);
        break;
    case MR_XGB_STEP:
        for (size_t i = 0; i < n; i++) sums[i] = sums[i] > 0 ? 1 : 0;
        break;
    case MR_XGB_SOFTMAX:
        for (size_t r = 0; r < n_rows; r++) softmax(sums + r * n_outputs, n_outputs);
        break;
    case MR_XGB_CLASS:
        for (size_t r = 0; r < n_rows; r++) {
            sums[r] = (float)find_largest(sums + r * n_outputs, n_outputs);
        }
        return 1;
    }
    return n_outputs;
}
