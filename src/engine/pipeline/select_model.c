/* SelectFromModel: features whose coefficients are large (sklearn/feature_selection/_from_model.py
 * and _base.py, versions 1.1.3 to 1.9.1: _get_support_mask, _calculate_threshold,
 * _get_feature_importances); and the tag that selectors take over from their estimator. */
#include <math.h>
#include <stdlib.h>

#include "engine/pipeline/param.h"
#include "engine/pipeline/select.h"
#include "engine/sklearn/numeric.h"

static bool has_prefix(struct mr_str text, const char *prefix) {
    size_t n = strlen(prefix);
    return text.size >= n && memcmp(text.data, prefix, n) == 0;
}

static bool is_linear_model(const struct mr_object *object) {
    return has_prefix(object->module, "sklearn.linear_model.") ||
           mr_str_is(object->module, "sklearn.svm._classes");
}

/* Tags ----------------------------------------------------------------------------------------- */

/* Trees learned to take NaN in these versions (1.x), as long as they split the usual way. */
static const struct {
    const char *module, *name;
    int minor;
} takers[] = {
    {"sklearn.tree._classes", "DecisionTreeClassifier", 3},
    {"sklearn.tree._classes", "DecisionTreeRegressor", 3},
    {"sklearn.ensemble._forest", "RandomForestClassifier", 4},
    {"sklearn.ensemble._forest", "RandomForestRegressor", 4},
    {"sklearn.ensemble._forest", "ExtraTreesClassifier", 6},
    {"sklearn.ensemble._forest", "ExtraTreesRegressor", 6},
};

/* Criteria and the splitter with which no version that takes NaN refuses it. */
static bool is_usual_tree(const struct mr_object *object) {
    static const char *const criteria[] = {
        "entropy", "friedman_mse", "gini", "log_loss", "poisson", "squared_error",
    };
    const struct mr_object *criterion = mr_object_attr(object, "criterion");
    const struct mr_object *splitter = mr_object_attr(object, "splitter");
    if (splitter && !mr_object_is_str(splitter, "best")) return false;
    for (size_t i = 0; i < sizeof(criteria) / sizeof(*criteria); i++) {
        if (mr_object_is_str(criterion, criteria[i])) return true;
    }
    return false;
}

mr_status mr_pipe_allows_nan(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                             bool *out) {
    const struct mr_object *model = mr_object_attr(selector->object, "estimator");
    *out = false;
    if (model && model->kind == MR_OBJECT_INSTANCE) {
        if (is_linear_model(model) || mr_str_is(model->module, "sklearn.ensemble._gb")) {
            return MR_OK;
        }
        for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
            if (!mr_object_is(model, takers[i].module, takers[i].name)) continue;
            *out = mr_sk_is_at_least(selector, 1, takers[i].minor);
            if (!*out || is_usual_tree(model)) return MR_OK;
        }
    }
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %s yet", selector->name,
                   mr_object_describe(model, text, sizeof(text)));
}

/* Importances ---------------------------------------------------------------------------------- */

/* More rows of coef_ than this are added up in an order that depends on how numpy holds them. */
#define MAX_ROWS 7

mr_status mr_pipe_fitted_model(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                               struct mr_sk_estimator *out) {
    const struct mr_object *model = mr_object_attr(selector->object, "estimator_");
    MR_TRY(mr_sk_inside(selector, model, b->arena, out, b->err));
    if (is_linear_model(model)) return MR_OK;
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %s yet", selector->name,
                   mr_object_describe(model, text, sizeof(text)));
}

/* _get_feature_importances with transform_func="norm": the sum of a feature's coefficients, without
 * signs. */
static mr_status read_importances(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                                  const struct mr_sk_estimator *model, size_t n, double **out) {
    if (!mr_object_is_str(mr_object_attr(selector->object, "importance_getter"), "auto")) {
        return mr_sk_refuse(selector, "with an importance_getter", b->err);
    }
    const struct mr_ndarray *coef = NULL;
    MR_TRY(mr_sk_float_array(model, "coef_", &coef, b->err));
    if (coef->dtype != MR_FLOAT64) {
        return mr_sk_refuse(selector, "with coefficients of float32", b->err);
    }
    size_t n_rows = coef->n_dims == 2 ? (size_t)coef->shape[0] : 1;
    if (coef->shape[coef->n_dims - 1] != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: coef_ of its %s should have %zu columns",
                       selector->name, model->name, n);
    }
    const struct mr_object *order = mr_object_attr(selector->object, "norm_order");
    if (!order || order->kind != MR_OBJECT_INT || order->integer != 1 || n_rows > MAX_ROWS) {
        return mr_sk_refuse(selector, "with such a norm_order, or as many classes", b->err);
    }
    const double *values = coef->values;
    double *sums = mr_arena_array(b->scratch, n, sizeof(*sums));
    if (!sums) return mr_arena_fail(b->scratch, b->err);
    for (size_t i = 0; i < n; i++) {
        sums[i] = 0;
        for (size_t r = 0; r < n_rows; r++) sums[i] += fabs(values[r * n + i]);
        if (!isfinite(sums[i])) return mr_sk_refuse(selector, "with infinite coefficients", b->err);
    }
    *out = sums;
    return MR_OK;
}

/* Threshold ------------------------------------------------------------------------------------ */

static int compare_values(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static mr_status find_reference(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                                const char *name, const double *importances, size_t n,
                                double *out) {
    if (strcmp(name, "mean") == 0) {
        *out = mr_sk_sum(importances, 1, n, MR_SK_SUM_PAIRWISE) / (double)n;
        return MR_OK;
    }
    if (strcmp(name, "median") != 0) {
        return mr_sk_refuse(selector, "with such a threshold", b->err);
    }
    double *sorted = mr_arena_array(b->scratch, n, sizeof(*sorted));
    if (!sorted) return mr_arena_fail(b->scratch, b->err);
    memcpy(sorted, importances, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_values);
    *out = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    return MR_OK;
}

/* "mean", "median", or one of them times a number: "1.25*mean". */
static mr_status parse_threshold(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                                 const char *text, const double *importances, size_t n,
                                 double *out) {
    const char *star = strchr(text, '*');
    if (!star) return find_reference(b, selector, text, importances, n, out);
    char *end;
    double scale = strtod(text, &end);
    bool is_plain = strspn(text, "0123456789.") == (size_t)(end - text) && end != text;
    while (*end == ' ') end++;
    if (!is_plain || end != star) return mr_sk_refuse(selector, "with such a threshold", b->err);
    const char *name = star + 1 + strspn(star + 1, " ");
    MR_TRY(find_reference(b, selector, name, importances, n, out));
    *out *= scale;
    return MR_OK;
}

/* Whether an l1_ratio is surely not what numpy.isclose calls 1. */
static bool is_far_from_one(const struct mr_sk_estimator *model, const char *attribute) {
    const struct mr_object *object = mr_object_attr(model->object, attribute);
    double ratio = 1;
    if (!object || object->kind == MR_OBJECT_NONE) return true;
    if (mr_sk_number(model, attribute, &ratio, NULL) != MR_OK) return false;
    return fabs(ratio - 1) > 0.01;
}

/* threshold=None: 1e-5 where the penalty makes zeros, else the mean. */
static mr_status choose_threshold(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                                  const struct mr_sk_estimator *model, const double *importances,
                                  size_t n, double *out) {
    *out = 1e-5;
    if (mr_object_is_str(mr_object_attr(model->object, "penalty"), "l1")) return MR_OK;
    if (strstr(model->name, "Lasso")) return MR_OK;
    bool is_mixed = strstr(model->name, "ElasticNet") || strstr(model->name, "LogisticRegression");
    if (is_mixed && !(is_far_from_one(model, "l1_ratio") && is_far_from_one(model, "l1_ratio_"))) {
        return mr_sk_refuse(selector, "with such an l1_ratio", b->err);
    }
    return find_reference(b, selector, "mean", importances, n, out);
}

static mr_status read_threshold(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                                const struct mr_sk_estimator *model, const double *importances,
                                size_t n, double *out) {
    const struct mr_object *object = mr_object_attr(selector->object, "threshold");
    if (object && object->kind == MR_OBJECT_NONE) {
        return choose_threshold(b, selector, model, importances, n, out);
    }
    if (!object || object->kind != MR_OBJECT_STR) {
        return mr_pipe_real_param(b, selector, "threshold", out);
    }
    const char *text = NULL;
    MR_TRY(mr_sk_text(selector, "threshold", &text, b->err));
    return parse_threshold(b, selector, text, importances, n, out);
}

/* Mask ----------------------------------------------------------------------------------------- */

struct ranked {
    double importance;
    size_t feature;
};

/* The largest first, and as they came where they are equal. */
static int compare_ranked(const void *a, const void *b) {
    const struct ranked *left = a, *right = b;
    if (left->importance != right->importance) {
        return left->importance > right->importance ? -1 : 1;
    }
    return left->feature < right->feature ? -1 : left->feature > right->feature;
}

/* mask: those among the max_features_ largest; all of them without a limit. */
static mr_status keep_largest(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                              const double *importances, size_t n, bool *mask) {
    const struct mr_object *limit = mr_object_attr(selector->object, "max_features");
    bool has_limit = !limit || limit->kind != MR_OBJECT_NONE;
    for (size_t i = 0; i < n; i++) mask[i] = !has_limit;
    if (!has_limit) return MR_OK;
    int64_t n_largest = 0;
    MR_TRY(mr_pipe_count_param(b, selector, "max_features_", &n_largest));
    struct ranked *ranked = mr_arena_array(b->scratch, n, sizeof(*ranked));
    if (!ranked) return mr_arena_fail(b->scratch, b->err);
    for (size_t i = 0; i < n; i++) ranked[i] = (struct ranked){importances[i], i};
    qsort(ranked, n, sizeof(*ranked), compare_ranked);
    for (size_t i = 0; i < n && i < (uint64_t)n_largest; i++) mask[ranked[i].feature] = true;
    return MR_OK;
}

mr_status mr_pipe_mask_of_model(struct mr_pipe_builder *b, const struct mr_sk_estimator *selector,
                                size_t n, bool *mask) {
    struct mr_sk_estimator model;
    double *importances = NULL, threshold = 0;
    MR_TRY(mr_pipe_fitted_model(b, selector, &model));
    MR_TRY(read_importances(b, selector, &model, n, &importances));
    MR_TRY(read_threshold(b, selector, &model, importances, n, &threshold));
    MR_TRY(keep_largest(b, selector, importances, n, mask));
    for (size_t i = 0; i < n; i++) mask[i] = mask[i] && !(importances[i] < threshold);
    return MR_OK;
}
