/* A model under the name by which clients ask for it. */
#ifndef MR_API_SERVED_H
#define MR_API_SERVED_H

#include <stdatomic.h>

#include "api/metrics.h"
#include "model/keeper.h"
#include "model/live.h"

struct mr_endpoints;

struct mr_served {
    const char *name; /* MR_SERVED_ONLY, or given by the operator */
    bool is_named;    /* so it was: answers, logs and metrics tell the name */
    const char *uri;  /* as it was given */
    size_t number;    /* its place among the models */
    struct mr_live *live;
    struct mr_keeper *keeper; /* NULL: the version stays the same */
    struct mr_endpoints *endpoints;

    /* For metrics: requests whose clients left before there was an answer, and those whose time was
     * over, by the stage they were in. */
    atomic_uint_fast64_t n_cancelled, n_late[MR_N_STAGES];
};

/* The name of the only model when the operator has given it none. */
#define MR_SERVED_ONLY "default"

/* The state of the current version.  threads: any */
mr_engine_state mr_served_state(const struct mr_served *served);

/* "ready", "loading", "down" or "failed". */
const char *mr_served_state_name(mr_engine_state state);

/* The model's URI as anybody may see it: without what may be a password.
 * returns  out, NUL-terminated; what does not fit is cut */
#define MR_SERVED_URI_BYTES 1024
const char *mr_served_uri(const struct mr_served *served, char out[MR_SERVED_URI_BYTES]);

#endif
