#include "api/health.h"

#include "api/endpoints.h"
#include "api/respond.h"

/* Why a model cannot be asked; NULL: it can, or it is no matter. */
static const char *find_problem_of(const struct mr_served *served) {
    const struct mr_shadow *shadow = served->endpoints->shadow;
    bool is_shadow = shadow && mr_shadow_served(shadow) == served;
    switch (mr_served_state(served)) {
    case MR_ENGINE_READY: return NULL;
    case MR_ENGINE_LOADING: return "the model is loading";
    case MR_ENGINE_DOWN:
        if (is_shadow) return NULL; /* clients do not wait for it */
        return "no worker process is alive; they are being replaced";
    case MR_ENGINE_FAILED: break;
    }
    return "loading the model failed";
}

/* served  the one in question; NULL: all */
static void tell(const struct mr_endpoints *endpoints, const struct mr_served *served,
                 const char *ready, struct mr_http_request *request,
                 struct mr_http_response *response) {
    const char *problem = NULL;
    size_t i = served ? served->number : 0, end = served ? i + 1 : endpoints->n_models;
    for (; i < end && !problem; i++) {
        served = &endpoints->models[i];
        problem = find_problem_of(served);
    }
    struct mr_error err;
    if (atomic_load(&endpoints->is_stopping)) {
        mr_fail(&err, MR_E_UNAVAILABLE, "the server is shutting down");
    } else if (problem && served->is_named) {
        mr_fail(&err, MR_E_UNAVAILABLE, "model %s: %s", served->name, problem);
    } else if (problem) {
        mr_fail(&err, MR_E_UNAVAILABLE, "%s", problem);
    } else {
        mr_respond_text(ready, response);
        return;
    }
    mr_respond_error(&err, request->arena, response);
}

void mr_health_ping(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    tell(ctx, NULL, "\n", request, response);
}

void mr_health_ping_one(void *ctx, struct mr_http_request *request,
                        struct mr_http_response *response) {
    const struct mr_served *served = ctx;
    tell(served->endpoints, served, "\n", request, response);
}

void mr_health_ready(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    tell(ctx, NULL, "{\"status\": \"ready\"}", request, response);
}

void mr_health_live(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    mr_respond_text("{\"status\": \"live\"}", response);
}
