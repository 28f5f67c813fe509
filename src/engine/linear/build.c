#include "engine/linear/linear_int.h"

struct builder {
    struct mr_sk_estimator estimator;
    struct mr_engine_model *model;
    struct mr_error *err;
};

/* Method ------------------------------------------------------------------------------------ */

static unsigned methods_of(const struct mr_engine_model *model) {
    mr_linear_role role = model->rule->role;
    unsigned methods = MR_SK_PREDICT;
    if (model->proba != MR_LINEAR_PROBA_NONE) {
        methods |= MR_SK_PREDICT_PROBA | MR_SK_PREDICT_LOG_PROBA;
    }
    if (role == MR_LINEAR_CLASSIFIER || role == MR_LINEAR_RIDGE_CLASSIFIER ||
        role == MR_LINEAR_ONE_CLASS) {
        methods |= MR_SK_DECISION_FUNCTION;
    }
    return methods;
}

/* Coefficients ------------------------------------------------------------------------------ */

/* coef_: (n_features,) or (n_outputs, n_features). */
static mr_status read_coef(struct builder *b) {
    const struct mr_ndarray *coef = NULL;
    MR_TRY(mr_sk_float_array(&b->estimator, "coef_", &coef, b->err));
    struct mr_engine_model *model = b->model;
    model->is_vector = coef->n_dims == 1;
    model->n_outputs = model->is_vector ? 1 : (size_t)coef->shape[0];
    model->is_coef_float32 = coef->dtype == MR_FLOAT32;
    MR_TRY(mr_sk_copy_doubles(coef, model->arena, &model->coef, b->err));
    return mr_sk_read_features(&b->estimator, (size_t)coef->shape[coef->n_dims - 1], model->arena,
                               &model->features, b->err);
}

/* intercept_ (or offset_): a Python number, a numpy scalar, or an array that numpy broadcasts over
 * the outputs. sign: -1 for what is subtracted. */
static mr_status read_intercept(struct builder *b, const char *attribute, double sign) {
    struct mr_engine_model *model = b->model;
    const struct mr_object *object = mr_object_attr(b->estimator.object, attribute);
    double *values = mr_arena_array(model->arena, model->n_outputs, sizeof(*values));
    if (!values) return mr_arena_fail(model->arena, b->err);
    model->intercept = values;
    model->is_intercept_weak = true;
    if (object && (object->kind == MR_OBJECT_FLOAT || object->kind == MR_OBJECT_INT)) {
        double value = object->kind == MR_OBJECT_FLOAT ? object->real : (double)object->integer;
        for (size_t k = 0; k < model->n_outputs; k++) values[k] = sign * value;
        return MR_OK;
    }
    if (!object || object->kind != MR_OBJECT_ARRAY || !object->array.is_known ||
        (object->array.dtype != MR_FLOAT32 && object->array.dtype != MR_FLOAT64)) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: %s is no floating-point number or array",
                       b->estimator.name, attribute);
    }
    const struct mr_ndarray *array = &object->array;
    size_t n = (size_t)array->n_values;
    if (array->n_dims > 1 || (n != 1 && (model->is_vector || n != model->n_outputs))) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %s should have 1 or %zu values, but has %zu",
                       b->estimator.name, attribute, model->n_outputs, n);
    }
    const double *copy = NULL;
    MR_TRY(mr_sk_copy_doubles(array, model->arena, &copy, b->err));
    for (size_t k = 0; k < model->n_outputs; k++) values[k] = sign * copy[n == 1 ? 0 : k];
    bool is_weak_scalar = array->n_dims == 0 && b->estimator.is_numpy_1;
    model->is_intercept_weak = array->dtype == MR_FLOAT32 || is_weak_scalar;
    return MR_OK;
}

/* Classifiers ------------------------------------------------------------------------------- */

/* LogisticRegression.predict_proba: before 1.8 the parameter multi_class decides. */
static mr_status choose_logistic_proba(struct builder *b) {
    struct mr_engine_model *model = b->model;
    bool is_binary = model->labels.n <= 2;
    model->proba = is_binary ? MR_LINEAR_PROBA_EXPIT : MR_LINEAR_PROBA_SOFTMAX;
    if (mr_sk_is_at_least(&b->estimator, 1, 8)) return MR_OK;
    const char *multi_class = NULL, *solver = NULL;
    MR_TRY(mr_sk_text(&b->estimator, "multi_class", &multi_class, b->err));
    MR_TRY(mr_sk_text(&b->estimator, "solver", &solver, b->err));
    bool is_ovr = strcmp(multi_class, "ovr") == 0 || strcmp(multi_class, "warn") == 0;
    if (strcmp(multi_class, "auto") == 0 || strcmp(multi_class, "deprecated") == 0) {
        is_ovr = is_binary || strcmp(solver, "liblinear") == 0 ||
                 (strcmp(solver, "newton-cholesky") == 0 &&
                  !mr_sk_is_at_least(&b->estimator, 1, 6));
    }
    if (is_ovr) {
        model->proba = MR_LINEAR_PROBA_EXPIT;
    } else if (is_binary) {
        model->proba = MR_LINEAR_PROBA_SOFTMAX_BINARY;
    }
    return MR_OK;
}

/* SGDClassifier has probabilities for two losses; "log" was the name of log_loss up to 1.2. */
static mr_status choose_sgd_proba(struct builder *b) {
    const char *loss = NULL;
    MR_TRY(mr_sk_text(&b->estimator, "loss", &loss, b->err));
    bool is_log = strcmp(loss, "log_loss") == 0 ||
                  (strcmp(loss, "log") == 0 && !mr_sk_is_at_least(&b->estimator, 1, 3));
    if (is_log) b->model->proba = MR_LINEAR_PROBA_EXPIT;
    if (strcmp(loss, "modified_huber") == 0) b->model->proba = MR_LINEAR_PROBA_CLIP;
    return MR_OK;
}

static mr_status choose_proba(struct builder *b) {
    struct mr_engine_model *model = b->model;
    model->is_uniform_when_zero = mr_sk_is_at_least(&b->estimator, 1, 9);
    switch (model->rule->proba) {
    case MR_LINEAR_NO_PROBA: return MR_OK;
    case MR_LINEAR_LOGISTIC_PROBA: return choose_logistic_proba(b);
    case MR_LINEAR_SGD_PROBA: MR_TRY(choose_sgd_proba(b)); break;
    case MR_LINEAR_DISCRIMINANT_PROBA:
        model->proba = model->labels.n == 2 ? MR_LINEAR_PROBA_EXPIT : MR_LINEAR_PROBA_SOFTMAX;
        model->is_zero_nudged = true;
    }
    if (model->proba == MR_LINEAR_PROBA_CLIP) model->is_uniform_when_zero = true;
    return MR_OK;
}

/* _RidgeClassifierMixin.predict: the fitted binarizer knows whether there are several labels. */
static mr_status read_multilabel(struct builder *b) {
    const struct mr_object *binarizer = mr_object_attr(b->estimator.object, "_label_binarizer");
    const struct mr_object *type = mr_object_attr(binarizer, "y_type_");
    const struct mr_object *sparse = mr_object_attr(binarizer, "sparse_input_");
    if (!type || type->kind != MR_OBJECT_STR || !sparse || sparse->kind != MR_OBJECT_BOOL) {
        return mr_sk_refuse(&b->estimator, "without a fitted _label_binarizer", b->err);
    }
    b->model->is_multilabel = mr_str_is(type->text, "multilabel-indicator");
    if (b->model->is_multilabel && sparse->boolean)
        return mr_sk_refuse(&b->estimator, "with sparse labels", b->err);
    return MR_OK;
}

/* Before 1.8 classes_ of ridge classifiers was a property: that of the binarizer. */
static mr_status read_labels(struct builder *b) {
    struct mr_sk_estimator owner = b->estimator;
    if (b->model->rule->role == MR_LINEAR_RIDGE_CLASSIFIER && !mr_sk_is_at_least(&owner, 1, 8)) {
        owner.object = mr_object_attr(owner.object, "_label_binarizer");
    }
    return mr_sk_read_labels(&owner, "classes_", b->model->arena, &b->model->labels, b->err);
}

static mr_status read_classifier(struct builder *b) {
    struct mr_engine_model *model = b->model;
    if (model->rule->role == MR_LINEAR_RIDGE_CLASSIFIER) MR_TRY(read_multilabel(b));
    MR_TRY(read_labels(b));
    size_t n_expected = model->labels.n;
    if (n_expected == 2 && !model->is_multilabel) n_expected = 1;
    if (model->n_outputs != n_expected || (model->is_vector && n_expected != 1)) {
        return mr_fail(b->err, MR_E_FORMAT,
                       "%s: coef_ should have %zu rows for %zu classes, but has %zu",
                       b->estimator.name, n_expected, model->labels.n, model->n_outputs);
    }
    model->is_vector = model->n_outputs == 1;
    return choose_proba(b);
}

/* Generalized linear models: the inverse of the link function of the fitted loss. */
static mr_status read_link(struct builder *b) {
    const struct mr_object *loss = mr_object_attr(b->estimator.object, "_base_loss");
    const struct mr_object *link = mr_object_attr(loss, "link");
    b->model->is_log_link = mr_object_is(link, "sklearn._loss.link", "LogLink");
    if (!b->model->is_log_link && !mr_object_is(link, "sklearn._loss.link", "IdentityLink")) {
        return mr_sk_refuse(&b->estimator, "with that link function", b->err);
    }
    b->model->features.dtype = MR_SK_FLOATS;
    return MR_OK;
}

static mr_status read_role(struct builder *b) {
    switch (b->model->rule->role) {
    case MR_LINEAR_REGRESSOR: return MR_OK;
    case MR_LINEAR_GLM:
        if (!b->model->is_vector)
            return mr_sk_refuse(&b->estimator, "with several outputs", b->err);
        return read_link(b);
    case MR_LINEAR_CLASSIFIER:
    case MR_LINEAR_RIDGE_CLASSIFIER: return read_classifier(b);
    case MR_LINEAR_ONE_CLASS: break;
    }
    return b->model->is_vector ? MR_OK
                               : mr_sk_refuse(&b->estimator, "with several outputs", b->err);
}

/* Model ------------------------------------------------------------------------------------- */

static mr_status build(struct builder *b, const struct mr_model_source *source) {
    MR_TRY(mr_sk_open(source, b->model->arena, &b->estimator, b->err));
    const struct mr_object *object = b->estimator.object;
    struct mr_engine_model *model = b->model;
    model->rule = mr_linear_find_class(object->module, object->name);
    if (!model->rule) {
        char type[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s yet",
                       mr_object_describe(object, type, sizeof(type)));
    }
    model->version = mr_arena_strdup(model->arena, mr_str_from(b->estimator.version.text));
    if (!model->version) return mr_arena_fail(model->arena, b->err);
    MR_TRY(mr_sk_check_attributes(&b->estimator, mr_linear_attributes, mr_linear_n_attributes,
                                  b->err));
    MR_TRY(mr_engine_check_signature(source->signature, b->err));
    MR_TRY(read_coef(b));
    if (model->rule->role == MR_LINEAR_ONE_CLASS) {
        MR_TRY(read_intercept(b, "offset_", -1));
    } else {
        MR_TRY(read_intercept(b, "intercept_", 1));
    }
    MR_TRY(read_role(b));
    return mr_sk_choose_method(&b->estimator, source->predict_fn, methods_of(model), &model->method,
                               b->err);
}

mr_status mr_linear_build(const struct mr_model_source *source, struct mr_engine_model **out,
                          struct mr_error *err) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_engine_model *model = arena ? mr_arena_zalloc(arena, sizeof(*model)) : NULL;
    if (!model) {
        mr_arena_free(arena);
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    model->arena = arena;
    struct builder builder = {.model = model, .err = err};
    mr_status status = build(&builder, source);
    if (status != MR_OK) {
        mr_linear_free(model);
        return status;
    }
    *out = model;
    return MR_OK;
}

void mr_linear_free(struct mr_engine_model *model) {
    if (model) mr_arena_free(model->arena);
}
