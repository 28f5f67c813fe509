/* Which processes the pool is to have: hosts and workers come to be, and take the place of others.
 */
#include <stdio.h>

#include "base/log.h"
#include "engine/pyproc/pool_int.h"
#include "store/folder.h"

#define FORK_US 30000000    /* for a host to fork */
#define MIN_DELAY_US 100000 /* before something that keeps ending is started again */
#define MAX_DELAY_US 30000000
#define LONG_LIFE_US 60000000 /* what has lived so long did not fail at once */

/* --- what is known of them -------------------------------------------------------------------- */

/* "worker 3", for the log. */
struct name {
    char text[24];
};

static struct name name_of(const struct mr_pool *pool, const struct mr_worker *worker) {
    struct name name;
    if (worker) {
        snprintf(name.text, sizeof(name.text), "worker %u", worker->number);
    } else {
        snprintf(name.text, sizeof(name.text), "%s", pool->can_fork ? "template" : "host");
    }
    return name;
}

static void add_peer(struct mr_pool *pool, struct mr_peer *peer) {
    peer->next = pool->peers;
    pool->peers = peer;
}

/* Under the lock. */
static void update_state(struct mr_pool *pool) {
    mr_engine_state state = pool->is_told ? MR_ENGINE_DOWN : MR_ENGINE_LOADING;
    for (unsigned i = 0; i < pool->options.n_workers; i++) {
        if (pool->lanes[i].socket >= 0) state = MR_ENGINE_READY;
    }
    atomic_store(&pool->state, state);
}

static void tell_loaded(struct mr_pool *pool, const struct mr_error *err) {
    if (pool->is_told) return;
    pool->is_told = true;
    if (pool->options.loaded) pool->options.loaded(pool->options.ctx, err);
}

/* For good, since nothing of the model has ever worked. */
static void fail_loading(struct mr_pool *pool, const struct mr_error *err) {
    pthread_mutex_lock(&pool->lock);
    pool->failure = *err;
    pthread_mutex_unlock(&pool->lock);
    atomic_store(&pool->state, MR_ENGINE_FAILED);
    tell_loaded(pool, err);
}

/* When to start again what has ended after such a life; says so in *when, for the log. */
static void plan_restart(struct mr_pool *pool, struct mr_restart *restart, bool has_worked,
                         char when[32]) {
    if (has_worked) restart->n_failures = 0;
    int64_t delay_us = 0;
    if (restart->n_failures > 0) {
        unsigned doublings = restart->n_failures - 1;
        delay_us = doublings < 9 ? (int64_t)MIN_DELAY_US << doublings : MAX_DELAY_US;
        if (delay_us > MAX_DELAY_US) delay_us = MAX_DELAY_US;
    }
    restart->n_failures++;
    restart->at_us = mr_pool_now_us() + delay_us;
    mr_pool_due(pool, restart->at_us);
    if (delay_us == 0) {
        snprintf(when, 32, "at once");
    } else {
        snprintf(when, 32, "in %.1f s", (double)delay_us / 1e6);
    }
}

/* --- starting --------------------------------------------------------------------------------- */

static void could_not_start(struct mr_pool *pool, struct mr_worker *worker,
                            const struct mr_error *err) {
    if (!atomic_load(&pool->has_loaded)) {
        fail_loading(pool, err);
        return;
    }
    struct mr_restart *restart = worker ? &worker->restart : &pool->template_restart;
    char when[32];
    plan_restart(pool, restart, false, when);
    mr_log_error("%s: %s; tried again %s", name_of(pool, worker).text, err->message, when);
}

/* A model that was written over is another: MLflow writes MLmodel anew with each that it saves.
 * Other files may be what the model itself writes in its folder. */
static mr_status check_files(const struct mr_pool *pool, struct mr_error *err) {
    const struct mr_pool_options *options = &pool->options;
    bool is_same = mr_folder_fingerprint_of(options->folder, "MLmodel") == pool->mlmodel;
    if (options->fingerprint) {
        is_same &= mr_folder_fingerprint(options->folder) == options->fingerprint;
    }
    if (is_same) return MR_OK;
    return mr_fail(err, MR_E_UNSUPPORTED, "the model's files have changed since they were loaded");
}

/* worker: whom the host is to be; NULL: a template, or the first host. */
static void start_host(struct mr_pool *pool, struct mr_worker *worker) {
    struct mr_error err = {0};
    struct mr_peer *peer;
    struct mr_restart *restart = worker ? &worker->restart : &pool->template_restart;
    restart->at_us = MR_NEVER_US;
    mr_status status = check_files(pool, &err);
    if (status == MR_OK) {
        status = mr_peer_start(&pool->options.command, pool->epoll, name_of(pool, worker).text,
                               &peer, &err);
    }
    if (status != MR_OK) {
        could_not_start(pool, worker, &err);
        return;
    }
    add_peer(pool, peer);
    peer->worker = worker;
    if (worker) {
        worker->peer = peer;
    } else {
        pool->template = peer;
    }
}

static void fork_worker(struct mr_pool *pool, struct mr_worker *worker) {
    worker->restart.at_us = MR_NEVER_US;
    /* Without a template it is started when that is there. */
    if (!pool->template || pool->template->phase != MR_PEER_READY) return;
    struct mr_error err = {0};
    struct mr_peer *peer;
    if (mr_peer_fork(pool->template, worker->number, &peer, &err) != MR_OK) {
        could_not_start(pool, worker, &err);
        return;
    }
    add_peer(pool, peer);
    peer->worker = worker;
    worker->peer = peer;
    peer->give_up_us = mr_pool_now_us() + FORK_US;
    mr_pool_due(pool, peer->give_up_us);
}

static void start_worker(struct mr_pool *pool, struct mr_worker *worker) {
    if (pool->can_fork) {
        fork_worker(pool, worker);
    } else {
        start_host(pool, worker);
    }
}

void mr_pool_begin(struct mr_pool *pool) {
    start_host(pool, NULL);
}

/* --- getting ready ---------------------------------------------------------------------------- */

/* A worker can take calls. */
static void open_worker(struct mr_pool *pool, struct mr_peer *peer) {
    peer->phase = MR_PEER_READY;
    peer->ready_us = mr_pool_now_us();
    pthread_mutex_lock(&pool->lock);
    mr_calls_open(&pool->calls, mr_pool_lane(pool, peer->worker), peer->socket, peer->is_async,
                  peer, mr_pool_now_us());
    update_state(pool);
    pthread_mutex_unlock(&pool->lock);
    tell_loaded(pool, NULL);
}

static void log_loaded(const struct mr_pool *pool, const struct mr_peer *peer,
                       const struct mr_loaded *loaded) {
    unsigned n = pool->options.n_workers;
    mr_log_info("%s: the model is loaded, in %.3f s, with Python %s and MLflow %s; warmed up: %s",
                peer->log.tag, (double)loaded->load_ms / 1e3, loaded->python, loaded->mlflow,
                loaded->warm_up);
    if (atomic_load(&pool->has_loaded)) return;
    mr_log_info("%u %s%s with %u threads each for OpenMP and BLAS, %s: %s", n,
                loaded->is_async ? "asynchronous " : "", n == 1 ? "worker" : "workers",
                pool->options.command.n_threads,
                loaded->can_fork ? "forked from the process that loaded the model"
                                 : "which all load the model themselves",
                loaded->reason);
    if (atomic_load(&pool->calls.may_batch)) {
        mr_log_info("requests that wait are sent to the model together, up to %u rows: %s",
                    pool->calls.options.max_batch_rows,
                    loaded->is_rowwise ? "it is known to answer each row as if it were alone"
                                       : "it is said to answer each row as if it were alone");
    }
}

/* Whether calls may be sent together: not to coroutines, which have many under way anyway. */
static bool may_batch(const struct mr_pool *pool, const struct mr_loaded *loaded) {
    mr_batch_choice choice = pool->options.queue.batch;
    if (loaded->is_async || choice == MR_BATCH_NEVER) return false;
    return choice == MR_BATCH_ALWAYS || loaded->is_rowwise;
}

/* The first model ever: how workers come to be is known. */
static void begin_workers(struct mr_pool *pool, struct mr_peer *first, bool can_fork) {
    pool->can_fork = can_fork;
    atomic_store(&pool->has_loaded, true);
    if (!can_fork) {
        pool->template = NULL;
        first->worker = &pool->workers[0];
        first->worker->peer = first;
    }
}

static mr_status on_loaded(struct mr_pool *pool, struct mr_peer *peer, struct mr_str json,
                           struct mr_error *err) {
    struct mr_loaded loaded;
    MR_TRY(mr_loaded_read(json, &loaded, err));
    MR_TRY(check_files(pool, err));
    peer->is_async = loaded.is_async;
    bool is_first = !atomic_load(&pool->has_loaded);
    if (is_first) atomic_store(&pool->calls.may_batch, may_batch(pool, &loaded));
    log_loaded(pool, peer, &loaded);
    if (!is_first && !peer->worker && !loaded.can_fork) {
        return mr_fail(err, MR_E_FORMAT, "that it cannot fork any more: %s", loaded.reason);
    }
    pthread_mutex_lock(&pool->lock);
    pool->loaded = loaded;
    pthread_mutex_unlock(&pool->lock);
    peer->phase = MR_PEER_READY;
    peer->ready_us = mr_pool_now_us();
    if (is_first) begin_workers(pool, peer, loaded.can_fork);
    if (peer->worker) open_worker(pool, peer);
    if (!is_first && peer->worker) return MR_OK;
    for (unsigned i = 0; i < pool->options.n_workers; i++) {
        struct mr_worker *worker = &pool->workers[i];
        if (!worker->peer && worker->restart.at_us == MR_NEVER_US) start_worker(pool, worker);
    }
    return MR_OK;
}

static bool read_i32(const struct mr_message *message, int32_t *out) {
    if (message->header.payload_size != sizeof(*out)) return false;
    memcpy(out, message->payload, sizeof(*out));
    return true;
}

/* A host says that it has forked a worker, or that it could not. */
static mr_status on_forked(struct mr_pool *pool, struct mr_peer *host,
                           const struct mr_message *message, struct mr_error *err) {
    int32_t pid;
    uint64_t number = message->header.id;
    struct mr_worker *worker = number < pool->options.n_workers ? &pool->workers[number] : NULL;
    struct mr_peer *peer = worker ? worker->peer : NULL;
    if (!read_i32(message, &pid) || !peer || peer->phase != MR_PEER_FORKING || peer->host != host) {
        return mr_fail(err, MR_E_FORMAT, "word of a worker that nobody asked for");
    }
    if (pid <= 0) {
        char how[128];
        snprintf(how, sizeof(how), "could not be forked: %s", strerror(-pid));
        mr_pool_expel(pool, peer, how);
        return MR_OK;
    }
    mr_peer_forked(peer, pid);
    if (peer->child.pidfd < 0) {
        mr_pool_on_ended(pool, peer);
    } else {
        open_worker(pool, peer);
    }
    return MR_OK;
}

/* A host says how a worker that it forked has ended. */
static mr_status on_exited(struct mr_pool *pool, struct mr_peer *host,
                           const struct mr_message *message, struct mr_error *err) {
    int32_t wait_status;
    if (!read_i32(message, &wait_status)) {
        return mr_fail(err, MR_E_FORMAT, "a wait status of %llu bytes",
                       (unsigned long long)message->header.payload_size);
    }
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) {
        uint64_t pid = (uint64_t)peer->child.pid;
        if (peer->is_done || peer->host != host || pid != message->header.id) continue;
        peer->has_status = true;
        peer->wait_status = wait_status;
        mr_pool_on_ended(pool, peer);
    }
    return MR_OK;
}

mr_status mr_pool_on_message(struct mr_pool *pool, struct mr_peer *peer,
                             const struct mr_message *message, struct mr_error *err) {
    struct mr_str payload = {message->payload, message->header.payload_size};
    mr_wire_type type = message->header.type;
    if (peer->phase == MR_PEER_LOADING) {
        if (type == MR_WIRE_LOADED) return on_loaded(pool, peer, payload, err);
        if (type == MR_WIRE_FAILED) return mr_loaded_read_failure(payload, err);
    } else if (peer->worker) {
        return mr_pool_on_answer(pool, mr_pool_lane(pool, peer->worker), message, err);
    } else {
        if (type == MR_WIRE_FORKED) return on_forked(pool, peer, message, err);
        if (type == MR_WIRE_EXITED) return on_exited(pool, peer, message, err);
    }
    return mr_fail(err, MR_E_FORMAT, "a message of type %d that nobody asked for", (int)type);
}

/* --- replacing -------------------------------------------------------------------------------- */

static bool has_lived_long(const struct mr_peer *peer) {
    return peer->ready_us && mr_pool_now_us() - peer->ready_us > LONG_LIFE_US;
}

static void replace_worker(struct mr_pool *pool, struct mr_peer *peer, const char *how) {
    struct mr_worker *worker = peer->worker;
    struct mr_lane *lane = mr_pool_lane(pool, worker);
    struct mr_ended ended = {0};
    struct mr_error err;
    mr_fail(&err, MR_E_UNAVAILABLE, "the worker process that worked on the request %s", how);
    pthread_mutex_lock(&pool->lock);
    bool has_worked = lane->n_answered > 0 || has_lived_long(peer);
    if (lane->socket >= 0) {
        mr_calls_close(&pool->calls, lane, &err, mr_pool_now_us(), &ended);
    }
    pool->n_replaced++;
    update_state(pool);
    pthread_mutex_unlock(&pool->lock);
    worker->peer = NULL;
    peer->worker = NULL;
    char when[32];
    plan_restart(pool, &worker->restart, has_worked, when);
    mr_log_error("%s %s; %s, and is replaced %s", peer->log.tag, how,
                 ended.first ? "a request failed with it" : "no request was lost", when);
    mr_ended_tell(&ended);
}

static void replace_template(struct mr_pool *pool, struct mr_peer *peer, const char *how) {
    pool->template = NULL;
    char when[32];
    plan_restart(pool, &pool->template_restart, has_lived_long(peer), when);
    mr_log_error("%s %s; workers go on, and it is replaced %s", peer->log.tag, how, when);
    for (struct mr_peer *other = pool->peers; other; other = other->next) {
        if (other->host != peer) continue;
        other->host = NULL;
        if (other->phase != MR_PEER_FORKING) continue;
        /* Forked or not, it was given no work, and ends when its socket is closed. */
        other->worker->peer = NULL;
        other->worker = NULL;
        other->phase = MR_PEER_GONE;
        other->is_done = true;
    }
}

void mr_pool_replace(struct mr_pool *pool, struct mr_peer *peer, const char *how) {
    if (!atomic_load(&pool->has_loaded)) {
        struct mr_error err = {0};
        mr_fail(&err, MR_E_UNSUPPORTED, "the Python process %s", how);
        pool->template = NULL;
        fail_loading(pool, &err);
    } else if (peer->worker) {
        replace_worker(pool, peer, how);
    } else {
        replace_template(pool, peer, how);
    }
}

void mr_pool_start_due(struct mr_pool *pool, int64_t now_us) {
    if (pool->template_restart.at_us <= now_us) start_host(pool, NULL);
    mr_pool_due(pool, pool->template_restart.at_us);
    for (unsigned i = 0; i < pool->options.n_workers; i++) {
        struct mr_worker *worker = &pool->workers[i];
        if (worker->restart.at_us <= now_us) start_worker(pool, worker);
        mr_pool_due(pool, worker->restart.at_us);
    }
}
