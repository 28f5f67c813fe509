/* A request that an engine answers later: suspended, asked, answered at once or as a stream.
 *
 * A stream is server-sent events as MLflow's agent server writes them
 * (mlflow/genai/agent_server/server.py, _generate): `data: JSON` for each chunk, `data: {"error":
 * TEXT}` when something fails after the first one, `data: [DONE]` at the end. What a model answers
 * at once, or an error before the first chunk, is an ordinary response. */
#ifndef MR_API_INVOCATION_H
#define MR_API_INVOCATION_H

#include "api/endpoints.h"
#include "api/score.h"

/* Suspend a request and ask the engine, which is not native. A stream is asked for when the
 * question says so or the client accepts text/event-stream.
 * question  copied; what it points to must lie in the request's arena
 * returns   MR_OK: the answer comes later; MR_E_BAD_REQUEST, MR_E_NO_MEMORY, MR_E_TOO_LARGE: answer
 *           now
 * threads   the request's */
MR_MUST_CHECK mr_status mr_invocation_start(const struct mr_endpoints *endpoints,
                                            struct mr_http_request *request,
                                            const struct mr_question *question,
                                            struct mr_error *err);

#endif
