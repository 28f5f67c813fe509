#include "http/route.h"

#include "base/text.h"
#include "http/hex.h"

/* The decoded byte at *at, which moves on. A percent sign that starts no escape is itself, as in
 * Python's urllib.parse.unquote, which uvicorn calls on the path. */
static char decoded_next(struct mr_str path, size_t *at) {
    char c = path.data[(*at)++];
    if (c != '%' || path.size - *at < 2) return c;
    int high = mr_http_hex_value(path.data[*at]);
    int low = mr_http_hex_value(path.data[*at + 1]);
    if (high < 0 || low < 0) return c;
    *at += 2;
    return (char)(high << 4 | low);
}

typedef enum mr_path_match { PATH_DIFFERS, PATH_EQUAL, PATH_HAS_SLASHES } path_match;

/* Is the decoded path the route's, perhaps with slashes behind it? */
static path_match match_path(struct mr_str path, const char *route_path) {
    size_t at = 0;
    const char *expected = route_path;
    for (; *expected; expected++) {
        if (at == path.size || decoded_next(path, &at) != *expected) return PATH_DIFFERS;
    }
    if (at == path.size) return PATH_EQUAL;
    while (at < path.size) {
        if (decoded_next(path, &at) != '/') return PATH_DIFFERS;
    }
    return PATH_HAS_SLASHES;
}

static bool is_get(const struct mr_http_route *route) {
    return strcmp(route->method, "GET") == 0;
}

struct mr_http_found mr_http_route_find(const struct mr_http_route *routes, size_t n_routes,
                                        struct mr_str method, struct mr_str path) {
    struct mr_http_found found = {NULL, 404};
    for (size_t i = 0; i < n_routes; i++) {
        path_match match = match_path(path, routes[i].path);
        if (match == PATH_EQUAL) {
            bool is_answered = mr_str_is(method, routes[i].method) ||
                               (is_get(&routes[i]) && mr_str_is(method, "HEAD"));
            if (is_answered) return (struct mr_http_found){&routes[i], 200};
            found = (struct mr_http_found){NULL, 405};
        } else if (match == PATH_HAS_SLASHES && found.status == 404) {
            found = (struct mr_http_found){&routes[i], 307};
        }
    }
    return found;
}

size_t mr_http_route_allow(const struct mr_http_route *routes, size_t n_routes, struct mr_str path,
                           char *out, size_t capacity) {
    struct mr_text text = {out, 0, capacity, false};
    for (size_t i = 0; i < n_routes; i++) {
        if (match_path(path, routes[i].path) != PATH_EQUAL) continue;
        if (text.size) mr_text_put(&text, ", ", 2);
        mr_text_put(&text, routes[i].method, strlen(routes[i].method));
        if (is_get(&routes[i])) mr_text_put(&text, ", HEAD", 6);
    }
    return text.size;
}

/* What Starlette's RedirectResponse leaves as it is (quote with its `safe` argument). */
static bool is_safe(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    return c && strchr("_.-~:/%#?=@[]!$&'()*+,;", c);
}

size_t mr_http_route_location(const struct mr_http_route *route, struct mr_str query, char *out,
                              size_t capacity) {
    static const char hex[] = "0123456789ABCDEF";
    struct mr_text text = {out, 0, capacity, false};
    mr_text_put(&text, route->path, strlen(route->path));
    if (query.size) mr_text_put(&text, "?", 1);
    for (size_t i = 0; i < query.size; i++) {
        unsigned char c = (unsigned char)query.data[i];
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (is_safe((char)c)) {
            mr_text_put(&text, &query.data[i], 1);
        } else {
            mr_text_put(&text, escaped, 3);
        }
    }
    return text.is_full ? 0 : text.size;
}
