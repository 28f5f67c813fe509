/* Inside the JSON decoder: what json_parse.c (bytes to values), json.c (top-level dispatch),
 * json_frame.c (dataframe_split, dataframe_records) and json_tensor.c (inputs, instances) share.
 *
 * Values come from Python's json.loads as far as MLflow can see it, with these conventions:
 * - an integer beyond 64 bits, and a number too large for a double, is a YYJSON_TYPE_RAW holding
 *   its text, digits and a sign only for the former;
 * - NaN, Infinity and -Infinity are ordinary reals;
 * - an object may hold a key more than once. Python keeps the last value, in the first one's
 *   place: whoever iterates an object minds it;
 * - strings are well-formed UTF-8 and may hold NUL. Where Python accepted a lone surrogate they are
 *   WTF-8 and have the subtype MR_SUBTYPE_SURROGATE (schema/cast.h);
 * - nothing is nested deeper than MR_JSON_MAX_DEPTH. */
#ifndef MR_CODEC_JSON_INT_H
#define MR_CODEC_JSON_INT_H

#include "codec/decode.h"

#define MR_JSON_MAX_DEPTH 1000 /* about where Python's json gives up (sys.getrecursionlimit) */

/* Read a body as Python's json.loads does: UTF-8, UTF-16 or UTF-32, with or without a byte order
 * mark; NaN, Infinity, -Infinity; lone surrogates.
 * body             may be modified; must stay readable as long as *root
 * has_surrogates   whether any string has a lone surrogate
 * returns          MR_OK; MR_E_BAD_REQUEST with the byte offset and what was found there;
 *                  MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_json_parse(char *body, size_t body_size, size_t body_capacity,
                                      struct mr_arena *arena, yyjson_val **root,
                                      bool *has_surrogates, struct mr_error *err);

/* Decode what stands under the format key of that name. value: never NULL.
 * out      input is filled; params and is_llm are the caller's
 * returns  MR_OK; MR_E_BAD_REQUEST where MLflow fails while decoding; MR_E_TOO_LARGE;
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_json_decode_split(yyjson_val *value,
                                             const struct mr_signature *signature,
                                             struct mr_arena *arena, struct mr_decoded *out,
                                             struct mr_error *err);
MR_MUST_CHECK mr_status mr_json_decode_records(yyjson_val *value,
                                               const struct mr_signature *signature,
                                               struct mr_arena *arena, struct mr_decoded *out,
                                               struct mr_error *err);
MR_MUST_CHECK mr_status mr_json_decode_inputs(yyjson_val *value,
                                              const struct mr_signature *signature,
                                              struct mr_arena *arena, struct mr_decoded *out,
                                              struct mr_error *err);
MR_MUST_CHECK mr_status mr_json_decode_instances(yyjson_val *value,
                                                 const struct mr_signature *signature,
                                                 struct mr_arena *arena, struct mr_decoded *out,
                                                 struct mr_error *err);

/* Decode a body with messages, prompt or input at the top level (json_llm.c). root: an object.
 * returns  as above, but MR_E_INVALID_PARAMETER for what MLflow refuses, which decodes nothing */
MR_MUST_CHECK mr_status mr_json_decode_llm(yyjson_val *root, const struct mr_signature *signature,
                                           struct mr_arena *arena, struct mr_decoded *out,
                                           struct mr_error *err);

#endif
