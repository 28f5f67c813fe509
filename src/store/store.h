/* A model's URI to a folder on this machine.
 *
 * Two steps: `mr_store_resolve` asks what a URI means now, which reads and writes no artifact and
 * is cheap enough to be asked every few seconds; `mr_store_open` brings the files here. URIs and
 * whatever stores answer are untrusted: sizes are bounded, and no name leads out of its folder.
 * All functions are thread-safe; a location belongs to one thread at a time. */
#ifndef MR_STORE_STORE_H
#define MR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* Where to look. All zero: as MLflow's environment variables say. */
struct mr_store_options {
    const char *tracking_uri; /* NULL: MLFLOW_TRACKING_URI, else MLflow's default */
    const char *registry_uri; /* NULL: MLFLOW_REGISTRY_URI, else where runs are */
    uint64_t max_cache_bytes; /* of what was downloaded; 0: MLRACE_CACHE_SIZE, else 10 GiB */
    bool has_progress;        /* draw a bar while files are downloaded, on a terminal */
    /* When a server does not answer, a URI means what it meant the last time, if that is in the
     * cache; a line of the log says so. */
    bool uses_last_known;
    bool is_in_a_hurry; /* servers are tried three times at most */
    /* Asked several times a second, also by several threads at once: true ends a download, and
     * waiting for one. NULL: never. */
    bool (*is_cancelled)(void *ctx);
    void *ctx;
};

/* What a URI means at the moment it was resolved. All texts are in the arena; NULL: not known. */
struct mr_location {
    const char *uri;          /* as it was given */
    const char *artifact_uri; /* where the files are: an absolute or relative path, or a URI */
    const char *folder;       /* on this machine, with MLmodel in it; NULL until it is opened */
    const char *store;        /* that knew of it, fit for messages; NULL: none was asked */
    const char *name, *version, *alias; /* of the model registry */
    const char *run_id, *model_id;      /* of the tracking store */
    /* A text that changes whenever the URI means something else. Of a folder on this machine it
     * stands for the names, sizes and times of what is in it. */
    const char *revision;
    bool can_change; /* an alias, a stage, the latest version, a folder on this machine */
    int held;        /* what mr_store_open holds, 0: nothing */
};

/* Ask what a URI means. Whether the artifacts exist shows only when they are opened: the revision
 * of a folder that is not there is that of an empty one.
 *
 * options  NULL: the environment's; not kept
 * arena    gets all texts of the location
 * out      untouched on error
 * returns  MR_OK; MR_E_INVALID_PARAMETER: no such form of URI; MR_E_NOT_FOUND; MR_E_UNSUPPORTED;
 *          MR_E_UNAVAILABLE, MR_E_IO, MR_E_FORMAT: of a store; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_store_resolve(const char *uri, const struct mr_store_options *options,
                                         struct mr_arena *arena, struct mr_location *out,
                                         struct mr_error *err);

/* Set location->folder. A folder on this machine is used where it is; files elsewhere are
 * downloaded unless the cache has them (store/artifacts.h), and stay there until mr_store_close.
 * returns  MR_OK; statuses as above */
MR_MUST_CHECK mr_status mr_store_open(struct mr_location *location,
                                      const struct mr_store_options *options,
                                      struct mr_arena *arena, struct mr_error *err);

/* Give back what mr_store_open holds: the folder may be removed from now on. Before the arena is
 * freed; of a location that is all zero, or was not opened, nothing is held. */
void mr_store_close(struct mr_location *location);

/* Name a model's URI in an error that has been written, unless it is there, or the URI is a path:
 * of several models, whose fault it is. Returns the status. */
mr_status mr_store_fail(const char *uri, mr_status status, struct mr_error *err);

#endif
