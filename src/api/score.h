/* The way of a request, once it came by HTTP or out of a file: codec.decode -> schema -> engine.
 *
 * A question is what the engine is asked: a table or tensors that C decoded and enforced, or, where
 * only MLflow's own code can type a body (nested columns, type hints, Parquet, ...), the body as it
 * came. */
#ifndef MR_API_SCORE_H
#define MR_API_SCORE_H

#include <stdatomic.h>

#include "codec/decode.h"
#include "model/model.h"

struct mr_question {
    const struct mr_engine *engine; /* whom to ask: the model's, or its fallback */
    struct mr_input input;
    bool is_bare;      /* its answer is not wrapped in {"predictions": ...}; of a raw one, the
                          engine's output says so */
    bool wants_stream; /* the body asks for an answer in chunks */
};

/* Whether it is one for Python, with the body as it came. Known also of a question that could not
 * be made since there is no Python. */
static inline bool mr_question_is_for_python(const struct mr_question *question) {
    return question->input.kind == MR_INPUT_RAW && question->input.raw_body.data;
}

/* Make a question of one body.
 * body           may be modified in place when the engine is native; body_capacity bytes may be
 *                written then (mr_json_decode). Must stay as long as *out
 * arena          holds everything *out points to
 * returns        MR_OK; MR_E_BAD_REQUEST, MR_E_INVALID_PARAMETER: the client's fault, with the
 *                place; MR_E_TOO_LARGE, MR_E_NO_MEMORY
 * threads        any */
MR_MUST_CHECK mr_status mr_score_decode(const struct mr_model *model, mr_format format, char *body,
                                        size_t body_size, size_t body_capacity,
                                        struct mr_arena *arena, struct mr_question *out,
                                        struct mr_error *err);

/* The same from what is decoded already.
 * decoded  used up
 * format, body  what it was decoded from, unmodified unless the engine is native */
MR_MUST_CHECK mr_status mr_score_enforce(const struct mr_model *model, struct mr_decoded *decoded,
                                         mr_format format, struct mr_str body,
                                         struct mr_arena *arena, struct mr_question *out,
                                         struct mr_error *err);

/* Ask, and wait for the answer.
 * is_over  looked at while others work on it: when true the question is withdrawn. NULL: never
 * out      filled on MR_OK; an http_status in it is an error that the model raised
 * returns  MR_OK; what the engine says; MR_E_UNAVAILABLE: withdrawn
 * threads  any but an I/O thread and those of the engine */
MR_MUST_CHECK mr_status mr_score_answer(const struct mr_question *question,
                                        const atomic_bool *is_over, struct mr_arena *arena,
                                        struct mr_output *out, struct mr_error *err);

#endif
