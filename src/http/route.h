/* Which handler answers a method and a path; what to say when none does. Pure functions. */
#ifndef MR_HTTP_ROUTE_H
#define MR_HTTP_ROUTE_H

#include <stddef.h>

#include "base/str.h"
#include "http/http.h"

struct mr_http_found {
    const struct mr_http_route *route; /* the one to call; or, with status 307, to redirect to */
    int status;                        /* 200: call the handler; 404, 405, 307: answer that */
};

/* Look a request up. `path` is as sent: it is compared decoded, so `/pin%67` is `/ping`.
 * As Starlette's Router.app and Route.matches do: a path that has routes but none for the method is
 * 405; a path that has one once its trailing slashes are cut is 307; GET answers HEAD too. */
struct mr_http_found mr_http_route_find(const struct mr_http_route *routes, size_t n_routes,
                                        struct mr_str method, struct mr_str path);

/* Write the value of Allow for a path that has routes: "GET, HEAD". Returns its size, cut to
 * capacity. */
size_t mr_http_route_allow(const struct mr_http_route *routes, size_t n_routes, struct mr_str path,
                           char *out, size_t capacity);

/* Write the value of Location of a redirect: the route's path and the query, with what may not
 * stand in a URL percent-encoded. Returns its size, 0 when it does not fit. A reference without
 * scheme and host, unlike Starlette's: it stays right behind a proxy that ends TLS, and no Host
 * header that a client made up comes back in an answer. */
size_t mr_http_route_location(const struct mr_http_route *route, struct mr_str query, char *out,
                              size_t capacity);

#endif
