#include "model/version.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

/* Names of versions have some digits, ids 32 characters. */
#define MAX_LABEL_BYTES 100
#define SECONDS_ON_PROCESSOR 1

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

static void read_files(struct reading *reading) {
    reading->status = mr_model_read(reading->uri, reading->store, &reading->version->model,
                                    reading->err);
    if (reading->status == MR_OK) reading->status = check_wanted(reading);
}

/* What takes long of a native model. */
static void build_engine(struct reading *reading) {
    struct mr_version *version = reading->version;
    if (reading->status != MR_OK) return;
    reading->status = mr_model_find_engine(version->model, &version->options, reading->err);
    if (reading->status == MR_OK) reading->status = check_wanted(reading);
}

/* A scheduler that moves a thread which always runs from one processor to another to keep them
 * balanced moves those that answer out of its way, next to each other. */
static void stay_on_processor(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= CPU_SETSIZE) return;
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set); /* of this thread */
}

/* But one that others always want is none to stay on. */
static void move_on(pthread_t thread, const cpu_set_t *allowed) {
    cpu_set_t set;
    if (pthread_getaffinity_np(thread, sizeof(set), &set) != 0 || CPU_COUNT(&set) != 1) return;
    int cpu = 0;
    while (!CPU_ISSET(cpu, &set)) cpu++;
    do {
        cpu = (cpu + 1) % CPU_SETSIZE;
    } while (!CPU_ISSET(cpu, allowed));
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)pthread_setaffinity_np(thread, sizeof(set), &set);
}

/* Any other thread that can run does so first, and at once: sched(7). One that is only nice would
 * get its slices of some milliseconds often enough to be seen in the latest hundredth of answers.
 */
static void *read_gently(void *arg) {
    const struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_IDLE, &none); /* of this thread */
    read_files(arg);
    stay_on_processor(); /* not before: threads that download would inherit it */
    build_engine(arg);
    return NULL;
}

/* On a thread of its own: what a thread has once given away of its priority it does not get back,
 * nor do processes that it starts. false: there is none, and nothing was done. */
static bool read_on_thread(struct reading *reading) {
    pthread_t thread;
    cpu_set_t allowed;
    if (pthread_create(&thread, NULL, read_gently, reading) != 0) return false;
    bool is_known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
    struct timespec until;
    do {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += SECONDS_ON_PROCESSOR;
        if (is_known) move_on(thread, &allowed);
    } while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT);
    return true;
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
    if (!is_gentle || !read_on_thread(&reading)) {
        read_files(&reading);
        build_engine(&reading);
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
