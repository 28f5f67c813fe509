#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "model/live.h"

/* An engine whose model is a number that is wiped when it is unloaded. */
struct mr_engine_model {
    atomic_int number;
};

static atomic_int n_unloaded;

static void unload(struct mr_engine_model *model) {
    atomic_store(&model->number, 0);
    atomic_fetch_add(&n_unloaded, 1);
    free(model);
}

static const struct mr_engine_ops ops = {.name = "test", .is_native = true, .unload = unload};

static struct mr_version *new_version(int number) {
    struct mr_version *version = calloc(1, sizeof(*version));
    struct mr_arena *arena = mr_arena_new(0, NULL);
    version->model = mr_arena_zalloc(arena, sizeof(*version->model));
    version->model->arena = arena;
    struct mr_engine_model *model = calloc(1, sizeof(*model));
    atomic_store(&model->number, number);
    version->model->engine = (struct mr_engine){.ops = &ops, .model = model};
    return version;
}

static int number_of(const struct mr_version *version) {
    return atomic_load(&version->model->engine.model->number);
}

static void test_old_versions_stay_while_requests_have_them(void **state) {
    (void)state;
    atomic_store(&n_unloaded, 0);
    struct mr_live *live = mr_live_new();
    assert_null(mr_live_take(live));
    assert_int_equal(mr_live_put(live, new_version(1), NULL), MR_OK);
    struct mr_version *first = mr_live_take(live), *again = mr_live_take(live);
    assert_ptr_equal(first, again);
    assert_int_equal(mr_live_put(live, new_version(2), NULL), MR_OK);
    struct mr_version *second = mr_live_take(live);
    assert_int_equal(number_of(second), 2);
    assert_int_equal(mr_live_sweep(live), 1);
    mr_live_give(first);
    assert_int_equal(mr_live_sweep(live), 1);
    assert_int_equal(number_of(again), 1);
    mr_live_give(again);
    assert_int_equal(mr_live_sweep(live), 0);
    assert_int_equal(atomic_load(&n_unloaded), 1);
    mr_live_give(second);
    assert_int_equal(mr_live_sweep(live), 0); /* the current one is never swept */
    mr_live_free(live);
    assert_int_equal(atomic_load(&n_unloaded), 2);
}

static void test_too_many_versions(void **state) {
    (void)state;
    struct mr_error err = {0};
    struct mr_live *live = mr_live_new();
    struct mr_version *held[MR_LIVE_MAX_VERSIONS];
    for (int i = 0; i < MR_LIVE_MAX_VERSIONS; i++) {
        assert_int_equal(mr_live_check_room(live, NULL), MR_OK);
        assert_int_equal(mr_live_put(live, new_version(i + 1), NULL), MR_OK);
        held[i] = mr_live_take(live);
    }
    assert_int_equal(mr_live_check_room(live, &err), MR_E_BUSY);
    assert_non_null(strstr(err.message, "8 versions"));
    struct mr_version *late = new_version(99);
    assert_int_equal(mr_live_put(live, late, &err), MR_E_BUSY);
    mr_live_give(held[3]);
    assert_int_equal(mr_live_sweep(live), MR_LIVE_MAX_VERSIONS - 2);
    assert_int_equal(mr_live_put(live, late, &err), MR_OK);
    for (int i = 0; i < MR_LIVE_MAX_VERSIONS; i++) {
        if (i != 3) mr_live_give(held[i]);
    }
    assert_int_equal(mr_live_sweep(live), 0);
    mr_live_free(live);
}

struct crowd {
    struct mr_live *live;
    atomic_bool is_ending;
    atomic_long n_taken;
    struct mr_version *_Atomic handed; /* taken by one thread, given back by another */
};

static void *take_and_give(void *arg) {
    struct crowd *crowd = arg;
    int before = 0;
    while (!atomic_load(&crowd->is_ending)) {
        struct mr_version *version = mr_live_take(crowd->live);
        int number = number_of(version);
        if (number < before) fail_msg("version %d after %d", number, before);
        before = number;
        struct mr_version *other = atomic_exchange(&crowd->handed, version);
        if (other) {
            assert_true(number_of(other) > 0);
            mr_live_give(other);
        }
        atomic_fetch_add(&crowd->n_taken, 1);
    }
    return NULL;
}

static void test_versions_change_under_many_threads(void **state) {
    (void)state;
    enum { N_THREADS = 4, N_VERSIONS = 300 };
    struct crowd crowd = {.live = mr_live_new()};
    pthread_t threads[N_THREADS];
    atomic_store(&n_unloaded, 0);
    assert_int_equal(mr_live_put(crowd.live, new_version(1), NULL), MR_OK);
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &crowd), 0);
    }
    for (int i = 2; i <= N_VERSIONS; i++) {
        struct mr_version *version = new_version(i);
        long n_taken = atomic_load(&crowd.n_taken);
        while (mr_live_put(crowd.live, version, NULL) != MR_OK) mr_live_sweep(crowd.live);
        while (atomic_load(&crowd.n_taken) == n_taken) sched_yield();
        if (i % 3) mr_live_sweep(crowd.live);
    }
    atomic_store(&crowd.is_ending, true);
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    mr_live_give(atomic_load(&crowd.handed));
    assert_int_equal(mr_live_sweep(crowd.live), 0);
    assert_int_equal(atomic_load(&n_unloaded), N_VERSIONS - 1);
    mr_live_free(crowd.live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_versions_stay_while_requests_have_them),
        cmocka_unit_test(test_too_many_versions),
        cmocka_unit_test(test_versions_change_under_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
