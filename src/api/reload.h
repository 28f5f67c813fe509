/* POST /reload and /models/NAME/reload: look now whether the model's URI means something new, and
 * answer when that has been loaded and is live, or has turned out not to be. */
#ifndef MR_API_RELOAD_H
#define MR_API_RELOAD_H

#include "http/http.h"

/* Handler; ctx is a struct mr_served, which has a keeper. Answers later: 200 {"model", "changed",
 * "old": {"version"}, "new": {"version"}}; 409 with the reason when the version before has stayed,
 * or when somebody else has asked already; 503 while the first version is loading,
 * and when the server is told to end. */
void mr_reload_handle(void *ctx, struct mr_http_request *request,
                      struct mr_http_response *response);

#endif
