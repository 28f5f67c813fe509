/* Requests that are too much for an I/O thread: suspended, worked on by compute threads, resumed.
 *
 * A body too large to be decoded in passing goes to a compute thread as it came; a small one that
 * describes many rows, or goes to a heavy model, when it has been decoded. A native engine then
 * answers it in slices of rows, on as many threads as are idle, with the answer of one call: to the
 * last bit, and in case of an error with the same error. What Python is to answer comes back
 * decoded and is asked for as ever. Everything smaller is done at once on its connection's thread,
 * where handing it over would only cost. */
#ifndef MR_API_OFFLOAD_H
#define MR_API_OFFLOAD_H

#include "api/endpoints.h"
#include "api/score.h"

/* Whether decoding such a body takes too long for an I/O thread. */
bool mr_offload_wants_body(const struct mr_version *version, mr_format format, size_t body_size);

/* Whether a native engine's answer does. */
bool mr_offload_wants_question(const struct mr_version *version,
                               const struct mr_question *question);

/* Suspend a request and have its body decoded and answered.
 * returns   MR_OK: the answer comes later; MR_E_BUSY: the backlog is full, and MR_E_NO_MEMORY,
 *           MR_E_TOO_LARGE: answer now
 * threads   the request's */
MR_MUST_CHECK mr_status mr_offload_body(const struct mr_endpoints *endpoints,
                                        struct mr_http_request *request, mr_format format,
                                        struct mr_error *err);

/* The same for a question to a native engine that was made of the body.
 * question  copied; what it points to must lie in the request's arena */
MR_MUST_CHECK mr_status mr_offload_question(const struct mr_endpoints *endpoints,
                                            struct mr_http_request *request,
                                            const struct mr_question *question,
                                            struct mr_error *err);

#endif
