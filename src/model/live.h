/* A model that can be replaced while requests are under way: each takes the version that is current
 * and has it until it gives it back; one that was replaced is freed when the last has done so.
 *
 * Taking and giving back never wait, and no two threads write to the same cache line: a request is
 * counted in a shard of its thread. Versions stand in slots, which stay where they are, so that a
 * request may count itself in one that is no longer current, see that, and try again. */
#ifndef MR_MODEL_LIVE_H
#define MR_MODEL_LIVE_H

#include "model/version.h"

/* The current version, and those before it that requests still have. */
#define MR_LIVE_MAX_VERSIONS 8

struct mr_live;

/* returns  NULL: no memory */
struct mr_live *mr_live_new(void);

/* Free all versions. No request may have one. NULL is allowed. */
void mr_live_free(struct mr_live *live);

/* How mr_live_put would end now: for those who have not loaded the version yet. */
MR_MUST_CHECK mr_status mr_live_check_room(struct mr_live *live, struct mr_error *err);

/* Make a version the current one. The one before stays as long as requests have it.
 * take_version  the live model's on MR_OK, else the caller's
 * returns       MR_OK; MR_E_BUSY: requests have too many older versions
 * threads       any */
MR_MUST_CHECK mr_status mr_live_put(struct mr_live *live, struct mr_version *take_version,
                                    struct mr_error *err);

/* The current version; NULL before the first was put. Give it back with mr_live_give, on any
 * thread.  threads: any */
struct mr_version *mr_live_take(struct mr_live *live);
void mr_live_give(struct mr_version *version);

/* Free what was replaced and no request has any more, on this thread, which may take long.
 * returns  how many of the replaced versions requests still have
 * threads  any */
unsigned mr_live_sweep(struct mr_live *live);

#endif
