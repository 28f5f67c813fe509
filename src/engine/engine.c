#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>

#include "engine/graph.h"
#include "engine/linear/linear.h"
#include "engine/pipeline/pipeline.h"
#include "engine/pyproc/pyproc.h"
#include "engine/tree/tree.h"

/* Adding an engine is one line here and a folder. */
static const struct mr_engine_ops *const engines[] = {
    &mr_linear_engine,
    &mr_tree_engine,
    &mr_pipeline_engine,
    &mr_python_engine,
};

#define N_ENGINES (sizeof(engines) / sizeof(*engines))

/* An object graph may contain itself. */
#define MAX_DEPTH 8

mr_status mr_engine_check_signature(const struct mr_signature *signature, struct mr_error *err) {
    if (!signature) return MR_OK;
    if (signature->is_nested) {
        return mr_fail(
            err, MR_E_UNSUPPORTED,
            "no native engine for signatures with array, object, map or any columns yet");
    }
    for (size_t i = 0; signature->kind == MR_SCHEMA_TENSORS && i < signature->n_inputs; i++) {
        if (!signature->tensors[i].is_known) {
            return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for tensors of dtype %.*s yet",
                           MR_STR_ARGS(signature->tensors[i].dtype_name));
        }
    }
    return MR_OK;
}

static void note_refusal(struct mr_engine *engine, const char *reason) {
    if (strstr(engine->refusals, reason)) return; /* engines that share a loader agree */
    size_t length = strlen(engine->refusals);
    snprintf(engine->refusals + length, sizeof(engine->refusals) - length, "%s%s",
             length ? "; " : "", reason);
}

static void probe_all(const struct mr_model_source *source, struct mr_engine *best) {
    int best_score = 0;
    mr_engine_choice choice = source->options ? source->options->choice : MR_ENGINE_NATIVE;
    for (size_t i = 0; i < N_ENGINES; i++) {
        if (choice != MR_ENGINE_AUTO && engines[i]->is_native != (choice == MR_ENGINE_NATIVE)) {
            continue;
        }
        struct mr_probe probe = {0};
        engines[i]->probe(source, &probe);
        if (probe.score == 0) note_refusal(best, probe.reason);
        if (probe.score <= best_score) {
            if (probe.model) engines[i]->unload(probe.model);
            continue;
        }
        if (best->model) best->ops->unload(best->model);
        best_score = probe.score;
        best->ops = engines[i];
        best->model = probe.model;
        memcpy(best->reason, probe.reason, sizeof(best->reason));
    }
}

mr_status mr_engine_find(const struct mr_model_source *source, struct mr_engine *out,
                         struct mr_error *err) {
    struct mr_engine engine = {0};
    struct mr_graph_file file = {0};
    struct mr_model_source shared_source = *source;
    shared_source.shared = &file;
    probe_all(&shared_source, &engine);
    mr_graph_file_deinit(&file);
    if (!engine.ops) return mr_fail(err, MR_E_UNSUPPORTED, "%s", engine.refusals);
    *out = engine;
    return MR_OK;
}

mr_status mr_engine_find_inside(const struct mr_model_source *source,
                                const struct mr_object *estimator, struct mr_engine *out,
                                struct mr_error *err) {
    if (source->depth >= MAX_DEPTH) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for more than %d estimators inside of each other",
                       MAX_DEPTH);
    }
    static const struct mr_engine_options native = {.choice = MR_ENGINE_NATIVE};
    struct mr_engine engine = {0};
    struct mr_graph_file file = *source->shared;
    struct mr_model_source inside = *source;
    file.graph.root = estimator;
    inside.shared = &file;
    inside.options = &native;
    inside.depth++;
    probe_all(&inside, &engine);
    if (!engine.ops) return mr_fail(err, MR_E_UNSUPPORTED, "%s", engine.refusals);
    *out = engine;
    return MR_OK;
}

mr_status mr_engine_load(const struct mr_model_source *source, struct mr_engine *engine,
                         struct mr_error *err) {
    if (engine->model) return MR_OK;
    return engine->ops->load(source, &engine->model, err);
}

mr_status mr_engine_choose(const struct mr_model_source *source, struct mr_engine *out,
                           struct mr_error *err) {
    struct mr_engine engine;
    MR_TRY(mr_engine_find(source, &engine, err));
    MR_TRY(mr_engine_load(source, &engine, err));
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

bool mr_engine_can_take(const struct mr_engine *engine, const struct mr_input *input,
                        struct mr_arena *arena, const char **reason) {
    const struct mr_engine_ops *ops = engine->ops;
    if (ops->is_native && input->kind == MR_INPUT_RAW) {
        *reason = input->raw_reason;
        return false;
    }
    return !ops->can_take || ops->can_take(engine->model, input, arena, reason);
}

bool mr_engine_takes_decoded(const struct mr_engine *engine) {
    return !engine->ops->can_take;
}

mr_status mr_engine_check_room(const struct mr_engine *engine, struct mr_error *err) {
    return engine->ops->is_native ? MR_OK : engine->ops->check_room(engine->model, err);
}

void mr_engine_ask(const struct mr_engine *engine, struct mr_call *call) {
    call->err = (struct mr_error){0};
    call->started_ns = 0;
    call->is_streamed = false;
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

mr_warm_up mr_engine_warm_up_of(const struct mr_engine *engine, struct mr_error *err) {
    return engine->ops->is_native ? MR_WARM_UP_UNKNOWN : engine->ops->warm_up(engine->model, err);
}

void mr_engine_stats_of(const struct mr_engine *engine, struct mr_engine_stats *out) {
    *out = (struct mr_engine_stats){0};
    if (!engine->ops->is_native) engine->ops->stats(engine->model, out);
}

void mr_engine_describe(const struct mr_engine *engine, struct mr_buf *buf) {
    engine->ops->describe(engine->model, buf);
}

void mr_engine_unload(struct mr_engine *engine) {
    if (engine->model) engine->ops->unload(engine->model);
    *engine = (struct mr_engine){0};
}
