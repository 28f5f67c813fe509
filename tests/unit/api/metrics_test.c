#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics.h"

static const char *const routes[] = {"/invocations", "/ping"};

static const char *text_of(const struct mr_metrics *metrics, struct mr_arena *arena) {
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_metrics_write(metrics, &buf);
    mr_buf_char(&buf, '\0');
    assert_int_equal(mr_buf_status(&buf, NULL), MR_OK);
    return mr_buf_str(&buf).data;
}

static void assert_line(const char *text, const char *line) {
    const char *found = strstr(text, line);
    size_t size = strlen(line);
    bool is_line = found && (found == text || found[-1] == '\n') && found[size] == '\n';
    if (!is_line) print_error("no line %s in\n%s\n", line, text);
    assert_true(is_line);
}

static void test_nothing_yet(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_metrics *metrics = mr_metrics_new(routes, 2, NULL, 0);
    const char *text = text_of(metrics, arena);
    assert_null(strstr(text, "mlrace_requests_total{"));
    assert_line(text, "# TYPE mlrace_requests_total counter");
    assert_line(text, "mlrace_request_duration_seconds_count{route=\"/ping\"} 0");
    assert_line(text, "mlrace_requests_in_flight 0");
    mr_metrics_free(metrics);
    mr_arena_free(arena);
}

static void test_requests(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_metrics *metrics = mr_metrics_new(routes, 2, NULL, 0);
    const struct mr_metrics_request requests[] = {
        {.route = 0,
         .status = 200,
         .n_received = 10,
         .n_sent = 4,
         .n_rows = 3,
         .total_ns = 50000,
         .stage_ns = {[MR_STAGE_READ] = 1, [MR_STAGE_PREDICT] = 100001}},
        {.route = 0, .status = 200, .n_received = 1, .n_sent = 2, .n_rows = 1, .total_ns = 50001},
        {.route = 0, .status = 0, .total_ns = 61000000000},
        {.route = 1, .status = 599, .total_ns = 1},
        {.route = 2, .status = 404, .total_ns = 1},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        mr_metrics_add(metrics, &requests[i]);
    }
    mr_metrics_in_flight(metrics, 1);
    const char *text = text_of(metrics, arena);
    assert_line(text, "mlrace_requests_total{route=\"/invocations\",status=\"200\"} 2");
    assert_line(text, "mlrace_requests_total{route=\"/invocations\",status=\"499\"} 1");
    assert_line(text, "mlrace_requests_total{route=\"/ping\",status=\"other\"} 1");
    assert_line(text, "mlrace_requests_total{route=\"other\",status=\"404\"} 1");
    const char *bucket = "mlrace_request_duration_seconds_bucket{route=\"/invocations\",le=";
    const char *const counts[] = {"\"5e-05\"} 1", "\"0.0001\"} 2", "\"60\"} 2", "\"+Inf\"} 3"};
    for (size_t i = 0; i < 4; i++) {
        char line[200];
        snprintf(line, sizeof(line), "%s%s", bucket, counts[i]);
        assert_line(text, line);
    }
    assert_line(text, "mlrace_request_duration_seconds_count{route=\"/invocations\"} 3");
    assert_line(text,
                "mlrace_request_stage_duration_seconds_bucket{stage=\"predict\",le=\"0.0001\"} 0");
    assert_line(text,
                "mlrace_request_stage_duration_seconds_bucket{stage=\"predict\",le=\"0.00025\"} 1");
    assert_line(text, "mlrace_request_stage_duration_seconds_count{stage=\"queue\"} 0");
    assert_line(text, "mlrace_rows_total 4");
    assert_line(text, "mlrace_request_bytes_total 11");
    assert_line(text, "mlrace_response_bytes_total 6");
    assert_line(text, "mlrace_requests_in_flight 1");
    mr_metrics_free(metrics);
    mr_arena_free(arena);
}

static void *add_many(void *metrics) {
    for (int i = 0; i < 10000; i++) {
        mr_metrics_add(metrics, &(struct mr_metrics_request){.status = 200, .total_ns = 1});
        mr_metrics_in_flight(metrics, i % 2 ? -1 : 1);
    }
    return NULL;
}

/* None is lost, also of more threads than there are shards. */
static void test_threads(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_metrics *metrics = mr_metrics_new(routes, 2, NULL, 0);
    enum { N = 40 };
    pthread_t threads[N];
    for (int i = 0; i < N; i++) pthread_create(&threads[i], NULL, add_many, metrics);
    for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
    const char *text = text_of(metrics, arena);
    assert_line(text, "mlrace_requests_total{route=\"/invocations\",status=\"200\"} 400000");
    assert_line(text, "mlrace_requests_in_flight 0");
    mr_metrics_free(metrics);
    mr_arena_free(arena);
}

static void test_labels(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_metrics_label(&buf, mr_str_from("a\"b\\c\nd"));
    struct mr_str text = mr_buf_str(&buf);
    assert_int_equal(text.size, 10);
    assert_memory_equal(text.data, "a\\\"b\\\\c\\nd", 10);
    mr_arena_free(arena);
}

static void test_models(void **state) {
    (void)state;
    static const char *const models[] = {"a", "b"};
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_metrics *metrics = mr_metrics_new(routes, 2, models, 2);
    const struct mr_metrics_request requests[] = {
        {.route = 0, .model = 1, .status = 200, .n_rows = 3, .total_ns = 50000},
        {.route = 0, .model = 1, .status = 200, .n_rows = 1, .total_ns = 60000},
        {.route = 0, .model = 0, .status = 503, .total_ns = 50000},
        {.route = 1, .model = SIZE_MAX, .status = 200},
    };
    for (size_t i = 0; i < 4; i++) mr_metrics_add(metrics, &requests[i]);
    const char *text = text_of(metrics, arena);
    assert_line(text, "mlrace_model_requests_total{model=\"a\",status=\"503\"} 1");
    assert_line(text, "mlrace_model_requests_total{model=\"b\",status=\"200\"} 2");
    assert_line(text, "mlrace_model_request_duration_seconds_count{model=\"b\"} 2");
    assert_line(text, "mlrace_model_request_duration_seconds_bucket{model=\"b\",le=\"5e-05\"} 1");
    assert_line(text, "mlrace_model_rows_total{model=\"a\"} 0");
    assert_line(text, "mlrace_model_rows_total{model=\"b\"} 4");
    assert_line(text, "mlrace_requests_total{route=\"/invocations\",status=\"200\"} 2");
    mr_metrics_free(metrics);
    mr_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),   cmocka_unit_test(test_nothing_yet),
        cmocka_unit_test(test_requests), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
