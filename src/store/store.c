#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "store/artifacts.h"
#include "store/backend.h"
#include "store/client.h"
#include "store/environment_int.h"
#include "store/folder.h"
#include "store/last_known_int.h"
#include "store/uri.h"

/* A registered version's source may be a run's or a logged model's URI, and that of a copied
 * version was another's; no honest chain is longer. */
#define MAX_STEPS 4

static const struct mr_store_options no_options;

/* A location in the making. */
struct resolution {
    const struct mr_store_options *options;
    struct mr_arena *arena;
    struct mr_location *location;
    const char *root;      /* the artifact that was found: a path or a URI */
    const char *path;      /* what is meant below it */
    int64_t registered_ms; /* when a version was, the last one of those on the way; 0: none was */
};

/* --- what the stores say -----------------------------------------------------------------------
 */

/* Remembers the first store that was asked: it is the one that the user thinks of. */
static mr_status open_backend(struct resolution *at, const char *uri, struct mr_backend *backend,
                              struct mr_error *err) {
    MR_TRY(mr_backend_open(uri, at->options, at->arena, backend, err));
    if (!at->location->store) at->location->store = backend->uri;
    return MR_OK;
}

static mr_status open_tracking(struct resolution *at, struct mr_backend *backend,
                               struct mr_error *err) {
    return open_backend(at, mr_backend_tracking_uri(at->options->tracking_uri), backend, err);
}

static bool is_local(const char *uri) {
    return mr_uri_scheme(uri).size == 0 || mr_uri_has_scheme(uri, "file");
}

/* An artifact of a run. What MLflow 3 logs as a model with this name is looked at as if it were
 * among the run's artifacts (RunsArtifactRepository.download_artifacts); if both are there, MLflow
 * takes the model's files where names are equal, we take the model. */
static mr_status find_in_run(struct resolution *at, struct mr_backend *backend,
                             const struct mr_uri *uri, struct mr_error *err) {
    struct mr_run run;
    struct mr_logged_model model;
    MR_TRY(mr_backend_find_run(backend, uri->id, &run, err));
    size_t size = strcspn(uri->path, "/");
    const char *name = mr_arena_strdup(at->arena, (struct mr_str){uri->path, size});
    if (!name) return mr_arena_fail(at->arena, err);
    MR_TRY(mr_backend_find_run_model(backend, uri->id, &run, name, &model, err));
    at->location->run_id = uri->id;
    at->root = model.id ? model.artifact_uri : run.artifact_uri;
    at->path = model.id ? uri->path + size : uri->path;
    at->location->model_id = model.id;
    at->location->can_change |= model.id != NULL; /* the run may log another */
    return MR_OK;
}

static mr_status find_logged_model(struct resolution *at, struct mr_backend *backend,
                                   const struct mr_uri *uri, struct mr_error *err) {
    struct mr_logged_model model;
    MR_TRY(mr_backend_find_model(backend, uri->id, &model, err));
    at->root = model.artifact_uri;
    at->path = uri->path;
    at->location->model_id = model.id;
    if (!at->location->run_id) at->location->run_id = model.run_id;
    return MR_OK;
}

/* Which version of a registered model is meant. */
static mr_status find_number(struct resolution *at, struct mr_backend *backend,
                             const struct mr_uri *uri, int64_t *out, struct mr_error *err) {
    at->location->can_change |= uri->kind != MR_URI_VERSION;
    switch (uri->kind) {
    case MR_URI_VERSION: *out = strtoll(uri->selector, NULL, 10); return MR_OK;
    case MR_URI_ALIAS:
        at->location->alias = uri->selector;
        return mr_backend_find_alias(backend, uri->name, uri->selector, out, err);
    case MR_URI_STAGE: return mr_backend_find_latest(backend, uri->name, uri->selector, out, err);
    default: return mr_backend_find_latest(backend, uri->name, NULL, out, err);
    }
}

static mr_status find_version(struct resolution *at, struct mr_backend *backend,
                              const struct mr_uri *uri, struct mr_error *err) {
    int64_t number;
    struct mr_version version;
    MR_TRY(find_number(at, backend, uri, &number, err));
    MR_TRY(mr_backend_find_version(backend, uri->name, number, &version, err));
    at->root = version.artifact_uri;
    at->path = uri->path;
    if (version.created_ms > at->registered_ms) at->registered_ms = version.created_ms;
    if (at->location->version) return MR_OK; /* this is where that one was copied from */
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, number);
    at->location->name = uri->name;
    at->location->version = mr_arena_strdup(at->arena, mr_str_from(text));
    at->location->run_id = version.run_id;
    if (!at->location->version) return mr_arena_fail(at->arena, err);
    struct mr_uri source;
    bool is_logged = version.source &&
                     mr_uri_parse(version.source, at->arena, &source, NULL) == MR_OK &&
                     source.kind == MR_URI_LOGGED_MODEL;
    if (is_logged) at->location->model_id = source.id;
    return MR_OK;
}

/* Where nobody has said which store is meant, it may be another. */
static mr_status fail_to_find(const struct mr_store_options *options, struct mr_error *err) {
    bool is_told = options->tracking_uri || options->registry_uri ||
                   mr_environment_get("MLFLOW_TRACKING_URI") ||
                   mr_environment_get("MLFLOW_REGISTRY_URI");
    if (!err || is_told) return MR_E_NOT_FOUND;
    struct mr_error inner = *err;
    return mr_fail(
        err, MR_E_NOT_FOUND,
        "%s, MLflow's default store: MLFLOW_TRACKING_URI is not set, which says where runs "
        "and models are, such as http://HOST:5000",
        inner.message);
}

/* Asks the store that knows about a URI; at->root and at->path become what it says. */
static mr_status ask_store(struct resolution *at, const struct mr_uri *uri, struct mr_error *err) {
    struct mr_backend backend;
    bool is_tracked = uri->kind == MR_URI_RUN || uri->kind == MR_URI_LOGGED_MODEL;
    const struct mr_store_options *options = at->options;
    if (is_tracked) {
        MR_TRY(open_tracking(at, &backend, err));
    } else {
        const char *registry = mr_backend_registry_uri(options->registry_uri,
                                                       options->tracking_uri);
        MR_TRY(open_backend(at, registry, &backend, err));
    }
    mr_status status = uri->kind == MR_URI_RUN ? find_in_run(at, &backend, uri, err)
                       : uri->kind == MR_URI_LOGGED_MODEL
                           ? find_logged_model(at, &backend, uri, err)
                           : find_version(at, &backend, uri, err);
    mr_backend_close(&backend);
    return status == MR_E_NOT_FOUND ? fail_to_find(options, err) : status;
}

/* --- from one URI to where the files are -------------------------------------------------------
 */

/* What at->root means, if it is itself a URI that a store must be asked about. */
static mr_status follow(struct resolution *at, struct mr_error *err) {
    for (unsigned step = 0; step < MAX_STEPS; step++) {
        bool is_run = mr_uri_has_scheme(at->root, "runs");
        if (!is_run && !mr_uri_has_scheme(at->root, "models")) return MR_OK;
        const char *below = is_run ? "" : at->path;
        /* A run alone is no URI of an artifact; behind a model there is room for no path. */
        if (is_run) MR_TRY(mr_uri_append(at->root, at->path, at->arena, &at->root, err));
        struct mr_uri uri;
        MR_TRY(mr_uri_parse(at->root, at->arena, &uri, err));
        MR_TRY(ask_store(at, &uri, err));
        MR_TRY(mr_uri_join(at->path, below, at->arena, &at->path, err));
    }
    return mr_fail(err, MR_E_FORMAT, "%.300s: leads from one URI to the next more than %d times",
                   at->location->uri, MAX_STEPS);
}

/* As validate_path_within_directory (mlflow/utils/uri.py): no link leads out of the root. */
static mr_status check_inside(const struct resolution *at, const char *root, const char *path,
                              struct mr_error *err) {
    char *real_root = realpath(root, NULL);
    char *real_path = realpath(path, NULL);
    size_t size = real_root ? strlen(real_root) : 0;
    bool is_inside = !real_root || !real_path || strcmp(real_root, "/") == 0 ||
                     (strncmp(real_path, real_root, size) == 0 &&
                      (real_path[size] == '/' || real_path[size] == '\0'));
    free(real_root);
    free(real_path);
    if (is_inside) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER, "%.300s: a link leads out of its artifacts",
                   at->location->uri);
}

static mr_status find_folder(struct resolution *at, struct mr_error *err) {
    const char *root, *path;
    MR_TRY(mr_folder_find(at->root, at->arena, &root, err));
    MR_TRY(mr_uri_join(root, at->path, at->arena, &path, err));
    if (*at->path) MR_TRY(check_inside(at, root, path, err));
    at->location->can_change = true;
    at->location->artifact_uri = path;
    return MR_OK;
}

/* What may change makes the text: the version, the model, the place, the files. A version that was
 * deleted and is registered again is another one, with the same number. */
static mr_status set_revision(struct resolution *at, struct mr_error *err) {
    struct mr_location *location = at->location;
    struct mr_buf buf;
    mr_buf_init(&buf, at->arena);
    if (location->version) {
        mr_buf_format(&buf, "%s/%s of %" PRId64 " ", location->name, location->version,
                      at->registered_ms);
    }
    if (location->model_id) mr_buf_format(&buf, "%s ", location->model_id);
    mr_buf_text(&buf, location->artifact_uri);
    if (is_local(location->artifact_uri)) {
        uint64_t files = mr_folder_fingerprint(location->artifact_uri);
        mr_buf_format(&buf, " files:%016" PRIx64, files);
    }
    mr_buf_char(&buf, '\0');
    location->revision = buf.data;
    return mr_buf_status(&buf, err);
}

static mr_status resolve(struct resolution *at, struct mr_error *err) {
    const char *uri = at->location->uri;
    struct mr_uri parsed;
    /* What is there under this very name is meant (_get_root_uri_and_artifact_path in
     * mlflow/tracking/artifact_utils.py). */
    bool is_there = mr_uri_scheme(uri).size && access(uri, F_OK) == 0;
    if (is_there) {
        parsed = (struct mr_uri){.kind = MR_URI_FOLDER, .path = uri};
    } else {
        MR_TRY(mr_uri_parse(uri, at->arena, &parsed, err));
    }
    switch (parsed.kind) {
    case MR_URI_FOLDER:
        at->location->artifact_uri = parsed.path;
        at->location->can_change = true;
        break;
    case MR_URI_ARTIFACTS: at->location->artifact_uri = uri; break;
    default:
        MR_TRY(ask_store(at, &parsed, err));
        MR_TRY(follow(at, err));
        if (is_local(at->root)) {
            MR_TRY(find_folder(at, err));
        } else {
            MR_TRY(mr_uri_append(at->root, at->path, at->arena, &at->location->artifact_uri, err));
        }
    }
    return set_revision(at, err);
}

mr_status mr_store_fail(const char *uri, mr_status status, struct mr_error *err) {
    char shown[300];
    mr_client_show(uri, shown, sizeof(shown));
    if (!err || mr_uri_scheme(uri).size == 0 || strstr(err->message, shown)) return status;
    struct mr_error inner = *err;
    return mr_fail(err, status, "%s: %s", shown, inner.message);
}

mr_status mr_store_resolve(const char *uri, const struct mr_store_options *options,
                           struct mr_arena *arena, struct mr_location *out, struct mr_error *err) {
    struct mr_location location = {.uri = mr_arena_strdup(arena, mr_str_from(uri))}, known = {0};
    if (!location.uri) return mr_arena_fail(arena, err);
    struct mr_store_options given = options ? *options : no_options;
    given.is_in_a_hurry |= given.uses_last_known && mr_last_known_find(uri, &given, arena, &known);
    struct resolution at = {.options = &given, .arena = arena, .location = &location};
    struct mr_error fault = {0};
    mr_status status = resolve(&at, &fault);
    if (status == MR_OK) {
        *out = location;
        return MR_OK;
    }
    mr_store_fail(uri, status, &fault);
    if (status != MR_E_UNAVAILABLE || !known.uri) return mr_fail(err, status, "%s", fault.message);
    mr_log_error("%s; what it meant the last time is used%s%s", fault.message,
                 known.version ? ": version " : "", known.version ? known.version : "");
    *out = known;
    return MR_OK;
}

/* A store's folder that is not here: most often a server's that keeps its files to itself. */
static mr_status open_folder(struct mr_location *location, struct mr_error *err) {
    struct stat info;
    location->folder = location->artifact_uri;
    bool is_there = stat(location->folder, &info) == 0 && S_ISDIR(info.st_mode);
    if (is_there) return MR_OK;
    /* As _download_artifact_from_uri asks back. */
    if (strncmp(location->uri, "m-", 2) == 0) {
        return mr_fail(err, MR_E_NOT_FOUND,
                       "there is no folder %.300s: the logged model of this name is models:/%.300s",
                       location->uri, location->uri);
    }
    if (!location->store) return MR_OK; /* reading MLmodel tells */
    location->folder = NULL;
    bool is_server = strncmp(location->store, "http", 4) == 0;
    return mr_fail(err, MR_E_NOT_FOUND,
                   "%.300s: %.200s says that its files are in %.200s, and there is no such folder "
                   "here%s",
                   location->uri, location->store, location->artifact_uri,
                   is_server ? ": start that server with --serve-artifacts, so that it sends them"
                             : "");
}

/* A version of a registered model and a logged model never change: the revision tells them apart
 * from all others of their store. NULL: out of memory, or what is there may be written again. */
static const char *identity_of(const struct mr_location *location, struct mr_arena *arena) {
    struct mr_buf buf;
    if (!location->version && !location->model_id) return NULL;
    mr_buf_init(&buf, arena);
    mr_buf_format(&buf, "%s %s", location->store, location->revision);
    mr_buf_char(&buf, '\0');
    return buf.is_failed ? NULL : buf.data;
}

mr_status mr_store_open(struct mr_location *location, const struct mr_store_options *options,
                        struct mr_arena *arena, struct mr_error *err) {
    if (is_local(location->artifact_uri)) return open_folder(location, err);
    if (!options) options = &no_options;
    const struct mr_artifacts_source source = {
        .uri = location->uri,
        .artifact_uri = location->artifact_uri,
        .tracking_uri = mr_backend_tracking_uri(options->tracking_uri),
        .identity = identity_of(location, arena)};
    struct mr_cache_entry entry;
    MR_TRY(mr_artifacts_open(&source, options, arena, &entry, err));
    location->folder = entry.files;
    location->held = entry.lock + 1;
    mr_last_known_keep(location, options, arena, entry.key);
    return MR_OK;
}

void mr_store_close(struct mr_location *location) {
    location->folder = NULL;
    if (location->held) close(location->held - 1);
    location->held = 0;
}
