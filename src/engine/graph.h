/* The object graph of a model's file (loader/object.h), read once for all engines that probe the
 * model: reading takes the most of a start. */
#ifndef MR_ENGINE_GRAPH_H
#define MR_ENGINE_GRAPH_H

#include "engine/engine.h"
#include "loader/object.h"

struct mr_graph {
    const struct mr_object *root;
    int numpy_major; /* 1 or 2: the numpy whose arrays it holds; 0: not known */
};

/* The graph of source->data_path, in the format that source->serialization_format names. It lives
 * until the probe returns, so copy what is kept.
 * returns  MR_OK; MR_E_UNSUPPORTED (a format that is not read here, or the file needs Python);
 *          MR_E_IO, MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_graph_open(const struct mr_model_source *source,
                                      const struct mr_graph **out, struct mr_error *err);

/* What mr_engine_find gives the probes as source->shared. */
struct mr_graph_file {
    struct mr_arena *arena; /* NULL: not read yet */
    struct mr_graph graph;
    struct mr_error err; /* how reading went */
};

void mr_graph_file_deinit(struct mr_graph_file *file);

#endif
