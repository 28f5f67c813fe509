#include "engine/pyproc/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/pyproc/pool_int.h"
#include "store/folder.h"

#define MAX_EVENTS 64

int64_t mr_pool_now_us(void) {
    return (int64_t)(mr_clock_ns() / 1000);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wake(struct mr_pool *pool) {
    uint64_t one = 1;
    ssize_t written = write(pool->wake, &one, sizeof(one));
    (void)written; /* fails only when it would count past 2^64: then it is awake */
}

static void sleep_again(struct mr_pool *pool) {
    uint64_t count;
    ssize_t n_read = read(pool->wake, &count, sizeof(count));
    (void)n_read; /* fails only when it is asleep */
}

static void on_event(struct mr_pool *pool, const struct epoll_event *event) {
    const struct mr_watch *watch = event->data.ptr;
    switch (watch->kind) {
    case MR_WATCH_WAKE: sleep_again(pool); break;
    case MR_WATCH_CHILD:
        mr_reaper_on_readable(pool->children);
        mr_pool_reap(pool);
        break;
    default: mr_pool_on_peer(pool, watch, event->events);
    }
}

/* For epoll_wait: until something is due, -1: nothing will be. */
static int sleep_ms(struct mr_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    int64_t until_us = pool->due_us < pool->calls.next_us ? pool->due_us : pool->calls.next_us;
    pool->wait_until_us = until_us;
    pthread_mutex_unlock(&pool->lock);
    if (until_us == MR_NEVER_US) return -1;
    int64_t left_us = until_us - mr_pool_now_us();
    if (left_us <= 0) return 0;
    return left_us > 60 * 1000000 ? 60 * 1000 : (int)(left_us / 1000) + 1;
}

static bool is_stopping(struct mr_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    bool result = pool->is_stopping;
    pthread_mutex_unlock(&pool->lock);
    return result;
}

/* What has waited for a model that cannot be loaded waits no more. */
static void fail_waiting(struct mr_pool *pool) {
    if (mr_pool_state(pool) != MR_ENGINE_FAILED) return;
    struct mr_ended ended = {0};
    struct mr_error err = {0};
    pthread_mutex_lock(&pool->lock);
    mr_fail(&err, MR_E_UNAVAILABLE, "the model could not be loaded: %s", pool->failure.message);
    mr_calls_fail_queue(&pool->calls, &err, &ended);
    pthread_mutex_unlock(&pool->lock);
    mr_ended_tell(&ended);
}

static void *run(void *arg) {
    struct mr_pool *pool = arg;
    struct epoll_event events[MAX_EVENTS];
    mr_pool_begin(pool);
    while (!is_stopping(pool)) {
        int n = epoll_wait(pool->epoll, events, MAX_EVENTS, sleep_ms(pool));
        for (int i = 0; i < n; i++) on_event(pool, &events[i]);
        mr_pool_on_time(pool, mr_pool_now_us());
        fail_waiting(pool);
        mr_pool_sweep(pool);
    }
    mr_pool_shut_down(pool);
    return NULL;
}

/* --- its life --------------------------------------------------------------------------------- */

static void free_pool(struct mr_pool *pool) {
    if (pool->epoll >= 0) close(pool->epoll);
    if (pool->wake >= 0) close(pool->wake);
    if (pool->children >= 0) close(pool->children);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->chunk_told);
    mr_calls_deinit(&pool->calls);
    free(pool->datagram);
    free(pool->workers);
    free(pool->lanes);
    free(pool);
}

static void room_wanted(struct mr_lane *lane) {
    mr_peer_want_room(lane->owner, lane->needs_room);
}

static mr_status watch(struct mr_pool *pool, int fd, struct mr_watch *watch, mr_watch_kind kind,
                       struct mr_error *err) {
    *watch = (struct mr_watch){.kind = kind};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    if (fd >= 0 && epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) == 0) return MR_OK;
    return mr_fail(err, MR_E_IO, "epoll: %s", strerror(errno));
}

static mr_status open_pool(struct mr_pool *pool, struct mr_error *err) {
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->children = mr_reaper_open();
    MR_TRY(watch(pool, pool->wake, &pool->wake_watch, MR_WATCH_WAKE, err));
    return watch(pool, pool->children, &pool->children_watch, MR_WATCH_CHILD, err);
}

/* The thread takes no signals: they are for who waits for them. */
static mr_status start_thread(struct mr_pool *pool, struct mr_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&pool->thread, NULL, run, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? mr_fail(err, MR_E_IO, "pthread_create: %s", strerror(error)) : MR_OK;
}

mr_status mr_pool_new(const struct mr_pool_options *options, struct mr_pool **out,
                      struct mr_error *err) {
    struct mr_pool *pool = calloc(1, sizeof(*pool));
    if (!pool) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    pool->options = *options;
    pool->mlmodel = mr_folder_fingerprint_of(options->folder, "MLmodel");
    pool->epoll = pool->wake = pool->children = -1;
    pool->due_us = pool->wait_until_us = pool->template_restart.at_us = MR_NEVER_US;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->chunk_told, NULL);
    pool->datagram = malloc(MR_WIRE_MAX_DATAGRAM_BYTES);
    pool->workers = calloc(options->n_workers, sizeof(*pool->workers));
    pool->lanes = calloc(options->n_workers, sizeof(*pool->lanes));
    mr_status status = MR_OK;
    if (!pool->datagram || !pool->workers || !pool->lanes) {
        status = mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    } else {
        const struct mr_calls_options calls = {
            .queue = options->queue,
            .timeout_us = options->timeout_ms ? (int64_t)options->timeout_ms * 1000 : MR_NEVER_US,
            .is_nan_literal = options->is_nan_literal,
            .has_rows = options->has_rows,
            .room_wanted = room_wanted};
        status = mr_calls_init(&pool->calls, pool->lanes, options->n_workers, &calls, err);
        for (unsigned i = 0; i < options->n_workers; i++) {
            pool->workers[i] = (struct mr_worker){.number = i, .restart.at_us = MR_NEVER_US};
        }
    }
    if (status == MR_OK) status = open_pool(pool, err);
    if (status == MR_OK) status = start_thread(pool, err);
    if (status != MR_OK) {
        free_pool(pool);
        return status;
    }
    *out = pool;
    return MR_OK;
}

void mr_pool_free(struct mr_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    wake(pool);
    pthread_mutex_unlock(&pool->lock);
    pthread_join(pool->thread, NULL);
    free_pool(pool);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Whether there is, or was, a model that could answer, or will be for a call that waits. */
static mr_status check_loaded(struct mr_pool *pool, struct mr_error *err) {
    if (atomic_load(&pool->has_loaded)) return MR_OK;
    if (mr_pool_state(pool) == MR_ENGINE_FAILED) {
        return mr_fail(err, MR_E_UNAVAILABLE, "the model could not be loaded: %s",
                       pool->failure.message);
    }
    if (pool->options.is_waiting) return MR_OK;
    return mr_fail(err, MR_E_UNAVAILABLE, "the model is loading");
}

static void refuse(struct mr_call *call, mr_status status) {
    call->state = NULL;
    call->status = status;
    call->done(call);
}

void mr_pool_ask(struct mr_pool *pool, struct mr_call *call) {
    mr_status status = check_loaded(pool, &call->err);
    if (status == MR_OK) status = mr_calls_prepare(&pool->calls, call, &call->err);
    if (status != MR_OK) {
        refuse(call, status);
        return;
    }
    struct mr_ticket *ticket = call->state;
    pthread_mutex_lock(&pool->lock);
    status = mr_calls_check_room(&pool->calls, ticket->n_rows, ticket->size, &call->err);
    if (status == MR_OK) mr_calls_ask(&pool->calls, ticket, mr_pool_now_us());
    bool is_due = pool->calls.next_us < pool->wait_until_us;
    if (is_due) pool->wait_until_us = pool->calls.next_us;
    if (is_due || mr_pool_state(pool) == MR_ENGINE_FAILED) wake(pool);
    pthread_mutex_unlock(&pool->lock);
    if (status == MR_OK) return;
    mr_calls_drop(ticket);
    refuse(call, status);
}

mr_status mr_pool_check_room(struct mr_pool *pool, struct mr_error *err) {
    pthread_mutex_lock(&pool->lock);
    mr_status status = mr_calls_check_room(&pool->calls, 1, 0, err);
    pthread_mutex_unlock(&pool->lock);
    return status;
}

bool mr_pool_cancel(struct mr_pool *pool, struct mr_call *call) {
    struct mr_ticket *ticket = call->state;
    if (!ticket) return false;
    pthread_mutex_lock(&pool->lock);
    bool is_withdrawn = mr_calls_withdraw(&pool->calls, ticket);
    /* On the pool's own thread it is `chunk` itself that cancels. */
    while (is_withdrawn && pool->chunk_ticket == ticket &&
           !pthread_equal(pthread_self(), pool->thread)) {
        pthread_cond_wait(&pool->chunk_told, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return is_withdrawn;
}

void mr_pool_pause(struct mr_pool *pool, struct mr_call *call, bool is_paused) {
    struct mr_ticket *ticket = call->state;
    if (!ticket) return;
    pthread_mutex_lock(&pool->lock);
    mr_calls_pause(&pool->calls, ticket, is_paused);
    pthread_mutex_unlock(&pool->lock);
}

mr_engine_state mr_pool_state(const struct mr_pool *pool) {
    return (mr_engine_state)atomic_load(&pool->state);
}

mr_warm_up mr_pool_warm_up(struct mr_pool *pool, struct mr_error *err) {
    pthread_mutex_lock(&pool->lock);
    mr_warm_up end = pool->loaded.warm_up_end;
    if (end == MR_WARM_UP_FAILED) mr_fail(err, MR_E_BAD_REQUEST, "%s", pool->loaded.warm_up);
    pthread_mutex_unlock(&pool->lock);
    return end;
}

void mr_pool_stats(struct mr_pool *pool, struct mr_engine_stats *out) {
    pthread_mutex_lock(&pool->lock);
    mr_calls_stats(&pool->calls, out);
    out->n_replaced = pool->n_replaced;
    pthread_mutex_unlock(&pool->lock);
}

void mr_pool_describe(struct mr_pool *pool, struct mr_buf *buf) {
    if (!atomic_load(&pool->has_loaded)) return;
    pthread_mutex_lock(&pool->lock);
    struct mr_loaded loaded = pool->loaded;
    pthread_mutex_unlock(&pool->lock);
    mr_buf_format(buf, "Python %s, MLflow %s, loaded in %.3f s; warmed up: %s\n", loaded.python,
                  loaded.mlflow, (double)loaded.load_ms / 1e3, loaded.warm_up);
    mr_buf_format(buf, "%u workers%s%s: %s\n", pool->options.n_workers,
                  loaded.is_async ? ", asynchronous" : "",
                  loaded.can_fork ? ", forked from one process" : ", a process each",
                  loaded.reason);
}
