#include "api/pipeline.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS 100000000

/* What the threads share. */
struct run {
    const struct mr_pipeline *pipeline;
    pthread_mutex_t read_lock; /* held while a block is read; protects the next two */
    uint64_t n_read;
    bool is_ended;
    pthread_mutex_t lock; /* protects what follows; taken after read_lock, if both */
    pthread_cond_t has_changed;
    uint64_t n_finished;
    unsigned n_running;
    bool has_failed;
    mr_status status;
    struct mr_error *err; /* the caller's; may be NULL */
};

mr_status mr_block_reserve(struct mr_block *block, size_t capacity, struct mr_error *err) {
    if (capacity <= block->capacity) return MR_OK;
    char *data = realloc(block->data, capacity);
    if (!data)
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory for a block of %zu bytes", capacity);
    block->data = data;
    block->capacity = capacity;
    return MR_OK;
}

/* Keep the first failure. The lock is held. */
static void fail(struct run *run, mr_status status, const struct mr_error *err) {
    if (run->has_failed) return;
    run->has_failed = true;
    run->status = status;
    if (run->err) *run->err = *err;
    pthread_cond_broadcast(&run->has_changed);
}

static bool has_failed(struct run *run) {
    pthread_mutex_lock(&run->lock);
    bool result = run->has_failed;
    pthread_mutex_unlock(&run->lock);
    return result;
}

/* Take the next block and its number; false when there is none. */
static bool take(struct run *run, struct mr_block *block, uint64_t *number, mr_status *status,
                 struct mr_error *err) {
    pthread_mutex_lock(&run->read_lock);
    bool is_end = run->is_ended || has_failed(run);
    if (!is_end) {
        *number = run->n_read++;
        mr_arena_reset(block->arena);
        block->size = 0;
        *status = run->pipeline->read(run->pipeline->ctx, block, &is_end, err);
        run->is_ended = is_end || *status != MR_OK;
    }
    pthread_mutex_unlock(&run->read_lock);
    return !is_end || *status != MR_OK;
}

/* Wait for the turn of a block, and finish it. */
static void finish(struct run *run, struct mr_block *block, uint64_t number, mr_status status,
                   struct mr_error *err) {
    pthread_mutex_lock(&run->lock);
    while (run->n_finished != number && !run->has_failed) {
        pthread_cond_wait(&run->has_changed, &run->lock);
    }
    bool is_wanted = !run->has_failed && status == MR_OK;
    pthread_mutex_unlock(&run->lock);
    /* Until n_finished moves on no other thread has its turn. */
    if (is_wanted) status = run->pipeline->finish(run->pipeline->ctx, block, err);
    pthread_mutex_lock(&run->lock);
    if (status != MR_OK) fail(run, status, err);
    run->n_finished = number + 1;
    pthread_cond_broadcast(&run->has_changed);
    pthread_mutex_unlock(&run->lock);
}

static void work_on_blocks(struct run *run) {
    struct mr_block block = {.arena = mr_arena_new(0, NULL)};
    struct mr_error err = {0};
    uint64_t number = 0;
    mr_status status = MR_OK;
    if (!block.arena) {
        status = mr_fail(&err, MR_E_NO_MEMORY, "out of memory for another thread");
        pthread_mutex_lock(&run->lock);
        fail(run, status, &err);
        pthread_mutex_unlock(&run->lock);
    }
    while (status == MR_OK && take(run, &block, &number, &status, &err)) {
        if (status == MR_OK) status = run->pipeline->work(run->pipeline->ctx, &block, &err);
        finish(run, &block, number, status, &err);
        if (has_failed(run)) break;
    }
    mr_arena_free(block.arena);
    free(block.data);
}

static void *run_thread(void *arg) {
    struct run *run = arg;
    work_on_blocks(run);
    pthread_mutex_lock(&run->lock);
    run->n_running--;
    pthread_cond_broadcast(&run->has_changed);
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/* Call tick until no thread is running. */
static void wait_for_threads(struct run *run) {
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&run->lock);
    while (run->n_running) {
        next.tv_nsec += TICK_NS;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        while (run->n_running &&
               pthread_cond_timedwait(&run->has_changed, &run->lock, &next) == 0) {
            continue;
        }
        pthread_mutex_unlock(&run->lock);
        if (run->pipeline->tick) run->pipeline->tick(run->pipeline->tick_ctx);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
}

/* Signals are the caller's thread's matter. */
static unsigned start_threads(struct run *run, pthread_t *threads, unsigned n) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unsigned n_started = 0;
    run->n_running = n;
    while (n_started < n && pthread_create(&threads[n_started], NULL, run_thread, run) == 0) {
        n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&run->lock);
    run->n_running -= n - n_started;
    pthread_mutex_unlock(&run->lock);
    return n_started;
}

mr_status mr_pipeline_run(const struct mr_pipeline *pipeline, unsigned n_threads,
                          struct mr_error *err) {
    struct run run = {.pipeline = pipeline, .err = err};
    pthread_t *threads = calloc(n_threads, sizeof(*threads));
    if (!threads) return mr_fail(err, MR_E_NO_MEMORY, "out of memory for %u threads", n_threads);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&run.read_lock, NULL);
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.has_changed, &attributes);
    pthread_condattr_destroy(&attributes);

    unsigned n_started = start_threads(&run, threads, n_threads);
    if (n_started == 0) work_on_blocks(&run);
    wait_for_threads(&run);
    for (unsigned i = 0; i < n_started; i++) pthread_join(threads[i], NULL);

    pthread_cond_destroy(&run.has_changed);
    pthread_mutex_destroy(&run.lock);
    pthread_mutex_destroy(&run.read_lock);
    free(threads);
    return run.status;
}
