#include "engine/sktree/sktree.h"

#include <stdio.h>

#include "engine/sktree/sktree_int.h"

static mr_status load(const struct mr_model_source *source, struct mr_arena *arena,
                      struct mr_arena *scratch, struct mr_tree_model **out, const char **summary,
                      struct mr_error *err) {
    struct mr_skt_model *model = NULL;
    MR_TRY(mr_skt_build(source, arena, scratch, &model, err));
    char text[100];
    size_t n_trees = mr_tree_forest_shape(model->forest)->n_trees;
    int size = snprintf(text, sizeof(text), "%s is %zu tree%s", model->type->name, n_trees,
                        n_trees == 1 ? "" : "s");
    *summary = mr_arena_strdup(arena, (struct mr_str){text, (size_t)size});
    if (!*summary) return mr_arena_fail(arena, err);
    *out = &model->base;
    return MR_OK;
}

static void describe(const struct mr_tree_model *base, struct mr_buf *buf) {
    const struct mr_skt_model *model = (const struct mr_skt_model *)base;
    mr_buf_format(buf, "  %s of scikit-learn %s, %zu features", model->type->name, model->version,
                  model->features.n_features);
    if (model->n_targets == 1) {
        mr_buf_format(buf, ", %zu classes of type %s", model->labels[0].n,
                      mr_dtype_name(model->labels[0].dtype));
    } else if (model->n_targets > 1) {
        mr_buf_format(buf, ", %zu targets", model->n_targets);
    } else if (model->n_outputs > 1) {
        mr_buf_format(buf, ", %zu outputs", model->n_outputs);
    }
    mr_buf_char(buf, '\n');
    mr_tree_forest_describe(model->forest, buf);
}

const struct mr_tree_family mr_skt_family = {
    .package = "sklearn",
    .load = load,
    .describe = describe,
    .predict = mr_skt_predict,
};
