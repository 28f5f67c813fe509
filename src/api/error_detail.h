/* How much of an error its client is told: --error-detail. What is kept from it is in the log,
 * under the id of the request, which both have. */
#ifndef MR_API_ERROR_DETAIL_H
#define MR_API_ERROR_DETAIL_H

#include "http/http.h"

typedef enum mr_error_detail {
    MR_ERROR_BRIEF, /* the message, with column, row and types */
    MR_ERROR_FULL,  /* beside it the stack trace of a Python model, as MLflow sends it */
    MR_ERROR_NONE   /* error_code alone, and where to find the rest */
} mr_error_detail;

/* Log the reason of a response, and take it out; of one that is no error nothing. Its body is that
 * of mr_respond_error or mr_respond_output. */
void mr_error_hide(const struct mr_http_request *request, struct mr_http_response *response);

/* The same for an error in a stream: log it, as JSON text of one line.
 * returns  what the client is told instead; in the request's arena, or static */
struct mr_str mr_error_hidden(struct mr_str id, struct mr_str json, struct mr_arena *arena);

#endif
