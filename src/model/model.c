#include "model/model.h"

#include <malloc.h>

#include "store/client.h"
#include "store/folder.h"

static mr_status read_into(struct mr_model *model, const char *uri,
                           const struct mr_store_options *store, struct mr_error *err) {
    MR_TRY(mr_store_resolve(uri, store, model->arena, &model->location, err));
    MR_TRY(mr_store_open(&model->location, store, model->arena, err));
    model->path = model->location.folder;
    MR_TRY(mr_mlmodel_read(model->path, model->arena, &model->mlmodel, err));
    const struct mr_mlmodel *mlmodel = &model->mlmodel;
    return mr_signature_read(mlmodel->inputs_json, mlmodel->outputs_json, mlmodel->params_json,
                             model->arena, &model->signature, err);
}

mr_status mr_model_read(const char *uri, const struct mr_store_options *store,
                        struct mr_model **out, struct mr_error *err) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_model *model = arena ? mr_arena_zalloc(arena, sizeof(*model)) : NULL;
    if (!model) {
        mr_arena_free(arena);
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    model->arena = arena;
    mr_status status = read_into(model, uri, store, err);
    if (status == MR_OK) {
        *out = model;
        return MR_OK;
    }
    mr_model_free(model);
    return mr_store_fail(uri, status, err);
}

mr_status mr_model_find_engine(struct mr_model *model, const struct mr_engine_options *options,
                               struct mr_error *err) {
    const struct mr_mlmodel *mlmodel = &model->mlmodel;
    struct mr_buf data_path;
    mr_buf_init(&data_path, model->arena);
    mr_buf_format(&data_path, "%s/%s", model->path, mlmodel->data.size ? mlmodel->data.data : "");
    mr_buf_char(&data_path, '\0');
    MR_TRY(mr_buf_status(&data_path, err));
    uint64_t fingerprint = mr_folder_fingerprint(model->path);
    model->source = (struct mr_model_source){
        .flavor = mlmodel->loader_module,
        .path = model->path,
        .data_path = mlmodel->data.size ? data_path.data : NULL,
        .serialization_format = mlmodel->serialization_format,
        .model_class = mlmodel->model_class,
        .predict_fn = mlmodel->predict_fn,
        .signature = &model->signature,
        .options = options,
    };
    MR_TRY(mr_engine_find(&model->source, &model->engine, err));
    if (!mr_engine_is_native(&model->engine)) return MR_OK;
    return mr_fallback_new(&model->source, fingerprint, model->arena, &model->fallback, err);
}

mr_status mr_model_load_engine(struct mr_model *model, struct mr_error *err) {
    return mr_engine_load(&model->source, &model->engine, err);
}

mr_status mr_model_load(const char *uri, const struct mr_store_options *store,
                        const struct mr_engine_options *options, struct mr_model **out,
                        struct mr_error *err) {
    struct mr_model *model = NULL;
    MR_TRY(mr_model_read(uri, store, &model, err));
    mr_status status = mr_model_find_engine(model, options, err);
    malloc_trim(0); /* what reading the model took is several times what is left of it */
    if (status == MR_OK) status = mr_model_load_engine(model, err);
    if (status == MR_OK) {
        *out = model;
    } else {
        mr_model_free(model);
    }
    return status;
}

void mr_model_free(struct mr_model *model) {
    if (!model) return;
    mr_engine_unload(&model->engine);
    mr_fallback_free(model->fallback);
    mr_store_close(&model->location);
    mr_arena_free(model->arena);
}

bool mr_model_is_rowwise(const struct mr_model *model) {
    static const char *const flavors[] = {"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm",
                                          "mlflow.catboost"};
    if (mr_engine_is_native(&model->engine)) return true;
    for (size_t i = 0; i < sizeof(flavors) / sizeof(*flavors); i++) {
        if (mr_str_is(model->mlmodel.loader_module, flavors[i])) return true;
    }
    return false;
}

static void describe_tensor(const struct mr_tensor_spec *tensor, struct mr_buf *buf) {
    mr_buf_format(buf, "  %.*s%s%.*s [", MR_STR_ARGS(tensor->name), tensor->name.size ? ": " : "",
                  MR_STR_ARGS(tensor->dtype_name));
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (i) mr_buf_text(buf, ", ");
        mr_buf_int(buf, tensor->shape[i]);
    }
    mr_buf_text(buf, "]\n");
}

static void describe_signature(const struct mr_signature *signature, struct mr_buf *buf) {
    mr_buf_text(buf, signature->kind == MR_SCHEMA_NONE ? "inputs:   any, there is no signature\n"
                                                       : "inputs:\n");
    for (size_t i = 0; i < signature->n_inputs; i++) {
        if (signature->kind == MR_SCHEMA_TENSORS) {
            describe_tensor(&signature->tensors[i], buf);
            continue;
        }
        const struct mr_col_spec *column = &signature->columns[i];
        mr_buf_format(buf, "  %.*s%s%s%s\n", MR_STR_ARGS(column->name),
                      column->name.size ? ": " : "", mr_col_type_name(column->type),
                      column->is_required ? "" : " (optional)");
    }
    if (signature->n_params) mr_buf_text(buf, "params:\n");
    for (size_t i = 0; i < signature->n_params; i++) {
        const struct mr_param_spec *param = &signature->params[i];
        mr_buf_format(buf, "  %.*s: %s%s = %.*s\n", MR_STR_ARGS(param->name),
                      mr_col_type_name(param->type), param->is_list ? " list" : "",
                      MR_STR_ARGS(param->default_json));
    }
    if (signature->outputs_json.size) {
        mr_buf_format(buf, "outputs:  %.*s\n", MR_STR_ARGS(signature->outputs_json));
    }
}

/* Of a folder that was given as such there is nothing to tell. */
static void describe_location(const struct mr_location *location, struct mr_buf *buf) {
    bool is_elsewhere = strcmp(location->artifact_uri, location->folder) != 0;
    if (!location->store && !is_elsewhere) return;
    char shown[1024];
    mr_buf_format(buf, "uri:      %s\n", mr_client_show(location->uri, shown, sizeof(shown)));
    if (location->store) mr_buf_format(buf, "store:    %s\n", location->store);
    if (location->version) {
        mr_buf_format(buf, "version:  %s of %s%s%s\n", location->version, location->name,
                      location->alias ? ", alias " : "", location->alias ? location->alias : "");
    }
    if (location->model_id) mr_buf_format(buf, "logged:   %s\n", location->model_id);
    if (location->run_id) mr_buf_format(buf, "run:      %s\n", location->run_id);
    if (is_elsewhere) {
        mr_client_show(location->artifact_uri, shown, sizeof(shown));
        mr_buf_format(buf, "files:    %s\n", shown);
    }
}

void mr_model_describe(const struct mr_model *model, struct mr_buf *buf) {
    const struct mr_mlmodel *mlmodel = &model->mlmodel;
    describe_location(&model->location, buf);
    mr_buf_format(buf, "model:    %s\n", model->path);
    mr_buf_format(buf, "flavor:   %.*s, saved by MLflow %.*s\n",
                  MR_STR_ARGS(mlmodel->loader_module), MR_STR_ARGS(mlmodel->mlflow_version));
    mr_buf_format(buf, "calls:    %.*s\n", MR_STR_ARGS(mlmodel->predict_fn));
    describe_signature(&model->signature, buf);
    if (!model->engine.ops) return;
    mr_buf_format(buf, "engine:   %s: %s\n", model->engine.ops->name, model->engine.reason);
    if (!mr_engine_is_native(&model->engine) && model->engine.refusals[0]) {
        mr_buf_format(buf, "not C:    %s\n", model->engine.refusals);
    }
    if (model->engine.model) mr_engine_describe(&model->engine, buf);
    if (model->fallback) mr_buf_text(buf, "Parquet:  python, started when it is needed\n");
}
