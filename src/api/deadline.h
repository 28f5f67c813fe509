/* When an answer is of no use any more: what a client says in `X-Request-Timeout`. */
#ifndef MR_API_DEADLINE_H
#define MR_API_DEADLINE_H

#include "http/http.h"

/* The time limit of a request, in seconds such as 2 or 0.25, counted from when it was there.
 * out_ns   of mr_clock_ns(); 0: none is given
 * returns  MR_OK; MR_E_BAD_REQUEST: it is not such a number */
MR_MUST_CHECK mr_status mr_deadline_read(const struct mr_http_request *request, uint64_t *out_ns,
                                         struct mr_error *err);

#endif
