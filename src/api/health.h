/* Whether the server lives and whether it is to be sent requests, as load balancers and Kubernetes
 * ask: /ping and /health of MLflow, and /readyz, tell the same; /livez that the process serves. */
#ifndef MR_API_HEALTH_H
#define MR_API_HEALTH_H

#include "http/http.h"

/* Handlers; ctx is a struct mr_endpoints. 200, or 503 with the reason while a model is not loaded
 * and warm, when no worker of one lives, and from the moment that the server is told to end. */
void mr_health_ping(void *ctx, struct mr_http_request *request, struct mr_http_response *response);
void mr_health_ready(void *ctx, struct mr_http_request *request, struct mr_http_response *response);

/* The same of one model; ctx is a struct mr_served. */
void mr_health_ping_one(void *ctx, struct mr_http_request *request,
                        struct mr_http_response *response);

/* Always 200. */
void mr_health_live(void *ctx, struct mr_http_request *request, struct mr_http_response *response);

#endif
