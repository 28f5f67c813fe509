/* mlflow/lightgbm/__init__.py (_load_model, _LGBModelWrapper), mlflow/sklearn/__init__.py
 * (_SklearnModelWrapper), lightgbm/sklearn.py (LGBMModel, LGBMClassifier), lightgbm/basic.py
 * (Booster.__setstate__, _load_pandas_categorical). */
#include "base/file.h"
#include "engine/graph.h"
#include "engine/lightgbm/lightgbm_int.h"
#include "loader/json.h"

/* Booster ----------------------------------------------------------------------------------- */

/* What json.loads makes of the line is compared with None and asked for its length. */
static mr_status read_pandas_categories(struct mr_str json, struct mr_arena *scratch, bool *out,
                                        struct mr_error *err) {
    const struct mr_object *value = NULL;
    *out = false;
    if (json.size == 0) return MR_OK;
    MR_TRY(mr_json_object_parse(json, NULL, scratch, &value, err));
    if (value->kind == MR_OBJECT_NONE) return MR_OK;
    *out = !(value->kind == MR_OBJECT_LIST && value->list.n == 0) &&
           !(value->kind == MR_OBJECT_ARRAY && value->array.n_values == 0);
    return MR_OK;
}

/* A Booster made of a file has no best iteration. */
static mr_status read_booster_file(const char *path, struct mr_arena *scratch,
                                   struct mr_lgb_wrapper *out, struct mr_error *err) {
    *out = (struct mr_lgb_wrapper){.kind = MR_LGB_BOOSTER, .class_name = "Booster"};
    MR_TRY(mr_file_load(path, MR_FILE_MAX_BYTES, scratch, &out->text, err));
    struct mr_str categories = mr_lgb_find_pandas_categories(out->text);
    return read_pandas_categories(categories, scratch, &out->has_pandas_categories, err);
}

static mr_status fail_attribute(const char *class_name, const char *attribute,
                                const struct mr_object *value, struct mr_error *err) {
    char type[200];
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s with %s in its attribute %s",
                   class_name, mr_object_describe(value, type, sizeof(type)), attribute);
}

/* The Booster inside of a wrapper; before 4.0 its text was called "handle". */
static mr_status read_booster(const struct mr_object *booster, struct mr_lgb_wrapper *out,
                              struct mr_error *err) {
    if (!mr_object_is(booster, "lightgbm.basic", "Booster")) {
        return fail_attribute(out->class_name, "_Booster", booster, err);
    }
    const struct mr_object *text = mr_object_attr(booster, "_handle");
    const struct mr_object *best = mr_object_attr(booster, "best_iteration");
    const struct mr_object *categories = mr_object_attr(booster, "pandas_categorical");
    if (!text) text = mr_object_attr(booster, "handle");
    if (!text || text->kind != MR_OBJECT_STR) {
        return fail_attribute("Booster", "_handle", text, err);
    }
    if (!best || best->kind != MR_OBJECT_INT || best->integer < INT32_MIN ||
        best->integer > INT32_MAX) {
        return fail_attribute("Booster", "best_iteration", best, err);
    }
    if (!categories || (categories->kind != MR_OBJECT_NONE && categories->kind != MR_OBJECT_LIST)) {
        return fail_attribute("Booster", "pandas_categorical", categories, err);
    }
    out->text = text->text;
    out->best_iteration = (int32_t)best->integer;
    out->has_pandas_categories = categories->kind == MR_OBJECT_LIST && categories->list.n > 0;
    return MR_OK;
}

/* Wrapper ----------------------------------------------------------------------------------- */

static const struct {
    const char *class_name;
    mr_lgb_wrapper_kind kind;
} wrappers[] = {
    {"LGBMClassifier", MR_LGB_CLASSIFIER},
    {"LGBMRegressor", MR_LGB_MODEL},
    {"LGBMRanker", MR_LGB_MODEL},
    {"LGBMModel", MR_LGB_MODEL},
};

static bool find_wrapper(const struct mr_object *root, struct mr_lgb_wrapper *out) {
    for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++) {
        if (!mr_object_is(root, "lightgbm.sklearn", wrappers[i].class_name)) continue;
        *out = (struct mr_lgb_wrapper){.kind = wrappers[i].kind,
                                       .class_name = wrappers[i].class_name};
        return root->kind == MR_OBJECT_INSTANCE && !root->instance.args;
    }
    return false;
}

/* Keyword arguments of the constructor go to the booster when it predicts, too; of what it knows
 * these change predictions. */
static mr_status check_arguments(const struct mr_object *root, struct mr_error *err) {
    static const char *const names[] = {"pred_early_stop", "pred_early_stop_freq",
                                        "pred_early_stop_margin", "predict_disable_shape_check"};
    const struct mr_object *others = mr_object_attr(root, "_other_params");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!mr_object_item(others, names[i]) && !mr_object_attr(root, names[i])) continue;
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for LightGBM models with the parameter %s", names[i]);
    }
    return MR_OK;
}

static bool is_multiclass_objective(const struct mr_object *objective) {
    static const char *const names[] = {"multiclass",     "softmax", "multiclassova",
                                        "multiclass_ova", "ova",     "ovr"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (mr_object_is_str(objective, names[i])) return true;
    }
    return false;
}

static mr_status read_classes(const struct mr_object *root, struct mr_arena *arena,
                              struct mr_lgb_wrapper *out, struct mr_error *err) {
    const struct mr_object *encoder = mr_object_attr(root, "_le");
    if (!encoder || encoder->kind != MR_OBJECT_INSTANCE ||
        !mr_str_is(encoder->name, "LabelEncoder")) {
        return fail_attribute(out->class_name, "_le", encoder, err);
    }
    const struct mr_sk_estimator labels = {.object = encoder, .name = "LabelEncoder"};
    MR_TRY(mr_sk_copy_labels(&labels, mr_object_attr(encoder, "classes_"), "classes_", arena,
                             &out->labels, err));
    out->is_multiclass = mr_object_attr(root, "_n_classes")->integer > 2 ||
                         is_multiclass_objective(mr_object_attr(root, "_objective"));
    return MR_OK;
}

/* mlflow.lightgbm calls predict only; mlflow.sklearn what predict_fn names, of which LightGBM's
 * classifier has predict_proba, too. */
static mr_status read_method(const struct mr_model_source *source, struct mr_lgb_wrapper *out,
                             struct mr_error *err) {
    bool is_sklearn = mr_str_is(source->flavor, "mlflow.sklearn");
    out->method = MR_LGB_PREDICT;
    if (source->predict_fn.size == 0 || mr_str_is(source->predict_fn, "predict")) return MR_OK;
    out->method = MR_LGB_PREDICT_PROBA;
    if (is_sklearn && out->kind == MR_LGB_CLASSIFIER &&
        mr_str_is(source->predict_fn, "predict_proba")) {
        return MR_OK;
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for the method %.*s of %s",
                   MR_STR_ARGS(source->predict_fn), out->class_name);
}

/* What LightGBM 4.7.0 needs to predict, and wrappers pickled by versions before 3.1, or 4.0, lack.
 * An objective of the user's own gives sums, whatever the wrapper is. */
static mr_status check_state(const struct mr_object *root, const char *class_name,
                             struct mr_error *err) {
    const struct mr_object *fitted = mr_object_attr(root, "fitted_");
    const struct mr_object *n_classes = mr_object_attr(root, "_n_classes");
    const struct mr_object *objective = mr_object_attr(root, "_objective");
    if (!fitted || fitted->kind != MR_OBJECT_BOOL || !fitted->boolean) {
        return fail_attribute(class_name, "fitted_", fitted, err);
    }
    if (!n_classes || n_classes->kind != MR_OBJECT_INT) {
        return fail_attribute(class_name, "_n_classes", n_classes, err);
    }
    if (!objective || objective->kind != MR_OBJECT_STR) {
        return fail_attribute(class_name, "_objective", objective, err);
    }
    return MR_OK;
}

static mr_status read_wrapper(const struct mr_model_source *source, struct mr_arena *arena,
                              struct mr_lgb_wrapper *out, struct mr_error *err) {
    const struct mr_graph *graph = NULL;
    MR_TRY(mr_graph_open(source, &graph, err));
    const struct mr_object *root = graph->root;
    if (!find_wrapper(root, out)) {
        char type[200];
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s yet",
                       mr_object_describe(root, type, sizeof(type)));
    }
    MR_TRY(check_state(root, out->class_name, err));
    MR_TRY(check_arguments(root, err));
    MR_TRY(read_booster(mr_object_attr(root, "_Booster"), out, err));
    return out->kind == MR_LGB_CLASSIFIER ? read_classes(root, arena, out, err) : MR_OK;
}

mr_status mr_lgb_wrapper_read(const struct mr_model_source *source, struct mr_arena *arena,
                              struct mr_arena *scratch, struct mr_lgb_wrapper *out,
                              struct mr_error *err) {
    /* MLflow before 1.23 did not write the class: it was the booster. */
    bool is_booster = mr_str_is(source->flavor, "mlflow.lightgbm") &&
                      (source->model_class.size == 0 ||
                       mr_str_is(source->model_class, "lightgbm.basic.Booster"));
    MR_TRY(is_booster ? read_booster_file(source->data_path, scratch, out, err)
                      : read_wrapper(source, arena, out, err));
    return read_method(source, out, err);
}
