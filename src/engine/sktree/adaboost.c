#include <float.h>
#include <math.h>

#include "engine/sktree/sktree_int.h"

/* Leaves -------------------------------------------------------------------------------------- */

struct ballot {
    double weight;
    bool is_real;  /* SAMME.R: by probabilities instead of by the likeliest class */
    bool is_plain; /* before 1.3: nothing is taken from classes without the vote */
    bool is_counts;
};

/* What a tree adds to the decision for each class (AdaBoostClassifier.decision_function). */
static void write_ballot(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    const struct ballot *ballot = ctx;
    size_t n = tree->n_classes;
    double other = ballot->is_plain ? 0 : -1 / (double)(n - 1) * ballot->weight;
    uint32_t winner = mr_sk_argmax(tree->values + node * n, 1, n);
    for (size_t i = 0; i < n; i++) out[i] = i == winner ? ballot->weight : other;
}

/* _samme_proba. */
static void write_real_ballot(void *ctx, const struct mr_skt_tree *tree, uint32_t node,
                              double *out) {
    const struct ballot *ballot = ctx;
    size_t n = tree->n_classes;
    mr_skt_votes(tree, node, ballot->is_counts, out);
    for (size_t i = 0; i < n; i++) out[i] = log(out[i] < DBL_EPSILON ? DBL_EPSILON : out[i]);
    double mean = 1.0 / (double)n * mr_sk_sum(out, 1, n, MR_SK_SUM_PAIRWISE);
    for (size_t i = 0; i < n; i++) out[i] = (double)(n - 1) * (out[i] - mean);
}

static void write_value(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    (void)ctx;
    *out = tree->values[node];
}

/* Trees --------------------------------------------------------------------------------------- */

static bool are_labels_equal(const struct mr_sk_labels *a, const struct mr_sk_labels *b) {
    if (a->n != b->n || a->dtype != b->dtype) return false;
    if (a->dtype != MR_STRING) return memcmp(a->values, b->values, a->n * a->item_bytes) == 0;
    const struct mr_str *left = a->values, *right = b->values;
    for (size_t i = 0; i < a->n; i++) {
        if (!mr_str_equal(left[i], right[i])) return false;
    }
    return true;
}

/* A tree's vote counts for the class with its label. */
static mr_status check_labels(const struct mr_skt_builder *b, const struct mr_skt_tree *tree) {
    struct mr_sk_labels labels;
    MR_TRY(mr_sk_copy_labels(&tree->estimator, mr_object_attr(tree->estimator.object, "classes_"),
                             "classes_", b->scratch, &labels, b->err));
    if (tree->n_outputs == 1 && tree->n_classes == labels.n &&
        are_labels_equal(&labels, &b->model->labels[0])) {
        return MR_OK;
    }
    return mr_skt_refuse(b, "whose trees have other classes than itself");
}

static mr_status add_classifier(struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                                double weight, bool is_real) {
    struct ballot ballot = {.weight = weight,
                            .is_plain = !mr_sk_is_at_least(&b->estimator, 1, 3),
                            .is_counts = !mr_sk_is_at_least(&b->estimator, 1, 4)};
    MR_TRY(check_labels(b, tree));
    return mr_skt_add_tree(b, tree, 0, NULL, is_real ? write_real_ballot : write_ballot, &ballot);
}

static mr_status add_regressor(struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                               uint32_t t) {
    if (tree->n_outputs != 1) return mr_skt_refuse(b, "with several outputs");
    return mr_skt_add_tree(b, tree, t, NULL, write_value, NULL);
}

/* Model --------------------------------------------------------------------------------------- */

/* estimator_weights_: as many as were asked for; those of trees that were not needed are 0. */
static mr_status read_weights(struct mr_skt_builder *b, size_t n_trees, const double **out,
                              size_t *n) {
    const struct mr_ndarray *array = NULL;
    MR_TRY(mr_sk_float_array(&b->estimator, "estimator_weights_", &array, b->err));
    if (array->n_dims != 1 || (size_t)array->n_values < n_trees) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: estimator_weights_ are fewer than the trees",
                       b->estimator.name);
    }
    *n = (size_t)array->n_values;
    return mr_sk_copy_doubles(array, b->arena, out, b->err);
}

static mr_status start_classifier(struct mr_skt_builder *b, const double *weights, size_t n_weights,
                                  size_t n_trees) {
    struct mr_skt_model *model = b->model;
    if (model->n_targets != 1 || model->n_outputs < 2) {
        return mr_skt_refuse(b, "with other than one target of several classes");
    }
    model->sums = MR_SKT_DECISION;
    model->order = MR_SK_SUM_SEQUENTIAL;
    model->divisor = mr_sk_sum(weights, 1, n_weights, MR_SK_SUM_PAIRWISE);
    return mr_skt_start(b, n_trees, model->n_outputs, true, 0);
}

mr_status mr_skt_build_adaboost(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    struct mr_object_list estimators;
    const double *weights = NULL;
    size_t n_weights = 0;
    bool is_classifier = model->type->is_classifier;
    bool is_real = !mr_sk_is_at_least(&b->estimator, 1, 6) &&
                   mr_object_is_str(mr_object_attr(b->estimator.object, "algorithm"), "SAMME.R");
    MR_TRY(mr_sk_list(&b->estimator, "estimators_", &estimators, b->err));
    MR_TRY(read_weights(b, estimators.n, &weights, &n_weights));
    if (is_classifier) {
        MR_TRY(start_classifier(b, weights, n_weights, estimators.n));
    } else {
        model->sums = MR_SKT_MEDIAN;
        model->weights = weights;
        MR_TRY(mr_skt_start(b, estimators.n, estimators.n, false, -0.0));
    }
    model->features.dtype = MR_SK_FLOAT32_LATER;
    for (size_t t = 0; t < estimators.n; t++) {
        struct mr_sk_estimator estimator;
        struct mr_skt_tree tree;
        MR_TRY(mr_sk_inside(&b->estimator, estimators.items[t], b->scratch, &estimator, b->err));
        MR_TRY(mr_skt_read_tree(b, &estimator, model->features.n_features, &tree));
        if (t == 0 && mr_skt_takes_nan(&tree)) model->features.finite = MR_SK_FINITE_OR_LATE;
        MR_TRY(is_classifier ? add_classifier(b, &tree, weights[t], is_real)
                             : add_regressor(b, &tree, (uint32_t)t));
    }
    return MR_OK;
}
