#include "api/endpoints.h"

#include "api/deadline.h"
#include "api/health.h"
#include "api/invocation.h"
#include "api/metrics_page.h"
#include "api/models_page.h"
#include "api/offload.h"
#include "api/reload.h"
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

/* Asking a model ------------------------------------------------------------------------------ */

/* A native engine answers here and now, on the connection's thread. */
static mr_status answer_now(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                            const struct mr_question *question, struct mr_http_response *response,
                            struct mr_error *err) {
    struct mr_output output = {0};
    struct mr_cost *cost = &mr_trace_of(request)->version->cost;
    int64_t n_rows = mr_input_n_rows(&question->input);
    bool is_measured = mr_cost_is_due(cost, n_rows);
    uint64_t start_ns = is_measured ? mr_cost_now_ns() : 0;
    MR_TRY(mr_engine_predict(question->engine, &question->input, request->arena, &output, err));
    mr_trace_lap(request, MR_STAGE_PREDICT);
    MR_TRY(mr_deadline_check(request, MR_STAGE_PREDICT, err));
    output.is_bare = question->is_bare;
    mr_respond_output(&output, &endpoints->encode, request->arena, response);
    mr_respond_end(endpoints, request, response);
    if (is_measured) mr_cost_learn(cost, n_rows, mr_cost_now_ns() - start_ns);
    return MR_OK;
}

/* An answer, or the beginning of one that comes later. */
static mr_status answer(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                        struct mr_http_response *response, struct mr_error *err) {
    const struct mr_version *asked = mr_trace_of(request)->version;
    mr_format format;
    struct mr_question question;
    MR_TRY(mr_deadline_begin(request, endpoints->timeout_ms, err));
    MR_TRY(mr_format_find(mr_http_header(request, "Content-Type"), &format, err));
    MR_TRY(mr_engine_check_room(&asked->model->engine, err));
    if (mr_offload_wants_body(asked, format, request->body_size)) {
        return mr_offload_body(endpoints, request, format, err);
    }
    mr_trace_copy(request, format);
    MR_TRY(mr_score_decode(asked->model, format, request->body, request->body_size,
                           request->body_capacity, request->arena, &question, err));
    mr_trace_lap(request, MR_STAGE_DECODE);
    MR_TRY(mr_deadline_check(request, MR_STAGE_DECODE, err));
    mr_trace_rows(request, &question.input);
    if (!mr_engine_is_native(question.engine)) {
        return mr_invocation_start(endpoints, request, &question, err);
    }
    if (mr_offload_wants_question(asked, &question)) {
        return mr_offload_question(endpoints, request, &question, err);
    }
    return answer_now(endpoints, request, &question, response, err);
}

/* The version that is current now answers, whatever comes; mr_endpoints_observe gives it back.
 * shadow  is asked the same; NULL: none is */
static void ask(const struct mr_served *served, struct mr_shadow *shadow,
                struct mr_http_request *request, struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = served->endpoints;
    struct mr_error err = {0};
    struct mr_trace *trace = mr_trace_begin(request, endpoints->has_server_timing);
    if (!trace) {
        (void)mr_arena_fail(request->arena, &err);
        mr_respond_error(&err, request->arena, response);
        return;
    }
    trace->served = served;
    trace->version = mr_live_take(served->live);
    trace->shadow = shadow;
    mr_metrics_in_flight(endpoints->observer.metrics, 1);
    if (answer(endpoints, request, response, &err) != MR_OK) {
        mr_respond_error(&err, request->arena, response);
        mr_respond_end(endpoints, request, response);
    }
}

static void invocations(void *ctx, struct mr_http_request *request,
                        struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = ctx;
    const struct mr_served *served = endpoints->models;
    if (endpoints->split.n) {
        struct mr_str id = mr_http_header(request, "X-Request-Id");
        served += mr_split_choose(&endpoints->split, id.size ? id : request->id);
    }
    struct mr_shadow *shadow = endpoints->shadow;
    bool is_itself = shadow && mr_shadow_served(shadow) == served;
    ask(served, is_itself ? NULL : shadow, request, response);
}

static void invocations_of_one(void *ctx, struct mr_http_request *request,
                               struct mr_http_response *response) {
    ask(ctx, NULL, request, response);
}

void mr_endpoints_observe(void *ctx, const struct mr_http_exchange *exchange) {
    const struct mr_endpoints *endpoints = ctx;
    mr_observe(&endpoints->observer, exchange);
    struct mr_trace *trace = exchange->notes;
    if (!trace) return;
    struct mr_served *served = &endpoints->models[trace->served->number];
    if (exchange->status == 0) atomic_fetch_add(&served->n_cancelled, 1);
    if (trace->late_stage != MR_STAGE_READ) atomic_fetch_add(&served->n_late[trace->late_stage], 1);
    if (trace->copy) mr_shadow_send(trace->shadow, trace->copy);
    mr_live_give(trace->version);
}

/* Routes -------------------------------------------------------------------------------------- */

static void reload_first(void *ctx, struct mr_http_request *request,
                         struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = ctx;
    mr_reload_handle(&endpoints->models[0], request, response);
}

#define OF_ONE "/models/{name}" /* stands for the model's name */

static const struct mr_http_route templates[] = {
    {"POST", "/invocations", invocations, NULL},
    {"GET", "/ping", mr_health_ping, NULL},
    {"GET", "/health", mr_health_ping, NULL},
    {"GET", "/livez", mr_health_live, NULL},
    {"GET", "/readyz", mr_health_ready, NULL},
    {"GET", "/version", version, NULL},
    {"GET", "/metrics", metrics, NULL},
    {"GET", "/models", mr_models_page, NULL},
    {"POST", "/reload", reload_first, NULL},
    {"POST", OF_ONE "/invocations", invocations_of_one, NULL},
    {"GET", OF_ONE "/ping", mr_health_ping_one, NULL},
    {"POST", OF_ONE "/reload", mr_reload_handle, NULL},
};
#define N_TEMPLATES (sizeof(templates) / sizeof(*templates))

static bool is_of_one(const struct mr_http_route *route) {
    return strncmp(route->path, OF_ONE, sizeof(OF_ONE) - 1) == 0;
}

static mr_status add_route(struct mr_endpoints *endpoints, const struct mr_http_route *template,
                           struct mr_served *served, struct mr_arena *arena, struct mr_error *err) {
    bool is_reload = template->handler == reload_first || template->handler == mr_reload_handle;
    if (is_reload && !endpoints->is_reloadable) return MR_OK;
    struct mr_http_route *route = &endpoints->routes[endpoints->n_routes];
    *route = *template;
    endpoints->route_names[endpoints->n_routes++] = template->path;
    if (!served) return MR_OK;
    struct mr_buf path;
    mr_buf_init(&path, arena);
    mr_buf_format(&path, "/models/%s%s", served->name, template->path + sizeof(OF_ONE) - 1);
    mr_buf_char(&path, '\0');
    route->path = path.data;
    route->ctx = served;
    return mr_buf_status(&path, err);
}

mr_status mr_endpoints_init(struct mr_endpoints *endpoints, struct mr_arena *arena,
                            struct mr_error *err) {
    size_t n = (endpoints->n_models + 1) * N_TEMPLATES;
    endpoints->routes = mr_arena_array(arena, n, sizeof(*endpoints->routes));
    endpoints->route_names = mr_arena_array(arena, n, sizeof(*endpoints->route_names));
    endpoints->model_names = mr_arena_array(arena, n, sizeof(*endpoints->model_names));
    endpoints->n_routes = 0;
    if (!endpoints->routes || !endpoints->route_names || !endpoints->model_names) {
        return mr_arena_fail(arena, err);
    }
    for (size_t i = 0; i < endpoints->n_models; i++) {
        endpoints->model_names[i] = endpoints->models[i].name;
    }
    for (size_t i = 0; i < N_TEMPLATES; i++) {
        if (is_of_one(&templates[i])) continue;
        MR_TRY(add_route(endpoints, &templates[i], NULL, arena, err));
    }
    for (size_t i = 0; i < endpoints->n_models * N_TEMPLATES; i++) {
        const struct mr_http_route *template = &templates[i % N_TEMPLATES];
        if (!is_of_one(template)) continue;
        MR_TRY(add_route(endpoints, template, &endpoints->models[i / N_TEMPLATES], arena, err));
    }
    return MR_OK;
}
