/* The trace that a request belongs to, as its client says: W3C Trace Context, Level 1
 * (https://www.w3.org/TR/trace-context). */
#ifndef MR_API_TRACEPARENT_H
#define MR_API_TRACEPARENT_H

#include "http/http.h"

#define MR_TRACEPARENT_BYTES ((size_t)55) /* "00-" trace id "-" parent id "-" flags */
#define MR_TRACE_ID_BYTES ((size_t)32)    /* hexadecimal digits, behind "00-" */

/* Read the headers traceparent and tracestate. As that document wants it, what is malformed is as
 * if it were not there, and of a later version what this one knows is taken. returns  in the
 * request's arena: MR_TRACEPARENT_BYTES of a traceparent of version 00, behind it the tracestate,
 * if there is one; size 0: no trace, or no memory for it */
struct mr_str mr_traceparent_read(const struct mr_http_request *request);

#endif
