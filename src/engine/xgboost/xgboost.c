#include "engine/xgboost/xgboost.h"

#include "engine/xgboost/xgboost_int.h"
#include "loader/file.h"
#include "loader/json.h"
#include "loader/ubjson.h"

/* File -------------------------------------------------------------------------------------- */

static bool has_suffix(const char *path, const char *suffix) {
    size_t size = strlen(path), n = strlen(suffix);
    return size > n && strcmp(path + size - n, suffix) == 0;
}

/* XGBoost itself goes by the suffix (Learner::LoadModel in src/c_api/c_api.cc). */
static mr_status parse_file(const char *path, struct mr_arena *scratch,
                            const struct mr_object **out, struct mr_error *err) {
    bool is_json = has_suffix(path, ".json");
    if (!is_json && !has_suffix(path, ".ubj")) {
        return mr_fail(
            err, MR_E_UNSUPPORTED,
            "no native engine for XGBoost models in files other than .ubj and .json yet");
    }
    struct mr_str data;
    MR_TRY(mr_file_load(path, scratch, &data, err));
    mr_status status = is_json ? mr_json_object_parse(data, scratch, out, err)
                               : mr_ubjson_parse(data, scratch, out, err);
    mr_arena_discard(scratch, (void *)(uintptr_t)data.data, data.size);
    return status;
}

/* Wrapper ----------------------------------------------------------------------------------- */

struct wrapper {
    const char *class_path, *class_name;
    mr_xgb_wrapper wrapper;
    const char *estimator_type; /* XGBModel._get_type: load_model refuses files of others */
};

static const struct wrapper wrappers[] = {
    {"xgboost.core.Booster", "Booster", MR_XGB_BOOSTER, NULL},
    {"xgboost.sklearn.XGBClassifier", "XGBClassifier", MR_XGB_CLASSIFIER, "classifier"},
    {"xgboost.sklearn.XGBRFClassifier", "XGBRFClassifier", MR_XGB_CLASSIFIER, "classifier"},
    {"xgboost.sklearn.XGBRegressor", "XGBRegressor", MR_XGB_REGRESSOR, "regressor"},
    {"xgboost.sklearn.XGBRFRegressor", "XGBRFRegressor", MR_XGB_REGRESSOR, "regressor"},
    {"xgboost.sklearn.XGBRanker", "XGBRanker", MR_XGB_REGRESSOR, "ranker"},
};

/* MLflow before 1.22 did not write the class: it was the booster. */
static mr_status find_wrapper(struct mr_str model_class, const struct wrapper **out,
                              struct mr_error *err) {
    if (model_class.size == 0) {
        *out = &wrappers[0];
        return MR_OK;
    }
    for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++) {
        *out = &wrappers[i];
        if (mr_str_is(model_class, wrappers[i].class_path)) return MR_OK;
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %.*s yet",
                   MR_STR_ARGS(model_class));
}

static mr_status check_type(const struct wrapper *wrapper, const struct mr_xgb_booster *booster,
                            struct mr_error *err) {
    if (!wrapper->estimator_type || booster->estimator_type.size == 0) return MR_OK;
    if (mr_str_is(booster->estimator_type, wrapper->estimator_type)) return MR_OK;
    return mr_fail(err, MR_E_FORMAT, "the model file is of a %.*s, but %s loads it",
                   MR_STR_ARGS(booster->estimator_type), wrapper->class_name);
}

/* Trees ------------------------------------------------------------------------------------- */

/* Dart multiplies each tree's prediction, which a DMatrix starts at 0 and a prediction in place at
 * the base score, which is then subtracted (Dart::PredictBatchImpl, Dart::InplacePredict). */
static float weigh(float leaf, float weight, float start, bool is_in_place) {
    float prediction = start + leaf;
    return (is_in_place ? prediction - start : prediction) * weight;
}

static void weigh_leaves(const struct mr_xgb_booster *booster, bool is_in_place) {
    const struct mr_tree_ensemble *ensemble = &booster->ensemble;
    double *values = (double *)(uintptr_t)ensemble->values;
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        const struct mr_tree *tree = &ensemble->trees[t];
        float start = is_in_place ? booster->base[tree->output] : 0;
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            if (tree->nodes[i].kind != MR_TREE_LEAF) continue;
            double *value = &values[tree->nodes[i].index];
            *value = (double)weigh((float)*value, booster->tree_weights[t], start, is_in_place);
        }
    }
}

/* Trees after the round at which early stopping found its best are never asked by the wrappers. */
static mr_status find_end(struct mr_xgb_model *model, struct mr_xgb_booster *booster,
                          bool has_rounds, struct mr_error *err) {
    model->end_round = 0;
    if (model->wrapper == MR_XGB_BOOSTER || booster->best_iteration < 0) return MR_OK;
    if ((uint32_t)booster->best_iteration >= booster->n_rounds) {
        return mr_fail(err, MR_E_FORMAT, "best_iteration is %d, but there are %u rounds",
                       booster->best_iteration, booster->n_rounds);
    }
    model->end_round = (uint32_t)booster->best_iteration + 1;
    if (!has_rounds) {
        model->n_rounds = model->end_round;
        booster->ensemble.n_trees = booster->round_starts[model->end_round];
    }
    return MR_OK;
}

static mr_status build_trees(struct mr_xgb_model *model, struct mr_xgb_booster *booster,
                             bool has_rounds, struct mr_arena *scratch, struct mr_error *err) {
    struct mr_arena *arena = model->base.arena;
    if (booster->kind == MR_XGB_DART) {
        if (booster->ensemble.has_vector_leaves) {
            return mr_fail(err, MR_E_UNSUPPORTED, "dart has no trees with several values a leaf");
        }
        weigh_leaves(booster, mr_xgb_is_in_place(model));
    }
    model->n_rounds = booster->n_rounds;
    MR_TRY(find_end(model, booster, has_rounds, err));
    size_t n_starts = (size_t)model->n_rounds + 1;
    uint32_t *starts = mr_arena_array(arena, n_starts, sizeof(*starts));
    if (!starts) return mr_arena_fail(arena, err);
    memcpy(starts, booster->round_starts, n_starts * sizeof(*starts));
    model->round_starts = starts;
    return mr_tree_forest_build(&booster->ensemble, has_rounds, arena, scratch, &model->forest,
                                err);
}

/* Linear ------------------------------------------------------------------------------------ */

/* All outputs start with the base score of the first (GBLinear::PredictBatchInternal). */
static mr_status build_linear(struct mr_xgb_model *model, const struct mr_xgb_booster *booster,
                              struct mr_error *err) {
    struct mr_arena *arena = model->base.arena;
    size_t n_weights = (size_t)booster->n_features * booster->n_outputs;
    float *weights = mr_arena_array(arena, n_weights, sizeof(*weights));
    float *intercepts = mr_arena_array(arena, booster->n_outputs, sizeof(*intercepts));
    if (!weights || !intercepts) return mr_arena_fail(arena, err);
    if (n_weights) memcpy(weights, booster->weights, n_weights * sizeof(*weights));
    for (uint32_t k = 0; k < booster->n_outputs; k++) {
        intercepts[k] = booster->weights[n_weights + k] + booster->base[0];
    }
    model->weights = weights;
    model->intercepts = intercepts;
    return MR_OK;
}

/* Model ------------------------------------------------------------------------------------- */

static mr_status copy_names(struct mr_xgb_model *model, const struct mr_xgb_booster *booster,
                            struct mr_error *err) {
    struct mr_arena *arena = model->base.arena;
    struct mr_str *names = mr_arena_array(arena, booster->n_names, sizeof(*names));
    if (!names) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < booster->n_names; i++) {
        const char *copy = mr_arena_strdup(arena, booster->names[i]);
        if (!copy) return mr_arena_fail(arena, err);
        names[i] = (struct mr_str){copy, booster->names[i].size};
    }
    model->n_names = booster->n_names;
    model->names = names;
    return MR_OK;
}

static mr_status build(const struct mr_model_source *source, struct mr_xgb_model *model,
                       struct mr_arena *scratch, struct mr_error *err) {
    const struct wrapper *wrapper = NULL;
    const struct mr_object *file = NULL;
    struct mr_xgb_booster booster;
    bool has_rounds = false;
    MR_TRY(find_wrapper(source->model_class, &wrapper, err));
    MR_TRY(mr_xgb_call_check(wrapper->wrapper, source->signature, &has_rounds, err));
    MR_TRY(mr_engine_check_signature(source->signature, err));
    MR_TRY(parse_file(source->data_path, scratch, &file, err));
    MR_TRY(mr_xgb_booster_read(file, scratch, &booster, err));
    MR_TRY(check_type(wrapper, &booster, err));
    model->wrapper = wrapper->wrapper;
    model->class_name = wrapper->class_name;
    model->kind = booster.kind;
    model->objective = booster.objective;
    model->n_features = booster.n_features;
    model->n_outputs = booster.n_outputs;
    model->n_classes = booster.n_classes;
    model->version = mr_arena_strdup(model->base.arena, mr_str_from(booster.version));
    if (!model->version) return mr_arena_fail(model->base.arena, err);
    MR_TRY(copy_names(model, &booster, err));
    return booster.kind == MR_XGB_LINEAR ? build_linear(model, &booster, err)
                                         : build_trees(model, &booster, has_rounds, scratch, err);
}

static mr_status load(const struct mr_model_source *source, struct mr_arena *arena,
                      struct mr_arena *scratch, struct mr_tree_model **out, const char **summary,
                      struct mr_error *err) {
    if (!source->data_path) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel names no file of the XGBoost model");
    }
    struct mr_xgb_model *model = mr_arena_zalloc(arena, sizeof(*model));
    if (!model) return mr_arena_fail(arena, err);
    model->base.arena = arena;
    MR_TRY(build(source, model, scratch, err));
    *summary = model->kind == MR_XGB_LINEAR ? "a linear booster of XGBoost" : "trees of XGBoost";
    *out = &model->base;
    return MR_OK;
}

static void describe(const struct mr_tree_model *base, struct mr_buf *buf) {
    const struct mr_xgb_model *model = (const struct mr_xgb_model *)base;
    mr_buf_format(buf, "  %s of XGBoost %s, %s, %u features, %u output%s\n", model->class_name,
                  model->version, model->objective->name, model->n_features, model->n_outputs,
                  model->n_outputs == 1 ? "" : "s");
    if (!model->forest) return;
    const struct mr_tree_shape *shape = mr_tree_forest_shape(model->forest);
    mr_buf_format(buf, "  %zu trees with %zu leaves; kernel %s\n", shape->n_trees, shape->n_leaves,
                  shape->kernel);
}

const struct mr_tree_family mr_xgb_family = {
    .flavor = "mlflow.xgboost",
    .load = load,
    .describe = describe,
    .predict = mr_xgb_predict,
};
