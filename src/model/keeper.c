#include "model/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define NEVER_NS UINT64_MAX

/* Whether the last request has given an old version back is looked at so often, at first. */
#define FIRST_SWEEP_MS 10
#define LAST_SWEEP_MS 1000

/* What could not be loaded is tried again after an interval, then two, four ... of them. */
#define MAX_DOUBLINGS 6

struct mr_keeper {
    struct mr_keeper_options options;
    struct mr_store_options store; /* as in options, but quiet, and for no longer than we live */
    pthread_t thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t has_news;
    bool is_stopping;
    struct mr_reload *reload; /* somebody waits for it */
    unsigned long n_reloads;  /* so many were asked for, this one included */
    bool has_loaded;          /* the version that is being loaded, or failed to */
    struct mr_error load_err;

    /* The thread's own. Revisions are texts of store/store.h, on the heap; NULL: none. */
    char *current;   /* that is live */
    bool can_change; /* what the URI means */
    char *seen;      /* files that changed, at the last look */
    char *failed;    /* that could not be loaded, or what was asked in vain */
    unsigned n_failed_in_turn;
    uint64_t next_look_ns, retry_ns, next_sweep_ns;
    unsigned sweep_ms;

    atomic_ulong n_swaps, n_failures;
};

static bool is_over(void *ctx) {
    struct mr_keeper *keeper = ctx;
    pthread_mutex_lock(&keeper->lock);
    bool is_stopping = keeper->is_stopping;
    pthread_mutex_unlock(&keeper->lock);
    return is_stopping;
}

static mr_status fail_over(struct mr_error *err) {
    return mr_fail(err, MR_E_UNAVAILABLE, "the server is shutting down");
}

/* Revisions ----------------------------------------------------------------------------------- */

static void set_text(char **to, const char *text) {
    char *copy = text ? strdup(text) : NULL; /* without memory: as if there were none */
    free(*to);
    *to = copy;
}

static bool is_text(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

/* Registries change at once, files one after the other. */
static bool is_made_of_files(const struct mr_location *location) {
    return !location->version && !location->run_id && !location->model_id;
}

/* A new version ------------------------------------------------------------------------------- */

static void has_loaded(void *ctx, const struct mr_error *err) {
    struct mr_keeper *keeper = ctx;
    pthread_mutex_lock(&keeper->lock);
    keeper->has_loaded = true;
    keeper->load_err = err ? *err : (struct mr_error){0};
    pthread_cond_broadcast(&keeper->has_news);
    pthread_mutex_unlock(&keeper->lock);
}

static mr_status wait_until_loaded(struct mr_keeper *keeper, struct mr_error *err) {
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->has_loaded && !keeper->is_stopping) {
        pthread_cond_wait(&keeper->has_news, &keeper->lock);
    }
    bool is_ended = keeper->has_loaded;
    struct mr_error load_err = keeper->load_err;
    pthread_mutex_unlock(&keeper->lock);
    if (!is_ended) return fail_over(err);
    return load_err.status == MR_OK ? MR_OK : mr_fail(err, load_err.status, "%s", load_err.message);
}

/* That what was loaded is what the URI means still, and no mixture of two. */
static mr_status check_same(struct mr_keeper *keeper, const char *revision, struct mr_error *err) {
    const struct mr_keeper_options *options = &keeper->options;
    struct mr_location location = {0};
    struct mr_arena *arena = mr_arena_new(0, NULL);
    if (!arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = mr_store_resolve(options->uri, &keeper->store, arena, &location, err);
    if (status == MR_OK && !is_text(location.revision, revision)) {
        status = mr_fail(err, MR_E_CONFLICT, "the model has changed while it was being loaded");
    }
    mr_arena_free(arena);
    return status;
}

static mr_status prepare(struct mr_keeper *keeper, struct mr_version *version,
                         struct mr_error *err) {
    MR_TRY(wait_until_loaded(keeper, err));
    MR_TRY(check_same(keeper, version->model->location.revision, err));
    return keeper->options.warm_up(keeper->options.ctx, version, err);
}

static const char *label_of(const struct mr_version *version) {
    return version->label ? version->label : "";
}

/* Under the lock: what was cancelled stays so. */
static mr_status make_current(struct mr_keeper *keeper, struct mr_version *version,
                              struct mr_error *err) {
    pthread_mutex_lock(&keeper->lock);
    mr_status status = keeper->is_stopping ? fail_over(err)
                                           : mr_live_put(keeper->options.live, version, err);
    pthread_mutex_unlock(&keeper->lock);
    return status;
}

/* From here on requests get the new version. */
static mr_status put(struct mr_keeper *keeper, struct mr_version *version, struct mr_reload *told,
                     struct mr_error *err) {
    const struct mr_keeper_options *options = &keeper->options;
    const char *revision = version->model->location.revision;
    struct mr_version *old = mr_live_take(options->live);
    snprintf(told->old_label, sizeof(told->old_label), "%s", label_of(old));
    snprintf(told->new_label, sizeof(told->new_label), "%s", label_of(version));
    mr_live_give(old);
    MR_TRY(make_current(keeper, version, err));
    set_text(&keeper->current, revision);
    keeper->can_change = version->model->location.can_change;
    told->is_swapped = true;
    atomic_fetch_add(&keeper->n_swaps, 1);
    keeper->sweep_ms = FIRST_SWEEP_MS;
    keeper->next_sweep_ns = 0;
    mr_log_info("model %s: version %s is live, after %.1f ms; it was %s", options->name,
                version->label ? version->label : revision,
                (double)(mr_clock_ns() - version->start_ns) * 1e-6,
                *told->old_label ? told->old_label : "another");
    return MR_OK;
}

static mr_status replace(struct mr_keeper *keeper, struct mr_reload *told, struct mr_error *err) {
    const struct mr_keeper_options *options = &keeper->options;
    struct mr_version *version = NULL;
    keeper->has_loaded = false; /* nobody else knows of it */
    (void)mr_live_sweep(options->live);
    MR_TRY(mr_live_check_room(options->live, err));
    MR_TRY(mr_version_load(options->uri, &keeper->store, options->engine, true, has_loaded, keeper,
                           &version, err));
    mr_status status = prepare(keeper, version, err);
    if (status == MR_OK) status = put(keeper, version, told, err);
    if (status != MR_OK) mr_version_free(version);
    return status;
}

/* Looking ------------------------------------------------------------------------------------- */

static bool is_reason_known(const struct mr_keeper *keeper, const char *reason) {
    return keeper->n_failed_in_turn > 0 && is_text(keeper->failed, reason);
}

/* The current version stays. What goes wrong in the same way again and again is logged once.
 * reason  a revision, or the message when there is none */
static void note_failure(struct mr_keeper *keeper, const char *reason, const struct mr_error *err) {
    if (is_over(keeper)) return; /* which is why */
    if (!is_reason_known(keeper, reason)) {
        mr_log_error("model %s: no new version, the one before stays: %s", keeper->options.name,
                     err->message);
        keeper->n_failed_in_turn = 0;
    }
    set_text(&keeper->failed, reason);
    unsigned doublings = keeper->n_failed_in_turn++;
    if (doublings > MAX_DOUBLINGS) doublings = MAX_DOUBLINGS;
    uint64_t pause_ns = (uint64_t)keeper->options.watch_ms * 1000000 << doublings;
    keeper->retry_ns = mr_clock_ns() + pause_ns;
    atomic_fetch_add(&keeper->n_failures, 1);
}

/* Whether to load what a look of our own accord has found. */
static bool is_due(struct mr_keeper *keeper, const struct mr_location *location) {
    if (is_text(location->revision, keeper->failed) && mr_clock_ns() < keeper->retry_ns) {
        return false;
    }
    bool is_settled = !is_made_of_files(location) || is_text(location->revision, keeper->seen);
    set_text(&keeper->seen, location->revision);
    return is_settled;
}

/* told  filled in; is_asked: by somebody who waits, and so at once */
static mr_status look(struct mr_keeper *keeper, bool is_asked, struct mr_reload *told,
                      struct mr_arena *arena) {
    const struct mr_keeper_options *options = &keeper->options;
    struct mr_location location = {0};
    struct mr_error *err = &told->err;
    mr_status status = mr_store_resolve(options->uri, &keeper->store, arena, &location, err);
    if (status != MR_OK) {
        note_failure(keeper, err->message, err);
        return status;
    }
    if (is_text(location.revision, keeper->current)) {
        keeper->n_failed_in_turn = 0;
        set_text(&keeper->seen, NULL);
        struct mr_version *version = mr_live_take(options->live);
        snprintf(told->old_label, sizeof(told->old_label), "%s", label_of(version));
        snprintf(told->new_label, sizeof(told->new_label), "%s", label_of(version));
        mr_live_give(version);
        return MR_OK;
    }
    if (!is_asked && !is_due(keeper, &location)) return MR_OK;
    status = replace(keeper, told, err);
    if (status == MR_OK) {
        keeper->n_failed_in_turn = 0;
    } else {
        note_failure(keeper, location.revision, err);
    }
    return status;
}

/* Whether the first version has loaded: until then it is its loading that counts. */
static bool is_first_loaded(struct mr_keeper *keeper) {
    struct mr_version *version = mr_live_take(keeper->options.live);
    bool is_loaded = atomic_load(&version->load_s) > 0;
    mr_live_give(version);
    return is_loaded;
}

static void look_once(struct mr_keeper *keeper, bool is_asked, struct mr_reload *told) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    *told = (struct mr_reload){0};
    if (!is_first_loaded(keeper)) {
        mr_fail(&told->err, MR_E_UNAVAILABLE, "the model is loading");
    } else if (arena) {
        mr_status status = look(keeper, is_asked, told, arena);
        if (status == MR_OK) told->err = (struct mr_error){0};
    } else {
        mr_fail(&told->err, MR_E_NO_MEMORY, "out of memory");
    }
    mr_arena_free(arena);
}

/* Tell who has asked for the n-th reload, unless nobody wants to know any more. */
static void tell(struct mr_keeper *keeper, unsigned long n, const struct mr_reload *told) {
    pthread_mutex_lock(&keeper->lock);
    struct mr_reload *reload = keeper->reload;
    bool is_wanted = reload && keeper->n_reloads == n;
    if (is_wanted) {
        void (*done)(struct mr_reload * reload) = reload->done;
        *reload = *told;
        reload->done = done;
        keeper->reload = NULL;
    }
    pthread_mutex_unlock(&keeper->lock);
    if (is_wanted) reload->done(reload);
}

/* The thread ---------------------------------------------------------------------------------- */

static void sweep(struct mr_keeper *keeper) {
    if (mr_clock_ns() < keeper->next_sweep_ns) return;
    if (mr_live_sweep(keeper->options.live) == 0) {
        keeper->next_sweep_ns = NEVER_NS;
        return;
    }
    keeper->next_sweep_ns = mr_clock_ns() + (uint64_t)keeper->sweep_ms * 1000000;
    if (keeper->sweep_ms < LAST_SWEEP_MS) keeper->sweep_ms *= 2;
}

/* Until there is news, or something is due. Under the lock. */
static void wait_for_news(struct mr_keeper *keeper) {
    uint64_t due_ns = keeper->next_look_ns < keeper->next_sweep_ns ? keeper->next_look_ns
                                                                   : keeper->next_sweep_ns;
    if (due_ns == NEVER_NS) {
        pthread_cond_wait(&keeper->has_news, &keeper->lock);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(due_ns / 1000000000),
                             .tv_nsec = (long)(due_ns % 1000000000)};
    pthread_cond_timedwait(&keeper->has_news, &keeper->lock, &until);
}

static void *run(void *arg) {
    struct mr_keeper *keeper = arg;
    struct mr_reload told;
    uint64_t interval_ns = (uint64_t)keeper->options.watch_ms * 1000000;
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->is_stopping) {
        bool is_asked = keeper->reload != NULL;
        unsigned long n = is_asked ? keeper->n_reloads : 0;
        bool is_to_look = is_asked || mr_clock_ns() >= keeper->next_look_ns;
        if (!is_to_look && mr_clock_ns() < keeper->next_sweep_ns) {
            wait_for_news(keeper);
            continue;
        }
        pthread_mutex_unlock(&keeper->lock);
        if (is_to_look) {
            look_once(keeper, is_asked, &told);
            bool is_watched = interval_ns && keeper->can_change;
            keeper->next_look_ns = is_watched ? mr_clock_ns() + interval_ns : NEVER_NS;
            tell(keeper, n, &told);
        }
        sweep(keeper);
        pthread_mutex_lock(&keeper->lock);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

static void free_keeper(struct mr_keeper *keeper) {
    pthread_cond_destroy(&keeper->has_news);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper->current);
    free(keeper->seen);
    free(keeper->failed);
    free(keeper);
}

static int start_thread(struct mr_keeper *keeper) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&keeper->thread, NULL, run, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) pthread_setname_np(keeper->thread, "keeper");
    return code;
}

mr_status mr_keeper_start(const struct mr_keeper_options *options, struct mr_keeper **out,
                          struct mr_error *err) {
    struct mr_keeper *keeper = calloc(1, sizeof(*keeper));
    if (!keeper) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    keeper->options = *options;
    if (options->store) keeper->store = *options->store;
    keeper->store.has_progress = false;
    keeper->store.uses_last_known = false; /* the current version does */
    keeper->store.is_cancelled = is_over;
    keeper->store.ctx = keeper;
    keeper->next_sweep_ns = NEVER_NS;
    keeper->next_look_ns = NEVER_NS;
    struct mr_version *version = mr_live_take(options->live);
    set_text(&keeper->current, version->model->location.revision);
    keeper->can_change = version->model->location.can_change;
    mr_live_give(version);
    if (options->watch_ms && keeper->can_change) {
        keeper->next_look_ns = mr_clock_ns() + (uint64_t)options->watch_ms * 1000000;
    } else if (options->watch_ms) {
        mr_log_info("model %s is not watched: its URI names one version", options->name);
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->has_news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int code = start_thread(keeper);
    if (code) {
        free_keeper(keeper);
        return mr_fail(err, MR_E_IO, "a thread for the model: %s", strerror(code));
    }
    *out = keeper;
    return MR_OK;
}

void mr_keeper_cancel(struct mr_keeper *keeper) {
    if (!keeper) return;
    struct mr_reload told = {0};
    (void)fail_over(&told.err);
    pthread_mutex_lock(&keeper->lock);
    keeper->is_stopping = true;
    unsigned long n = keeper->n_reloads;
    pthread_cond_broadcast(&keeper->has_news);
    pthread_mutex_unlock(&keeper->lock);
    tell(keeper, n, &told);
}

void mr_keeper_stop(struct mr_keeper *keeper) {
    if (!keeper) return;
    mr_keeper_cancel(keeper);
    pthread_join(keeper->thread, NULL);
    free_keeper(keeper);
}

mr_status mr_keeper_reload(struct mr_keeper *keeper, struct mr_reload *reload,
                           struct mr_error *err) {
    mr_status status = MR_OK;
    pthread_mutex_lock(&keeper->lock);
    if (keeper->is_stopping) {
        status = fail_over(err);
    } else if (keeper->reload) {
        status = mr_fail(err, MR_E_CONFLICT, "a reload is under way already");
    } else {
        keeper->reload = reload;
        keeper->n_reloads++;
        pthread_cond_broadcast(&keeper->has_news);
    }
    pthread_mutex_unlock(&keeper->lock);
    return status;
}

bool mr_keeper_forget(struct mr_keeper *keeper, struct mr_reload *reload) {
    pthread_mutex_lock(&keeper->lock);
    bool is_forgotten = keeper->reload == reload;
    if (is_forgotten) keeper->reload = NULL;
    pthread_mutex_unlock(&keeper->lock);
    return is_forgotten;
}

struct mr_keeper_counts mr_keeper_counts(const struct mr_keeper *keeper) {
    return (struct mr_keeper_counts){.n_swaps = atomic_load(&keeper->n_swaps),
                                     .n_failures = atomic_load(&keeper->n_failures)};
}
