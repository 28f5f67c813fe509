#include "api/score.h"

#include <pthread.h>

#include "schema/enforce.h"

static void set_raw(struct mr_input *input, const char *reason) {
    *input = (struct mr_input){.kind = MR_INPUT_RAW, .raw_reason = reason};
}

static mr_status decode(const struct mr_model *model, mr_format format, char *body,
                        size_t body_size, size_t body_capacity, struct mr_arena *arena,
                        struct mr_decoded *decoded, struct mr_error *err) {
    if (model->mlmodel.has_type_hints) {
        /* MLflow checks the data itself against the hints of the model's predict. */
        set_raw(&decoded->input, "a model with type hints");
        return MR_OK;
    }
    switch (format) {
    case MR_FORMAT_JSON:
        return mr_json_decode(body, body_size, body_capacity, &model->signature, arena, decoded,
                              err);
    case MR_FORMAT_CSV:
        return mr_csv_decode((struct mr_str){body, body_size}, &model->signature, arena, decoded,
                             err);
    case MR_FORMAT_PARQUET: set_raw(&decoded->input, "a Parquet body"); return MR_OK;
    }
    return mr_fail(err, MR_E_INTERNAL, "unknown format %d", (int)format);
}

static mr_status fail_raw(const struct mr_model *model, const char *reason, struct mr_error *err) {
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "the %s engine does not take this request: %s. Python can read it: start the "
                   "server with --engine python",
                   model->engine.ops->name, reason);
}

mr_status mr_score_enforce(const struct mr_model *model, struct mr_decoded *decoded,
                           mr_format format, struct mr_str body, struct mr_arena *arena,
                           struct mr_question *out, struct mr_error *err) {
    struct mr_input *input = &decoded->input;
    const char *reason = NULL;
    MR_TRY(mr_enforce_inputs(&model->signature, input, arena, err));
    bool can_take = mr_engine_can_take(&model->engine, input, &reason);
    bool is_native = mr_engine_is_native(&model->engine);
    if (!can_take && !is_native) set_raw(input, reason);
    if (input->kind == MR_INPUT_RAW && !is_native) {
        input->raw_format = format;
        input->raw_body = body;
    } else {
        MR_TRY(mr_enforce_params(&model->signature, decoded->params, arena, &input->params, err));
        if (!can_take) return fail_raw(model, reason, err);
    }
    *out = (struct mr_question){
        .input = *input, .is_bare = decoded->is_llm, .wants_stream = decoded->wants_stream};
    return MR_OK;
}

mr_status mr_score_decode(const struct mr_model *model, mr_format format, char *body,
                          size_t body_size, size_t body_capacity, struct mr_arena *arena,
                          struct mr_question *out, struct mr_error *err) {
    struct mr_decoded decoded = {0};
    /* Without room behind it a body is not parsed in place: it may still be needed as it came. */
    if (!mr_engine_is_native(&model->engine)) body_capacity = body_size;
    MR_TRY(decode(model, format, body, body_size, body_capacity, arena, &decoded, err));
    return mr_score_enforce(model, &decoded, format, (struct mr_str){body, body_size}, arena, out,
                            err);
}

/* --- waiting for an answer ---------------------------------------------------------------------
 */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t has_ended;
    bool is_done;
};

static void wake(struct mr_call *call) {
    struct waiter *waiter = call->ctx;
    pthread_mutex_lock(&waiter->lock);
    waiter->is_done = true;
    pthread_cond_signal(&waiter->has_ended);
    pthread_mutex_unlock(&waiter->lock);
}

static void ask_and_wait(const struct mr_engine *engine, struct mr_call *call) {
    struct waiter waiter = {.is_done = false};
    pthread_mutex_init(&waiter.lock, NULL);
    pthread_cond_init(&waiter.has_ended, NULL);
    call->done = wake;
    call->ctx = &waiter;
    mr_engine_ask(engine, call);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.is_done) pthread_cond_wait(&waiter.has_ended, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.has_ended);
    pthread_mutex_destroy(&waiter.lock);
}

mr_status mr_score_answer(const struct mr_model *model, const struct mr_question *question,
                          struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    if (mr_engine_is_native(&model->engine)) {
        MR_TRY(mr_engine_predict(&model->engine, &question->input, arena, out, err));
    } else {
        struct mr_call call = {.input = &question->input, .arena = arena};
        ask_and_wait(&model->engine, &call);
        if (call.status != MR_OK && err) *err = call.err;
        if (call.status != MR_OK) return call.status;
        *out = call.output;
    }
    out->is_bare |= question->is_bare;
    return MR_OK;
}
