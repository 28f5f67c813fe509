#include "model/mlmodel.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <yaml.h>

#include "base/buf.h"

/* Signatures of wide tables take some megabytes; nothing honest takes more than this. */
#define MAX_FILE_BYTES ((size_t)64 * 1024 * 1024)

/* --- YAML nodes: a mapping's value by its key, a scalar's text -------------------------------- */

static struct mr_str scalar_text(const yaml_node_t *node) {
    return (struct mr_str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

/* Of a key given twice the last value counts, as in PyYAML. */
static yaml_node_t *child(yaml_document_t *doc, yaml_node_t *map, const char *key) {
    if (!map || map->type != YAML_MAPPING_NODE) return NULL;
    yaml_node_t *found = NULL;
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *name = yaml_document_get_node(doc, pair->key);
        if (!name || name->type != YAML_SCALAR_NODE) continue;
        if (mr_str_is(scalar_text(name), key)) found = yaml_document_get_node(doc, pair->value);
    }
    return found;
}

/* YAML 1.1's spellings of null, unquoted only. */
static bool is_null(const yaml_node_t *node) {
    struct mr_str text = scalar_text(node);
    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.size == 0 || mr_str_is(text, "null") || mr_str_is(text, "Null") ||
            mr_str_is(text, "NULL") || mr_str_is(text, "~"));
}

/* Copies the text under a key; absent and null give size 0. */
static mr_status read_text(yaml_document_t *doc, yaml_node_t *map, const char *key,
                           struct mr_arena *arena, struct mr_str *out, struct mr_error *err) {
    *out = (struct mr_str){0};
    yaml_node_t *node = child(doc, map, key);
    if (!node) return MR_OK;
    if (node->type != YAML_SCALAR_NODE) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel line %zu: \"%s\" is not a text",
                       node->start_mark.line + 1, key);
    }
    if (is_null(node)) return MR_OK;
    const char *copy = mr_arena_strdup(arena, scalar_text(node));
    if (!copy) return mr_arena_fail(arena, err);
    *out = (struct mr_str){copy, node->data.scalar.length};
    return MR_OK;
}

/* --- what the file says ------------------------------------------------------------------------
 */

/* A path inside the model's folder: relative, without "..", without NUL. */
static bool is_inside(struct mr_str path) {
    if (path.size == 0) return true;
    if (path.data[0] == '/' || memchr(path.data, '\0', path.size)) return false;
    for (size_t start = 0; start <= path.size;) {
        const char *slash = memchr(path.data + start, '/', path.size - start);
        size_t end = slash ? (size_t)(slash - path.data) : path.size;
        if (end - start == 2 && memcmp(path.data + start, "..", 2) == 0) return false;
        start = end + 1;
    }
    return true;
}

static mr_status read_flavors(yaml_document_t *doc, yaml_node_t *root, struct mr_arena *arena,
                              struct mr_mlmodel *out, struct mr_error *err) {
    yaml_node_t *flavors = child(doc, root, "flavors");
    yaml_node_t *pyfunc = child(doc, flavors, "python_function");
    if (!pyfunc) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "MLmodel has no python_function flavor: this model cannot be served");
    }
    MR_TRY(read_text(doc, pyfunc, "loader_module", arena, &out->loader_module, err));
    MR_TRY(read_text(doc, pyfunc, "predict_fn", arena, &out->predict_fn, err));
    static const char *const data_keys[] = {"model_path", "data", "python_model"};
    for (size_t i = 0; i < 3 && out->data.size == 0; i++) {
        MR_TRY(read_text(doc, pyfunc, data_keys[i], arena, &out->data, err));
    }
    if (out->predict_fn.size == 0) out->predict_fn = mr_str_from("predict");
    if (!is_inside(out->data)) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel: \"%.*s\" is not a path inside the model",
                       MR_STR_ARGS(out->data));
    }
    bool is_lightgbm = mr_str_is(out->loader_module, "mlflow.lightgbm");
    yaml_node_t *saved = child(doc, flavors, is_lightgbm ? "lightgbm" : "sklearn");
    MR_TRY(read_text(doc, saved, "serialization_format", arena, &out->serialization_format, err));
    if (out->serialization_format.size == 0) out->serialization_format = mr_str_from("pickle");
    static const char *const classed[] = {"xgboost", "lightgbm"};
    for (size_t i = 0; i < 2 && out->model_class.size == 0; i++) {
        MR_TRY(read_text(doc, child(doc, flavors, classed[i]), "model_class", arena,
                         &out->model_class, err));
    }
    return MR_OK;
}

static mr_status read_document(yaml_document_t *doc, struct mr_arena *arena, struct mr_mlmodel *out,
                               struct mr_error *err) {
    yaml_node_t *root = yaml_document_get_root_node(doc);
    if (!root || root->type != YAML_MAPPING_NODE) {
        return mr_fail(err, MR_E_FORMAT, "MLmodel: expected a YAML mapping at the top");
    }
    MR_TRY(read_flavors(doc, root, arena, out, err));
    yaml_node_t *signature = child(doc, root, "signature");
    MR_TRY(read_text(doc, signature, "inputs", arena, &out->inputs_json, err));
    MR_TRY(read_text(doc, signature, "outputs", arena, &out->outputs_json, err));
    MR_TRY(read_text(doc, signature, "params", arena, &out->params_json, err));
    static const char *const hint_keys[] = {"is_signature_from_type_hint",
                                            "type_hint_from_example"};
    for (size_t i = 0; i < 2; i++) {
        struct mr_str flag = {0};
        MR_TRY(read_text(doc, root, hint_keys[i], arena, &flag, err));
        out->has_type_hints |= mr_str_is(flag, "true");
    }
    return read_text(doc, root, "mlflow_version", arena, &out->mlflow_version, err);
}

mr_status mr_mlmodel_parse(struct mr_str text, struct mr_arena *arena, struct mr_mlmodel *out,
                           struct mr_error *err) {
    *out = (struct mr_mlmodel){0};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);
    yaml_document_t doc;
    mr_status status;
    if (yaml_parser_load(&parser, &doc)) {
        status = read_document(&doc, arena, out, err);
        yaml_document_delete(&doc);
    } else if (parser.error == YAML_MEMORY_ERROR) {
        status = mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    } else {
        status = mr_fail(err, MR_E_FORMAT, "MLmodel line %zu: not YAML: %s",
                         parser.problem_mark.line + 1, parser.problem ? parser.problem : "?");
    }
    yaml_parser_delete(&parser);
    return status;
}

static mr_status read_file(FILE *file, const char *path, struct mr_buf *text,
                           struct mr_error *err) {
    enum { STEP = 65536 };
    size_t got;
    do {
        char *at = mr_buf_reserve(text, STEP);
        if (!at) return mr_buf_status(text, err);
        got = fread(at, 1, STEP, file);
        text->size += got;
        if (text->size > MAX_FILE_BYTES) {
            return mr_fail(err, MR_E_FORMAT, "%s is larger than %zu bytes", path, MAX_FILE_BYTES);
        }
    } while (got > 0);
    if (ferror(file)) return mr_fail(err, MR_E_IO, "cannot read %s: %s", path, strerror(errno));
    return MR_OK;
}

mr_status mr_mlmodel_read(const char *folder, struct mr_arena *arena, struct mr_mlmodel *out,
                          struct mr_error *err) {
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/MLmodel", folder);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return mr_fail(err, MR_E_IO, "the model's path is too long");
    }
    FILE *file = fopen(path, "rbe");
    if (!file && errno == ENOENT) {
        return mr_fail(err, MR_E_NOT_FOUND, "%.400s is no model saved by MLflow: %s", folder,
                       access(folder, F_OK) == 0 ? "it has no file MLmodel"
                                                 : "there is no such folder");
    }
    if (!file && errno == ENOTDIR) {
        return mr_fail(err, MR_E_NOT_FOUND, "%.400s is a file: give the folder that holds MLmodel",
                       folder);
    }
    if (!file) return mr_fail(err, MR_E_IO, "cannot open %s: %s", path, strerror(errno));
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_status status = read_file(file, path, &text, err);
    fclose(file);
    MR_TRY(status);
    return mr_mlmodel_parse(mr_buf_str(&text), arena, out, err);
}
