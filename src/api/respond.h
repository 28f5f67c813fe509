/* HTTP responses of the endpoints: answers and errors as MLflow's scoring server words them. */
#ifndef MR_API_RESPOND_H
#define MR_API_RESPOND_H

#include "api/endpoints.h"
#include "codec/encode.h"
#include "http/http.h"
#include "schema/table.h"

/* 200 with a static text, labelled application/json as MLflow does with all texts. */
void mr_respond_text(const char *body, struct mr_http_response *out);

/* The status and JSON body of an error; text/plain for an unsupported media type, as MLflow. A 503
 * asks to try again soon. */
void mr_respond_error(const struct mr_error *err, struct mr_arena *arena,
                      struct mr_http_response *out);

/* What a model answered: {"predictions": ...}, or the error that it raised. */
void mr_respond_output(const struct mr_output *output, const struct mr_encode_options *options,
                       struct mr_arena *arena, struct mr_http_response *out);

/* The response to a question is filled in: its trace ends, and what endpoints->error_detail keeps
 * from the client is logged instead. */
void mr_respond_end(const struct mr_endpoints *endpoints, const struct mr_http_request *request,
                    struct mr_http_response *response);

#endif
