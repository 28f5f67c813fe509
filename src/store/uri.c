#include "store/uri.h"

#include <ctype.h>

struct mr_str mr_uri_scheme(const char *uri) {
    size_t size = strcspn(uri, ":");
    if (uri[size] != ':' || size < 2) return (struct mr_str){0};
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)uri[i]) && !strchr("+-.", uri[i])) return (struct mr_str){0};
    }
    return (struct mr_str){uri, size};
}

static unsigned hex_digit(char c) {
    return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* Decodes percent-escapes; to may be where from is. */
static void unescape(const char *from, char *to) {
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
    struct mr_str scheme = mr_uri_scheme(uri);
    bool is_file = mr_str_is(scheme, "file");
    if (scheme.size && !is_file) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%.*s: URIs are not resolved by this version: download the model first "
                       "(mlflow artifacts download -u %.300s) and give its folder",
                       MR_STR_ARGS(scheme), uri);
    }
    char *path = mr_arena_strdup(arena, mr_str_from(uri));
    if (!path) return mr_arena_fail(arena, err);
    if (is_file) {
        const char *from = uri + scheme.size + 1;
        unescape(strncmp(from, "//", 2) == 0 ? from + 2 : from, path);
    }
    size_t size = strlen(path);
    if (size == 0) return mr_fail(err, MR_E_INVALID_PARAMETER, "the model's path is empty");
    while (size > 1 && path[size - 1] == '/') path[--size] = '\0';
    *out = path;
    return MR_OK;
}
