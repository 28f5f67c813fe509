#include "engine/xgboost/xgboost.h"

#include "engine/xgboost/xgboost_int.h"

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
    return mr_tree_forest_build(&booster->ensemble, arena, scratch, &model->forest, err);
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

/* Requests to mlflow.sklearn's models have no params: _SklearnModelWrapper.predict drops them. */
static mr_status check_params(const struct mr_model_source *source, struct mr_xgb_model *model,
                              bool *has_rounds, struct mr_error *err) {
    *has_rounds = false;
    if (!model->takes_params) return MR_OK;
    return mr_xgb_call_check(model->wrapper, source->signature, has_rounds, err);
}

static mr_status build(const struct mr_model_source *source, struct mr_xgb_model *model,
                       struct mr_arena *scratch, struct mr_error *err) {
    struct mr_xgb_source found;
    struct mr_xgb_booster booster;
    bool has_rounds = false;
    MR_TRY(mr_engine_check_signature(source->signature, err));
    MR_TRY(mr_xgb_source_open(source, scratch, &found, err));
    model->wrapper = found.wrapper;
    model->class_name = found.class_name;
    model->missing = found.missing;
    model->is_proba = found.is_proba;
    model->takes_params = found.estimator == NULL;
    MR_TRY(check_params(source, model, &has_rounds, err));
    MR_TRY(mr_xgb_booster_read(found.file, scratch, &booster, err));
    MR_TRY(mr_xgb_source_check(&found, &booster, err));
    model->kind = booster.kind;
    model->objective = booster.objective;
    model->n_features = booster.n_features;
    model->n_outputs = booster.n_outputs;
    model->n_classes = booster.n_classes;
    model->version = mr_arena_strdup(model->base.arena, mr_str_from(booster.version));
    if (!model->version) return mr_arena_fail(model->base.arena, err);
    MR_TRY(mr_xgb_input_learn(model, &booster, source->signature, scratch, err));
    return booster.kind == MR_XGB_LINEAR ? build_linear(model, &booster, err)
                                         : build_trees(model, &booster, has_rounds, scratch, err);
}

static mr_status load(const struct mr_model_source *source, struct mr_arena *arena,
                      struct mr_arena *scratch, struct mr_tree_model **out, const char **summary,
                      struct mr_error *err) {
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
    if (model->forest) mr_tree_forest_describe(model->forest, buf);
}

const struct mr_tree_family mr_xgb_family = {
    .flavor = "mlflow.xgboost",
    .package = "xgboost",
    .load = load,
    .describe = describe,
    .predict = mr_xgb_predict,
};
