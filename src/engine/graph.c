#include "engine/graph.h"

#include "loader/pickle.h"
#include "loader/skops.h"

/* A model is bounded by its file; this bounds what a small file can unpack to. */
#define MAX_GRAPH_BYTES ((size_t)8 << 30)

/* cloudpickle writes pickles, too. */
static mr_status read_file(const struct mr_model_source *source, struct mr_arena *arena,
                           struct mr_graph *out, struct mr_error *err) {
    struct mr_str format = source->serialization_format;
    if (mr_str_is(format, "skops")) {
        struct mr_skops skops = {0};
        MR_TRY(mr_skops_load(source->data_path, NULL, arena, &skops, err));
        *out = (struct mr_graph){.root = skops.root};
        return MR_OK;
    }
    if (mr_str_is(format, "pickle") || mr_str_is(format, "cloudpickle")) {
        struct mr_pickle pickle = {0};
        MR_TRY(mr_pickle_load(source->data_path, arena, &pickle, err));
        *out = (struct mr_graph){.root = pickle.root, .numpy_major = pickle.numpy_major};
        return MR_OK;
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "models stored as %.*s are not known",
                   MR_STR_ARGS(format));
}

mr_status mr_graph_open(const struct mr_model_source *source, const struct mr_graph **out,
                        struct mr_error *err) {
    struct mr_graph_file *file = source->shared;
    if (!file->arena) {
        file->arena = mr_arena_new_large(MAX_GRAPH_BYTES);
        if (!file->arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
        file->err.status = read_file(source, file->arena, &file->graph, &file->err);
    }
    if (file->err.status != MR_OK) {
        return mr_fail(err, file->err.status, "%s", file->err.message);
    }
    *out = &file->graph;
    return MR_OK;
}

void mr_graph_file_deinit(struct mr_graph_file *file) {
    mr_arena_free(file->arena);
    *file = (struct mr_graph_file){0};
}
