#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>

#include "engine/linear/linear.h"

/* Adding an engine is one line here and a folder. */
static const struct mr_engine_ops *const engines[] = {
    &mr_linear_engine,
};

#define N_ENGINES (sizeof(engines) / sizeof(*engines))

mr_status mr_engine_choose(const struct mr_model_source *source, struct mr_engine *out,
                           struct mr_error *err) {
    struct mr_engine engine = {0};
    int best_score = 0;
    char refusals[sizeof(err->message)] = "";
    mr_engine_choice choice = source->options ? source->options->choice : MR_ENGINE_AUTO;
    for (size_t i = 0; i < N_ENGINES; i++) {
        if (choice != MR_ENGINE_AUTO && engines[i]->is_native != (choice == MR_ENGINE_NATIVE)) {
            continue;
        }
        struct mr_probe probe = {0};
        engines[i]->probe(source, &probe);
        if (probe.score > best_score) {
            best_score = probe.score;
            engine.ops = engines[i];
            memcpy(engine.reason, probe.reason, sizeof(engine.reason));
        } else if (probe.score == 0) {
            size_t length = strlen(refusals);
            snprintf(refusals + length, sizeof(refusals) - length, "%s%s", length ? "; " : "",
                     probe.reason);
        }
    }
    if (!engine.ops) return mr_fail(err, MR_E_UNSUPPORTED, "%s", refusals);
    MR_TRY(engine.ops->load(source, &engine.model, err));
    *out = engine;
    return MR_OK;
}

bool mr_engine_is_native(const struct mr_engine *engine) {
    return engine->ops->is_native;
}

mr_status mr_engine_predict(const struct mr_engine *engine, const struct mr_input *input,
                            struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    assert(engine->model && engine->ops->is_native);
    assert(input->kind != MR_INPUT_TENSOR || input->n_tensors == 1);
    *out = (struct mr_output){0};
    return engine->ops->predict(engine->model, input, arena, out, err);
}

void mr_engine_ask(const struct mr_engine *engine, struct mr_call *call) {
    call->err = (struct mr_error){0};
    call->output = (struct mr_output){0};
    if (engine->ops->is_native) {
        call->status = mr_engine_predict(engine, call->input, call->arena, &call->output,
                                         &call->err);
        call->done(call);
    } else {
        engine->ops->ask(engine->model, call);
    }
}

bool mr_engine_cancel(const struct mr_engine *engine, struct mr_call *call) {
    return !engine->ops->is_native && engine->ops->cancel(engine->model, call);
}

void mr_engine_pause(const struct mr_engine *engine, struct mr_call *call, bool is_paused) {
    if (!engine->ops->is_native) engine->ops->pause(engine->model, call, is_paused);
}

mr_engine_state mr_engine_state_of(const struct mr_engine *engine) {
    return engine->ops->is_native ? MR_ENGINE_READY : engine->ops->state(engine->model);
}

void mr_engine_describe(const struct mr_engine *engine, struct mr_buf *buf) {
    engine->ops->describe(engine->model, buf);
}

void mr_engine_unload(struct mr_engine *engine) {
    if (!engine->ops) return;
    engine->ops->unload(engine->model);
    *engine = (struct mr_engine){0};
}
