#include "api/score.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "schema/enforce.h"

#define MAX_KEPT_BODY_BYTES ((size_t)64 * 1024)

/* Who waits for an answer looks so often whether it is wanted still. */
#define LOOK_NS ((uint64_t)50000000)

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

/* Who takes a question that is raw: a native engine does not. Its body has no data when it was
 * parsed in place and is lost.
 * out  the model's engine; becomes the fallback's */
static mr_status choose_for_raw(const struct mr_model *model, const struct mr_input *input,
                                const struct mr_engine **out, struct mr_error *err) {
    if (!mr_engine_is_native(*out)) return MR_OK;
    if (!input->raw_body.data || !model->fallback) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the %s engine does not take this request: %s. Python can read it: start "
                       "the server with --engine python",
                       model->engine.ops->name, input->raw_reason);
    }
    struct mr_error detail = {0};
    *out = mr_fallback_engine(model->fallback, &detail);
    if (*out) return MR_OK;
    return mr_fail(err, MR_E_UNAVAILABLE, "Python, which reads this request, cannot be started: %s",
                   detail.message);
}

mr_status mr_score_enforce(const struct mr_model *model, struct mr_decoded *decoded,
                           mr_format format, struct mr_str body, struct mr_arena *arena,
                           struct mr_question *out, struct mr_error *err) {
    struct mr_input *input = &decoded->input;
    const struct mr_engine *engine = &model->engine;
    const char *reason = NULL;
    MR_TRY(mr_enforce_inputs(&model->signature, input, arena, err));
    bool is_raw = !mr_engine_can_take(engine, input, arena, &reason);
    if (!is_raw && input->kind == MR_INPUT_RAW) {
        is_raw = true;
        reason = input->raw_reason;
    }
    /* Python looks at the params of a raw body itself; where C does not get that far, MLflow would
     * have refused them before the model saw any of it. */
    if (!is_raw || mr_engine_is_native(engine)) {
        MR_TRY(mr_enforce_params(&model->signature, decoded->params, arena, &input->params, err));
    }
    if (is_raw) {
        *input = (struct mr_input){
            .kind = MR_INPUT_RAW, .raw_reason = reason, .raw_format = format, .raw_body = body};
    }
    *out = (struct mr_question){.engine = engine,
                                .input = *input,
                                .is_bare = decoded->is_llm,
                                .wants_stream = decoded->wants_stream};
    return is_raw ? choose_for_raw(model, &out->input, &out->engine, err) : MR_OK;
}

/* What stays of a body as it came. Without room behind it JSON is not parsed in place, which costs
 * a copy of it. Beside a native engine that takes all that can be decoded only few requests ask for
 * that: of a large body nothing stays. */
static struct mr_str keep_body(const struct mr_model *model, mr_format format, struct mr_str body,
                               size_t *capacity) {
    bool is_kept = format != MR_FORMAT_JSON || body.size <= MAX_KEPT_BODY_BYTES ||
                   !mr_engine_takes_decoded(&model->engine);
    if (!is_kept) return (struct mr_str){NULL, 0};
    *capacity = body.size;
    return body;
}

mr_status mr_score_decode(const struct mr_model *model, mr_format format, char *body,
                          size_t body_size, size_t body_capacity, struct mr_arena *arena,
                          struct mr_question *out, struct mr_error *err) {
    struct mr_decoded decoded = {0};
    struct mr_str kept = keep_body(model, format, (struct mr_str){body, body_size}, &body_capacity);
    MR_TRY(decode(model, format, body, body_size, body_capacity, arena, &decoded, err));
    return mr_score_enforce(model, &decoded, format, kept, arena, out, err);
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

/* Until the call has ended, or until_ns of mr_clock_ns(); 0: however long it takes. */
static bool has_ended(struct waiter *waiter, uint64_t until_ns) {
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    int code = 0;
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->is_done && code == 0) {
        code = until_ns ? pthread_cond_clockwait(&waiter->has_ended, &waiter->lock, CLOCK_MONOTONIC,
                                                 &until)
                        : pthread_cond_wait(&waiter->has_ended, &waiter->lock);
    }
    bool is_done = waiter->is_done;
    pthread_mutex_unlock(&waiter->lock);
    return is_done;
}

/* returns  false: it was withdrawn */
static bool ask_and_wait(const struct mr_engine *engine, const atomic_bool *is_over,
                         struct mr_call *call) {
    struct waiter waiter = {.is_done = false};
    bool is_withdrawn = false;
    pthread_mutex_init(&waiter.lock, NULL);
    pthread_cond_init(&waiter.has_ended, NULL);
    call->done = wake;
    call->ctx = &waiter;
    mr_engine_ask(engine, call);
    while (!is_withdrawn && !has_ended(&waiter, is_over ? mr_clock_ns() + LOOK_NS : 0)) {
        if (!atomic_load(is_over)) continue;
        is_withdrawn = mr_engine_cancel(engine, call);
        is_over = NULL; /* else `done` is being called */
    }
    pthread_cond_destroy(&waiter.has_ended);
    pthread_mutex_destroy(&waiter.lock);
    return !is_withdrawn;
}

mr_status mr_score_answer(const struct mr_question *question, const atomic_bool *is_over,
                          struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    if (mr_engine_is_native(question->engine)) {
        MR_TRY(mr_engine_predict(question->engine, &question->input, arena, out, err));
    } else {
        struct mr_call call = {.input = &question->input, .arena = arena};
        if (!ask_and_wait(question->engine, is_over, &call)) {
            return mr_fail(err, MR_E_UNAVAILABLE, "the answer is not wanted any more");
        }
        if (call.status != MR_OK && err) *err = call.err;
        if (call.status != MR_OK) return call.status;
        *out = call.output;
    }
    out->is_bare |= question->is_bare;
    return MR_OK;
}
