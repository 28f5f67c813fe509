/* An HTTP/1.1 server: sockets, framing, limits, routes. Knows bytes and paths, never a tensor.
 *
 * One acceptor deals connections out in turn to one event loop per I/O thread. Handlers run on the
 * connection's own thread. Nothing outside this folder includes the HTTP library's header. */
#ifndef MR_HTTP_HTTP_H
#define MR_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mr_http_server;

/* One request, complete with its body. Valid until the handler returns. */
struct mr_http_request {
    struct mr_str method;
    struct mr_str path; /* without the query */
    char *body;         /* owned by the handler while it runs: may be modified in place */
    size_t body_size;
    size_t body_capacity;   /* >= body_size + 8: room for parsers that read padding */
    struct mr_arena *arena; /* the request's; dropped after the last byte of the response */
    void *connection;       /* private */
};

/* The value of a request header, compared without case; size 0 when it is absent or empty. */
struct mr_str mr_http_header(const struct mr_http_request *request, const char *name);

struct mr_http_response {
    int status;               /* 200 */
    const char *content_type; /* NULL: no Content-Type header */
    struct mr_str body;       /* in the request's arena, or static */
    struct mr_str location;   /* of a redirect; size 0: none */
};

/* Answer a request. Runs on an I/O thread, many at once; must not block for long. */
typedef void (*mr_http_handler)(void *ctx, struct mr_http_request *request,
                                struct mr_http_response *response);

struct mr_http_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* exact */
    mr_http_handler handler;
};

struct mr_http_options {
    const char *host;         /* address or name to listen on */
    uint16_t port;            /* 0: the kernel picks a free one */
    unsigned n_threads;       /* I/O threads, >= 1 */
    size_t max_body_bytes;    /* over it: 413 that names the limit and --max-body */
    size_t max_header_bytes;  /* request line and headers together: 431 */
    size_t max_request_bytes; /* cap of a request's arena; 0: none */
    unsigned read_timeout_ms; /* for headers, and again for the body, to arrive whole */
    unsigned idle_timeout_ms; /* for a kept-alive connection to start its next request */
    unsigned max_connections;
    const char *server_header; /* value of the Server header */
    const struct mr_http_route *routes;
    size_t n_routes;
    void *ctx; /* passed to every handler */
};

/* Listen and serve. Takes copies of nothing: options' strings and routes must outlive the server.
 * returns  MR_OK; MR_E_IO with address and reason; MR_E_NO_MEMORY
 * threads  the caller's thread returns at once */
MR_MUST_CHECK mr_status mr_http_start(const struct mr_http_options *options,
                                      struct mr_http_server **out, struct mr_error *err);

/* The port in use. */
uint16_t mr_http_port(const struct mr_http_server *server);

/* Stop accepting, let requests under way finish (at most drain_ms), close, free. */
void mr_http_stop(struct mr_http_server *server, unsigned drain_ms);

#endif
