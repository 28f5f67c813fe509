#include "api/health.h"

#include "api/endpoints.h"
#include "api/respond.h"

/* Why no requests are to be sent; NULL: they are. */
static const char *find_problem(const struct mr_endpoints *endpoints) {
    if (atomic_load(&endpoints->is_stopping)) return "the server is shutting down";
    switch (mr_engine_state_of(&endpoints->model->engine)) {
    case MR_ENGINE_READY: return NULL;
    case MR_ENGINE_LOADING: return "the model is loading";
    case MR_ENGINE_DOWN: return "no worker process is alive; they are being replaced";
    case MR_ENGINE_FAILED: break;
    }
    return "loading the model failed";
}

static void tell(const struct mr_endpoints *endpoints, const char *ready,
                 struct mr_http_request *request, struct mr_http_response *response) {
    const char *problem = find_problem(endpoints);
    if (!problem) {
        mr_respond_text(ready, response);
        return;
    }
    struct mr_error err;
    mr_fail(&err, MR_E_UNAVAILABLE, "%s", problem);
    mr_respond_error(&err, request->arena, response);
}

void mr_health_ping(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    tell(ctx, "\n", request, response);
}

void mr_health_ready(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    tell(ctx, "{\"status\": \"ready\"}", request, response);
}

void mr_health_live(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    mr_respond_text("{\"status\": \"live\"}", response);
}
