#include "api/endpoints.h"

#include "api/invocation.h"
#include "api/respond.h"
#include "api/score.h"

/* Whether the model can be asked now: what load balancers and Kubernetes want to know. */
static void ping(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = ctx;
    struct mr_error err = {0};
    switch (mr_engine_state_of(&endpoints->model->engine)) {
    case MR_ENGINE_READY: mr_respond_text("\n", response); return;
    case MR_ENGINE_LOADING: mr_fail(&err, MR_E_UNAVAILABLE, "the model is loading"); break;
    case MR_ENGINE_FAILED: mr_fail(&err, MR_E_UNAVAILABLE, "loading the model failed"); break;
    }
    mr_respond_error(&err, request->arena, response);
}

static void version(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    mr_respond_text(MR_MLFLOW_VERSION, response);
}

static mr_status read_question(const struct mr_endpoints *endpoints,
                               struct mr_http_request *request, struct mr_question *out,
                               struct mr_error *err) {
    mr_format format;
    MR_TRY(mr_format_find(mr_http_header(request, "Content-Type"), &format, err));
    return mr_score_decode(endpoints->model, format, request->body, request->body_size,
                           request->body_capacity, request->arena, out, err);
}

/* A native engine answers here and now, on the connection's thread. */
static mr_status answer(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                        const struct mr_question *question, struct mr_http_response *response,
                        struct mr_error *err) {
    struct mr_output output = {0};
    MR_TRY(mr_engine_predict(question->engine, &question->input, request->arena, &output, err));
    output.is_bare = question->is_bare;
    mr_respond_output(&output, &endpoints->encode, request->arena, response);
    return MR_OK;
}

static void invocations(void *ctx, struct mr_http_request *request,
                        struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = ctx;
    struct mr_error err = {0};
    struct mr_question question;
    mr_status status = read_question(endpoints, request, &question, &err);
    if (status == MR_OK) {
        bool is_native = mr_engine_is_native(question.engine);
        status = is_native ? answer(endpoints, request, &question, response, &err)
                           : mr_invocation_start(endpoints, request, &question, &err);
    }
    if (status != MR_OK) mr_respond_error(&err, request->arena, response);
}

const struct mr_http_route *mr_endpoints_routes(size_t *n) {
    static const struct mr_http_route routes[] = {
        {"POST", "/invocations", invocations},
        {"GET", "/ping", ping},
        {"GET", "/health", ping},
        {"GET", "/version", version},
    };
    *n = sizeof(routes) / sizeof(routes[0]);
    return routes;
}
