/* A model with what belongs to it while it serves: what its rows cost, how long loading took, the
 * options it was loaded with. The next version of the same model starts with its own. */
#ifndef MR_MODEL_VERSION_H
#define MR_MODEL_VERSION_H

#include <stdatomic.h>

#include "model/cost.h"
#include "model/model.h"

struct mr_live_slot;

struct mr_version {
    struct mr_model *model;
    struct mr_cost cost;   /* of the model's rows, when its engine is native */
    const char *label;     /* the registered version, else the id of the logged model or of the run;
                              NULL: not known; visible ASCII */
    uint64_t start_ns;     /* mr_clock_ns() when loading began */
    _Atomic double load_s; /* from then to the model being ready; 0 before */
    atomic_bool refuses_example; /* it was seen not to answer the model's own input example */

    /* Private. */
    struct mr_engine_options options;
    void (*loaded)(void *ctx, const struct mr_error *err);
    void *ctx;
    struct mr_live_slot *slot; /* live.h: where requests find it */
};

/* Load the model at a URI. One that Python evaluates goes on loading afterwards.
 * store      its is_cancelled ends loading, too, between two steps of it: MR_E_UNAVAILABLE
 * is_gentle  others are to notice little of it: its files are read at low priority
 * engine   copied; what it points to must outlive the version. Its `loaded` is not used
 * loaded   told once when loading has ended well, or badly (err is not NULL) after MR_OK was
 *          returned: of a native model before this returns, else on a thread of the engine, maybe
 *          before this returns. May be NULL
 * out      owned by the caller, freed with mr_version_free; untouched on error
 * returns  as mr_model_load */
MR_MUST_CHECK mr_status mr_version_load(const char *uri, const struct mr_store_options *store,
                                        const struct mr_engine_options *engine, bool is_gentle,
                                        void (*loaded)(void *ctx, const struct mr_error *err),
                                        void *ctx, struct mr_version **out, struct mr_error *err);

/* No request may have it. NULL is allowed. */
void mr_version_free(struct mr_version *version);

#endif
