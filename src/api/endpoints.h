/* The HTTP endpoints of `mlflow models serve`: /invocations, /ping, /health, /version
 * (mlflow/pyfunc/scoring_server/__init__.py, init). */
#ifndef MR_API_ENDPOINTS_H
#define MR_API_ENDPOINTS_H

#include "api/cost.h"
#include "base/compute.h"
#include "codec/encode.h"
#include "http/http.h"
#include "model/model.h"

/* The MLflow release whose scoring protocol is spoken; what /version answers. */
#define MR_MLFLOW_VERSION "3.17.2"

/* What the handlers need: the `ctx` of struct mr_http_options. Immutable while serving. */
struct mr_endpoints {
    const struct mr_model *model;
    struct mr_encode_options encode;
    struct mr_compute *compute; /* what is too much for an I/O thread; outlives the server */
    struct mr_cost *cost;       /* of the model's rows, when its engine is native */
};

/* The route table; static storage. Sets *n to its length. */
const struct mr_http_route *mr_endpoints_routes(size_t *n);

#endif
