#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/shadow.h"

/* Engines that answer [1], at once or when the gate is opened. */
struct mr_engine_model {
    atomic_bool is_failing;
    atomic_int n_asked;
    struct mr_call *_Atomic held; /* the last call */
};

static void unload(struct mr_engine_model *model) {
    free(model);
}

static mr_status predict(const struct mr_engine_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    (void)input;
    (void)arena;
    if (atomic_load(&model->is_failing)) return mr_fail(err, MR_E_BAD_REQUEST, "it fails");
    *out = (struct mr_output){.kind = MR_OUTPUT_JSON, .json = mr_str_from("[1]")};
    return MR_OK;
}

static bool can_take(const struct mr_engine_model *model, const struct mr_input *input,
                     struct mr_arena *arena, const char **reason) {
    (void)model;
    (void)arena;
    (void)input;
    (void)reason;
    return true;
}

static void ask(struct mr_engine_model *model, struct mr_call *call) {
    atomic_store(&model->held, call);
    atomic_fetch_add(&model->n_asked, 1);
}

static bool cancel(struct mr_engine_model *model, struct mr_call *call) {
    return atomic_load(&model->held) == call;
}

static mr_engine_state state_of(const struct mr_engine_model *model) {
    (void)model;
    return MR_ENGINE_READY;
}

static const struct mr_engine_ops native = {
    .name = "native", .is_native = true, .predict = predict, .unload = unload};
static const struct mr_engine_ops later = {.name = "later",
                                           .can_take = can_take,
                                           .ask = ask,
                                           .cancel = cancel,
                                           .state = state_of,
                                           .unload = unload};

static struct mr_engine_model *model;
static struct mr_live *live;
static struct mr_served served;
static struct mr_shadow *shadow;
static const struct mr_encode_options encode;

static void start(const struct mr_engine_ops *ops) {
    struct mr_version *version = calloc(1, sizeof(*version));
    struct mr_arena *arena = mr_arena_new(0, NULL);
    version->model = mr_arena_zalloc(arena, sizeof(*version->model));
    version->model->arena = arena;
    model = calloc(1, sizeof(*model));
    version->model->engine = (struct mr_engine){.ops = ops, .model = model};
    live = mr_live_new();
    assert_int_equal(mr_live_put(live, version, NULL), MR_OK);
    served = (struct mr_served){.name = "shadow", .live = live};
    assert_int_equal(mr_shadow_start(&served, &encode, &shadow, NULL), MR_OK);
}

static struct mr_shadow_copy *copy_of(const char *body) {
    struct mr_http_request request = {
        .body = (char *)(uintptr_t)body, .body_size = strlen(body), .id = mr_str_from("me-1")};
    return mr_shadow_copy(shadow, MR_FORMAT_JSON, &request);
}

static const char row[] = "{\"inputs\": [[1.0]]}";

/* What a client was answered, and the shadow is asked. */
static void send_one(const char *body, int status, const char *answer) {
    struct mr_shadow_copy *copy = copy_of(body);
    assert_non_null(copy);
    struct mr_http_response response = {.status = status, .body = mr_str_from(answer)};
    mr_shadow_answered(shadow, copy, &response);
    mr_shadow_send(shadow, copy);
}

static void wait_for(mr_shadow_result result, unsigned long n) {
    while (mr_shadow_count(shadow, result) < n) usleep(100);
    assert_int_equal(mr_shadow_count(shadow, result), n);
}

static void stop(void) {
    mr_shadow_stop(shadow);
    assert_int_equal(mr_live_sweep(live), 0);
    mr_live_free(live);
}

static void test_results(void **state) {
    (void)state;
    start(&native);
    send_one(row, 200, "{\"predictions\": [1]}");
    wait_for(MR_SHADOW_SAME, 1);
    send_one(row, 200, "{\"predictions\": [12]}");
    send_one(row, 200, "{\"predictions\": [1");
    wait_for(MR_SHADOW_DIFFERENT, 2);
    send_one("{", 400, "{}"); /* both refuse it, in their own words */
    wait_for(MR_SHADOW_SAME, 2);
    send_one(row, 400, "{}"); /* only the other one does */
    wait_for(MR_SHADOW_DIFFERENT, 3);
    atomic_store(&model->is_failing, true);
    send_one(row, 200, "{\"predictions\": [1]}");
    wait_for(MR_SHADOW_ERROR, 1);
    assert_int_equal(mr_shadow_count(shadow, MR_SHADOW_DROPPED), 0);
    stop();
}

static void test_what_is_not_compared(void **state) {
    (void)state;
    start(&native);
    send_one(row, 503, "{}");
    mr_shadow_send(shadow, copy_of(row)); /* there was no answer */
    struct mr_shadow_copy *copy = copy_of(row);
    mr_shadow_answered(shadow, copy, &(struct mr_http_response){.status = 200, .is_stream = true});
    mr_shadow_send(shadow, copy);
    assert_int_equal(mr_shadow_count(shadow, MR_SHADOW_DROPPED), 3);
    stop();
}

/* More than is kept is dropped, and what was dropped makes room again. */
static void test_copies_are_bounded(void **state) {
    (void)state;
    enum { N = 1100, LARGE = 512 << 10 };
    static struct mr_shadow_copy *copies[N];
    start(&native);
    size_t n_kept = 0;
    for (size_t i = 0; i < N; i++) {
        copies[i] = copy_of(row);
        n_kept += copies[i] != NULL;
    }
    assert_int_equal(n_kept, 1000);
    assert_int_equal(mr_shadow_count(shadow, MR_SHADOW_DROPPED), N - 1000);
    for (size_t i = 0; i < N; i++) {
        if (copies[i]) mr_shadow_send(shadow, copies[i]);
    }
    char *large = calloc(1, LARGE + 2);
    memset(large, ' ', LARGE);
    for (n_kept = 0; (copies[n_kept] = copy_of(large)); n_kept++) continue;
    assert_int_equal(n_kept, 31); /* 16 MB, with what is said of each */
    mr_shadow_send(shadow, copies[0]);
    copies[0] = copy_of(large);
    assert_non_null(copies[0]);
    while (n_kept > 0) mr_shadow_send(shadow, copies[--n_kept]);
    free(large);
    stop();
}

/* What would hold up the client, or the end of the server. */
static void test_large_ones_are_dropped(void **state) {
    (void)state;
    enum { MAX = 512 << 10 };
    start(&native);
    char *large = calloc(1, MAX + 2);
    memset(large, ' ', MAX + 1);
    assert_null(copy_of(large));
    send_one(row, 200, large);
    assert_int_equal(mr_shadow_count(shadow, MR_SHADOW_DROPPED), 2);
    large[MAX] = '\0';
    send_one(row, 200, large);
    wait_for(MR_SHADOW_DIFFERENT, 1);
    free(large);
    stop();
}

/* Copies that the shadow is done with are freed by those who make more. */
static void test_more_than_are_kept_at_a_time(void **state) {
    (void)state;
    enum { N = 2500 };
    start(&native);
    for (unsigned long i = 1; i <= N; i++) {
        send_one(row, 200, "{\"predictions\": [1]}");
        wait_for(MR_SHADOW_SAME, i);
    }
    assert_int_equal(mr_shadow_count(shadow, MR_SHADOW_DROPPED), 0);
    stop();
}

static void test_an_engine_that_answers_later(void **state) {
    (void)state;
    start(&later);
    send_one(row, 200, "{\"predictions\": [1]}");
    while (atomic_load(&model->n_asked) < 1) usleep(100);
    struct mr_call *call = atomic_load(&model->held);
    call->output = (struct mr_output){.kind = MR_OUTPUT_JSON, .json = mr_str_from("[1]")};
    call->done(call);
    wait_for(MR_SHADOW_SAME, 1);
    send_one(row, 200, "{\"predictions\": [1]}");
    while (atomic_load(&model->n_asked) < 2) usleep(100);
    call = atomic_load(&model->held);
    call->status = MR_E_BUSY;
    call->done(call);
    wait_for(MR_SHADOW_DROPPED, 1);
    send_one(row, 200, "{\"predictions\": [1]}");
    while (atomic_load(&model->n_asked) < 3) usleep(100);
    stop(); /* the third is withdrawn */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_what_is_not_compared),
        cmocka_unit_test(test_copies_are_bounded),
        cmocka_unit_test(test_large_ones_are_dropped),
        cmocka_unit_test(test_more_than_are_kept_at_a_time),
        cmocka_unit_test(test_an_engine_that_answers_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
