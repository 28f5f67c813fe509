/* From a request's body to what it asks the model: bytes -> table, tensor or raw JSON.
 *
 * Mirrors mlflow/pyfunc/scoring_server/__init__.py (invocations, _parse_json_data,
 * infer_and_parse_data, parse_csv_input) and mlflow/utils/proto_json_utils.py. A body that MLflow
 * would refuse while decoding is MR_E_BAD_REQUEST; what only the signature forbids is left to
 * schema/enforce.h. Nothing is refused because C cannot type it: that is MR_INPUT_RAW. */
#ifndef MR_CODEC_DECODE_H
#define MR_CODEC_DECODE_H

#include <yyjson.h>

#include "schema/signature.h"
#include "schema/table.h"

/* Which format a Content-Type header asks for. content_type: the header's value; size 0 = none.
 * Media types and charset names are compared without case; an empty parameter is ignored.
 * returns  MR_OK; MR_E_MEDIA_TYPE with the types that would do; MR_E_BAD_REQUEST: no header */
MR_MUST_CHECK mr_status mr_format_find(struct mr_str content_type, mr_format *out,
                                       struct mr_error *err);

/* What decoding yields before the schema is enforced. */
struct mr_decoded {
    struct mr_input input; /* all but params */
    yyjson_val *params;    /* the value under "params", or the whole body if is_llm; NULL: none */
    bool is_llm;           /* unified LLM payload (messages, prompt, input): its answer is not
                              wrapped in {"predictions": ...} */
    bool wants_stream;     /* "stream" is true, in params or, if is_llm, in the body itself */
    bool has_surrogates;   /* some text of the body has a lone surrogate */
};

/* Decode an application/json body.
 * body       UTF-8, UTF-16 or UTF-32 JSON; must stay readable as long as *out. May be modified
 *            (parsed in place), up to body_capacity bytes; where that is body_size it is not
 * signature  of the model; kind MR_SCHEMA_NONE when it has none
 * arena      holds everything *out points to
 * returns    MR_OK; MR_E_BAD_REQUEST with place, expected and received; MR_E_INVALID_PARAMETER for
 *            what decodes but can be in no table that would pass the signature (a date with a
 *            zone, a column twice); MR_E_TOO_LARGE; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_json_decode(char *body, size_t body_size, size_t body_capacity,
                                       const struct mr_signature *signature, struct mr_arena *arena,
                                       struct mr_decoded *out, struct mr_error *err);

/* Decode a text/csv body, as pandas.read_csv with the signature's dtypes. Always a table.
 * Arguments and statuses as above; the body is not modified. */
MR_MUST_CHECK mr_status mr_csv_decode(struct mr_str body, const struct mr_signature *signature,
                                      struct mr_arena *arena, struct mr_decoded *out,
                                      struct mr_error *err);

#endif
