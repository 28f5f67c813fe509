#include "model/fallback.h"

#include <pthread.h>

#include "store/folder.h"

struct mr_fallback {
    struct mr_engine_options options;
    struct mr_model_source source;
    pthread_mutex_t lock; /* protects what follows until it was started */
    bool is_started;
    struct mr_engine engine;
    struct mr_error err; /* status is not MR_OK: it could not be */
};

mr_status mr_fallback_new(const struct mr_model_source *source, uint64_t fingerprint,
                          struct mr_arena *arena, struct mr_fallback **out, struct mr_error *err) {
    *out = NULL;
    const struct mr_engine_options *options = source->options;
    if (!options || options->choice != MR_ENGINE_AUTO || options->python.problem) return MR_OK;
    struct mr_fallback *fallback = mr_arena_zalloc(arena, sizeof(*fallback));
    if (!fallback) return mr_arena_fail(arena, err);
    fallback->options = *options;
    fallback->options.choice = MR_ENGINE_PYTHON;
    fallback->options.python.n_workers = 1;
    fallback->options.python.is_waiting = true;
    fallback->options.python.loaded = NULL;
    fallback->source = *source;
    fallback->source.fingerprint = fingerprint;
    fallback->source.options = &fallback->options;
    pthread_mutex_init(&fallback->lock, NULL);
    *out = fallback;
    return MR_OK;
}

/* Files that have changed may be back later: nothing is started, then. */
static mr_status start(struct mr_fallback *fallback, struct mr_error *err) {
    const struct mr_model_source *source = &fallback->source;
    if (!fallback->is_started) {
        if (mr_folder_fingerprint(source->path) != source->fingerprint) {
            return mr_fail(err, MR_E_UNAVAILABLE,
                           "the model's files have changed since they were loaded");
        }
        fallback->is_started = true;
        fallback->err.status = mr_engine_choose(source, &fallback->engine, &fallback->err);
    }
    if (err) *err = fallback->err;
    return fallback->err.status;
}

const struct mr_engine *mr_fallback_engine(struct mr_fallback *fallback, struct mr_error *err) {
    pthread_mutex_lock(&fallback->lock);
    mr_status status = start(fallback, err);
    pthread_mutex_unlock(&fallback->lock);
    return status == MR_OK ? &fallback->engine : NULL;
}

void mr_fallback_free(struct mr_fallback *fallback) {
    if (!fallback) return;
    mr_engine_unload(&fallback->engine);
    pthread_mutex_destroy(&fallback->lock);
}
