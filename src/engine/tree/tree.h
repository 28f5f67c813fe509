/* The engine `tree`: models that are sums over decision trees, evaluated in C.
 *
 * A family is what one library makes of such models: how its files are read, what its inputs must
 * be, what happens to the sums. The trees themselves are a forest (forest.h) in all of them. */
#ifndef MR_ENGINE_TREE_TREE_H
#define MR_ENGINE_TREE_TREE_H

#include "engine/engine.h"

extern const struct mr_engine_ops mr_tree_engine;

/* A family's loaded model begins with this. */
struct mr_tree_model {
    const struct mr_tree_family *family;
    struct mr_arena *arena; /* holds the model */
};

struct mr_tree_family {
    const char *flavor; /* the loader module of its models: "mlflow.xgboost"; NULL: none */
    /* The Python package of its estimators, which mlflow.sklearn saves as an object graph
     * (engine/graph.h): "xgboost"; NULL: none. */
    const char *package;
    /* Read, check and build a model. arena: the model's; the engine frees it, also after an error.
     * scratch: temporary data. *summary: a few words on the model, for `mlrace explain`; in the
     * arena. returns  MR_OK; MR_E_UNSUPPORTED when the library's answers cannot be reproduced;
     * MR_E_FORMAT, MR_E_IO, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
    mr_status (*load)(const struct mr_model_source *source, struct mr_arena *arena,
                      struct mr_arena *scratch, struct mr_tree_model **out, const char **summary,
                      struct mr_error *err);
    /* As in mr_engine_ops. */
    void (*describe)(const struct mr_tree_model *model, struct mr_buf *buf);
    mr_status (*predict)(const struct mr_tree_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err);
};

#endif
