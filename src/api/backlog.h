/* How much waits for compute threads, and how much may: the limits of --max-queue and
 * --max-queue-delay for what C works on.
 *
 * What is under way counts until it is answered. A request is let in whatever it takes while there
 * is less under way than there are threads. Bytes are no limit here: a body is in memory before it
 * can be refused.
 *
 * threads  any */
#ifndef MR_API_BACKLOG_H
#define MR_API_BACKLOG_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "model/cost.h"

/* Decoding a byte takes so long, until that is learnt. */
#define MR_BACKLOG_FIRST_PS 10000

struct mr_backlog {
    const struct mr_queue_options *limits; /* borrowed */
    unsigned n_threads;
    struct mr_cost decoding; /* of bytes */
    atomic_uint_fast64_t n;  /* requests under way */
    atomic_uint_fast64_t ns; /* processor time that they are expected to take */
};

/* One more, which will take so long.
 * returns  MR_OK: mr_backlog_leave with the same ns follows; MR_E_BUSY */
MR_MUST_CHECK mr_status mr_backlog_enter(struct mr_backlog *backlog, uint64_t ns,
                                         struct mr_error *err);
void mr_backlog_leave(struct mr_backlog *backlog, uint64_t ns);

#endif
