/* MLflow's file store: a folder, mlruns/, of experiments, runs, logged models and registered
 * models, each with a meta.yaml (mlflow/store/tracking/file_store.py and
 * mlflow/store/model_registry/file_store.py).
 *
 *   <experiment>/meta.yaml, <experiment>/<run_id>/meta.yaml, .trash/<experiment>/...
 *   <experiment>/models/<model_id>/meta.yaml
 *   models/<name>/version-<n>/meta.yaml, models/<name>/aliases/<alias>
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/yaml.h"
#include "store/backend.h"
#include "store/folder.h"

#define TRASH ".trash"
#define MODELS "models"
#define MAX_META_BYTES ((size_t)1 << 20)
#define MAX_ALIAS_FILE_BYTES 64
#define MAX_ENTRIES 100000 /* of a folder that are looked at */

/* --- files -------------------------------------------------------------------------------------
 */

static const char *root_of(const struct mr_backend *backend) {
    return backend->state;
}

/* The parts of a path, NULL at the end, with slashes between them. */
static mr_status join(struct mr_backend *backend, const char *const *parts, const char **out,
                      struct mr_error *err) {
    struct mr_buf buf;
    mr_buf_init(&buf, backend->arena);
    for (size_t i = 0; parts[i]; i++) {
        if (i) mr_buf_char(&buf, '/');
        mr_buf_text(&buf, parts[i]);
    }
    mr_buf_char(&buf, '\0');
    *out = buf.data;
    return mr_buf_status(&buf, err);
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The values of some keys of a meta.yaml; NULL where there is none.
 * returns  MR_OK; MR_E_NOT_FOUND when there is no such file; MR_E_FORMAT, MR_E_IO ... */
static mr_status read_meta(struct mr_backend *backend, const char *folder, const char *const *keys,
                           size_t n, const char **values, struct mr_error *err) {
    const char *path;
    struct mr_str text;
    struct mr_yaml *yaml;
    MR_TRY(join(backend, PARTS(folder, "meta.yaml"), &path, err));
    MR_TRY(mr_file_load(path, MAX_META_BYTES, backend->arena, &text, err));
    MR_TRY(mr_yaml_parse(text, path, &yaml, err));
    mr_status status = MR_OK;
    for (size_t i = 0; i < n && status == MR_OK; i++) {
        struct mr_str value;
        status = mr_yaml_text(yaml, mr_yaml_root(yaml), keys[i], backend->arena, &value, err);
        if (status != MR_OK) break;
        values[i] = value.size ? value.data : NULL;
        if (value.size > MR_BACKEND_MAX_TEXT || (value.size && memchr(value.data, 0, value.size))) {
            status = mr_fail(err, MR_E_FORMAT, "%s: \"%s\" is not one that MLflow writes", path,
                             keys[i]);
        }
    }
    mr_yaml_free(yaml);
    return status;
}

/* Calls `each` with the folders in a folder, until it says in *is_over that this is enough.
 * returns  MR_OK, also when there is no such folder; what `each` returns; MR_E_IO */
struct walk {
    mr_status (*each)(void *ctx, const char *folder, const char *name, bool *is_over,
                      struct mr_error *err);
    void *ctx;
};

static mr_status walk_folders(struct mr_backend *backend, const char *path, const struct walk *walk,
                              struct mr_error *err) {
    DIR *folder = opendir(path);
    if (!folder && (errno == ENOENT || errno == ENOTDIR)) return MR_OK;
    if (!folder) return mr_fail(err, MR_E_IO, "cannot read %s: %s", path, strerror(errno));
    mr_status status = MR_OK;
    bool is_over = false;
    unsigned n = 0;
    for (struct dirent *entry; status == MR_OK && !is_over && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue; /* ".", "..", the trash */
        if (++n > MAX_ENTRIES) {
            status = mr_fail(err, MR_E_TOO_LARGE, "%s has more than %d entries", path, MAX_ENTRIES);
            break;
        }
        const char *inner;
        status = join(backend, PARTS(path, entry->d_name), &inner, err);
        if (status != MR_OK || !is_folder(inner)) continue;
        status = walk->each(walk->ctx, inner, entry->d_name, &is_over, err);
    }
    closedir(folder);
    return status;
}

static bool parse_version(const char *text, int64_t *out) {
    char *end;
    *out = text && isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : 0;
    return *out > 0 && *end == '\0';
}

static mr_status fail_state(const char *folder, struct mr_error *err) {
    return mr_fail(err, MR_E_FORMAT, "%s/meta.yaml does not belong to the folder it is in", folder);
}

/* --- runs --------------------------------------------------------------------------------------
 */

struct run_search {
    struct mr_backend *backend;
    const char *run_id;
    struct mr_run *out;
};

/* As _is_valid_run_directory: what was logged as an artifact is no run. */
static mr_status is_run_folder(struct mr_backend *backend, const char *folder, bool *out,
                               struct mr_error *err) {
    static const char *const parts[] = {"metrics", "params", "artifacts"};
    *out = true;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const char *path;
        MR_TRY(join(backend, PARTS(folder, parts[i]), &path, err));
        *out &= is_folder(path);
    }
    return MR_OK;
}

/* Of an experiment. */
static mr_status look_for_run(void *ctx, const char *experiment, const char *name, bool *is_over,
                              struct mr_error *err) {
    struct run_search *search = ctx;
    static const char *const keys[] = {"run_id", "run_uuid", "experiment_id", "artifact_uri"};
    const char *folder, *values[4];
    bool is_run;
    MR_TRY(join(search->backend, PARTS(experiment, search->run_id), &folder, err));
    MR_TRY(is_run_folder(search->backend, folder, &is_run, err));
    if (!is_run) return MR_OK;
    MR_TRY(read_meta(search->backend, folder, keys, 4, values, err));
    const char *id = values[0] ? values[0] : values[1];
    if (!id || strcmp(id, search->run_id) != 0 || !values[2] || strcmp(values[2], name) != 0 ||
        !values[3]) {
        return fail_state(folder, err);
    }
    *search->out = (struct mr_run){.experiment_id = values[2], .artifact_uri = values[3]};
    *is_over = true;
    return MR_OK;
}

static mr_status find_run(struct mr_backend *backend, const char *run_id, struct mr_run *out,
                          struct mr_error *err) {
    struct run_search search = {backend, run_id, out};
    const struct walk walk = {look_for_run, &search};
    *out = (struct mr_run){0};
    MR_TRY(walk_folders(backend, root_of(backend), &walk, err));
    if (!out->artifact_uri) {
        const char *trash;
        MR_TRY(join(backend, PARTS(root_of(backend), TRASH), &trash, err));
        MR_TRY(walk_folders(backend, trash, &walk, err));
    }
    if (out->artifact_uri) return MR_OK;
    return mr_fail(err, MR_E_NOT_FOUND, "there is no run %s in %.300s", run_id, backend->uri);
}

/* --- logged models -----------------------------------------------------------------------------
 */

struct logged_meta {
    const char *id, *experiment_id, *name, *artifact_uri, *run_id, *created, *stage;
};

static mr_status read_logged(struct mr_backend *backend, const char *folder,
                             struct logged_meta *out, struct mr_error *err) {
    static const char *const keys[] = {"model_id",          "experiment_id", "name",
                                       "artifact_location", "source_run_id", "creation_timestamp",
                                       "lifecycle_stage"};
    const char *v[7];
    MR_TRY(read_meta(backend, folder, keys, 7, v, err));
    *out = (struct logged_meta){v[0], v[1], v[2], v[3], v[4], v[5], v[6]};
    if (!out->id || !out->experiment_id || !out->artifact_uri) return fail_state(folder, err);
    if (!out->stage) out->stage = "active";
    return MR_OK;
}

struct model_search {
    struct mr_backend *backend;
    const char *model_id;
    struct mr_logged_model *out;
};

/* Of an experiment. */
static mr_status look_for_model(void *ctx, const char *experiment, const char *name, bool *is_over,
                                struct mr_error *err) {
    struct model_search *search = ctx;
    const char *folder;
    struct logged_meta meta;
    MR_TRY(join(search->backend, PARTS(experiment, MODELS, search->model_id), &folder, err));
    if (!is_folder(folder)) return MR_OK;
    MR_TRY(read_logged(search->backend, folder, &meta, err));
    *is_over = true;
    if (strcmp(meta.stage, "deleted") == 0) return MR_OK;
    if (strcmp(meta.experiment_id, name) != 0 || strcmp(meta.id, search->model_id) != 0) {
        return fail_state(folder, err);
    }
    *search->out = (struct mr_logged_model){
        .id = meta.id, .artifact_uri = meta.artifact_uri, .run_id = meta.run_id};
    return MR_OK;
}

/* In experiments that are not deleted (_find_model_root). */
static mr_status find_model(struct mr_backend *backend, const char *model_id,
                            struct mr_logged_model *out, struct mr_error *err) {
    struct model_search search = {backend, model_id, out};
    const struct walk walk = {look_for_model, &search};
    *out = (struct mr_logged_model){0};
    MR_TRY(walk_folders(backend, root_of(backend), &walk, err));
    if (out->id) return MR_OK;
    return mr_fail(err, MR_E_NOT_FOUND, "there is no logged model %.200s in %.300s", model_id,
                   backend->uri);
}

struct run_model_search {
    struct mr_backend *backend;
    const char *run_id, *name, *experiment_id;
    long long created;
    struct mr_logged_model *out;
};

/* The newest, and of several the one with the smallest id (SearchLoggedModelsUtils.sort). */
static mr_status look_for_run_model(void *ctx, const char *folder, const char *name, bool *is_over,
                                    struct mr_error *err) {
    struct run_model_search *search = ctx;
    (void)name, (void)is_over;
    struct logged_meta meta;
    mr_status status = read_logged(search->backend, folder, &meta, err);
    if (status == MR_E_NOT_FOUND) return MR_OK; /* no folder of a model */
    MR_TRY(status);
    if (strcmp(meta.stage, "deleted") == 0 || !meta.run_id || !meta.name ||
        strcmp(meta.experiment_id, search->experiment_id) != 0 ||
        strcmp(meta.run_id, search->run_id) != 0 || strcmp(meta.name, search->name) != 0) {
        return MR_OK;
    }
    long long created = meta.created ? strtoll(meta.created, NULL, 10) : 0;
    struct mr_logged_model *out = search->out;
    bool is_first = !out->id || created > search->created ||
                    (created == search->created && strcmp(meta.id, out->id) < 0);
    if (!is_first) return MR_OK;
    search->created = created;
    *out = (struct mr_logged_model){
        .id = meta.id, .artifact_uri = meta.artifact_uri, .run_id = meta.run_id};
    return MR_OK;
}

static mr_status find_run_model(struct mr_backend *backend, const char *run_id,
                                const struct mr_run *run, const char *name,
                                struct mr_logged_model *out, struct mr_error *err) {
    struct run_model_search search = {backend, run_id, name, run->experiment_id, 0, out};
    const struct walk walk = {look_for_run_model, &search};
    const char *folder;
    *out = (struct mr_logged_model){0};
    MR_TRY(join(backend, PARTS(root_of(backend), run->experiment_id), &folder, err));
    if (!is_folder(folder)) {
        MR_TRY(join(backend, PARTS(root_of(backend), TRASH, run->experiment_id), &folder, err));
    }
    MR_TRY(join(backend, PARTS(folder, MODELS), &folder, err));
    return walk_folders(backend, folder, &walk, err);
}

/* --- registered models -------------------------------------------------------------------------
 */

/* The folder of a registered model. */
static mr_status find_registered(struct mr_backend *backend, const char *name, const char **out,
                                 struct mr_error *err) {
    MR_TRY(join(backend, PARTS(root_of(backend), MODELS, name), out, err));
    if (is_folder(*out)) return MR_OK;
    return mr_fail(err, MR_E_NOT_FOUND, "there is no registered model %.200s in %.300s", name,
                   backend->uri);
}

struct version_meta {
    const char *source, *location, *run_id, *stage, *created;
};

static mr_status read_version(struct mr_backend *backend, const char *folder,
                              struct version_meta *out, struct mr_error *err) {
    static const char *const keys[] = {"source", "storage_location", "run_id", "current_stage",
                                       "creation_timestamp"};
    const char *v[5];
    MR_TRY(read_meta(backend, folder, keys, 5, v, err));
    *out = (struct version_meta){v[0], v[1], v[2], v[3] ? v[3] : "None", v[4]};
    return MR_OK;
}

static mr_status find_version(struct mr_backend *backend, const char *name, int64_t version,
                              struct mr_version *out, struct mr_error *err) {
    char entry[40];
    const char *registered, *folder;
    struct version_meta meta;
    snprintf(entry, sizeof(entry), "version-%lld", (long long)version);
    MR_TRY(find_registered(backend, name, &registered, err));
    MR_TRY(join(backend, PARTS(registered, entry), &folder, err));
    mr_status status = read_version(backend, folder, &meta, err);
    if (status == MR_E_NOT_FOUND ||
        (status == MR_OK && strcmp(meta.stage, "Deleted_Internal") == 0)) {
        return mr_fail(err, MR_E_NOT_FOUND, "there is no version %lld of %.200s in %.300s",
                       (long long)version, name, backend->uri);
    }
    MR_TRY(status);
    *out = (struct mr_version){.version = version,
                               .source = meta.source,
                               .artifact_uri = meta.location ? meta.location : meta.source,
                               .run_id = meta.run_id,
                               .created_ms = meta.created ? strtoll(meta.created, NULL, 10) : 0};
    return MR_OK;
}

struct latest_search {
    struct mr_backend *backend;
    const char *stage; /* NULL: any */
    int64_t version;
};

/* Any: ALL_STAGES in mlflow/entities/model_registry/model_version_stages.py. */
static bool is_stage(const char *stage, const char *wanted) {
    static const char *const stages[] = {"None", "Staging", "Production", "Archived"};
    if (wanted) return strcmp(stage, wanted) == 0;
    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
        if (strcmp(stage, stages[i]) == 0) return true;
    }
    return false;
}

static mr_status look_for_version(void *ctx, const char *folder, const char *name, bool *is_over,
                                  struct mr_error *err) {
    struct latest_search *search = ctx;
    (void)is_over;
    int64_t version;
    if (strncmp(name, "version-", 8) != 0 || !parse_version(name + 8, &version)) return MR_OK;
    struct version_meta meta;
    MR_TRY(read_version(search->backend, folder, &meta, err));
    if (is_stage(meta.stage, search->stage) && version > search->version) {
        search->version = version;
    }
    return MR_OK;
}

static mr_status find_latest(struct mr_backend *backend, const char *name, const char *stage,
                             int64_t *out, struct mr_error *err) {
    struct latest_search search = {backend, stage, 0};
    const struct walk walk = {look_for_version, &search};
    const char *registered;
    MR_TRY(find_registered(backend, name, &registered, err));
    MR_TRY(walk_folders(backend, registered, &walk, err));
    *out = search.version;
    if (search.version) return MR_OK;
    return mr_fail(err, MR_E_NOT_FOUND, "there is no version of %.200s%s%.20s in %.300s", name,
                   stage ? " in the stage " : "", stage ? stage : "", backend->uri);
}

static mr_status find_alias(struct mr_backend *backend, const char *name, const char *alias,
                            int64_t *out, struct mr_error *err) {
    const char *registered, *path;
    struct mr_str text;
    MR_TRY(find_registered(backend, name, &registered, err));
    MR_TRY(join(backend, PARTS(registered, "aliases", alias), &path, err));
    mr_status status = mr_file_load(path, MAX_ALIAS_FILE_BYTES, backend->arena, &text, err);
    if (status == MR_E_NOT_FOUND) {
        return mr_fail(err, MR_E_NOT_FOUND, "%.200s has no alias %.255s in %.300s", name, alias,
                       backend->uri);
    }
    MR_TRY(status);
    char number[MAX_ALIAS_FILE_BYTES + 1] = {0};
    memcpy(number, text.data, text.size);
    number[strcspn(number, " \r\n")] = '\0';
    if (parse_version(number, out)) return MR_OK;
    return mr_fail(err, MR_E_FORMAT, "%s holds no number of a version", path);
}

static void close_store(struct mr_backend *backend) {
    backend->state = NULL;
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

mr_status mr_file_store_open(const char *uri, struct mr_backend *backend, struct mr_error *err) {
    const char *root;
    MR_TRY(mr_folder_find(uri, backend->arena, &root, err));
    if (!is_folder(root)) return mr_backend_fail_absent(backend, err);
    backend->state = (void *)root;
    backend->ops = &ops;
    return MR_OK;
}
