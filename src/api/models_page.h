/* GET /models: what is served, under which names. */
#ifndef MR_API_MODELS_PAGE_H
#define MR_API_MODELS_PAGE_H

#include "http/http.h"

/* Handler; ctx is a struct mr_endpoints. {"models": [{"name", "state", "version", "uri", "engine",
 * "load_seconds", "swaps"}, ...]}, in the order in which they were given; null for what is not
 * known, or does not happen. */
void mr_models_page(void *ctx, struct mr_http_request *request, struct mr_http_response *response);

#endif
