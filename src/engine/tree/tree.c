#include "engine/tree/tree.h"

#include <stdio.h>

#include "engine/sktree/sktree.h"
#include "engine/xgboost/xgboost.h"

/* A model is bounded by its file; this bounds what a small file can unpack to. */
#define MAX_LOAD_BYTES ((size_t)16 << 30)

/* Adding a family is one line here and a folder. */
static const struct mr_tree_family *const families[] = {
    &mr_xgb_family,
    &mr_skt_family,
};

static const struct mr_tree_family *find_family(struct mr_str flavor) {
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        if (mr_str_is(flavor, families[i]->flavor)) return families[i];
    }
    return NULL;
}

static mr_status load_model(const struct mr_model_source *source, struct mr_tree_model **out,
                            const char **summary, struct mr_error *err) {
    const struct mr_tree_family *family = find_family(source->flavor);
    if (!family) {
        return mr_fail(err, MR_E_UNSUPPORTED, "no trees of the flavor %.*s are evaluated in C yet",
                       MR_STR_ARGS(source->flavor));
    }
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_arena *scratch = mr_arena_new(MAX_LOAD_BYTES, NULL);
    mr_status status = MR_E_NO_MEMORY;
    if (arena && scratch) {
        status = family->load(source, arena, scratch, out, summary, err);
    } else {
        mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    mr_arena_free(scratch);
    if (status != MR_OK) {
        mr_arena_free(arena);
        return status;
    }
    (*out)->family = family;
    (*out)->arena = arena;
    return MR_OK;
}

static void probe(const struct mr_model_source *source, struct mr_probe *out) {
    struct mr_error err = {0};
    struct mr_tree_model *model = NULL;
    const char *summary = "";
    if (load_model(source, &model, &summary, &err) != MR_OK) {
        out->score = 0;
        snprintf(out->reason, sizeof(out->reason), "%.*s", (int)sizeof(out->reason) - 1,
                 err.message);
        return;
    }
    out->score = 100;
    snprintf(out->reason, sizeof(out->reason), "%s that C evaluates itself", summary);
    out->model = (struct mr_engine_model *)model;
}

static void unload(struct mr_engine_model *model) {
    if (model) mr_arena_free(((struct mr_tree_model *)model)->arena);
}

static void describe(const struct mr_engine_model *model, struct mr_buf *buf) {
    const struct mr_tree_model *tree_model = (const struct mr_tree_model *)model;
    tree_model->family->describe(tree_model, buf);
}

static mr_status predict(const struct mr_engine_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    const struct mr_tree_model *tree_model = (const struct mr_tree_model *)model;
    return tree_model->family->predict(tree_model, input, arena, out, err);
}

const struct mr_engine_ops mr_tree_engine = {
    .name = "tree",
    .is_native = true,
    .probe = probe,
    .describe = describe,
    .predict = predict,
    .unload = unload,
};
