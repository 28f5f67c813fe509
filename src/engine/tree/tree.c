#include "engine/tree/tree.h"

#include <stdio.h>

#include "engine/graph.h"
#include "engine/lightgbm/lightgbm.h"
#include "engine/sktree/sktree.h"
#include "engine/xgboost/xgboost.h"

/* A model is bounded by its file; this bounds what a small file can unpack to. */
#define MAX_LOAD_BYTES ((size_t)16 << 30)

/* Adding a family is one line here and a folder. */
static const struct mr_tree_family *const families[] = {
    &mr_xgb_family,
    &mr_lgb_family,
    &mr_skt_family,
};

#define N_FAMILIES (sizeof(families) / sizeof(*families))

/* Whether a class is in a module of that package. */
static bool is_in_package(const struct mr_object *object, const char *package) {
    size_t size = strlen(package);
    return object->kind == MR_OBJECT_INSTANCE && object->module.size > size &&
           memcmp(object->module.data, package, size) == 0 && object->module.data[size] == '.';
}

/* The family of an estimator that mlflow.sklearn saved. */
static mr_status find_by_package(const struct mr_model_source *source,
                                 const struct mr_tree_family **out, struct mr_error *err) {
    const struct mr_graph *graph = NULL;
    if (!source->data_path) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel does not say where the scikit-learn model is");
    }
    MR_TRY(mr_graph_open(source, &graph, err));
    for (size_t i = 0; i < N_FAMILIES; i++) {
        *out = families[i];
        if (families[i]->package && is_in_package(graph->root, families[i]->package)) return MR_OK;
    }
    char type[200];
    return mr_fail(err, MR_E_UNSUPPORTED,
                   "no native engine for %s yet: it is no class of scikit-learn itself",
                   mr_object_describe(graph->root, type, sizeof(type)));
}

static mr_status find_family(const struct mr_model_source *source,
                             const struct mr_tree_family **out, struct mr_error *err) {
    if (mr_str_is(source->flavor, "mlflow.sklearn")) return find_by_package(source, out, err);
    for (size_t i = 0; i < N_FAMILIES; i++) {
        *out = families[i];
        if (families[i]->flavor && mr_str_is(source->flavor, families[i]->flavor)) return MR_OK;
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no trees of the flavor %.*s are evaluated in C yet",
                   MR_STR_ARGS(source->flavor));
}

static mr_status load_model(const struct mr_model_source *source, struct mr_tree_model **out,
                            const char **summary, struct mr_error *err) {
    const struct mr_tree_family *family = NULL;
    MR_TRY(find_family(source, &family, err));
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_arena *scratch = mr_arena_new_large(MAX_LOAD_BYTES);
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
