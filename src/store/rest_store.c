/* A tracking server, by MLflow's REST API (mlflow/store/tracking/rest_store.py and
 * mlflow/store/model_registry/rest_store.py). */
#include <yyjson.h>

#include "base/buf.h"
#include "store/backend.h"
#include "store/cancel_int.h"
#include "store/client.h"
#include "store/rest_answer.h"

#define API "/api/2.0/mlflow/"
#define MAX_ANSWER_BYTES ((size_t)16 << 20)
#define MAX_PAGES 200

struct store {
    struct mr_client *client;
    struct mr_str url; /* without a slash at its end */
    /* What the last alias was answered with, which saves asking for that version. */
    const char *alias_name; /* of the registered model; NULL: no alias was asked for */
    struct mr_version alias_version;
};

/* --- requests ----------------------------------------------------------------------------------
 */

/* Names and values of a query, NULL at the end. */
static mr_status make_url(struct mr_backend *backend, const char *endpoint,
                          const char *const *query, const char **out, struct mr_error *err) {
    const struct store *store = backend->state;
    struct mr_buf buf;
    mr_buf_init(&buf, backend->arena);
    mr_buf_append(&buf, store->url.data, store->url.size);
    mr_buf_text(&buf, API);
    mr_buf_text(&buf, endpoint);
    for (size_t i = 0; query && query[i]; i += 2) {
        mr_buf_char(&buf, i ? '&' : '?');
        mr_buf_text(&buf, query[i]);
        mr_buf_char(&buf, '=');
        mr_client_encode(&buf, mr_str_from(query[i + 1]), false);
    }
    mr_buf_char(&buf, '\0');
    *out = buf.data;
    return mr_buf_status(&buf, err);
}

/* What is asked for, for the message when it is not there. */
struct question {
    const char *kind, *name;
};

/* Send a request; the body of a good answer is the result. */
static mr_status ask(struct mr_backend *backend, const struct mr_client_request *request,
                     struct question question, struct mr_str *body, struct mr_error *err) {
    struct store *store = backend->state;
    struct mr_client_answer answer;
    MR_TRY(mr_client_send(store->client, request, backend->arena, &answer, err));
    *body = answer.body;
    if (answer.status == 200) return MR_OK;
    /* An alias that is not there is an invalid parameter (get_model_version_by_alias). */
    bool is_absent = mr_rest_is_error(answer.body, "RESOURCE_DOES_NOT_EXIST") ||
                     (strcmp(question.kind, "alias") == 0 &&
                      mr_rest_is_error(answer.body, "INVALID_PARAMETER_VALUE"));
    if (!is_absent) return mr_client_fail(store->client, &answer, err);
    char message[300];
    mr_client_quote(&answer, message, sizeof(message));
    return mr_fail(err, MR_E_NOT_FOUND, "there is no %s %.200s in %.200s (%s)", question.kind,
                   question.name, backend->uri, message);
}

static mr_status get(struct mr_backend *backend, const char *endpoint, const char *const *query,
                     struct question question, struct mr_str *body, struct mr_error *err) {
    struct mr_client_request request = {.max_bytes = MAX_ANSWER_BYTES};
    MR_TRY(make_url(backend, endpoint, query, &request.url, err));
    return ask(backend, &request, question, body, err);
}

/* Takes the document. */
static mr_status post(struct mr_backend *backend, const char *endpoint, yyjson_mut_doc *take_doc,
                      struct question question, struct mr_str *body, struct mr_error *err) {
    size_t size;
    char *json = yyjson_mut_write(take_doc, 0, &size);
    yyjson_mut_doc_free(take_doc);
    if (!json) return mr_fail(err, MR_E_INVALID_PARAMETER, "%s is no UTF-8", question.name);
    struct mr_client_request request = {.max_bytes = MAX_ANSWER_BYTES, .json = json};
    mr_status status = make_url(backend, endpoint, NULL, &request.url, err);
    if (status == MR_OK) status = ask(backend, &request, question, body, err);
    free(json);
    return status;
}

/* --- runs and logged models --------------------------------------------------------------------
 */

static mr_status find_run(struct mr_backend *backend, const char *run_id, struct mr_run *out,
                          struct mr_error *err) {
    const char *const query[] = {"run_uuid", run_id, "run_id", run_id, NULL};
    struct mr_str body;
    MR_TRY(get(backend, "runs/get", query, (struct question){"run", run_id}, &body, err));
    return mr_rest_read_run(body, backend->arena, out, err);
}

static mr_status find_model(struct mr_backend *backend, const char *model_id,
                            struct mr_logged_model *out, struct mr_error *err) {
    struct mr_buf endpoint;
    struct mr_str body;
    mr_buf_init(&endpoint, backend->arena);
    mr_buf_text(&endpoint, "logged-models/");
    mr_client_encode(&endpoint, mr_str_from(model_id), false);
    mr_buf_char(&endpoint, '\0');
    MR_TRY(mr_buf_status(&endpoint, err));
    MR_TRY(
        get(backend, endpoint.data, NULL, (struct question){"logged model", model_id}, &body, err));
    return mr_rest_read_model(body, backend->arena, out, err);
}

/* A page of the models of a name in an experiment, newest first. */
static mr_status search_models(struct mr_backend *backend, const char *experiment_id,
                               const char *name, const char *page, struct mr_str *body,
                               struct mr_error *err) {
    struct mr_buf filter;
    mr_buf_init(&filter, backend->arena);
    mr_buf_format(&filter, "name = '%s'", name);
    MR_TRY(mr_buf_status(&filter, err));
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_val *experiments = yyjson_mut_arr(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_arr_add_str(doc, experiments, experiment_id);
    yyjson_mut_obj_add_val(doc, root, "experiment_ids", experiments);
    yyjson_mut_obj_add_strn(doc, root, "filter", filter.data, filter.size);
    if (page) yyjson_mut_obj_add_str(doc, root, "page_token", page);
    return post(backend, "logged-models/search", doc,
                (struct question){"experiment", experiment_id}, body, err);
}

/* Servers before MLflow 3 know no logged models: 404, without MLflow's error_code. */
static mr_status find_run_model(struct mr_backend *backend, const char *run_id,
                                const struct mr_run *run, const char *name,
                                struct mr_logged_model *out, struct mr_error *err) {
    const char *page = NULL;
    *out = (struct mr_logged_model){0};
    for (unsigned i = 0; i < MAX_PAGES; i++) {
        struct mr_str body;
        mr_status status = search_models(backend, run->experiment_id, name, page, &body, err);
        if (status == MR_E_NOT_FOUND) return MR_OK;
        MR_TRY(status);
        MR_TRY(mr_rest_read_models(body, run_id, backend->arena, out, &page, err));
        if (out->id || !page) return MR_OK;
    }
    return mr_fail(err, MR_E_FORMAT, "%.300s: the list of models named %.200s does not end",
                   backend->uri, name);
}

/* --- registered models -------------------------------------------------------------------------
 */

static mr_status find_version(struct mr_backend *backend, const char *name, int64_t version,
                              struct mr_version *out, struct mr_error *err) {
    char number[32], what[300];
    snprintf(number, sizeof(number), "%lld", (long long)version);
    snprintf(what, sizeof(what), "%s of %.200s", number, name);
    const char *const query[] = {"name", name, "version", number, NULL};
    const struct question question = {"version", what};
    const struct store *store = backend->state;
    struct mr_str body;
    if (store->alias_name && store->alias_version.version == version &&
        strcmp(store->alias_name, name) == 0) {
        *out = store->alias_version;
    } else {
        MR_TRY(get(backend, "model-versions/get", query, question, &body, err));
        MR_TRY(mr_rest_read_version(body, backend->arena, out, err));
    }
    MR_TRY(get(backend, "model-versions/get-download-uri", query, question, &body, err));
    return mr_rest_read_download_uri(body, backend->arena, &out->artifact_uri, err);
}

static mr_status find_latest(struct mr_backend *backend, const char *name, const char *stage,
                             int64_t *out, struct mr_error *err) {
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "name", name);
    if (stage) {
        yyjson_mut_val *stages = yyjson_mut_arr(doc);
        yyjson_mut_arr_add_str(doc, stages, stage);
        yyjson_mut_obj_add_val(doc, root, "stages", stages);
    }
    struct mr_str body;
    MR_TRY(post(backend, "registered-models/get-latest-versions", doc,
                (struct question){"registered model", name}, &body, err));
    MR_TRY(mr_rest_read_latest(body, out, err));
    if (*out) return MR_OK;
    return mr_fail(err, MR_E_NOT_FOUND, "there is no version of %.200s%s%.20s in %.300s", name,
                   stage ? " in the stage " : "", stage ? stage : "", backend->uri);
}

static mr_status find_alias(struct mr_backend *backend, const char *name, const char *alias,
                            int64_t *out, struct mr_error *err) {
    char what[500];
    snprintf(what, sizeof(what), "%s of %.200s", alias, name);
    const char *const query[] = {"name", name, "alias", alias, NULL};
    struct store *store = backend->state;
    struct mr_str body;
    MR_TRY(get(backend, "registered-models/alias", query, (struct question){"alias", what}, &body,
               err));
    MR_TRY(mr_rest_read_version(body, backend->arena, &store->alias_version, err));
    store->alias_name = mr_arena_strdup(backend->arena, mr_str_from(name));
    if (!store->alias_name) return mr_arena_fail(backend->arena, err);
    *out = store->alias_version.version;
    return MR_OK;
}

static void close_store(struct mr_backend *backend) {
    struct store *store = backend->state;
    mr_client_free(store->client);
}

static const struct mr_backend_ops ops = {
    .find_run = find_run,
    .find_model = find_model,
    .find_run_model = find_run_model,
    .find_version = find_version,
    .find_latest = find_latest,
    .find_alias = find_alias,
    .close = close_store,
};

mr_status mr_rest_store_open(const char *uri, struct mr_backend *backend, struct mr_error *err) {
    struct store *store = mr_arena_zalloc(backend->arena, sizeof(*store));
    if (!store) return mr_arena_fail(backend->arena, err);
    store->url = mr_str_from(uri);
    if (store->url.size && uri[store->url.size - 1] == '/') store->url.size--;
    struct mr_client_options options;
    MR_TRY(mr_client_options_read(&options, backend->arena, err));
    if (backend->options->is_in_a_hurry) mr_client_options_hurry(&options);
    options.is_cancelled = mr_store_is_cancelled;
    options.ctx = (void *)backend->options;
    MR_TRY(mr_client_new(&options, &store->client, err));
    backend->state = store;
    backend->ops = &ops;
    return MR_OK;
}
