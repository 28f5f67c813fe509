#include "store/backend.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "store/client.h"
#include "store/environment_int.h"
#include "store/uri.h"

#define FILE_STORE "./mlruns"
#define SQLITE_STORE "sqlite:///mlflow.db"

/* --- which store -------------------------------------------------------------------------------
 */

static bool is_number(const char *name) {
    for (const char *at = name; *at; at++) {
        if (!isdigit((unsigned char)*at)) return false;
    }
    return *name != '\0';
}

/* _has_existing_mlruns_data: a folder named by a number, with a meta.yaml. */
static bool has_experiments(void) {
    DIR *folder = opendir(FILE_STORE);
    bool has = false;
    for (struct dirent *entry; folder && !has && (entry = readdir(folder));) {
        if (!is_number(entry->d_name)) continue;
        char path[sizeof(FILE_STORE) + NAME_MAX + sizeof("//meta.yaml")];
        struct stat info;
        snprintf(path, sizeof(path), FILE_STORE "/%s/meta.yaml", entry->d_name);
        has = lstat(path, &info) == 0;
    }
    if (folder) closedir(folder);
    return has;
}

const char *mr_backend_tracking_uri(const char *given) {
    if (given) return given;
    const char *uri = mr_environment_get("MLFLOW_TRACKING_URI");
    if (uri) return uri;
    return has_experiments() ? FILE_STORE : SQLITE_STORE;
}

const char *mr_backend_registry_uri(const char *given, const char *given_tracking) {
    if (given) return given;
    const char *uri = mr_environment_get("MLFLOW_REGISTRY_URI");
    return uri ? uri : mr_backend_tracking_uri(given_tracking);
}

/* Which library speaks with a database stands behind a plus: sqlite+pysqlite. */
static bool is_kind(const char *uri, const char *kind) {
    struct mr_str scheme = mr_uri_scheme(uri);
    size_t size = strlen(kind);
    return scheme.size >= size && strncasecmp(scheme.data, kind, size) == 0 &&
           (scheme.size == size || scheme.data[size] == '+');
}

/* A name that is no URI, or the scheme of one. */
static bool is_databricks(const char *uri) {
    static const char *const names[] = {"databricks", "databricks-uc", "uc"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(uri, names[i]) == 0 || mr_uri_has_scheme(uri, names[i])) return true;
    }
    return false;
}

static mr_status fail_kind(const struct mr_backend *backend, const char *uri,
                           struct mr_error *err) {
    /* DATABASE_ENGINES in mlflow/store/db/db_types.py. */
    if (is_kind(uri, "postgresql") || is_kind(uri, "mysql") || is_kind(uri, "mssql")) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%.300s: of databases only sqlite is read here, others through the tracking "
                       "server: start `mlflow server --backend-store-uri URI` and set "
                       "MLFLOW_TRACKING_URI=http://HOST:5000",
                       backend->uri);
    }
    if (is_databricks(uri)) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%.300s: stores of Databricks are not asked: download the model (mlflow "
                       "artifacts download -u URI -d FOLDER) and give its folder",
                       backend->uri);
    }
    return mr_fail(err, MR_E_UNSUPPORTED,
                   "%.300s: no such kind of MLflow store is known: MLFLOW_TRACKING_URI may be "
                   "http://HOST:5000, https://HOST, sqlite:///mlflow.db or a folder such as "
                   "./mlruns",
                   backend->uri);
}

mr_status mr_backend_fail_absent(const struct mr_backend *backend, struct mr_error *err) {
    return mr_fail(err, MR_E_NOT_FOUND,
                   "there is no MLflow store %.300s here: MLFLOW_TRACKING_URI says where runs and "
                   "models are, such as http://HOST:5000 or sqlite:////PATH/mlflow.db",
                   backend->uri);
}

mr_status mr_backend_open(const char *uri, const struct mr_store_options *options,
                          struct mr_arena *arena, struct mr_backend *out, struct mr_error *err) {
    char shown[400];
    *out = (struct mr_backend){.arena = arena, .options = options};
    mr_client_show(uri, shown, sizeof(shown));
    out->uri = mr_arena_strdup(arena, mr_str_from(shown));
    if (!out->uri) return mr_arena_fail(arena, err);
    if (is_databricks(uri)) return fail_kind(out, uri, err);
    if (is_kind(uri, "sqlite")) return mr_sqlite_store_open(uri, out, err);
    bool is_http = mr_uri_has_scheme(uri, "http") || mr_uri_has_scheme(uri, "https");
    if (is_http) return mr_rest_store_open(uri, out, err);
    bool is_folder = mr_uri_scheme(uri).size == 0 || mr_uri_has_scheme(uri, "file");
    return is_folder ? mr_file_store_open(uri, out, err) : fail_kind(out, uri, err);
}

void mr_backend_close(struct mr_backend *backend) {
    backend->ops->close(backend);
}

/* --- what it answers ---------------------------------------------------------------------------
 */

/* Control characters have no place in a name, and none in a log. NULL is left to the caller. */
static mr_status check_text(const struct mr_backend *backend, const char *text,
                            struct mr_error *err) {
    for (const char *at = text; at && *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return mr_fail(err, MR_E_FORMAT, "%.300s: a text in it is not one that MLflow writes",
                           backend->uri);
        }
    }
    return MR_OK;
}

static mr_status check_artifact_uri(const struct mr_backend *backend, const char *uri,
                                    const char *what, const char *name, struct mr_error *err) {
    if (uri && *uri) return check_text(backend, uri, err);
    return mr_fail(err, MR_E_FORMAT, "%.300s does not say where the artifacts of %s %.200s are",
                   backend->uri, what, name);
}

mr_status mr_backend_find_run(struct mr_backend *backend, const char *run_id, struct mr_run *out,
                              struct mr_error *err) {
    MR_TRY(backend->ops->find_run(backend, run_id, out, err));
    MR_TRY(check_text(backend, out->experiment_id, err));
    return check_artifact_uri(backend, out->artifact_uri, "the run", run_id, err);
}

static mr_status check_model(const struct mr_backend *backend, const struct mr_logged_model *model,
                             struct mr_error *err) {
    MR_TRY(check_text(backend, model->id, err));
    MR_TRY(check_text(backend, model->run_id, err));
    return check_artifact_uri(backend, model->artifact_uri, "the logged model", model->id, err);
}

mr_status mr_backend_find_model(struct mr_backend *backend, const char *model_id,
                                struct mr_logged_model *out, struct mr_error *err) {
    MR_TRY(backend->ops->find_model(backend, model_id, out, err));
    return check_model(backend, out, err);
}

/* _validate_logged_model_name in mlflow/utils/validation.py. */
mr_status mr_backend_find_run_model(struct mr_backend *backend, const char *run_id,
                                    const struct mr_run *run, const char *name,
                                    struct mr_logged_model *out, struct mr_error *err) {
    *out = (struct mr_logged_model){0};
    if (*name == '\0' || name[strcspn(name, "/:.%\"'")]) return MR_OK;
    MR_TRY(backend->ops->find_run_model(backend, run_id, run, name, out, err));
    return out->id ? check_model(backend, out, err) : MR_OK;
}

mr_status mr_backend_find_version(struct mr_backend *backend, const char *name, int64_t version,
                                  struct mr_version *out, struct mr_error *err) {
    MR_TRY(backend->ops->find_version(backend, name, version, out, err));
    MR_TRY(check_text(backend, out->source, err));
    MR_TRY(check_text(backend, out->run_id, err));
    return check_artifact_uri(backend, out->artifact_uri, "the registered model", name, err);
}

/* get_canonical_stage in mlflow/entities/model_registry/model_version_stages.py. */
mr_status mr_backend_find_latest(struct mr_backend *backend, const char *name, const char *stage,
                                 int64_t *out, struct mr_error *err) {
    static const char *const stages[] = {"None", "Staging", "Production", "Archived"};
    if (!stage) return backend->ops->find_latest(backend, name, NULL, out, err);
    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
        if (strcasecmp(stage, stages[i]) != 0) continue;
        return backend->ops->find_latest(backend, name, stages[i], out, err);
    }
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "models:/%.200s/%.100s: there is no such stage: expected a version, latest, "
                   "None, Staging, Production or Archived; an alias is models:/NAME@ALIAS",
                   name, stage);
}

/* "latest" is no alias that could be set, it names the highest version
 * (get_model_version_by_alias). */
mr_status mr_backend_find_alias(struct mr_backend *backend, const char *name, const char *alias,
                                int64_t *out, struct mr_error *err) {
    if (strcasecmp(alias, "latest") == 0) {
        return backend->ops->find_latest(backend, name, NULL, out, err);
    }
    return backend->ops->find_alias(backend, name, alias, out, err);
}
