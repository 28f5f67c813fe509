#include "cli/hosting.h"

#include "api/warm_up.h"
#include "base/log.h"

static mr_status load(const struct mr_model_entry *entry, const struct mr_store_options *store,
                      struct mr_served *served, struct mr_loading *loading, struct mr_error *err) {
    struct mr_version *version;
    served->live = mr_live_new();
    if (!served->live) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    struct mr_error detail = {0};
    mr_status status = mr_version_load(entry->uri, store, &entry->options, false, mr_loading_told,
                                       loading, &version, &detail);
    if (status != MR_OK && served->is_named) {
        return mr_fail(err, status, "model %s: %s", served->name, detail.message);
    }
    if (status != MR_OK) return mr_fail(err, status, "%s", detail.message);
    status = mr_live_put(served->live, version, err);
    if (status != MR_OK) mr_version_free(version);
    return status;
}

static void log_model(const struct mr_served *served) {
    struct mr_version *version = mr_live_take(served->live);
    const struct mr_engine *engine = &version->model->engine;
    mr_log_info("model %s%s%s, engine %s: %s", served->is_named ? served->name : "",
                served->is_named ? ": " : "", version->model->path, engine->ops->name,
                engine->reason);
    if (!mr_engine_is_native(engine) && engine->refusals[0]) {
        mr_log_info("not C: %s", engine->refusals);
    }
    mr_live_give(version);
}

mr_status mr_hosting_load(const struct mr_serve_config *config, struct mr_endpoints *endpoints,
                          struct mr_loading *loading, struct mr_arena *arena,
                          struct mr_error *err) {
    const struct mr_model_list *list = &config->models;
    endpoints->models = mr_arena_zalloc(arena, list->n * sizeof(*endpoints->models));
    if (!endpoints->models) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < list->n; i++) {
        struct mr_served *served = &endpoints->models[endpoints->n_models++];
        const char *name = list->entries[i].name;
        *served = (struct mr_served){.name = name ? name : MR_SERVED_ONLY,
                                     .is_named = name != NULL,
                                     .uri = list->entries[i].uri,
                                     .number = i,
                                     .endpoints = endpoints};
        MR_TRY(load(&list->entries[i], &config->engine.store, served, loading, err));
        log_model(served);
    }
    return MR_OK;
}

mr_status mr_hosting_start(const struct mr_serve_config *config, struct mr_endpoints *endpoints,
                           struct mr_error *err) {
    for (size_t i = 0; i < endpoints->n_models; i++) {
        struct mr_served *served = &endpoints->models[i];
        MR_TRY(mr_warm_up_first(served, err));
        if (!config->watch_ms && !config->is_reloadable) continue;
        const struct mr_keeper_options keeper = {
            .name = served->name,
            .uri = served->uri,
            .live = served->live,
            .store = &config->engine.store,
            .engine = &config->models.entries[i].options,
            .watch_ms = config->watch_ms,
            .warm_up = mr_warm_up_next,
            .ctx = served,
        };
        MR_TRY(mr_keeper_start(&keeper, &served->keeper, err));
    }
    for (size_t i = 0; i < endpoints->n_models && config->shadow_name; i++) {
        const struct mr_served *served = &endpoints->models[i];
        if (strcmp(served->name, config->shadow_name) != 0) continue;
        return mr_shadow_start(served, &endpoints->encode, &endpoints->shadow, err);
    }
    return MR_OK;
}

void mr_hosting_cancel(struct mr_endpoints *endpoints) {
    atomic_store(&endpoints->is_stopping, true); /* ends warming up, too */
    for (size_t i = 0; i < endpoints->n_models; i++) mr_keeper_cancel(endpoints->models[i].keeper);
}

void mr_hosting_unload(struct mr_endpoints *endpoints) {
    mr_hosting_cancel(endpoints);
    mr_shadow_stop(endpoints->shadow);
    for (size_t i = 0; i < endpoints->n_models; i++) {
        mr_keeper_stop(endpoints->models[i].keeper);
        mr_live_free(endpoints->models[i].live);
    }
}

bool mr_hosting_is_loaded(const struct mr_endpoints *endpoints) {
    bool is_loaded = true;
    for (size_t i = 0; i < endpoints->n_models; i++) {
        mr_engine_state state = mr_served_state(&endpoints->models[i]);
        is_loaded &= state == MR_ENGINE_READY || state == MR_ENGINE_DOWN;
    }
    return is_loaded;
}

bool mr_hosting_has_python(const struct mr_endpoints *endpoints) {
    bool has_python = false;
    for (size_t i = 0; i < endpoints->n_models; i++) {
        struct mr_version *version = mr_live_take(endpoints->models[i].live);
        has_python |= !mr_engine_is_native(&version->model->engine);
        mr_live_give(version);
    }
    return has_python;
}
