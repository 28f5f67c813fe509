#include "store/rest_answer.h"

#include <yyjson.h>

/* Anything that goes into one of our fields has come through here. */
static mr_status copy(yyjson_val *map, const char *key, struct mr_arena *arena, const char **out,
                      struct mr_error *err) {
    yyjson_val *value = yyjson_obj_get(map, key);
    size_t size = yyjson_get_len(value);
    *out = NULL;
    if (!yyjson_is_str(value) || size == 0) return MR_OK;
    const char *text = yyjson_get_str(value);
    if (size > MR_BACKEND_MAX_TEXT || memchr(text, '\0', size)) {
        return mr_fail(err, MR_E_FORMAT, "\"%s\" is not one that MLflow writes", key);
    }
    *out = mr_arena_strdup(arena, (struct mr_str){text, size});
    return *out ? MR_OK : mr_arena_fail(arena, err);
}

static mr_status fail_absent(const char *what, struct mr_error *err) {
    return mr_fail(err, MR_E_FORMAT, "the server's answer has no %s: is it an MLflow server?",
                   what);
}

/* The document; freed with yyjson_doc_free. */
static mr_status parse(struct mr_str body, yyjson_doc **out, struct mr_error *err) {
    yyjson_read_err fault;
    /* Without YYJSON_READ_INSITU nothing is written to. */
    *out = yyjson_read_opts((char *)body.data, body.size, 0, NULL, &fault);
    if (*out) return MR_OK;
    if (fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    return mr_fail(err, MR_E_FORMAT,
                   "the server's answer is no JSON (%s at byte %zu): is it an "
                   "MLflow server?",
                   fault.msg, fault.pos);
}

/* A number, or a text that says it, as those of versions do in MLflow's answers; 0: neither. */
static int64_t number_of(yyjson_val *map, const char *key) {
    yyjson_val *value = yyjson_obj_get(map, key);
    if (yyjson_is_int(value)) return yyjson_get_sint(value);
    const char *text = yyjson_get_str(value);
    int64_t number = 0;
    for (size_t i = 0; text && i < yyjson_get_len(value); i++) {
        if (text[i] < '0' || text[i] > '9' || number > INT64_MAX / 100) return 0;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static mr_status read_run(yyjson_val *root, struct mr_arena *arena, struct mr_run *out,
                          struct mr_error *err) {
    yyjson_val *info = yyjson_obj_get(yyjson_obj_get(root, "run"), "info");
    *out = (struct mr_run){0};
    MR_TRY(copy(info, "experiment_id", arena, &out->experiment_id, err));
    MR_TRY(copy(info, "artifact_uri", arena, &out->artifact_uri, err));
    return out->experiment_id && out->artifact_uri ? MR_OK : fail_absent("run", err);
}

mr_status mr_rest_read_run(struct mr_str body, struct mr_arena *arena, struct mr_run *out,
                           struct mr_error *err) {
    yyjson_doc *doc;
    MR_TRY(parse(body, &doc, err));
    mr_status status = read_run(yyjson_doc_get_root(doc), arena, out, err);
    yyjson_doc_free(doc);
    return status;
}

static mr_status read_model(yyjson_val *model, struct mr_arena *arena, struct mr_logged_model *out,
                            struct mr_error *err) {
    yyjson_val *info = yyjson_obj_get(model, "info");
    *out = (struct mr_logged_model){0};
    MR_TRY(copy(info, "model_id", arena, &out->id, err));
    MR_TRY(copy(info, "artifact_uri", arena, &out->artifact_uri, err));
    MR_TRY(copy(info, "source_run_id", arena, &out->run_id, err));
    return out->id && out->artifact_uri ? MR_OK : fail_absent("model", err);
}

mr_status mr_rest_read_model(struct mr_str body, struct mr_arena *arena,
                             struct mr_logged_model *out, struct mr_error *err) {
    yyjson_doc *doc;
    MR_TRY(parse(body, &doc, err));
    yyjson_val *model = yyjson_obj_get(yyjson_doc_get_root(doc), "model");
    mr_status status = read_model(model, arena, out, err);
    yyjson_doc_free(doc);
    return status;
}

static mr_status read_models(yyjson_val *root, const char *run_id, struct mr_arena *arena,
                             struct mr_logged_model *out, const char **next_page,
                             struct mr_error *err) {
    yyjson_val *models = yyjson_obj_get(root, "models"), *model;
    size_t i, n;
    *out = (struct mr_logged_model){0};
    MR_TRY(copy(root, "next_page_token", arena, next_page, err));
    yyjson_arr_foreach(models, i, n, model) {
        yyjson_val *run = yyjson_obj_get(yyjson_obj_get(model, "info"), "source_run_id");
        if (yyjson_equals_str(run, run_id)) return read_model(model, arena, out, err);
    }
    return MR_OK;
}

mr_status mr_rest_read_models(struct mr_str body, const char *run_id, struct mr_arena *arena,
                              struct mr_logged_model *out, const char **next_page,
                              struct mr_error *err) {
    yyjson_doc *doc;
    MR_TRY(parse(body, &doc, err));
    mr_status status = read_models(yyjson_doc_get_root(doc), run_id, arena, out, next_page, err);
    yyjson_doc_free(doc);
    return status;
}

static mr_status read_version(yyjson_val *version, struct mr_arena *arena, struct mr_version *out,
                              struct mr_error *err) {
    *out = (struct mr_version){.version = number_of(version, "version"),
                               .created_ms = number_of(version, "creation_timestamp")};
    MR_TRY(copy(version, "source", arena, &out->source, err));
    MR_TRY(copy(version, "run_id", arena, &out->run_id, err));
    return out->version > 0 ? MR_OK : fail_absent("model version", err);
}

mr_status mr_rest_read_version(struct mr_str body, struct mr_arena *arena, struct mr_version *out,
                               struct mr_error *err) {
    yyjson_doc *doc;
    MR_TRY(parse(body, &doc, err));
    yyjson_val *version = yyjson_obj_get(yyjson_doc_get_root(doc), "model_version");
    mr_status status = read_version(version, arena, out, err);
    yyjson_doc_free(doc);
    return status;
}

mr_status mr_rest_read_download_uri(struct mr_str body, struct mr_arena *arena, const char **out,
                                    struct mr_error *err) {
    yyjson_doc *doc;
    MR_TRY(parse(body, &doc, err));
    mr_status status = copy(yyjson_doc_get_root(doc), "artifact_uri", arena, out, err);
    yyjson_doc_free(doc);
    MR_TRY(status);
    return *out ? MR_OK : fail_absent("artifact_uri", err);
}

mr_status mr_rest_read_latest(struct mr_str body, int64_t *out, struct mr_error *err) {
    yyjson_doc *doc;
    MR_TRY(parse(body, &doc, err));
    yyjson_val *versions = yyjson_obj_get(yyjson_doc_get_root(doc), "model_versions"), *version;
    size_t i, n;
    *out = 0;
    yyjson_arr_foreach(versions, i, n, version) {
        int64_t number = number_of(version, "version");
        if (number > *out) *out = number;
    }
    yyjson_doc_free(doc);
    return MR_OK;
}

bool mr_rest_is_error(struct mr_str body, const char *code) {
    yyjson_doc *doc;
    if (parse(body, &doc, NULL) != MR_OK) return false;
    bool is_it = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(doc), "error_code"), code);
    yyjson_doc_free(doc);
    return is_it;
}
