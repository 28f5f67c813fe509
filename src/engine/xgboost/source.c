/* Where a model is: in a file of its own, which MLflow gives to load_model, or within a
 * scikit-learn wrapper that was pickled or saved by skops (mlflow.sklearn). Who predicts follows
 * from that. */
#include <math.h>

#include "base/file.h"
#include "engine/graph.h"
#include "engine/xgboost/xgboost_int.h"
#include "loader/json.h"
#include "loader/ubjson.h"

struct mr_xgb_class {
    const char *path, *name;
    mr_xgb_wrapper wrapper;
    const char *estimator_type; /* XGBModel._get_type: load_model refuses files of others. NULL: it
                                   takes all; "": only those that do not say */
};

static const struct mr_xgb_class classes[] = {
    {"xgboost.core.Booster", "Booster", MR_XGB_BOOSTER, NULL},
    {"xgboost.sklearn.XGBClassifier", "XGBClassifier", MR_XGB_CLASSIFIER, "classifier"},
    {"xgboost.sklearn.XGBRFClassifier", "XGBRFClassifier", MR_XGB_CLASSIFIER, "classifier"},
    {"xgboost.sklearn.XGBRegressor", "XGBRegressor", MR_XGB_REGRESSOR, "regressor"},
    {"xgboost.sklearn.XGBRFRegressor", "XGBRFRegressor", MR_XGB_REGRESSOR, "regressor"},
    {"xgboost.sklearn.XGBRanker", "XGBRanker", MR_XGB_RANKER, "ranker"},
    {"xgboost.sklearn.XGBModel", "XGBModel", MR_XGB_REGRESSOR, ""},
};

static mr_status find_class(struct mr_str path, const struct mr_xgb_class **out,
                            struct mr_error *err) {
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        *out = &classes[i];
        if (mr_str_is(path, classes[i].path)) return MR_OK;
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %.*s yet", MR_STR_ARGS(path));
}

/* Files ------------------------------------------------------------------------------------- */

static bool has_suffix(const char *path, const char *suffix) {
    size_t size = strlen(path), n = strlen(suffix);
    return size > n && strcmp(path + size - n, suffix) == 0;
}

/* What follows the brace tells which format it is (DispatchModelType in src/c_api/c_api.cc). */
static bool looks_like_json(struct mr_str data) {
    size_t at = 1;
    while (at < data.size && data.data[at] && strchr(" \t\n\v\f\r", data.data[at])) at++;
    return at < data.size && data.data[at] == '"';
}

/* What training knew of the nodes is half of a file. */
static mr_status parse(struct mr_str data, bool is_json, struct mr_arena *arena,
                       const struct mr_object **out, struct mr_error *err) {
    static const char *const unread[] = {"loss_changes", "parents", "sum_hessian", NULL};
    return is_json ? mr_json_object_parse(data, unread, arena, out, err)
                   : mr_ubjson_parse(data, unread, arena, out, err);
}

/* XGBoosterLoadModel in src/c_api/c_api.cc. */
static mr_status open_file(const struct mr_model_source *source, struct mr_arena *arena,
                           struct mr_xgb_source *out, struct mr_error *err) {
    const char *path = source->data_path;
    struct mr_str data = {0};
    /* MLflow before 1.22 did not write the class: it was the booster. */
    struct mr_str class_path = source->model_class.size ? source->model_class
                                                        : mr_str_from(classes[0].path);
    MR_TRY(find_class(class_path, &out->class_, err));
    MR_TRY(mr_file_load(path, MR_FILE_MAX_BYTES, arena, &data, err));
    if (data.size >= 4 && memcmp(data.data, "binf", 4) == 0) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "XGBoost's binary format, which it dropped in 3.1, is not read: an earlier "
                       "version can save the model as .ubj");
    }
    bool is_json = has_suffix(path, ".json") ||
                   (!has_suffix(path, ".ubj") && looks_like_json(data));
    MR_TRY(parse(data, is_json, arena, &out->file, err));
    mr_arena_discard(arena, (void *)(uintptr_t)data.data, data.size);
    return MR_OK;
}

/* Wrappers in object graphs ----------------------------------------------------------------- */

/* `missing`, which reaches XGBoost as the text that json.dumps makes of it. */
static mr_status read_missing(struct mr_xgb_source *s, struct mr_error *err) {
    const struct mr_object *value = mr_object_attr(s->estimator, "missing");
    double missing = NAN;
    if (value && value->kind == MR_OBJECT_FLOAT) missing = value->real;
    if (value && value->kind == MR_OBJECT_INT) missing = (double)value->integer;
    bool is_number = value && (value->kind == MR_OBJECT_FLOAT || value->kind == MR_OBJECT_INT);
    s->missing = (float)missing;
    /* Others may be rounded in several ways. */
    if (is_number && (isnan(missing) || (double)s->missing == missing) && !isinf(missing)) {
        return MR_OK;
    }
    return mr_fail(err, MR_E_UNSUPPORTED,
                   "no native engine for %s whose `missing` is no finite float32 yet",
                   s->class_->name);
}

static mr_status read_method(const struct mr_model_source *source, struct mr_xgb_source *s,
                             struct mr_error *err) {
    s->is_proba = mr_str_is(source->predict_fn, "predict_proba");
    if (source->predict_fn.size == 0 || mr_str_is(source->predict_fn, "predict")) return MR_OK;
    if (s->is_proba && s->class_->wrapper == MR_XGB_CLASSIFIER) return MR_OK;
    return mr_fail(err, MR_E_UNSUPPORTED, "%s has no method %.*s that is evaluated here",
                   s->class_->name, MR_STR_ARGS(source->predict_fn));
}

/* What Booster.__getstate__ put under "handle": model and configuration (LearnerIO::Save in
 * src/learner.cc). No configuration changes predictions. */
static mr_status parse_handle(struct mr_str handle, struct mr_arena *arena, struct mr_xgb_source *s,
                              struct mr_error *err) {
    static const char header[] = "CONFIG-offset:";
    const struct mr_object *root = NULL;
    if (handle.size > sizeof(header) && memcmp(handle.data, header, sizeof(header) - 1) == 0) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "the booster was pickled by XGBoost before 1.6, whose format is not read");
    }
    MR_TRY(parse(handle, looks_like_json(handle), arena, &root, err));
    s->file = mr_object_item(root, "Model");
    if (s->file) return MR_OK;
    return mr_fail(err, MR_E_FORMAT, "the pickled booster of %s has no \"Model\"", s->class_->name);
}

static mr_status open_graph(const struct mr_model_source *source, struct mr_arena *arena,
                            struct mr_xgb_source *out, struct mr_error *err) {
    const struct mr_graph *graph = NULL;
    char path[200];
    MR_TRY(mr_graph_open(source, &graph, err));
    out->estimator = graph->root;
    MR_TRY(find_class(mr_str_from(mr_object_describe(graph->root, path, sizeof(path))),
                      &out->class_, err));
    if (graph->root->instance.args) { /* pickles of wrappers create them without arguments */
        return mr_fail(err, MR_E_UNSUPPORTED, "only Python calls %s with arguments",
                       out->class_->name);
    }
    MR_TRY(read_method(source, out, err));
    MR_TRY(read_missing(out, err));
    const struct mr_object *booster = mr_object_attr(graph->root, "_Booster");
    const struct mr_object *handle = mr_object_attr(booster, "handle");
    if (out->class_->wrapper == MR_XGB_BOOSTER || !booster ||
        !mr_object_is(booster, "xgboost.core", "Booster") || !handle ||
        handle->kind != MR_OBJECT_BYTES) {
        return mr_fail(err, MR_E_UNSUPPORTED, "this %s has no booster: it is not fitted",
                       out->class_->name);
    }
    return parse_handle(handle->text, arena, out, err);
}

static bool is_text(const struct mr_object *object, const char *text) {
    return object && mr_object_is_str(object, text);
}

/* Attributes that decide how a wrapper predicts, and that set_params can change alone. */
static mr_status check_attributes(const struct mr_xgb_source *s,
                                  const struct mr_xgb_booster *booster, struct mr_error *err) {
    const struct mr_object *classes_found = mr_object_attr(s->estimator, "n_classes_");
    const struct mr_object *types = mr_object_attr(s->estimator, "feature_types");
    const char *what = NULL;
    bool is_linear = booster->kind == MR_XGB_LINEAR;
    bool is_softmax = booster->objective->transform == MR_XGB_CLASS;
    uint32_t n_classes = booster->n_classes < 2 ? 2 : booster->n_classes;
    if (is_text(mr_object_attr(s->estimator, "booster"), "gblinear") != is_linear) {
        what = "booster is not that of its model";
    } else if (is_linear && types && types->kind != MR_OBJECT_NONE) {
        what = "feature_types reach a linear booster";
    } else if (s->class_->wrapper == MR_XGB_CLASSIFIER) {
        bool is_asked = is_text(mr_object_attr(s->estimator, "objective"), "multi:softmax");
        if (is_asked != is_softmax) what = "objective is not that of its model";
        if (!classes_found || classes_found->kind != MR_OBJECT_INT ||
            classes_found->integer != n_classes) {
            what = "n_classes_ is not that of its model";
        }
    }
    /* scipy.special.softmax goes by numpy's exp, whose bits depend on the processor. */
    if (s->is_proba && is_softmax) what = "objective is multi:softmax, asked for probabilities,";
    if (!what) return MR_OK;
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s whose %s yet", s->class_->name,
                   what);
}

/* Both -------------------------------------------------------------------------------------- */

mr_status mr_xgb_source_open(const struct mr_model_source *source, struct mr_arena *arena,
                             struct mr_xgb_source *out, struct mr_error *err) {
    *out = (struct mr_xgb_source){.missing = NAN};
    if (!source->data_path) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel names no file of the XGBoost model");
    }
    bool is_graph = mr_str_is(source->flavor, "mlflow.sklearn");
    MR_TRY(is_graph ? open_graph(source, arena, out, err) : open_file(source, arena, out, err));
    out->class_name = out->class_->name;
    out->wrapper = out->class_->wrapper;
    return MR_OK;
}

mr_status mr_xgb_source_check(const struct mr_xgb_source *source,
                              const struct mr_xgb_booster *booster, struct mr_error *err) {
    if (source->estimator) return check_attributes(source, booster, err);
    struct mr_str type = booster->estimator_type;
    if (!source->class_->estimator_type || type.size == 0) return MR_OK;
    if (mr_str_is(type, source->class_->estimator_type)) return MR_OK;
    return mr_fail(err, MR_E_FORMAT, "the model file is of a %.*s, but %s loads it",
                   MR_STR_ARGS(type), source->class_->name);
}
