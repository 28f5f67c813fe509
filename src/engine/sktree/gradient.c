#include <float.h>
#include <math.h>

#include "engine/sktree/sktree_int.h"

/* Loss ---------------------------------------------------------------------------------------- */

/* Classes of `_loss`. All losses of regressors have the identity as their link. */
static const struct {
    const char *module, *name;
    mr_skt_link link;
} losses[] = {
    {"sklearn._loss.loss", "HalfBinomialLoss", MR_SKT_LINK_LOGIT},
    {"sklearn._loss.loss", "HalfMultinomialLoss", MR_SKT_LINK_SOFTMAX},
    {"sklearn._loss.loss", "ExponentialLoss", MR_SKT_LINK_HALF_LOGIT},
    {"sklearn._loss.loss", "HalfSquaredError", MR_SKT_LINK_IDENTITY},
    {"sklearn._loss.loss", "AbsoluteError", MR_SKT_LINK_IDENTITY},
    {"sklearn._loss.loss", "HuberLoss", MR_SKT_LINK_IDENTITY},
    {"sklearn._loss.loss", "PinballLoss", MR_SKT_LINK_IDENTITY},
    /* Before 1.4. */
    {"sklearn.ensemble._gb_losses", "BinomialDeviance", MR_SKT_LINK_LOGIT},
    {"sklearn.ensemble._gb_losses", "MultinomialDeviance", MR_SKT_LINK_LOGSUMEXP},
    {"sklearn.ensemble._gb_losses", "ExponentialLoss", MR_SKT_LINK_HALF_LOGIT},
    {"sklearn.ensemble._gb_losses", "LeastSquaresError", MR_SKT_LINK_IDENTITY},
    {"sklearn.ensemble._gb_losses", "LeastAbsoluteError", MR_SKT_LINK_IDENTITY},
    {"sklearn.ensemble._gb_losses", "HuberLossFunction", MR_SKT_LINK_IDENTITY},
    {"sklearn.ensemble._gb_losses", "QuantileLossFunction", MR_SKT_LINK_IDENTITY},
};

static mr_status read_loss(struct mr_skt_builder *b, size_t n_raw) {
    struct mr_skt_model *model = b->model;
    const struct mr_object *loss = mr_object_attr(b->estimator.object, "_loss");
    size_t i = 0;
    const size_t n = sizeof(losses) / sizeof(*losses);
    while (i < n && !mr_object_is(loss, losses[i].module, losses[i].name)) i++;
    if (i == n || (losses[i].link == MR_SKT_LINK_IDENTITY) == model->type->is_classifier) {
        char text[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with the loss %s yet",
                       b->estimator.name, mr_object_describe(loss, text, sizeof(text)));
    }
    model->link = losses[i].link;
    bool is_multiclass = model->link == MR_SKT_LINK_SOFTMAX || model->link == MR_SKT_LINK_LOGSUMEXP;
    size_t n_expected = is_multiclass ? model->n_outputs : 1;
    bool has_classes = !model->type->is_classifier ||
                       (model->n_targets == 1 && (is_multiclass || model->n_outputs == 2));
    if (n_raw != n_expected || !has_classes) {
        return mr_fail(b->err, MR_E_FORMAT,
                       "%s: estimators_ has %zu columns, but there are %zu "
                       "classes",
                       b->estimator.name, n_raw, model->n_outputs);
    }
    return MR_OK;
}

/* GradientBoostingClassifier.predict; before 1.4 _raw_prediction_to_decision of the loss. */
static void choose_labels(struct mr_skt_builder *b) {
    bool is_raw = mr_sk_is_at_least(&b->estimator, 1, 4) ||
                  b->model->link == MR_SKT_LINK_HALF_LOGIT;
    b->model->choice = is_raw ? MR_SKT_CHOICE_RAW_AT_0 : MR_SKT_CHOICE_PROBA;
}

/* Init ---------------------------------------------------------------------------------------- */

static double logit(double p) {
    if (p < 0.3 || p > 0.65) return log(p / (1 - p));
    double s = 2 * (p - 0.5); /* as scipy.special.logit does it near one half */
    return log1p(s) - log1p(-s);
}

static double clip(double p, double eps) {
    return p < eps ? eps : p > 1 - eps ? 1 - eps : p;
}

/* log(p / geometric mean) of all classes (MultinomialLogit.link, scipy.stats.gmean). */
static void link_multinomial(double *p, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += log(p[k]);
    double mean = exp(sum / (double)n);
    for (size_t k = 0; k < n; k++) p[k] = log(p[k] / mean);
}

/* Probabilities of the classes that DummyClassifier gives for every row to raw predictions
 * (_init_raw_predictions; before 1.4 get_init_raw_predictions of the loss). */
static void link_priors(const struct mr_skt_builder *b, const double *priors, double *out) {
    double eps = mr_sk_is_at_least(&b->estimator, 1, 8) ? DBL_EPSILON : (double)FLT_EPSILON;
    size_t n = b->model->n_outputs;
    switch (b->model->link) {
    case MR_SKT_LINK_LOGIT: *out = logit(clip(priors[1], eps)); break;
    case MR_SKT_LINK_HALF_LOGIT: *out = 0.5 * logit(clip(priors[1], eps)); break;
    default:
        for (size_t k = 0; k < n; k++) out[k] = clip(priors[k], eps);
        if (b->model->link == MR_SKT_LINK_SOFTMAX) {
            link_multinomial(out, n);
        } else {
            for (size_t k = 0; k < n; k++) out[k] = log(out[k]);
        }
    }
}

static mr_status read_constants(const struct mr_sk_estimator *init, const char *attribute,
                                size_t n_wanted, const struct mr_skt_builder *b,
                                const double **out) {
    const struct mr_ndarray *array = NULL;
    MR_TRY(mr_sk_float_array(init, attribute, &array, b->err));
    if (array->n_values != (int64_t)n_wanted) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %s of %s has %lld values, expected %zu",
                       b->estimator.name, attribute, init->name, (long long)array->n_values,
                       n_wanted);
    }
    return mr_sk_copy_doubles(array, b->scratch, out, b->err);
}

/* init_: the estimator whose predictions the sums start with. */
static mr_status read_init(struct mr_skt_builder *b, double *base) {
    const struct mr_object *object = mr_object_attr(b->estimator.object, "init_");
    if (mr_object_is_str(object, "zero")) return MR_OK;
    struct mr_sk_estimator init;
    const double *constants = NULL;
    MR_TRY(mr_sk_inside(&b->estimator, object, b->scratch, &init, b->err));
    const char *wanted = b->model->type->is_classifier ? "DummyClassifier" : "DummyRegressor";
    if (!mr_object_is(object, "sklearn.dummy", wanted)) {
        return mr_skt_refuse(b, "with an init estimator of its own");
    }
    if (!b->model->type->is_classifier) {
        MR_TRY(read_constants(&init, "constant_", 1, b, &constants));
        *base = constants[0];
        return MR_OK;
    }
    if (!mr_object_is_str(mr_object_attr(object, "strategy"), "prior")) {
        return mr_skt_refuse(b, "with a DummyClassifier of another strategy");
    }
    MR_TRY(read_constants(&init, "class_prior_", b->model->n_outputs, b, &constants));
    link_priors(b, constants, base);
    return MR_OK;
}

/* Trees --------------------------------------------------------------------------------------- */

static void write_scaled(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    *out = *(const double *)ctx * tree->values[node];
}

/* estimators_: an array of DecisionTreeRegressor, a row for each stage. */
static mr_status open_stages(const struct mr_skt_builder *b, const struct mr_ndarray **out) {
    const struct mr_object *object = mr_object_attr(b->estimator.object, "estimators_");
    if (!object || object->kind != MR_OBJECT_ARRAY || !object->array.is_known ||
        object->array.dtype != MR_OBJECT || object->array.n_dims != 2 ||
        object->array.n_values < 1) {
        return mr_skt_refuse(b, "without an array of fitted estimators_");
    }
    *out = &object->array;
    return MR_OK;
}

mr_status mr_skt_build_gradient(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    const struct mr_ndarray *stages = NULL;
    double rate = 0;
    MR_TRY(open_stages(b, &stages));
    MR_TRY(mr_sk_number(&b->estimator, "learning_rate", &rate, b->err));
    size_t n_raw = (size_t)stages->shape[1];
    MR_TRY(read_loss(b, n_raw));
    choose_labels(b);
    model->features.dtype = MR_SK_FLOAT32;
    model->sums = MR_SKT_RAW;
    model->order = MR_SK_SUM_PAIRWISE;
    MR_TRY(mr_skt_start(b, (size_t)stages->n_values, n_raw, false, 0));
    MR_TRY(read_init(b, (double *)(uintptr_t)b->ensemble.base));
    const struct mr_object *const *items = stages->values;
    for (int64_t i = 0; i < stages->n_values; i++) {
        struct mr_sk_estimator estimator;
        struct mr_skt_tree tree;
        MR_TRY(mr_sk_inside(&b->estimator, items[i], b->scratch, &estimator, b->err));
        MR_TRY(mr_skt_read_tree(b, &estimator, model->features.n_features, &tree));
        if (tree.n_outputs != 1) return mr_skt_refuse(b, "whose trees have several outputs");
        MR_TRY(mr_skt_add_tree(b, &tree, (uint32_t)((size_t)i % n_raw), NULL, write_scaled, &rate));
    }
    model->n_outputs = model->type->is_classifier ? model->n_outputs : 1;
    return MR_OK;
}
