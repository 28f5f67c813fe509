/* A model ready to be asked: MLmodel, signature and the engine chosen for it.
 *
 * Immutable after loading; all threads share it. */
#ifndef MR_MODEL_MODEL_H
#define MR_MODEL_MODEL_H

#include "engine/engine.h"
#include "model/mlmodel.h"
#include "schema/signature.h"

struct mr_model {
    struct mr_arena *arena; /* holds everything below but the engine's own memory */
    const char *path;       /* folder of MLmodel */
    struct mr_mlmodel mlmodel;
    struct mr_signature signature;
    struct mr_engine engine;
};

/* Load the model at a URI: a path or file:// (other schemes are refused with a hint).
 * out      owned by the caller, freed with mr_model_free; untouched on error
 * returns  MR_OK; MR_E_NOT_FOUND, MR_E_IO, MR_E_FORMAT; MR_E_UNSUPPORTED when no engine can
 *          evaluate it, with each engine's reason; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_model_load(const char *uri, struct mr_model **out, struct mr_error *err);

void mr_model_free(struct mr_model *model); /* NULL is allowed */

/* Append what `mlrace explain` prints: path, flavor, signature, engine and why. */
void mr_model_describe(const struct mr_model *model, struct mr_buf *buf);

#endif
