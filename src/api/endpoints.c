#include "api/endpoints.h"

#include "api/score.h"

static const char json_type[] = "application/json";

static void respond_text(struct mr_http_response *response, const char *body) {
    *response = (struct mr_http_response){
        .status = 200, .content_type = json_type, .body = mr_str_from(body)};
}

static void ping(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    respond_text(response, "\n");
}

static void version(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    respond_text(response, MR_MLFLOW_VERSION);
}

/* The body is JSON but for an unsupported media type, which MLflow answers as plain text. */
static void respond_error(const struct mr_error *err, struct mr_arena *arena,
                          struct mr_http_response *response) {
    struct mr_buf body;
    mr_buf_init(&body, arena);
    bool is_plain = err->status == MR_E_MEDIA_TYPE;
    if (is_plain) {
        mr_buf_text(&body, err->message);
    } else {
        mr_json_encode_error(err, &body);
    }
    static const char no_memory[] = "{\"error_code\": \"RESOURCE_EXHAUSTED\", "
                                    "\"message\": \"out of memory\"}";
    bool is_whole = mr_buf_status(&body, NULL) == MR_OK;
    *response = (struct mr_http_response){
        .status = mr_status_http(is_whole ? err->status : MR_E_NO_MEMORY),
        .content_type = is_whole && is_plain ? "text/plain" : json_type,
        .body = is_whole ? mr_buf_str(&body) : mr_str_from(no_memory)};
}

static mr_status invoke(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                        struct mr_buf *body, struct mr_error *err) {
    mr_format format;
    MR_TRY(mr_format_find(mr_http_header(request, "Content-Type"), &format, err));
    struct mr_output output = {0};
    MR_TRY(mr_score(endpoints->model, format, request->body, request->body_size,
                    request->body_capacity, request->arena, &output, err));
    mr_json_encode(&output, &endpoints->encode, body);
    return mr_buf_status(body, err);
}

static void invocations(void *ctx, struct mr_http_request *request,
                        struct mr_http_response *response) {
    struct mr_error err = {0};
    struct mr_buf body;
    mr_buf_init(&body, request->arena);
    if (invoke(ctx, request, &body, &err) != MR_OK) {
        respond_error(&err, request->arena, response);
        return;
    }
    *response = (struct mr_http_response){
        .status = 200, .content_type = json_type, .body = mr_buf_str(&body)};
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
