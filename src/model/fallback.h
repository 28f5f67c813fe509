/* Python's engine beside a native one, for bodies that only MLflow itself can type:
 * Parquet, and odd JSON.
 *
 * It is started when it is first needed, and with one worker. */
#ifndef MR_MODEL_FALLBACK_H
#define MR_MODEL_FALLBACK_H

#include "engine/engine.h"

struct mr_fallback;

/* One for a model for which a native engine was chosen; starts nothing.
 * fingerprint  of the model's files, mr_folder_fingerprint, as the native engine has read them
 * out      in the arena; NULL when the options do not allow Python, or there is none
 * returns  MR_OK, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_fallback_new(const struct mr_model_source *source, uint64_t fingerprint,
                                        struct mr_arena *arena, struct mr_fallback **out,
                                        struct mr_error *err);

/* The engine, which may still be loading: calls wait for it.
 * returns  NULL with what went wrong when it was started; or it could not be, since by now the
 *          files are those of another model
 * threads  any */
const struct mr_engine *mr_fallback_engine(struct mr_fallback *fallback, struct mr_error *err);

/* Ends its processes; no call may be under way. NULL is allowed. */
void mr_fallback_free(struct mr_fallback *take_fallback);

#endif
