#include "engine/sklearn/estimator.h"

#include <stdlib.h>

#include "engine/graph.h"

/* The versions whose formulas were compared. Predictions of earlier and later ones may differ, and
 * have: 1.8 dropped one-vs-rest LogisticRegression, 1.9 changed the case of all probabilities 0. */
static const struct mr_sk_version oldest = {1, 1, "1.1"};
static const struct mr_sk_version newest = {1, 9, "1.9"};

static bool is_before(struct mr_sk_version a, struct mr_sk_version b) {
    return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

bool mr_sk_is_at_least(const struct mr_sk_estimator *estimator, int major, int minor) {
    return !is_before(estimator->version, (struct mr_sk_version){.major = major, .minor = minor});
}

/* "1.9.1" -> {1, 9}. */
static bool parse_version(const char *text, struct mr_sk_version *out) {
    char *end;
    long major = strtol(text, &end, 10);
    if (end == text || *end != '.') return false;
    const char *rest = end + 1;
    long minor = strtol(rest, &end, 10);
    if (end == rest || major < 0 || major > 999 || minor < 0 || minor > 999) return false;
    *out = (struct mr_sk_version){(int)major, (int)minor, text};
    return true;
}

static mr_status check_version(struct mr_sk_estimator *estimator, struct mr_error *err) {
    const char *text = NULL;
    MR_TRY(mr_sk_text(estimator, "_sklearn_version", &text, err));
    if (!parse_version(text, &estimator->version)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "%s: \"%.100s\" is no version of scikit-learn",
                       estimator->name, text);
    }
    if (is_before(estimator->version, oldest) || is_before(newest, estimator->version)) {
        return mr_fail(
            err, MR_E_UNSUPPORTED,
            "no native engine for scikit-learn %.100s yet: versions %s to %s were compared", text,
            oldest.text, newest.text);
    }
    return MR_OK;
}

mr_status mr_sk_refuse(const struct mr_sk_estimator *estimator, const char *what,
                       struct mr_error *err) {
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s %s yet", estimator->name, what);
}

/* MLflow's wrapper offers predict, predict_proba and predict_log_proba where the estimator has
 * them (mlflow/sklearn/__init__.py, _SklearnModelWrapper), and does not load a model that asks for
 * another; here those are answered as scikit-learn answers them. */
mr_status mr_sk_choose_method(const struct mr_sk_estimator *estimator, struct mr_str predict_fn,
                              unsigned methods, mr_sk_method *out, struct mr_error *err) {
    static const char *const names[] = {"predict", "predict_proba", "predict_log_proba",
                                        "decision_function", "score_samples"};
    if (predict_fn.size == 0) predict_fn = mr_str_from(names[0]);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!mr_str_is(predict_fn, names[i])) continue;
        *out = (mr_sk_method)(1u << i);
        if (methods & *out) return MR_OK;
        return mr_fail(err, MR_E_UNSUPPORTED, "this %s has no method %s that is evaluated here",
                       estimator->name, names[i]);
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s.%.*s yet", estimator->name,
                   MR_STR_ARGS(predict_fn));
}

mr_status mr_sk_open(const struct mr_model_source *source, struct mr_arena *arena,
                     struct mr_sk_estimator *out, struct mr_error *err) {
    if (!mr_str_is(source->flavor, "mlflow.sklearn")) {
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %.*s models yet",
                       MR_STR_ARGS(source->flavor));
    }
    if (!source->data_path) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel does not say where the scikit-learn model is");
    }
    const struct mr_graph *graph = NULL;
    MR_TRY(mr_graph_open(source, &graph, err));
    const struct mr_object *root = graph->root;
    char type[200];
    mr_object_describe(root, type, sizeof(type));
    if (root->kind != MR_OBJECT_INSTANCE || strncmp(type, "sklearn.", 8) != 0) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for %s yet: it is no class of scikit-learn itself", type);
    }
    if (root->instance.args) { /* pickles of estimators create them without arguments */
        return mr_fail(err, MR_E_UNSUPPORTED, "only Python calls %s with arguments", type);
    }
    struct mr_sk_estimator estimator = {.object = root};
    estimator.name = mr_arena_strdup(arena, root->name);
    if (!estimator.name) return mr_arena_fail(arena, err);
    MR_TRY(check_version(&estimator, err));
    /* The first scikit-learn that runs with numpy 2 is 1.4.2. */
    estimator.is_numpy_1 = graph->numpy_major == 1 || !mr_sk_is_at_least(&estimator, 1, 4);
    *out = estimator;
    return MR_OK;
}

static int compare_names(const void *key, const void *element) {
    const struct mr_str *name = key;
    const char *known = *(const char *const *)element;
    size_t size = strlen(known);
    int order = memcmp(name->data, known, name->size < size ? name->size : size);
    if (order != 0) return order;
    return name->size == size ? 0 : name->size < size ? -1 : 1;
}

mr_status mr_sk_check_attributes(const struct mr_sk_estimator *estimator, const char *const *known,
                                 size_t n_known, struct mr_error *err) {
    const struct mr_object *state = estimator->object->instance.state;
    if (!state || state->kind != MR_OBJECT_DICT) {
        return mr_fail(err, MR_E_UNSUPPORTED, "%s has no dict of attributes", estimator->name);
    }
    for (size_t i = 0; i < state->dict.n; i++) {
        const struct mr_object *key = state->dict.keys[i];
        if (key->kind == MR_OBJECT_STR &&
            bsearch(&key->text, known, n_known, sizeof(*known), compare_names)) {
            continue;
        }
        struct mr_str name = key->kind == MR_OBJECT_STR ? key->text : mr_str_from("(no text)");
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for %s with the attribute %.*s yet: it may change "
                       "predictions",
                       estimator->name, MR_STR_ARGS(name));
    }
    return MR_OK;
}

mr_status mr_sk_text(const struct mr_sk_estimator *estimator, const char *attribute,
                     const char **out, struct mr_error *err) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (!object || object->kind != MR_OBJECT_STR ||
        strlen(object->text.data) != object->text.size) {
        char type[200];
        return mr_fail(err, MR_E_UNSUPPORTED, "%s: %s should be a text, but is %s", estimator->name,
                       attribute, mr_object_describe(object, type, sizeof(type)));
    }
    *out = object->text.data;
    return MR_OK;
}

mr_status mr_sk_inside(const struct mr_sk_estimator *outer, const struct mr_object *object,
                       struct mr_arena *arena, struct mr_sk_estimator *out, struct mr_error *err) {
    if (!object || object->kind != MR_OBJECT_INSTANCE) {
        char type[200];
        return mr_fail(err, MR_E_UNSUPPORTED, "%s: %s is no estimator", outer->name,
                       mr_object_describe(object, type, sizeof(type)));
    }
    *out = (struct mr_sk_estimator){
        .object = object, .version = outer->version, .is_numpy_1 = outer->is_numpy_1};
    out->name = mr_arena_strdup(arena, object->name);
    return out->name ? MR_OK : mr_arena_fail(arena, err);
}

bool mr_sk_integer_at(const struct mr_ndarray *array, int64_t i, int64_t *out) {
    if (!array->is_known) return false;
    const void *values = array->values;
    switch (array->dtype) {
    case MR_BOOL:
    case MR_UINT8: *out = ((const uint8_t *)values)[i]; return true;
    case MR_INT8: *out = ((const int8_t *)values)[i]; return true;
    case MR_INT16: *out = ((const int16_t *)values)[i]; return true;
    case MR_UINT16: *out = ((const uint16_t *)values)[i]; return true;
    case MR_INT32: *out = ((const int32_t *)values)[i]; return true;
    case MR_UINT32: *out = ((const uint32_t *)values)[i]; return true;
    case MR_INT64: *out = ((const int64_t *)values)[i]; return true;
    default: return false;
    }
}

static bool read_number(const struct mr_object *object, double *out) {
    if (!object) return false;
    if (object->kind == MR_OBJECT_FLOAT) {
        *out = object->real;
        return true;
    }
    if (object->kind == MR_OBJECT_INT) {
        *out = (double)object->integer;
        return true;
    }
    if (object->kind != MR_OBJECT_ARRAY || object->array.n_values != 1) return false;
    const struct mr_ndarray *array = &object->array;
    int64_t integer;
    if (array->is_known && array->dtype == MR_FLOAT64) {
        *out = *(const double *)array->values;
    } else if (array->is_known && array->dtype == MR_FLOAT32) {
        *out = (double)*(const float *)array->values;
    } else if (mr_sk_integer_at(array, 0, &integer)) {
        *out = (double)integer;
    } else {
        return false;
    }
    return true;
}

mr_status mr_sk_number(const struct mr_sk_estimator *estimator, const char *attribute, double *out,
                       struct mr_error *err) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (read_number(object, out)) return MR_OK;
    char type[200];
    return mr_fail(err, MR_E_UNSUPPORTED, "%s: %s should be a number, but is %s", estimator->name,
                   attribute, mr_object_describe(object, type, sizeof(type)));
}

mr_status mr_sk_list(const struct mr_sk_estimator *estimator, const char *attribute,
                     struct mr_object_list *out, struct mr_error *err) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (object && (object->kind == MR_OBJECT_LIST || object->kind == MR_OBJECT_TUPLE) &&
        object->list.n > 0) {
        *out = object->list;
        return MR_OK;
    }
    char type[200];
    return mr_fail(err, MR_E_UNSUPPORTED, "%s: %s should be a list of something, but is %s",
                   estimator->name, attribute, mr_object_describe(object, type, sizeof(type)));
}

mr_status mr_sk_float_array(const struct mr_sk_estimator *estimator, const char *attribute,
                            const struct mr_ndarray **out, struct mr_error *err) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (!object) {
        return mr_fail(err, MR_E_UNSUPPORTED, "this %s is not fitted: it has no %s",
                       estimator->name, attribute);
    }
    if (object->kind != MR_OBJECT_ARRAY || !mr_object_is(object, "numpy", "ndarray")) {
        char type[200];
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for %s whose %s is %s instead of an array yet",
                       estimator->name, attribute, mr_object_describe(object, type, sizeof(type)));
    }
    const struct mr_ndarray *array = &object->array;
    if (!array->is_known || (array->dtype != MR_FLOAT32 && array->dtype != MR_FLOAT64)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s whose %s has dtype %.*s yet",
                       estimator->name, attribute, MR_STR_ARGS(array->descr));
    }
    if (array->n_dims < 1 || array->n_dims > 2 || array->n_values == 0) {
        return mr_fail(err, MR_E_FORMAT,
                       "%s: %s should have 1 or 2 dimensions and some values, but has %zu and %lld",
                       estimator->name, attribute, array->n_dims, (long long)array->n_values);
    }
    *out = array;
    return MR_OK;
}

mr_status mr_sk_copy_doubles(const struct mr_ndarray *array, struct mr_arena *arena,
                             const double **out, struct mr_error *err) {
    size_t n = (size_t)array->n_values;
    double *copy = mr_arena_array(arena, n, sizeof(*copy));
    if (!copy) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n; i++) {
        copy[i] = array->dtype == MR_FLOAT32 ? (double)((const float *)array->values)[i]
                                             : ((const double *)array->values)[i];
    }
    *out = copy;
    return MR_OK;
}

static mr_status copy_names(const struct mr_sk_estimator *estimator, const struct mr_object *object,
                            size_t n, struct mr_arena *arena, const struct mr_str **out,
                            struct mr_error *err) {
    const struct mr_ndarray *array = &object->array;
    if (object->kind != MR_OBJECT_ARRAY || !array->is_known || array->dtype != MR_OBJECT ||
        array->n_values != (int64_t)n) {
        return mr_fail(err, MR_E_FORMAT, "%s: feature_names_in_ is no array of %zu names",
                       estimator->name, n);
    }
    struct mr_str *names = mr_arena_array(arena, n, sizeof(*names));
    if (!names) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n; i++) {
        const struct mr_object *item = ((const struct mr_object *const *)array->values)[i];
        if (item->kind != MR_OBJECT_STR) {
            return mr_fail(err, MR_E_FORMAT, "%s: feature_names_in_[%zu] is no text",
                           estimator->name, i);
        }
        char *copy = mr_arena_strdup(arena, item->text);
        if (!copy) return mr_arena_fail(arena, err);
        names[i] = (struct mr_str){copy, item->text.size};
    }
    *out = names;
    return MR_OK;
}

mr_status mr_sk_read_features(const struct mr_sk_estimator *estimator, size_t n_features,
                              struct mr_arena *arena, struct mr_sk_feature_spec *out,
                              struct mr_error *err) {
    const struct mr_object *count = mr_object_attr(estimator->object, "n_features_in_");
    if (!count || count->kind != MR_OBJECT_INT || count->integer != (int64_t)n_features) {
        return mr_fail(err, MR_E_FORMAT,
                       "%s: n_features_in_ is missing or is not %zu, as the rest of it says",
                       estimator->name, n_features);
    }
    const struct mr_object *names = mr_object_attr(estimator->object, "feature_names_in_");
    *out = (struct mr_sk_feature_spec){
        .n_features = n_features,
        .is_mix_of_names_forbidden = mr_sk_is_at_least(estimator, 1, 2),
        .is_duplicate_forbidden = mr_sk_is_at_least(estimator, 1, 9),
    };
    out->estimator = mr_arena_strdup(arena, mr_str_from(estimator->name));
    if (!out->estimator) return mr_arena_fail(arena, err);
    return names ? copy_names(estimator, names, n_features, arena, &out->names, err) : MR_OK;
}
