#include "api/endpoints.h"

#include "api/health.h"
#include "api/invocation.h"
#include "api/metrics_page.h"
#include "api/offload.h"
#include "api/respond.h"
#include "api/score.h"
#include "api/trace.h"
#include "schema/slice.h"

static void version(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    mr_respond_text(MR_MLFLOW_VERSION, response);
}

static void metrics(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    struct mr_error err = {0};
    struct mr_buf page;
    mr_buf_init(&page, request->arena);
    mr_metrics_page(ctx, &page);
    if (mr_buf_status(&page, &err) != MR_OK) {
        mr_respond_error(&err, request->arena, response);
        return;
    }
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    response->body = mr_buf_str(&page);
}

/* A native engine answers here and now, on the connection's thread. */
static mr_status answer_now(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                            const struct mr_question *question, struct mr_http_response *response,
                            struct mr_error *err) {
    struct mr_output output = {0};
    int64_t n_rows = mr_input_n_rows(&question->input);
    bool is_measured = mr_cost_is_due(endpoints->cost, n_rows);
    uint64_t start_ns = is_measured ? mr_cost_now_ns() : 0;
    MR_TRY(mr_engine_predict(question->engine, &question->input, request->arena, &output, err));
    mr_trace_lap(request, MR_STAGE_PREDICT);
    output.is_bare = question->is_bare;
    mr_respond_output(&output, &endpoints->encode, request->arena, response);
    mr_respond_end(endpoints, request, response);
    if (is_measured) mr_cost_learn(endpoints->cost, n_rows, mr_cost_now_ns() - start_ns);
    return MR_OK;
}

/* An answer, or the beginning of one that comes later. */
static mr_status answer(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                        struct mr_http_response *response, struct mr_error *err) {
    mr_format format;
    struct mr_question question;
    MR_TRY(mr_format_find(mr_http_header(request, "Content-Type"), &format, err));
    if (mr_offload_wants_body(endpoints, format, request->body_size)) {
        return mr_offload_body(endpoints, request, format, err);
    }
    MR_TRY(mr_score_decode(endpoints->model, format, request->body, request->body_size,
                           request->body_capacity, request->arena, &question, err));
    mr_trace_lap(request, MR_STAGE_DECODE);
    mr_trace_rows(request, &question.input);
    if (!mr_engine_is_native(question.engine)) {
        return mr_invocation_start(endpoints, request, &question, err);
    }
    if (mr_offload_wants_question(endpoints, &question)) {
        return mr_offload_question(endpoints, request, &question, err);
    }
    return answer_now(endpoints, request, &question, response, err);
}

static void invocations(void *ctx, struct mr_http_request *request,
                        struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = ctx;
    struct mr_error err = {0};
    mr_trace_begin(request, endpoints->has_server_timing);
    if (request->notes) mr_metrics_in_flight(endpoints->observer.metrics, 1);
    if (answer(endpoints, request, response, &err) != MR_OK) {
        mr_respond_error(&err, request->arena, response);
        mr_respond_end(endpoints, request, response);
    }
}

const struct mr_http_route *mr_endpoints_routes(size_t *n) {
    static const struct mr_http_route routes[] = {
        {"POST", "/invocations", invocations}, {"GET", "/ping", mr_health_ping},
        {"GET", "/health", mr_health_ping},    {"GET", "/livez", mr_health_live},
        {"GET", "/readyz", mr_health_ready},   {"GET", "/version", version},
        {"GET", "/metrics", metrics},
    };
    *n = sizeof(routes) / sizeof(routes[0]);
    return routes;
}

void mr_endpoints_observe(void *ctx, const struct mr_http_exchange *exchange) {
    const struct mr_endpoints *endpoints = ctx;
    mr_observe(&endpoints->observer, exchange);
}
