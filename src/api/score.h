/* The way of a request, once decoded from HTTP or read from a file:
 * codec.decode -> schema -> engine. */
#ifndef MR_API_SCORE_H
#define MR_API_SCORE_H

#include "codec/decode.h"
#include "model/model.h"

/* Score one body.
 * body           may be modified in place; body_capacity bytes may be written (mr_json_decode)
 * arena          holds everything the answer points to
 * out            filled on MR_OK
 * returns        MR_OK; MR_E_BAD_REQUEST, MR_E_INVALID_PARAMETER: the client's fault, with the
 *                place; MR_E_TOO_LARGE, MR_E_NO_MEMORY
 * threads        any */
MR_MUST_CHECK mr_status mr_score(const struct mr_model *model, mr_format format, char *body,
                                 size_t body_size, size_t body_capacity, struct mr_arena *arena,
                                 struct mr_output *out, struct mr_error *err);

/* The same from what is decoded already. decoded: rewritten, afterwards it is what the model got.
 */
MR_MUST_CHECK mr_status mr_score_decoded(const struct mr_model *model, struct mr_decoded *decoded,
                                         struct mr_arena *arena, struct mr_output *out,
                                         struct mr_error *err);

#endif
