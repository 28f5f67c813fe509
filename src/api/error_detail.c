#include "api/error_detail.h"

#include <yyjson.h>

#include "base/log.h"
#include "codec/encode.h"

struct mr_str mr_error_hidden(struct mr_str id, struct mr_str json, struct mr_arena *arena) {
    mr_log_info("request %.*s failed: %.*s", MR_STR_ARGS(id), MR_STR_ARGS(json));
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_buf_format(&text, "The reason is in the server's log, at the request %.*s.",
                  MR_STR_ARGS(id));
    return mr_buf_status(&text, NULL) == MR_OK ? mr_buf_str(&text)
                                               : mr_str_from("The reason is in the server's log.");
}

/* The error_code of a body; of one without it, what the status says. */
static void put_code(const struct mr_http_response *response, struct mr_buf *out) {
    yyjson_doc *doc = yyjson_read(response->body.data, response->body.size, 0);
    yyjson_val *code = yyjson_obj_get(yyjson_doc_get_root(doc), "error_code");
    mr_status status = response->status >= 500 ? MR_E_INTERNAL : MR_E_BAD_REQUEST;
    if (response->status == 415) status = MR_E_MEDIA_TYPE;
    struct mr_str text = mr_str_from(mr_status_error_code(status));
    if (yyjson_is_str(code)) text = (struct mr_str){yyjson_get_str(code), yyjson_get_len(code)};
    mr_json_encode_string(text, out);
    yyjson_doc_free(doc);
}

void mr_error_hide(const struct mr_http_request *request, struct mr_http_response *response) {
    if (response->status < 400) return;
    struct mr_str message = mr_error_hidden(request->id, response->body, request->arena);
    struct mr_buf body;
    mr_buf_init(&body, request->arena);
    mr_buf_text(&body, "{\"error_code\": ");
    put_code(response, &body);
    mr_buf_text(&body, ", \"message\": ");
    mr_json_encode_string(message, &body);
    mr_buf_char(&body, '}');
    bool is_whole = mr_buf_status(&body, NULL) == MR_OK;
    response->body = is_whole ? mr_buf_str(&body) : mr_str_from("{}");
    response->content_type = "application/json";
}
