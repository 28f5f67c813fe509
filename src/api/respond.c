#include "api/respond.h"

#include "api/trace.h"

#define RETRY_AFTER_S 1

static const char json_type[] = "application/json";

static void respond(int status, struct mr_str body, struct mr_http_response *out) {
    *out = (struct mr_http_response){.status = status,
                                     .content_type = json_type,
                                     .body = body,
                                     .retry_after_s = status == 503 ? RETRY_AFTER_S : 0};
}

void mr_respond_text(const char *body, struct mr_http_response *out) {
    respond(200, mr_str_from(body), out);
}

void mr_respond_error(const struct mr_error *err, struct mr_arena *arena,
                      struct mr_http_response *out) {
    struct mr_buf body;
    mr_buf_init(&body, arena);
    bool is_plain = err->status == MR_E_MEDIA_TYPE;
    if (is_plain) {
        mr_buf_text(&body, err->message);
    } else {
        mr_json_encode_error(err, &body);
    }
    if (mr_buf_status(&body, NULL) != MR_OK) {
        static const char no_memory[] = "{\"error_code\": \"RESOURCE_EXHAUSTED\", "
                                        "\"message\": \"out of memory\"}";
        respond(mr_status_http(MR_E_NO_MEMORY), mr_str_from(no_memory), out);
        return;
    }
    respond(mr_status_http(err->status), mr_buf_str(&body), out);
    if (is_plain) out->content_type = "text/plain";
}

void mr_respond_output(const struct mr_output *output, const struct mr_encode_options *options,
                       struct mr_arena *arena, struct mr_http_response *out) {
    if (output->http_status) {
        respond(output->http_status, output->json, out);
        return;
    }
    struct mr_buf body;
    struct mr_error err = {0};
    mr_buf_init(&body, arena);
    mr_json_encode(output, options, &body);
    if (mr_buf_status(&body, &err) == MR_OK) {
        respond(200, mr_buf_str(&body), out);
    } else {
        mr_respond_error(&err, arena, out);
    }
}

void mr_respond_end(const struct mr_endpoints *endpoints, const struct mr_http_request *request,
                    struct mr_http_response *response) {
    if (endpoints->error_detail == MR_ERROR_NONE) mr_error_hide(request, response);
    mr_trace_end(request, response);
}
