#include "model/mlmodel.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/yaml.h"

/* Signatures of wide tables take some megabytes; nothing honest takes more than this. */
#define MAX_FILE_BYTES ((size_t)64 * 1024 * 1024)

static mr_status read_flavors(const struct mr_yaml *yaml, struct mr_arena *arena,
                              struct mr_mlmodel *out, struct mr_error *err) {
    int flavors = mr_yaml_child(yaml, mr_yaml_root(yaml), "flavors");
    int pyfunc = mr_yaml_child(yaml, flavors, "python_function");
    if (!pyfunc) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "MLmodel has no python_function flavor: this model cannot be served");
    }
    MR_TRY(mr_yaml_text(yaml, pyfunc, "loader_module", arena, &out->loader_module, err));
    MR_TRY(mr_yaml_text(yaml, pyfunc, "predict_fn", arena, &out->predict_fn, err));
    static const char *const data_keys[] = {"model_path", "data", "python_model"};
    for (size_t i = 0; i < 3 && out->data.size == 0; i++) {
        MR_TRY(mr_yaml_text(yaml, pyfunc, data_keys[i], arena, &out->data, err));
    }
    if (out->predict_fn.size == 0) out->predict_fn = mr_str_from("predict");
    if (!mr_path_is_inside(out->data)) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel: \"%.*s\" is not a path inside the model",
                       MR_STR_ARGS(out->data));
    }
    bool is_lightgbm = mr_str_is(out->loader_module, "mlflow.lightgbm");
    int saved = mr_yaml_child(yaml, flavors, is_lightgbm ? "lightgbm" : "sklearn");
    MR_TRY(
        mr_yaml_text(yaml, saved, "serialization_format", arena, &out->serialization_format, err));
    if (out->serialization_format.size == 0) out->serialization_format = mr_str_from("pickle");
    static const char *const classed[] = {"xgboost", "lightgbm"};
    for (size_t i = 0; i < 2 && out->model_class.size == 0; i++) {
        MR_TRY(mr_yaml_text(yaml, mr_yaml_child(yaml, flavors, classed[i]), "model_class", arena,
                            &out->model_class, err));
    }
    return MR_OK;
}

/* An example that lies elsewhere, or cannot be replayed, is none. */
static mr_status read_example(const struct mr_yaml *yaml, struct mr_arena *arena,
                              struct mr_mlmodel *out, struct mr_error *err) {
    int info = mr_yaml_child(yaml, mr_yaml_root(yaml), "saved_input_example_info");
    struct mr_str type, orient;
    MR_TRY(mr_yaml_text(yaml, info, "serving_input_path", arena, &out->serving_example, err));
    MR_TRY(mr_yaml_text(yaml, info, "artifact_path", arena, &out->example, err));
    MR_TRY(mr_yaml_text(yaml, info, "type", arena, &type, err));
    MR_TRY(mr_yaml_text(yaml, info, "pandas_orient", arena, &orient, err));
    out->is_example_split = mr_str_is(type, "dataframe") && mr_str_is(orient, "split");
    bool is_known = out->is_example_split || mr_str_is(type, "ndarray");
    if (!mr_path_is_inside(out->serving_example)) out->serving_example = (struct mr_str){0};
    if (!is_known || !mr_path_is_inside(out->example)) out->example = (struct mr_str){0};
    return MR_OK;
}

static mr_status read_document(const struct mr_yaml *yaml, struct mr_arena *arena,
                               struct mr_mlmodel *out, struct mr_error *err) {
    int root = mr_yaml_root(yaml);
    MR_TRY(read_flavors(yaml, arena, out, err));
    int signature = mr_yaml_child(yaml, root, "signature");
    MR_TRY(mr_yaml_text(yaml, signature, "inputs", arena, &out->inputs_json, err));
    MR_TRY(mr_yaml_text(yaml, signature, "outputs", arena, &out->outputs_json, err));
    MR_TRY(mr_yaml_text(yaml, signature, "params", arena, &out->params_json, err));
    static const char *const hint_keys[] = {"is_signature_from_type_hint",
                                            "type_hint_from_example"};
    for (size_t i = 0; i < 2; i++) {
        struct mr_str flag = {0};
        MR_TRY(mr_yaml_text(yaml, root, hint_keys[i], arena, &flag, err));
        out->has_type_hints |= mr_str_is(flag, "true");
    }
    MR_TRY(mr_yaml_text(yaml, root, "run_id", arena, &out->run_id, err));
    MR_TRY(mr_yaml_text(yaml, root, "model_id", arena, &out->model_id, err));
    MR_TRY(read_example(yaml, arena, out, err));
    return mr_yaml_text(yaml, root, "mlflow_version", arena, &out->mlflow_version, err);
}

mr_status mr_mlmodel_parse(struct mr_str text, struct mr_arena *arena, struct mr_mlmodel *out,
                           struct mr_error *err) {
    *out = (struct mr_mlmodel){0};
    struct mr_yaml *yaml;
    MR_TRY(mr_yaml_parse(text, "MLmodel", &yaml, err));
    mr_status status = read_document(yaml, arena, out, err);
    mr_yaml_free(yaml);
    return status;
}

static mr_status fail_to_find(const char *folder, struct mr_error *err) {
    struct stat info;
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode)) {
        return mr_fail(err, MR_E_NOT_FOUND, "%.400s is a file: give the folder that holds MLmodel",
                       folder);
    }
    return mr_fail(err, MR_E_NOT_FOUND, "%.400s is no model saved by MLflow: %s", folder,
                   access(folder, F_OK) == 0 ? "it has no file MLmodel"
                                             : "there is no such folder");
}

mr_status mr_mlmodel_read(const char *folder, struct mr_arena *arena, struct mr_mlmodel *out,
                          struct mr_error *err) {
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/MLmodel", folder);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return mr_fail(err, MR_E_IO, "the model's path is too long");
    }
    struct mr_str text;
    mr_status status = mr_file_load(path, MAX_FILE_BYTES, arena, &text, err);
    if (status == MR_E_NOT_FOUND) return fail_to_find(folder, err);
    MR_TRY(status);
    return mr_mlmodel_parse(text, arena, out, err);
}
