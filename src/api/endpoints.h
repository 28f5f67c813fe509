/* The HTTP endpoints of `mlflow models serve`: /invocations, /ping, /health, /version
 * (mlflow/pyfunc/scoring_server/__init__.py, init); /livez, /readyz, /metrics; and of each model
 * under its name: /models, /models/NAME/invocations, /models/NAME/ping, /models/NAME/reload. */
#ifndef MR_API_ENDPOINTS_H
#define MR_API_ENDPOINTS_H

#include <stdatomic.h>

#include "api/backlog.h"
#include "api/error_detail.h"
#include "api/observe.h"
#include "api/served.h"
#include "api/shadow.h"
#include "api/split.h"
#include "base/compute.h"
#include "codec/encode.h"
#include "http/http.h"

/* The MLflow release whose scoring protocol is spoken; what /version answers. */
#define MR_MLFLOW_VERSION "3.17.2"

/* What the handlers need: the `ctx` of struct mr_http_options. Immutable while serving, but for
 * what is counted, is_stopping, and the versions of the models. */
struct mr_endpoints {
    struct mr_served *models; /* n_models of them, at least one; /invocations is of the first, */
    size_t n_models;
    struct mr_split split;    /* or of those that share it */
    struct mr_shadow *shadow; /* is asked what comes to /invocations, too; NULL: none is */
    bool is_reloadable;       /* there is POST /reload */
    struct mr_encode_options encode;
    struct mr_compute *compute; /* what is too much for an I/O thread; outlives the server */
    struct mr_observer observer;
    mr_error_detail error_detail;
    struct mr_backlog *backlog; /* what waits for `compute` */
    unsigned timeout_ms;        /* for an answer; 0: none */
    bool has_server_timing;     /* responses say where their time went */
    atomic_bool is_stopping;    /* the server was told to end: not ready any more */

    /* By mr_endpoints_init. */
    struct mr_http_route *routes;
    const char **route_names; /* in metrics: "/models/{name}/invocations" */
    size_t n_routes;
    const char **model_names;
};

/* Make the table of routes, which the arena holds, once the models and is_reloadable are set.
 * MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_endpoints_init(struct mr_endpoints *endpoints, struct mr_arena *arena,
                                          struct mr_error *err);

/* The `observe` of struct mr_http_options. */
void mr_endpoints_observe(void *ctx, const struct mr_http_exchange *exchange);

#endif
