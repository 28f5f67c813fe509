/* A request as the Python tests write it, a JSON object: {"signature": {"inputs": text|null,
 * "params": text|null}, "content_type": text, "body": text | "body_b64": base64 text}. */
#ifndef MR_TESTS_REQUEST_H
#define MR_TESTS_REQUEST_H

#include "base/base64.h"
#include "codec/decode.h"
#include "schema/enforce.h"

static inline struct mr_str text_of(yyjson_val *value) {
    return (struct mr_str){yyjson_get_str(value), yyjson_get_len(value)};
}

/* Decode and enforce, and keep the body for Python. */
static inline mr_status decode_request(yyjson_val *request, struct mr_arena *arena,
                                       struct mr_decoded *decoded, struct mr_error *err) {
    yyjson_val *signature_json = yyjson_obj_get(request, "signature");
    struct mr_signature signature;
    MR_TRY(mr_signature_read(text_of(yyjson_obj_get(signature_json, "inputs")), (struct mr_str){0},
                             text_of(yyjson_obj_get(signature_json, "params")), arena, &signature,
                             err));
    yyjson_val *encoded = yyjson_obj_get(request, "body_b64");
    struct mr_str body = text_of(encoded ? encoded : yyjson_obj_get(request, "body"));
    char *copy = mr_arena_alloc(arena, body.size);
    if (!copy) return mr_arena_fail(arena, err);
    if (encoded) {
        body.size = mr_base64_decode(body, copy);
    } else if (body.size) {
        memcpy(copy, body.data, body.size);
    }
    mr_format format;
    MR_TRY(mr_format_find(text_of(yyjson_obj_get(request, "content_type")), &format, err));
    if (format == MR_FORMAT_CSV) {
        MR_TRY(mr_csv_decode((struct mr_str){copy, body.size}, &signature, arena, decoded, err));
    } else {
        MR_TRY(mr_json_decode(copy, body.size, body.size, &signature, arena, decoded, err));
    }
    MR_TRY(mr_enforce_inputs(&signature, &decoded->input, arena, err));
    decoded->input.raw_format = format;
    decoded->input.raw_body = (struct mr_str){copy, body.size};
    return mr_enforce_params(&signature, decoded->params, arena, &decoded->input.params, err);
}

#endif
