#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/keeper.h"

/* A copy of examples/iris/model that changes. */
static char folder[] = "/tmp/mlrace-keeper-XXXXXX";

static void path_of(const char *name, char path[200]) {
    snprintf(path, 200, "%s/%s", folder, name);
}

/* Writes a file beside its place and moves it there: never half of it is seen. */
static void write_file(const char *name, const char *text, size_t size) {
    char path[200];
    path_of("new", path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    char to[200];
    path_of(name, to);
    assert_int_equal(rename(path, to), 0);
}

static void copy(const char *name, size_t max_bytes) {
    char path[200], text[1 << 16];
    snprintf(path, sizeof(path), "examples/iris/model/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    write_file(name, text, size < max_bytes ? size : max_bytes);
}

/* The example's MLmodel with another id; of keys given twice the last counts. */
static void write_version(const char *id, const char *end) {
    char path[200], text[1 << 16];
    snprintf(path, sizeof(path), "examples/iris/model/MLmodel");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) / 2, file);
    fclose(file);
    text[size] = '\0';
    const char *key = strstr(text, "model_id: null");
    assert_non_null(key);
    char whole[1 << 16];
    int length = snprintf(whole, sizeof(whole), "%.*smodel_id: %s%s%s", (int)(key - text), text, id,
                          key + strlen("model_id: null"), end);
    write_file("MLmodel", whole, (size_t)length);
}

/* --- what is kept ---------------------------------------------------------------------------- */

static struct mr_live *live;
static struct mr_keeper *keeper;
static const struct mr_engine_options engine = {.choice = MR_ENGINE_NATIVE};
static atomic_bool is_cold;                /* new versions do not answer their example */
static atomic_bool is_held, is_warming_up; /* the one that does waits */

static mr_status warm_up(void *ctx, struct mr_version *version, struct mr_error *err) {
    assert_ptr_equal(ctx, folder);
    assert_true(atomic_load(&version->load_s) > 0);
    atomic_store(&is_warming_up, true);
    while (atomic_load(&is_held)) usleep(100);
    return atomic_load(&is_cold) ? mr_fail(err, MR_E_INTERNAL, "it is cold") : MR_OK;
}

static void start(unsigned watch_ms) {
    struct mr_version *version;
    const struct mr_keeper_options options = {.name = "test",
                                              .uri = folder,
                                              .engine = &engine,
                                              .watch_ms = watch_ms,
                                              .warm_up = warm_up,
                                              .ctx = folder};
    struct mr_keeper_options with_live = options;
    atomic_store(&is_cold, false);
    live = mr_live_new();
    copy("model.skops", SIZE_MAX);
    write_version("v1", "");
    assert_int_equal(mr_version_load(folder, NULL, &engine, false, NULL, NULL, &version, NULL),
                     MR_OK);
    assert_int_equal(mr_live_put(live, version, NULL), MR_OK);
    with_live.live = live;
    assert_int_equal(mr_keeper_start(&with_live, &keeper, NULL), MR_OK);
}

static void stop(void) {
    mr_keeper_stop(keeper);
    mr_live_free(live);
}

static void assert_label(const char *label) {
    struct mr_version *version = mr_live_take(live);
    assert_string_equal(version->label, label);
    mr_live_give(version);
}

struct asked {
    struct mr_reload reload;
    pthread_mutex_t lock;
    pthread_cond_t is_told;
    bool is_done;
};

static void told(struct mr_reload *reload) {
    struct asked *asked = (struct asked *)reload;
    pthread_mutex_lock(&asked->lock);
    asked->is_done = true;
    pthread_cond_signal(&asked->is_told);
    pthread_mutex_unlock(&asked->lock);
}

static struct mr_reload reload(void) {
    struct asked asked = {.reload = {.done = told},
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .is_told = PTHREAD_COND_INITIALIZER};
    assert_int_equal(mr_keeper_reload(keeper, &asked.reload, NULL), MR_OK);
    pthread_mutex_lock(&asked.lock);
    while (!asked.is_done) pthread_cond_wait(&asked.is_told, &asked.lock);
    pthread_mutex_unlock(&asked.lock);
    return asked.reload;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_reload(void **state) {
    (void)state;
    start(0);
    struct mr_reload outcome = reload();
    assert_int_equal(outcome.err.status, MR_OK);
    assert_false(outcome.is_swapped);
    assert_string_equal(outcome.old_label, "v1");
    write_version("v2", "");
    assert_label("v1"); /* nobody looks unless told to */
    outcome = reload();
    assert_true(outcome.is_swapped);
    assert_string_equal(outcome.old_label, "v1");
    assert_string_equal(outcome.new_label, "v2");
    assert_label("v2");
    assert_int_equal(mr_keeper_counts(keeper).n_swaps, 1);
    assert_int_equal(mr_keeper_counts(keeper).n_failures, 0);
    stop();
}

static void assert_kept(mr_status status, const char *message) {
    struct mr_reload outcome = reload();
    assert_int_equal(outcome.err.status, status);
    if (!strstr(outcome.err.message, message)) fail_msg("%s", outcome.err.message);
    assert_false(outcome.is_swapped);
    assert_label("v1");
}

static void test_what_is_broken_never_becomes_current(void **state) {
    (void)state;
    start(0);
    write_version("v2", "");
    copy("model.skops", 4000);
    assert_kept(MR_E_UNSUPPORTED, "model.skops");
    copy("model.skops", SIZE_MAX);
    write_version("v2", "signature: {inputs: '[{'}\n");
    assert_kept(MR_E_FORMAT, "");
    atomic_store(&is_cold, true);
    write_version("v2", "");
    assert_kept(MR_E_INTERNAL, "it is cold");
    char path[200];
    path_of("MLmodel", path);
    assert_int_equal(unlink(path), 0);
    assert_kept(MR_E_NOT_FOUND, "MLmodel");
    assert_int_equal(mr_keeper_counts(keeper).n_failures, 4);
    atomic_store(&is_cold, false);
    write_version("v3", "");
    assert_true(reload().is_swapped);
    assert_label("v3");
    stop();
}

static void test_watch(void **state) {
    (void)state;
    start(100);
    struct mr_version *first = mr_live_take(live);
    write_version("v2", "");
    while (mr_keeper_counts(keeper).n_swaps == 0) usleep(1000);
    assert_label("v2");
    assert_string_equal(first->label, "v1"); /* a request has it still */
    mr_live_give(first);
    copy("model.skops", 4000);
    while (mr_keeper_counts(keeper).n_failures == 0) usleep(1000);
    assert_label("v2");
    stop();
}

/* Without a place for it a new version is not even loaded. */
static void test_no_room(void **state) {
    (void)state;
    start(0);
    struct mr_version *held[MR_LIVE_MAX_VERSIONS];
    char id[8];
    for (int i = 0; i < MR_LIVE_MAX_VERSIONS; i++) {
        held[i] = mr_live_take(live);
        snprintf(id, sizeof(id), "n%d", i);
        atomic_store(&is_warming_up, false);
        write_version(id, "");
        struct mr_reload outcome = reload();
        bool has_room = i + 1 < MR_LIVE_MAX_VERSIONS;
        assert_int_equal(outcome.err.status, has_room ? MR_OK : MR_E_BUSY);
        assert_int_equal(atomic_load(&is_warming_up), has_room);
    }
    for (int i = 0; i < MR_LIVE_MAX_VERSIONS; i++) mr_live_give(held[i]);
    assert_true(reload().is_swapped);
    stop();
}

static void never(struct mr_reload *told_in_vain) {
    fail_msg("%s", told_in_vain->err.message);
}

/* Who has asked leaves before it is done; what is under way goes on. */
static void test_forgotten(void **state) {
    (void)state;
    start(0);
    struct mr_reload first = {.done = never}, second = {.done = never};
    assert_false(mr_keeper_forget(keeper, &first));
    write_version("v2", "");
    atomic_store(&is_warming_up, false);
    atomic_store(&is_held, true);
    assert_int_equal(mr_keeper_reload(keeper, &first, NULL), MR_OK);
    while (!atomic_load(&is_warming_up)) usleep(100);
    assert_int_equal(mr_keeper_reload(keeper, &second, NULL), MR_E_CONFLICT);
    assert_true(mr_keeper_forget(keeper, &first));
    assert_false(mr_keeper_forget(keeper, &first));
    atomic_store(&is_held, false);
    struct mr_reload outcome = reload();
    assert_int_equal(outcome.err.status, MR_OK);
    assert_false(outcome.is_swapped); /* the first one was */
    assert_label("v2");
    stop();
}

static atomic_int n_told;

static void told_of_the_end(struct mr_reload *reload) {
    assert_int_equal(reload->err.status, MR_E_UNAVAILABLE);
    atomic_fetch_add(&n_told, 1);
}

/* Nobody waits for what will not be used, and nothing becomes current after the end was told. */
static void test_cancelled_while_it_warms_up(void **state) {
    (void)state;
    start(0);
    struct mr_reload first = {.done = told_of_the_end}, second = {.done = never};
    struct mr_error err = {0};
    write_version("v2", "");
    atomic_store(&is_warming_up, false);
    atomic_store(&is_held, true);
    assert_int_equal(mr_keeper_reload(keeper, &first, NULL), MR_OK);
    while (!atomic_load(&is_warming_up)) usleep(100);
    mr_keeper_cancel(keeper);
    assert_int_equal(atomic_load(&n_told), 1); /* though it is warming up still */
    mr_keeper_cancel(keeper);
    assert_int_equal(atomic_load(&n_told), 1);
    assert_int_equal(mr_keeper_reload(keeper, &second, &err), MR_E_UNAVAILABLE);
    assert_string_equal(err.message, "the server is shutting down");
    atomic_store(&is_held, false);
    mr_keeper_stop(keeper);
    assert_label("v1");
    mr_live_free(live);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {"MLmodel", "model.skops", "new"};
    for (size_t i = 0; i < 3; i++) {
        char path[200];
        path_of(names[i], path);
        (void)unlink(path);
    }
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_what_is_broken_never_becomes_current),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_cancelled_while_it_warms_up),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
