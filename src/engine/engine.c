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
    for (size_t i = 0; i < N_ENGINES; i++) {
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

mr_status mr_engine_predict(const struct mr_engine *engine, const struct mr_input *input,
                            struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    assert(engine->ops && engine->model);
    assert(input->kind != MR_INPUT_TENSOR || input->n_tensors == 1);
    *out = (struct mr_output){0};
    return engine->ops->predict(engine->model, input, arena, out, err);
}

void mr_engine_describe(const struct mr_engine *engine, struct mr_buf *buf) {
    engine->ops->describe(engine->model, buf);
}

void mr_engine_unload(struct mr_engine *engine) {
    if (!engine->ops) return;
    engine->ops->unload(engine->model);
    *engine = (struct mr_engine){0};
}
