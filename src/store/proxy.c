/* Artifacts that a tracking server hands out: it lists a folder at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/number.h"
#include "store/artifact_store_int.h"

#define SERVICE "/mlflow-artifacts/artifacts"
#define API "/api/2.0" SERVICE
#define MAX_LIST_BYTES ((size_t)64 << 20)
#define MAX_FOLDERS 10000

/* --- its URL ---------------------------------------------------------------------------------- */

/* The parts of a URI: scheme, what stands between "//" and the path, path. No query. */
struct parts {
    struct mr_str scheme, host, path;
};

static struct parts split(const char *uri) {
    struct parts parts = {.scheme = {uri, strcspn(uri, ":/?#")}};
    const char *rest = uri + parts.scheme.size;
    if (*rest == ':') rest++;
    if (strncmp(rest, "//", 2) == 0) {
        parts.host = (struct mr_str){rest + 2, strcspn(rest + 2, "/?#")};
        rest = parts.host.data + parts.host.size;
    }
    parts.path = (struct mr_str){rest, strcspn(rest, "?#")};
    return parts;
}

static bool is_http(struct mr_str scheme) {
    return (scheme.size == 4 && strncasecmp(scheme.data, "http", 4) == 0) ||
           (scheme.size == 5 && strncasecmp(scheme.data, "https", 5) == 0);
}

/* Append a path, several slashes as one. */
static void put_path(struct mr_buf *buf, struct mr_str path) {
    for (size_t i = 0; i < path.size; i++) {
        bool is_double = path.data[i] == '/' && buf->size && buf->data[buf->size - 1] == '/';
        if (!is_double) mr_buf_char(buf, path.data[i]);
    }
}

/* Append a URL percent-encoded where it is not yet, as requests sends it
 * (requests.utils.requote_uri). */
static void put_quoted(struct mr_buf *buf, struct mr_str url) {
    for (size_t i = 0; i < url.size; i++) {
        char c = url.data[i];
        if (c == '%' || strchr("!$&'()*+,:;=@[]", c)) {
            mr_buf_char(buf, c);
        } else {
            mr_client_encode(buf, (struct mr_str){&url.data[i], 1}, true);
        }
    }
}

/* An mlflow-artifacts URI without a host can have got its port for one. */
static bool is_port(struct mr_str host) {
    size_t n = 0;
    while (n < host.size && host.data[n] >= '0' && host.data[n] <= '9') n++;
    return host.size && n == host.size;
}

static mr_status check(const char *uri, const struct parts *own, const struct parts *server,
                       const char *tracking_uri, struct mr_error *err) {
    char shown[256], tracking[256];
    mr_client_show(uri, shown, sizeof(shown));
    if (is_port(own->host)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "%s: it has a port but no host", shown);
    }
    if (is_http(server->scheme) && server->host.size) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "%s is handed out by a tracking server, but the tracking URI is '%s': set "
                   "MLFLOW_TRACKING_URI to the server's address, http://HOST:PORT",
                   shown,
                   tracking_uri ? mr_client_show(tracking_uri, tracking, sizeof(tracking)) : "");
}

/* MlflowArtifactsRepository.resolve_uri */
static mr_status resolve(const char *uri, const char *tracking_uri, struct mr_buf *buf,
                         struct mr_error *err) {
    struct parts own = split(uri), server = split(tracking_uri ? tracking_uri : "");
    MR_TRY(check(uri, &own, &server, tracking_uri, err));
    struct mr_str host = own.host.size ? own.host : server.host;
    mr_buf_append(buf, server.scheme.data, server.scheme.size);
    mr_buf_text(buf, "://");
    mr_buf_append(buf, host.data, host.size);
    if (mr_str_is(own.path, API)) {
        mr_buf_text(buf, API);
    } else {
        if (!mr_str_is(own.path, "/")) put_path(buf, server.path);
        put_path(buf, mr_str_from(API "/"));
        put_path(buf, own.path);
    }
    return mr_buf_status(buf, err);
}

/* --- listing ---------------------------------------------------------------------------------- */

static mr_status add_folder(struct mr_proxy_folders *folders, const char *path,
                            struct mr_arena *arena, struct mr_error *err) {
    if (folders->n == MAX_FOLDERS) {
        return mr_fail(err, MR_E_TOO_LARGE, "the store lists more than %d folders", MAX_FOLDERS);
    }
    if (folders->n == folders->capacity) {
        size_t size = sizeof(*folders->paths), capacity = folders->n ? folders->n * 2 : 16;
        void *paths = mr_arena_realloc(arena, folders->paths, folders->n * size, capacity * size);
        if (!paths) return mr_arena_fail(arena, err);
        folders->paths = paths;
        folders->capacity = capacity;
    }
    folders->paths[folders->n++] = path;
    return MR_OK;
}

/* int(f["file_size"]) of http_artifact_repo.py: a number or its text. */
static bool read_size(yyjson_val *value, uint64_t *out) {
    *out = MR_ARTIFACT_SIZE_UNKNOWN;
    if (!value || yyjson_is_null(value)) return true;
    int64_t number = -1;
    bool is_big = false;
    if (yyjson_is_str(value)) {
        struct mr_str text = {yyjson_get_str(value), yyjson_get_len(value)};
        if (!mr_int_parse(text, &number, &is_big) || is_big) return false;
    } else if (yyjson_is_int(value)) {
        if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX) return false;
        number = yyjson_get_sint(value);
    }
    *out = (uint64_t)number;
    return number >= 0;
}

static mr_status read_entry(yyjson_val *entry, const char *folder, struct mr_artifact_list *list,
                            struct mr_proxy_folders *folders, struct mr_error *err) {
    yyjson_val *name = yyjson_obj_get(entry, "path");
    uint64_t size;
    if (!yyjson_is_str(name) || !read_size(yyjson_obj_get(entry, "file_size"), &size)) {
        return mr_fail(err, MR_E_FORMAT, "an entry of the listing has no path or no usable size");
    }
    struct mr_buf buf;
    mr_buf_init(&buf, list->arena);
    mr_buf_text(&buf, folder);
    if (*folder) mr_buf_char(&buf, '/');
    mr_buf_append(&buf, yyjson_get_str(name), yyjson_get_len(name));
    MR_TRY(mr_buf_status(&buf, err));
    struct mr_str path = mr_buf_str(&buf);
    if (!yyjson_is_true(yyjson_obj_get(entry, "is_dir"))) {
        return mr_artifact_list_add(list, path, size, (struct mr_str){"", 0}, err);
    }
    if (!mr_artifact_is_safe(path)) {
        return mr_fail(err, MR_E_FORMAT,
                       "the store lists '%.*s', which is no name of a folder below its folder",
                       MR_STR_ARGS(path));
    }
    mr_buf_char(&buf, '\0');
    MR_TRY(mr_buf_status(&buf, err));
    return add_folder(folders, buf.data, list->arena, err);
}

mr_status mr_proxy_read_list(struct mr_str json, const char *folder, struct mr_artifact_list *list,
                             struct mr_proxy_folders *folders, struct mr_error *err) {
    yyjson_doc *doc = json.size ? yyjson_read(json.data, json.size, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc), *files = yyjson_obj_get(root, "files"), *entry;
    mr_status status = MR_OK;
    if (!yyjson_is_obj(root) || (files && !yyjson_is_arr(files))) {
        status = mr_fail(err, MR_E_FORMAT, "the listing is no JSON of files");
    }
    yyjson_arr_iter iter = yyjson_arr_iter_with(files);
    while (status == MR_OK && (entry = yyjson_arr_iter_next(&iter))) {
        status = read_entry(entry, folder, list, folders, err);
    }
    yyjson_doc_free(doc);
    return status;
}

/* The URL that lists a folder. */
static mr_status list_url(const struct mr_artifact_store *store, const char *folder,
                          struct mr_arena *arena, const char **out, struct mr_error *err) {
    struct mr_str listed = mr_str_from(store->listed);
    struct mr_buf url;
    mr_buf_init(&url, arena);
    mr_buf_append(&url, store->root, (size_t)(strstr(store->root, SERVICE) - store->root));
    mr_buf_text(&url, SERVICE "?path=");
    mr_client_encode(&url, listed, false);
    if (*folder) {
        if (listed.size) mr_buf_text(&url, "%2F");
        mr_client_encode(&url, mr_str_from(folder), false);
    }
    mr_buf_char(&url, '\0');
    *out = url.data;
    return mr_buf_status(&url, err);
}

static mr_status list_folder(struct mr_artifact_store *store, struct mr_client *client,
                             const char *folder, struct mr_artifact_list *list,
                             struct mr_proxy_folders *folders, struct mr_error *err) {
    struct mr_client_request request = {.max_bytes = MAX_LIST_BYTES};
    struct mr_client_answer answer;
    struct mr_error fault = {0};
    MR_TRY(list_url(store, folder, list->arena, &request.url, err));
    MR_TRY(mr_client_send(client, &request, list->arena, &answer, err));
    if (answer.status != 200) return store->ops->fail(store, client, &answer, err);
    mr_status status = mr_proxy_read_list(answer.body, folder, list, folders, &fault);
    return status == MR_OK ? MR_OK : mr_fail(err, status, "%s: %s", store->place, fault.message);
}

static mr_status list_all(struct mr_artifact_store *store, struct mr_client *client,
                          struct mr_artifact_list *list, struct mr_error *err) {
    struct mr_proxy_folders folders = {0};
    MR_TRY(list_folder(store, client, "", list, &folders, err));
    for (size_t i = 0; i < folders.n; i++) {
        MR_TRY(list_folder(store, client, folders.paths[i], list, &folders, err));
    }
    return mr_artifact_list_sort(list, err);
}

static mr_status locate(const struct mr_artifact_store *store, const struct mr_artifact *artifact,
                        struct mr_arena *arena, struct mr_client_request *request,
                        struct mr_error *err) {
    struct mr_buf url;
    mr_buf_init(&url, arena);
    mr_buf_text(&url, store->root);
    mr_buf_char(&url, '/');
    mr_client_encode(&url, mr_str_from(artifact->path), true);
    mr_buf_char(&url, '\0');
    request->url = url.data;
    return mr_buf_status(&url, err);
}

static mr_status fail(const struct mr_artifact_store *store, const struct mr_client *client,
                      const struct mr_client_answer *answer, struct mr_error *err) {
    (void)store;
    return mr_client_fail(client, answer, err);
}

mr_status mr_proxy_open(const char *uri, const char *tracking_uri, struct mr_arena *arena,
                        struct mr_artifact_store *out, struct mr_error *err) {
    static const struct mr_artifact_store_ops ops = {list_all, locate, fail};
    struct mr_buf buf, root;
    char shown[1024];
    mr_buf_init(&buf, arena);
    struct parts own = split(uri);
    if (!is_http(own.scheme)) {
        MR_TRY(resolve(uri, tracking_uri, &buf, err));
    } else {
        mr_buf_append(&buf, uri, (size_t)(own.path.data - uri));
        put_path(&buf, own.path);
    }
    while (buf.size && buf.data[buf.size - 1] == '/') buf.size--;
    mr_buf_char(&buf, '\0');
    MR_TRY(mr_buf_status(&buf, err));
    mr_client_show(buf.data, shown, sizeof(shown));
    if (!strstr(buf.data, SERVICE)) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%s: of an http address only a tracking server's artifacts can be listed, "
                       "as in http://HOST:PORT" API "/PATH",
                       shown);
    }
    const char *listed = strstr(buf.data, SERVICE) + strlen(SERVICE);
    while (*listed == '/') listed++;
    mr_buf_init(&root, arena);
    put_quoted(&root, mr_str_from(buf.data));
    mr_buf_char(&root, '\0');
    MR_TRY(mr_buf_status(&root, err));
    *out = (struct mr_artifact_store){.ops = &ops, .root = root.data, .listed = listed};
    out->place = mr_arena_strdup(arena, mr_str_from(shown));
    if (!out->place) return mr_arena_fail(arena, err);
    return mr_client_options_read(&out->client, arena, err);
}
