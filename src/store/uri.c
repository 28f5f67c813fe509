#include "store/uri.h"

#include <ctype.h>

#include "base/buf.h"
#include "base/path.h"

#define MAX_URI_BYTES 4096
#define MAX_RUN_ID_BYTES 256  /* _RUN_ID_REGEX in mlflow/utils/validation.py */
#define MAX_ALIAS_BYTES 255   /* MAX_REGISTERED_MODEL_ALIAS_LENGTH */
#define MAX_VERSION_DIGITS 18 /* fit into 64 bits */

/* --- the parts of a URI ------------------------------------------------------------------------
 */

struct mr_str mr_uri_scheme(const char *uri) {
    size_t size = strcspn(uri, ":");
    if (uri[size] != ':' || size < 2) return (struct mr_str){0};
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)uri[i]) && !strchr("+-.", uri[i])) return (struct mr_str){0};
    }
    return (struct mr_str){uri, size};
}

bool mr_uri_has_scheme(const char *uri, const char *scheme) {
    struct mr_str own = mr_uri_scheme(uri);
    return own.size == strlen(scheme) && strncasecmp(own.data, scheme, own.size) == 0;
}

/* What stands behind scheme and host, up to a query or a fragment. */
static struct mr_str path_of(const char *uri, struct mr_str *host) {
    struct mr_str scheme = mr_uri_scheme(uri);
    const char *from = scheme.size ? uri + scheme.size + 1 : uri;
    *host = (struct mr_str){0};
    if (scheme.size && strncmp(from, "//", 2) == 0) {
        *host = (struct mr_str){from + 2, strcspn(from + 2, "/?#")};
        from += 2 + host->size;
    }
    return (struct mr_str){from, strcspn(from, "?#")};
}

static unsigned hex_digit(char c) {
    return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

void mr_uri_unescape(const char *from, char *to) {
    for (; *from; from++) {
        bool is_escape = from[0] == '%' && isxdigit((unsigned char)from[1]) &&
                         isxdigit((unsigned char)from[2]) && strncmp(from, "%00", 3) != 0;
        *to++ = is_escape ? (char)(hex_digit(from[1]) << 4 | hex_digit(from[2])) : *from;
        if (is_escape) from += 2;
    }
    *to = '\0';
}

mr_status mr_uri_local_path(const char *uri, struct mr_arena *arena, const char **out,
                            struct mr_error *err) {
    struct mr_str host, text = mr_str_from(uri);
    bool is_file = mr_uri_has_scheme(uri, "file");
    if (is_file) text = path_of(uri, &host);
    char *path = mr_arena_strdup(arena, text);
    if (!path) return mr_arena_fail(arena, err);
    if (is_file) mr_uri_unescape(path, path);
    size_t size = strlen(path);
    if (size == 0) return mr_fail(err, MR_E_INVALID_PARAMETER, "the model's path is empty");
    while (size > 1 && path[size - 1] == '/') path[--size] = '\0';
    *out = path;
    return MR_OK;
}

/* The first `size` bytes of a text, the path, the rest of the text. */
static mr_status insert_path(const char *text, size_t size, const char *path,
                             struct mr_arena *arena, const char **out, struct mr_error *err) {
    while (*path == '/') path++;
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_buf_append(&buf, text, size);
    if (*path && size && text[size - 1] != '/') mr_buf_char(&buf, '/');
    mr_buf_text(&buf, path);
    mr_buf_text(&buf, text + size);
    mr_buf_char(&buf, '\0');
    *out = buf.data;
    return mr_buf_status(&buf, err);
}

mr_status mr_uri_join(const char *folder, const char *path, struct mr_arena *arena,
                      const char **out, struct mr_error *err) {
    return insert_path(folder, strlen(folder), path, arena, out, err);
}

mr_status mr_uri_append(const char *uri, const char *path, struct mr_arena *arena, const char **out,
                        struct mr_error *err) {
    struct mr_str host, old = path_of(uri, &host);
    size_t size = (size_t)(old.data + old.size - uri);
    char *query = mr_arena_strdup(arena, mr_str_from(uri + size));
    if (!query) return mr_arena_fail(arena, err);
    mr_uri_unescape(query, query);
    if (strstr(query, "..")) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "a query with \"..\" is refused");
    }
    return insert_path(uri, size, path, arena, out, err);
}

/* --- runs:/ and models:/ ------------------------------------------------------------------------
 */

/* Cuts the text before the first slash off. */
static struct mr_str take_part(struct mr_str *rest) {
    const char *slash = rest->size ? memchr(rest->data, '/', rest->size) : NULL;
    struct mr_str part = {rest->data, slash ? (size_t)(slash - rest->data) : rest->size};
    size_t n = part.size + (slash ? 1 : 0);
    *rest = (struct mr_str){rest->data + n, rest->size - n};
    return part;
}

static bool is_blank(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (!isspace((unsigned char)text.data[i])) return false;
    }
    return true;
}

/* Python's \w, in which every letter beyond ASCII is one, and the dash. */
static bool is_word(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (!isalnum(c) && c != '_' && c != '-' && c < 0x80) return false;
    }
    return text.size > 0;
}

/* _validate_model_name in mlflow/utils/validation.py. */
static bool is_model_name(struct mr_str name) {
    bool is_upwards = name.size >= 2 && memcmp(name.data, "..", 2) == 0;
    return !is_blank(name) && !mr_str_is(name, ".") && !is_upwards &&
           !memchr(name.data, ':', name.size);
}

static bool is_number(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit((unsigned char)text.data[i])) return false;
    }
    return text.size > 0;
}

/* What is meant below an artifact: no slashes around it. */
static mr_status set_path(struct mr_str path, const char *uri, struct mr_arena *arena,
                          struct mr_uri *out, struct mr_error *err) {
    while (path.size && path.data[0] == '/') path = (struct mr_str){path.data + 1, path.size - 1};
    while (path.size && path.data[path.size - 1] == '/') path.size--;
    char *copy = mr_arena_strdup(arena, path);
    char *decoded = mr_arena_strdup(arena, path);
    if (!copy || !decoded) return mr_arena_fail(arena, err);
    /* Whoever reads it may decode it (validate_path_is_safe): "%2e%2e" is not inside, either. */
    mr_uri_unescape(decoded, decoded);
    if (!mr_path_is_inside(path) || !mr_path_is_inside(mr_str_from(decoded))) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "%.300s: its path leads out of the artifact",
                       uri);
    }
    out->path = copy;
    return MR_OK;
}

static mr_status copy_text(struct mr_str text, struct mr_arena *arena, const char **out,
                           struct mr_error *err) {
    *out = mr_arena_strdup(arena, text);
    return *out ? MR_OK : mr_arena_fail(arena, err);
}

static mr_status fail_databricks(const char *uri, struct mr_error *err) {
    return mr_fail(
        err, MR_E_UNSUPPORTED,
        "%.300s: names a profile of Databricks, whose registries are not asked: download "
        "the model (mlflow artifacts download -u URI -d FOLDER) and give its folder",
        uri);
}

static mr_status parse_run(const char *uri, struct mr_arena *arena, struct mr_uri *out,
                           struct mr_error *err) {
    struct mr_str host, rest = path_of(uri, &host);
    if (host.size) return fail_databricks(uri, err);
    bool is_absolute = rest.size && rest.data[0] == '/';
    if (is_absolute) rest = (struct mr_str){rest.data + 1, rest.size - 1};
    bool has_path = rest.size && memchr(rest.data, '/', rest.size);
    struct mr_str id = take_part(&rest);
    if (!is_absolute || !has_path || id.size > MAX_RUN_ID_BYTES || !is_word(id) ||
        !isalnum((unsigned char)id.data[0])) {
        return mr_fail(
            err, MR_E_INVALID_PARAMETER,
            "%.300s: not a URI of a run's artifact: expected runs:/<run_id>/<path>, such "
            "as runs:/0a1b2c3d/model",
            uri);
    }
    *out = (struct mr_uri){.kind = MR_URI_RUN};
    MR_TRY(copy_text(id, arena, &out->id, err));
    return set_path(rest, uri, arena, out, err);
}

/* name@alias, name or id, and what follows the name. */
static bool parse_model_parts(struct mr_str rest, struct mr_uri *out, struct mr_str parts[2],
                              struct mr_str *path) {
    struct mr_str first = take_part(&rest);
    const char *at = first.size ? memrchr(first.data, '@', first.size) : NULL;
    if (at) {
        parts[0] = (struct mr_str){first.data, (size_t)(at - first.data)};
        parts[1] = (struct mr_str){at + 1, first.size - parts[0].size - 1};
        out->kind = MR_URI_ALIAS;
        *path = rest;
        return is_model_name(parts[0]) && is_word(parts[1]) && parts[1].size <= MAX_ALIAS_BYTES;
    }
    parts[0] = first;
    parts[1] = take_part(&rest);
    *path = rest;
    struct mr_str selector = parts[1];
    bool is_latest = selector.size == 6 && strncasecmp(selector.data, "latest", 6) == 0;
    out->kind = selector.size == 0    ? MR_URI_LOGGED_MODEL
                : is_number(selector) ? MR_URI_VERSION
                : is_latest           ? MR_URI_LATEST
                                      : MR_URI_STAGE;
    if (out->kind == MR_URI_VERSION && selector.size > MAX_VERSION_DIGITS) return false;
    return is_model_name(first) && (selector.size == 0 || !is_blank(selector));
}

static mr_status parse_model(const char *uri, struct mr_arena *arena, struct mr_uri *out,
                             struct mr_error *err) {
    struct mr_str host, rest = path_of(uri, &host), path, parts[2];
    if (host.size) return fail_databricks(uri, err);
    *out = (struct mr_uri){0};
    bool is_absolute = rest.size && rest.data[0] == '/';
    while (rest.size && rest.data[0] == '/') rest = (struct mr_str){rest.data + 1, rest.size - 1};
    /* A number sign that comes this early is part of the name (_parse_model_uri), later it begins a
     * fragment (split_models_uri). */
    if (rest.size && !memchr(rest.data, '/', rest.size)) rest.size = strcspn(rest.data, "?");
    while (rest.size && rest.data[rest.size - 1] == '/') rest.size--;
    if (!is_absolute || !parse_model_parts(rest, out, parts, &path)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%.300s: not a URI of a model: expected models:/<name>/<version>, "
                       "models:/<name>/latest, models:/<name>@<alias>, models:/<name>/<stage> or "
                       "models:/<model_id>",
                       uri);
    }
    bool is_logged = out->kind == MR_URI_LOGGED_MODEL;
    MR_TRY(copy_text(parts[0], arena, is_logged ? &out->id : &out->name, err));
    MR_TRY(copy_text(parts[1], arena, &out->selector, err));
    return set_path(path, uri, arena, out, err);
}

mr_status mr_uri_parse(const char *uri, struct mr_arena *arena, struct mr_uri *out,
                       struct mr_error *err) {
    if (strnlen(uri, MAX_URI_BYTES + 1) > MAX_URI_BYTES) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "a URI of more than %d bytes", MAX_URI_BYTES);
    }
    if (mr_uri_has_scheme(uri, "runs")) return parse_run(uri, arena, out, err);
    if (mr_uri_has_scheme(uri, "models")) return parse_model(uri, arena, out, err);
    bool is_folder = mr_uri_scheme(uri).size == 0 || mr_uri_has_scheme(uri, "file");
    *out = (struct mr_uri){.kind = is_folder ? MR_URI_FOLDER : MR_URI_ARTIFACTS, .path = ""};
    return is_folder ? mr_uri_local_path(uri, arena, &out->path, err) : MR_OK;
}
