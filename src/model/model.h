/* A model ready to be asked: MLmodel, signature and the engine chosen for it.
 *
 * Immutable after loading, but for the fallback, which has a lock; all threads share it. */
#ifndef MR_MODEL_MODEL_H
#define MR_MODEL_MODEL_H

#include "engine/engine.h"
#include "model/fallback.h"
#include "model/mlmodel.h"
#include "schema/signature.h"
#include "store/store.h"

struct mr_model {
    struct mr_arena *arena; /* holds everything below but the engine's own memory */
    struct mr_location location;
    const char *path; /* folder of MLmodel: location.folder */
    struct mr_mlmodel mlmodel;
    struct mr_signature signature;
    struct mr_model_source source; /* what engines were told of it */
    struct mr_engine engine;
    struct mr_fallback *fallback; /* beside a native engine; NULL: none */
};

/* Find the model that a URI means (store/store.h), and read what MLflow wrote down about it. The
 * engine is not chosen yet.
 *
 * store    NULL: as the environment says; not kept
 * out      owned by the caller, freed with mr_model_free; untouched on error
 * returns  MR_OK; MR_E_NOT_FOUND, MR_E_IO, MR_E_FORMAT, MR_E_UNSUPPORTED, MR_E_NO_MEMORY, and
 *          others of mr_store_resolve */
MR_MUST_CHECK mr_status mr_model_read(const char *uri, const struct mr_store_options *store,
                                      struct mr_model **out, struct mr_error *err);

/* Find an engine for a model that was read; a native one has loaded it then. Once per model.
 * options  NULL: native engines; must outlive the model
 * returns  MR_OK; MR_E_UNSUPPORTED when no engine can evaluate it, with each engine's reason;
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_model_find_engine(struct mr_model *model,
                                             const struct mr_engine_options *options,
                                             struct mr_error *err);

/* Load the model into the engine that was found, unless it is. It may go on loading
 * afterwards: mr_engine_state_of(&model->engine). MR_E_FORMAT, MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_model_load_engine(struct mr_model *model, struct mr_error *err);

/* All of the above. */
MR_MUST_CHECK mr_status mr_model_load(const char *uri, const struct mr_store_options *store,
                                      const struct mr_engine_options *options,
                                      struct mr_model **out, struct mr_error *err);

void mr_model_free(struct mr_model *model); /* NULL is allowed */

/* Whether the answer to each row depends on that row alone, so that rows may be asked for in other
 * company than they came in. Of a model that Python evaluates only the flavor tells. */
bool mr_model_is_rowwise(const struct mr_model *model);

/* Append what `mlrace explain` prints: path, flavor, signature, the engine, if one was found, why,
 * and why not another; what the engine knows of the model, if it is loaded. */
void mr_model_describe(const struct mr_model *model, struct mr_buf *buf);

#endif
