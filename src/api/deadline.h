/* When an answer is of no use any more: after the server's own limit (--timeout), or what the
 * client says in `X-Request-Timeout` if that is shorter. */
#ifndef MR_API_DEADLINE_H
#define MR_API_DEADLINE_H

#include "api/metrics.h"
#include "http/http.h"

/* Note a request's time limit in its trace: the client's, in seconds such as 2 or 0.25, counted
 * from when it was there. timeout_ms  the server's; 0: none returns     MR_OK; MR_E_BAD_REQUEST: it
 * is not such a number */
MR_MUST_CHECK mr_status mr_deadline_begin(const struct mr_http_request *request,
                                          unsigned timeout_ms, struct mr_error *err);

/* Moments of mr_clock_ns(), 0: none. Of a Python model only the client's counts, since its workers
 * know the server's limit and what it is to a stream. */
uint64_t mr_deadline_of(const struct mr_http_request *request);
uint64_t mr_deadline_of_client(const struct mr_http_request *request);

/* Whether the request was in time at its last lap, which ended that stage.
 * returns  MR_OK; MR_E_DEADLINE */
MR_MUST_CHECK mr_status mr_deadline_check(const struct mr_http_request *request, mr_stage stage,
                                          struct mr_error *err);

/* The deadline has passed in that stage: decode, queue or predict.  returns  MR_E_DEADLINE */
mr_status mr_deadline_miss(const struct mr_http_request *request, mr_stage stage,
                           struct mr_error *err);

#endif
