#include "model/version.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"

/* Names of versions have some digits, ids 32 characters. */
#define MAX_LABEL_BYTES 100

static void has_ended(void *ctx, const struct mr_error *err) {
    struct mr_version *version = ctx;
    if (!err) atomic_store(&version->load_s, (double)(mr_clock_ns() - version->start_ns) * 1e-9);
    if (version->loaded) version->loaded(version->ctx, err);
}

/* It becomes the value of a header. */
static bool is_fit(const char *text) {
    size_t size = strnlen(text, MAX_LABEL_BYTES + 1);
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f) return false;
    }
    return size > 0 && size <= MAX_LABEL_BYTES;
}

static const char *find_label(const struct mr_model *model) {
    const char *const candidates[] = {model->location.version, model->location.model_id,
                                      model->mlmodel.model_id.data, model->location.run_id,
                                      model->mlmodel.run_id.data};
    for (size_t i = 0; i < sizeof(candidates) / sizeof(*candidates); i++) {
        const char *label = candidates[i];
        if (label && is_fit(label)) return label;
    }
    return NULL;
}

/* Reading ------------------------------------------------------------------------------------- */

struct reading {
    const char *uri;
    const struct mr_store_options *store;
    struct mr_version *version;
    struct mr_error *err;
    mr_status status;
};

/* One step is not interrupted, but followed by no other in vain. */
static mr_status check_wanted(const struct reading *reading) {
    const struct mr_store_options *store = reading->store;
    if (!store || !store->is_cancelled || !store->is_cancelled(store->ctx)) return MR_OK;
    return mr_fail(reading->err, MR_E_UNAVAILABLE, "the model is not wanted any more");
}

/* All that takes long of a native model. */
static void read_model(struct reading *reading) {
    struct mr_version *version = reading->version;
    reading->status = mr_model_read(reading->uri, reading->store, &version->model, reading->err);
    if (reading->status == MR_OK) reading->status = check_wanted(reading);
    if (reading->status != MR_OK) return;
    reading->status = mr_model_find_engine(version->model, &version->options, reading->err);
    if (reading->status == MR_OK) reading->status = check_wanted(reading);
}

/* Any other thread that can run does so first, and at once: sched(7). One that is only nice would
 * get its slices of some milliseconds often enough to be seen in the latest hundredth of answers.
 */
static void *read_gently(void *arg) {
    const struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_IDLE, &none); /* of this thread */
    read_model(arg);
    return NULL;
}

/* On a thread of its own: what a thread has once given away of its priority it does not get back,
 * nor do processes that it starts. */
static void read_on_thread(struct reading *reading) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, read_gently, reading) == 0) {
        pthread_join(thread, NULL);
    } else {
        read_model(reading);
    }
}

mr_status mr_version_load(const char *uri, const struct mr_store_options *store,
                          const struct mr_engine_options *engine, bool is_gentle,
                          void (*loaded)(void *ctx, const struct mr_error *err), void *ctx,
                          struct mr_version **out, struct mr_error *err) {
    struct mr_version *version = calloc(1, sizeof(*version));
    if (!version) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    version->start_ns = mr_clock_ns();
    version->options = *engine;
    version->options.python.loaded = has_ended;
    version->options.python.ctx = version;
    version->loaded = loaded;
    version->ctx = ctx;
    struct reading reading = {.uri = uri, .store = store, .version = version, .err = err};
    if (is_gentle) {
        read_on_thread(&reading);
    } else {
        read_model(&reading);
    }
    /* What reading the model took is several times what is left of it. Here, since this holds the
     * locks of all threads' memory, which at low priority may take long. */
    malloc_trim(0);
    mr_status status = reading.status;
    if (status == MR_OK) status = mr_model_load_engine(version->model, err);
    if (status != MR_OK) {
        mr_version_free(version);
        return status;
    }
    version->label = find_label(version->model);
    if (mr_engine_is_native(&version->model->engine)) has_ended(version, NULL);
    *out = version;
    return MR_OK;
}

void mr_version_free(struct mr_version *version) {
    if (!version) return;
    mr_model_free(version->model);
    free(version);
}
