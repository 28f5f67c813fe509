#include "engine/lightgbm/lightgbm.h"

#include "engine/lightgbm/lightgbm_int.h"

/* Rounds that predict, from the first one (GBDT::InitPredict). A round that is not whole is left
 * out. */
static mr_status find_rounds(const struct mr_lgb_wrapper *wrapper, const struct mr_lgb_file *file,
                             uint32_t *out, struct mr_error *err) {
    size_t n = file->n_trees / file->n_trees_per_round;
    if (n == 0 || n > INT32_MAX) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for LightGBM models with %zu trees and %u in each round",
                       file->n_trees, file->n_trees_per_round);
    }
    *out = (uint32_t)n;
    if (wrapper->best_iteration > 0 && (size_t)wrapper->best_iteration < n) {
        *out = (uint32_t)wrapper->best_iteration;
    }
    return MR_OK;
}

/* Trees of a round and classes differ only where LightGBM would write outside of its memory, or
 * leave some of it as it was. */
static mr_status check_outputs(const struct mr_lgb_wrapper *wrapper, const struct mr_lgb_file *file,
                               struct mr_error *err) {
    if (file->n_classes != file->n_trees_per_round) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for LightGBM models of %u classes with %u trees in each "
                       "round",
                       file->n_classes, file->n_trees_per_round);
    }
    if (wrapper->kind != MR_LGB_CLASSIFIER) return MR_OK;
    size_t n_labels = wrapper->labels.n;
    bool is_sound = wrapper->is_multiclass ? file->n_classes == n_labels
                                           : file->n_classes == 1 && n_labels <= 2;
    if (is_sound) return MR_OK;
    return mr_fail(err, MR_E_UNSUPPORTED,
                   "no native engine for %s with %zu labels around a booster of %u classes",
                   wrapper->class_name, n_labels, file->n_classes);
}

static mr_status build_trees(struct mr_lgb_model *model, const struct mr_lgb_file *file,
                             struct mr_arena *scratch, struct mr_error *err) {
    struct mr_tree_ensemble ensemble;
    struct mr_arena *arena = model->base.arena;
    MR_TRY(mr_lgb_trees_build(file, model->n_rounds, scratch, &ensemble, err));
    bool is_linear = false;
    for (size_t t = 0; t < ensemble.n_trees; t++) is_linear |= file->trees[t].is_linear;
    if (is_linear) return mr_lgb_linear_build(file, &ensemble, arena, scratch, &model->linear, err);
    return mr_tree_forest_build(&ensemble, arena, scratch, &model->forest, err);
}

static mr_status build(const struct mr_model_source *source, struct mr_lgb_model *model,
                       struct mr_arena *scratch, struct mr_error *err) {
    struct mr_lgb_wrapper wrapper;
    struct mr_lgb_file file;
    MR_TRY(mr_engine_check_signature(source->signature, err));
    MR_TRY(mr_lgb_wrapper_read(source, model->base.arena, scratch, &wrapper, err));
    MR_TRY(mr_lgb_parse(wrapper.text, scratch, &file, err));
    MR_TRY(mr_lgb_objective_read(file.objective, file.n_classes, &model->objective, err));
    MR_TRY(find_rounds(&wrapper, &file, &model->n_rounds, err));
    MR_TRY(check_outputs(&wrapper, &file, err));
    model->kind = wrapper.kind;
    model->method = wrapper.method;
    model->class_name = wrapper.class_name;
    model->labels = wrapper.labels;
    model->is_multiclass = wrapper.is_multiclass;
    model->has_pandas_categories = wrapper.has_pandas_categories;
    model->n_features = file.n_features;
    model->n_outputs = file.n_classes;
    model->is_average = file.is_average;
    model->format = mr_arena_strdup(model->base.arena, file.version);
    if (!model->format) return mr_arena_fail(model->base.arena, err);
    return build_trees(model, &file, scratch, err);
}

static mr_status load(const struct mr_model_source *source, struct mr_arena *arena,
                      struct mr_arena *scratch, struct mr_tree_model **out, const char **summary,
                      struct mr_error *err) {
    if (!source->data_path) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel names no file of the LightGBM model");
    }
    struct mr_lgb_model *model = mr_arena_zalloc(arena, sizeof(*model));
    if (!model) return mr_arena_fail(arena, err);
    model->base.arena = arena;
    MR_TRY(build(source, model, scratch, err));
    *summary = "trees of LightGBM";
    *out = &model->base;
    return MR_OK;
}

static void describe(const struct mr_tree_model *base, struct mr_buf *buf) {
    const struct mr_lgb_model *model = (const struct mr_lgb_model *)base;
    mr_buf_format(buf, "  %s of LightGBM, format %s, %s, %u features, %u output%s\n",
                  model->class_name, model->format, model->objective.name, model->n_features,
                  model->n_outputs, model->n_outputs == 1 ? "" : "s");
    if (model->linear) {
        mr_buf_format(buf, "  %zu linear trees with %zu leaves\n",
                      mr_lgb_linear_n_trees(model->linear), mr_lgb_linear_n_leaves(model->linear));
        return;
    }
    mr_tree_forest_describe(model->forest, buf);
}

const struct mr_tree_family mr_lgb_family = {
    .flavor = "mlflow.lightgbm",
    .package = "lightgbm",
    .load = load,
    .describe = describe,
    .predict = mr_lgb_predict,
};
