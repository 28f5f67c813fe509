/* The HTTP endpoints of `mlflow models serve`: /invocations, /ping, /health, /version
 * (mlflow/pyfunc/scoring_server/__init__.py, init); and /livez, /readyz, /metrics. */
#ifndef MR_API_ENDPOINTS_H
#define MR_API_ENDPOINTS_H

#include <stdatomic.h>

#include "api/cost.h"
#include "api/error_detail.h"
#include "api/observe.h"
#include "base/compute.h"
#include "codec/encode.h"
#include "http/http.h"
#include "model/model.h"

/* The MLflow release whose scoring protocol is spoken; what /version answers. */
#define MR_MLFLOW_VERSION "3.17.2"

/* What the handlers need: the `ctx` of struct mr_http_options. Immutable while serving, but for
 * what is counted and is_stopping. */
struct mr_endpoints {
    const struct mr_model *model;
    struct mr_encode_options encode;
    struct mr_compute *compute; /* what is too much for an I/O thread; outlives the server */
    struct mr_cost *cost;       /* of the model's rows, when its engine is native */
    struct mr_observer observer;
    mr_error_detail error_detail;
    bool has_server_timing;       /* responses say where their time went */
    _Atomic double *load_seconds; /* from the start to the model being ready; 0 before */
    atomic_bool is_stopping;      /* the server was told to end: not ready any more */
};

/* The route table; static storage. Sets *n to its length. */
const struct mr_http_route *mr_endpoints_routes(size_t *n);

/* The `observe` of struct mr_http_options. */
void mr_endpoints_observe(void *ctx, const struct mr_http_exchange *exchange);

#endif
