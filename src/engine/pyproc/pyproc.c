#include "engine/pyproc/pyproc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/log.h"
#include "engine/pyproc/pool.h"
#include "engine/pyproc/wire.h"

struct mr_engine_model {
    struct mr_arena *arena; /* holds the command */
    struct mr_pool *pool;
};

static void probe(const struct mr_model_source *source, struct mr_probe *probe) {
    const char *problem = source->options->python.problem;
    probe->score = problem ? 0 : 1; /* a native engine that can is faster */
    snprintf(probe->reason, sizeof(probe->reason), "%s",
             problem ? problem : "Python workers load whatever mlflow.pyfunc can");
}

/* Whether the signature leaves the first size of all tensors open. */
static bool has_rows(const struct mr_signature *signature) {
    if (!signature || signature->kind != MR_SCHEMA_TENSORS) return false;
    for (size_t i = 0; i < signature->n_inputs; i++) {
        const struct mr_tensor_spec *tensor = &signature->tensors[i];
        if (tensor->n_dims == 0 || tensor->shape[0] != -1) return false;
    }
    return true;
}

static mr_status start_pool(const struct mr_model_source *source, struct mr_engine_model *model,
                            struct mr_error *err) {
    const struct mr_python_options *options = &source->options->python;
    struct mr_pool_options pool = {.folder = source->path,
                                   .fingerprint = source->fingerprint,
                                   .n_workers = options->n_workers,
                                   .timeout_ms = options->timeout_ms,
                                   .is_nan_literal = options->is_nan_literal,
                                   .is_waiting = options->is_waiting,
                                   .queue = options->queue,
                                   .has_rows = has_rows(source->signature),
                                   .loaded = options->loaded,
                                   .ctx = options->ctx};
    if (pool.n_workers == 0) pool.n_workers = mr_cpu_count();
    MR_TRY(
        mr_command_init(options, source->path, pool.n_workers, model->arena, &pool.command, err));
    mr_log_info("%s loads the model for %u %s%s", options->interpreter, pool.n_workers,
                pool.n_workers == 1 ? "worker" : "workers",
                options->n_workers ? "" : ", as many as there are processors");
    return mr_pool_new(&pool, &model->pool, err);
}

static void unload(struct mr_engine_model *model) {
    if (model->pool) mr_pool_free(model->pool);
    mr_arena_free(model->arena);
    free(model);
}

static mr_status load(const struct mr_model_source *source, struct mr_engine_model **out,
                      struct mr_error *err) {
    struct mr_engine_model *model = calloc(1, sizeof(*model));
    if (!model) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    model->arena = mr_arena_new(0, NULL);
    mr_status status = model->arena ? start_pool(source, model, err)
                                    : mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    if (status != MR_OK) {
        unload(model);
        return status;
    }
    *out = model;
    return MR_OK;
}

static void describe(const struct mr_engine_model *model, struct mr_buf *buf) {
    mr_pool_describe(model->pool, buf);
}

static bool can_take(const struct mr_engine_model *model, const struct mr_input *input,
                     struct mr_arena *arena, const char **reason) {
    (void)model;
    (void)arena;
    return mr_wire_can_carry(input, reason);
}

static void ask(struct mr_engine_model *model, struct mr_call *call) {
    mr_pool_ask(model->pool, call);
}

static mr_status check_room(struct mr_engine_model *model, struct mr_error *err) {
    return mr_pool_check_room(model->pool, err);
}

static bool cancel(struct mr_engine_model *model, struct mr_call *call) {
    return mr_pool_cancel(model->pool, call);
}

static void pause_call(struct mr_engine_model *model, struct mr_call *call, bool is_paused) {
    mr_pool_pause(model->pool, call, is_paused);
}

static mr_engine_state state(const struct mr_engine_model *model) {
    return mr_pool_state(model->pool);
}

static mr_warm_up warm_up(struct mr_engine_model *model, struct mr_error *err) {
    return mr_pool_warm_up(model->pool, err);
}

static void stats(struct mr_engine_model *model, struct mr_engine_stats *out) {
    mr_pool_stats(model->pool, out);
}

const struct mr_engine_ops mr_python_engine = {
    .name = "python",
    .is_native = false,
    .probe = probe,
    .load = load,
    .describe = describe,
    .unload = unload,
    .can_take = can_take,
    .ask = ask,
    .check_room = check_room,
    .cancel = cancel,
    .pause = pause_call,
    .state = state,
    .warm_up = warm_up,
    .stats = stats,
};
