/* What the files of the pool share. Without another word, for the pool's thread alone. */
#ifndef MR_ENGINE_PYPROC_POOL_INT_H
#define MR_ENGINE_PYPROC_POOL_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/pyproc/calls.h"
#include "engine/pyproc/peer.h"
#include "engine/pyproc/pool.h"

/* When to start something again that keeps ending: at once, then ever later. */
struct mr_restart {
    unsigned n_failures; /* since it last worked */
    int64_t at_us;       /* MR_NEVER_US: it is there, or has been tried */
};

/* The place of a worker, and who fills it. */
struct mr_worker {
    unsigned number;
    struct mr_peer *peer; /* NULL: nobody */
    struct mr_restart restart;
};

struct mr_pool {
    struct mr_pool_options options;
    pthread_t thread;
    int epoll;
    int wake;     /* eventfd */
    int children; /* of mr_reaper_open */
    struct mr_watch wake_watch, children_watch;

    struct mr_peer *peers;    /* all that live or are to be reaped */
    struct mr_peer *template; /* the host that forks workers, or the first one; NULL: none */
    struct mr_restart template_restart;
    struct mr_worker *workers; /* options.n_workers; lanes[i] is that of workers[i] */
    struct mr_lane *lanes;
    bool can_fork;    /* known when has_loaded */
    uint64_t mlmodel; /* fingerprint of the file when the pool began */
    int64_t due_us;   /* nothing is to be done before */
    char *datagram;   /* buffer of what is received */

    atomic_bool has_loaded; /* a model, once: calls may wait for a worker */
    atomic_int state;       /* mr_engine_state */
    bool is_told;           /* options.loaded was called */

    pthread_mutex_t lock; /* protects what follows, and the lanes */
    pthread_cond_t chunk_told;
    struct mr_calls calls;
    struct mr_ticket *chunk_ticket; /* its call is being told a chunk, without the lock */
    struct mr_loaded loaded;        /* what the latest host said; has_loaded */
    struct mr_error failure;        /* MR_ENGINE_FAILED */
    uint64_t n_replaced;            /* workers that ended, and were or are to be */
    int64_t wait_until_us;          /* how long the pool's thread sleeps */
    bool is_stopping;
};

int64_t mr_pool_now_us(void);

/* Have mr_pool_on_time called at a time. */
static inline void mr_pool_due(struct mr_pool *pool, int64_t at_us) {
    if (at_us < pool->due_us) pool->due_us = at_us;
}

static inline struct mr_lane *mr_pool_lane(struct mr_pool *pool, const struct mr_worker *worker) {
    return &pool->lanes[worker->number];
}

/* --- workers.c: which processes there are to be --- */

/* Start the first host. */
void mr_pool_begin(struct mr_pool *pool);

/* Start the hosts and workers that are due. */
void mr_pool_start_due(struct mr_pool *pool, int64_t now_us);

/* A peer has ended, or was given up: have another take its place.
 * how  what happened to it, to go behind "the process": "ended with exit code 1" */
void mr_pool_replace(struct mr_pool *pool, struct mr_peer *peer, const char *how);

/* A message of a peer that has said something.
 * returns  MR_OK; MR_E_UNSUPPORTED: the peer says that it cannot go on; MR_E_FORMAT,
 * MR_E_NO_MEMORY: it cannot be trusted, or used, any more */
MR_MUST_CHECK mr_status mr_pool_on_message(struct mr_pool *pool, struct mr_peer *peer,
                                           const struct mr_message *message, struct mr_error *err);

/* --- endings.c: what happens to the processes there are --- */

/* A peer's socket, process or output has something. */
void mr_pool_on_peer(struct mr_pool *pool, const struct mr_watch *watch, uint32_t events);

/* Kill a peer that is of no use any more, and replace it. how: as above. */
void mr_pool_expel(struct mr_pool *pool, struct mr_peer *peer, const char *how);

/* The process of a peer has ended; how is known, or will be in a moment. */
void mr_pool_on_ended(struct mr_pool *pool, struct mr_peer *peer);

/* Do what is due with peers and calls. */
void mr_pool_on_time(struct mr_pool *pool, int64_t now_us);

/* Find out which processes have ended, once some have.  returns: false, there are no more children
 */
bool mr_pool_reap(struct mr_pool *pool);

/* Free peers that are done; when no event that names them can be left. */
void mr_pool_sweep(struct mr_pool *pool);

/* Kill all, wait for them. */
void mr_pool_shut_down(struct mr_pool *pool);

/* --- answers.c: what workers say --- */

/* A message of a worker that has a lane.
 * returns  MR_OK; MR_E_FORMAT: it is malformed, and the worker not to be trusted */
MR_MUST_CHECK mr_status mr_pool_on_answer(struct mr_pool *pool, struct mr_lane *lane,
                                          const struct mr_message *message, struct mr_error *err);

#endif
