/* A pool of Python processes that answer calls.
 *
 * One thread of the pool watches the processes, their sockets and what they print; it starts them,
 * replaces those that end, reads their answers and tells them. A call is sent by the thread that
 * asks it where a worker is free. Errors of calls: MR_E_UNAVAILABLE where there is no model yet or
 * its worker ended, MR_E_DEADLINE; a model's own are an answer.
 *
 * A process may have several pools, which come and go; together they wait for any child of it
 * (reaper.h). */
#ifndef MR_ENGINE_PYPROC_POOL_H
#define MR_ENGINE_PYPROC_POOL_H

#include "engine/engine.h"
#include "engine/pyproc/command.h"

struct mr_pool;

struct mr_pool_options {
    struct mr_command command; /* starts a host; what it points to must outlive the pool */
    const char *folder;        /* of the model that it loads; must outlive the pool, too */
    uint64_t fingerprint;      /* see mr_model_source */
    unsigned n_workers;        /* >= 1 */
    unsigned timeout_ms;       /* of a call; 0: none */
    bool is_nan_literal;
    bool is_waiting; /* calls wait for a model that is loading */
    struct mr_queue_options queue;
    bool has_rows; /* the first size of the model's tensors is a number of rows */
    void (*loaded)(void *ctx, const struct mr_error *err); /* see mr_python_options; may be NULL */
    void *ctx;
};

/* Start a pool, which goes on loading. Blocks SIGCHLD on the calling thread; threads that exist
 * already should block it too, and later ones do by that.
 * returns  MR_OK, MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pool_new(const struct mr_pool_options *options, struct mr_pool **out,
                                    struct mr_error *err);

/* End all processes and wait for them. No call may be under way; not from within a callback. */
void mr_pool_free(struct mr_pool *pool);

/* See mr_engine_ask, _check_room, _cancel, _pause, _state_of, _warm_up_of, _stats_of.
 * threads: any */
void mr_pool_ask(struct mr_pool *pool, struct mr_call *call);
MR_MUST_CHECK mr_status mr_pool_check_room(struct mr_pool *pool, struct mr_error *err);
bool mr_pool_cancel(struct mr_pool *pool, struct mr_call *call);
void mr_pool_pause(struct mr_pool *pool, struct mr_call *call, bool is_paused);
mr_engine_state mr_pool_state(const struct mr_pool *pool);
mr_warm_up mr_pool_warm_up(struct mr_pool *pool, struct mr_error *err);
void mr_pool_stats(struct mr_pool *pool, struct mr_engine_stats *out);

/* A line on what was loaded; on an empty buffer before that nothing. */
void mr_pool_describe(struct mr_pool *pool, struct mr_buf *buf);

#endif
