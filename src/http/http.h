/* An HTTP/1.1 server: sockets, framing, limits, routes. Knows bytes and paths, never a tensor.
 *
 * There is one epoll loop per I/O thread; one acceptor deals each connection out to the loop with
 * the fewest, where it stays. Handlers run on the connection's own thread. A request is framed by
 * RFC 9112 to the letter: what could be read in two ways is answered 400 and closed. Faults found
 * here are answered in JSON with error_code and message: 400, 408, 413, 431, 501, 503, 505; 404 and
 * 405 have the bodies of MLflow's server. */
#ifndef MR_HTTP_HTTP_H
#define MR_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mr_http_server;
struct mr_http_route;

/* One request, complete with its body. Valid until the handler returns; a suspended one, at the
 * same address, as long as its arena. */
struct mr_http_request {
    struct mr_str method;
    struct mr_str path; /* the route's */
    char *body;         /* never NULL; the handler may modify it in place */
    size_t body_size;
    size_t body_capacity; /* >= body_size + 8: room for parsers that read padding, 8 bytes zeroed */
    struct mr_arena *arena; /* the request's, with the body in it; dropped after the last byte of
                               the response */
    struct mr_str id;       /* the client's X-Request-Id, or one made here: visible ASCII without
                               quotes and backslashes; the response has it too */
    uint64_t first_ns;      /* mr_clock_ns() when its first byte was received */
    uint64_t whole_ns;      /* and when all of it was there */
    void *notes;            /* the handler's, in the arena: handed to `observe` */
    void *connection;       /* private */
};

/* The value of a request header, its name compared without case; size 0 when it is absent or empty.
 * Lives as long as the request. */
struct mr_str mr_http_header(const struct mr_http_request *request, const char *name);

/* A header beside those that every response has. */
struct mr_http_extra {
    const char *name;    /* with colon and space: "Server-Timing: "; NULL: none */
    struct mr_str value; /* in the request's arena, or valid as long as it; size 0: left out */
};

#define MR_HTTP_MAX_EXTRAS 4

struct mr_http_response {
    int status;               /* 200 */
    const char *content_type; /* NULL: no Content-Type header */
    struct mr_str body;       /* in the request's arena, or static; left out for HEAD and 204 */
    struct mr_str location;   /* of a redirect, in the arena or static; size 0: none */
    bool is_stream;           /* of a suspended request: the body is what mr_http_stream_add adds */
    unsigned retry_after_s;   /* with a 503: value of Retry-After; 0: none */
    struct mr_http_extra extras[MR_HTTP_MAX_EXTRAS]; /* up to the first without a name */
};

/* A request and its answer, when both are over. Strings are valid during the call. */
struct mr_http_exchange {
    struct mr_str id;
    struct mr_str method;              /* size 0: there was no head that could be read */
    struct mr_str path;                /* as sent, without the query */
    const struct mr_http_route *route; /* that handled it; NULL: none */
    int status;        /* of the response; 0: the client left before there was one */
    bool is_cut;       /* not all of the response was sent */
    size_t n_received; /* bytes of the request's body */
    size_t n_sent;     /* of the response's, with a stream's framing */
    /* mr_clock_ns() at the first byte received, when the request was whole (0: never), when the
     * response was there (0: never), and at the end. */
    uint64_t first_ns, whole_ns, answered_ns, end_ns;
    void *notes; /* the request's; NULL: none */
};

/* Add a header; beyond MR_HTTP_MAX_EXTRAS it is left out. */
void mr_http_response_add(struct mr_http_response *response, const char *name, struct mr_str value);

/* Answer a request. Runs on an I/O thread, many at once; must not block for long. A handler that
 * has others work on the answer calls mr_http_suspend and returns; *response is not looked at then.
 */
typedef void (*mr_http_handler)(void *ctx, struct mr_http_request *request,
                                struct mr_http_response *response);

/* A request whose answer comes later. */
struct mr_http_pending;

struct mr_http_pending_ops {
    /* After mr_http_resume, on the connection's thread: fill in the response, or suspend the
     * request again. The request is as it was in the handler. Also after `cancel` was false, though
     * nobody will see the response: then it must not be suspended again. */
    void (*answer)(void *job, struct mr_http_request *request, struct mr_http_response *response);
    /* The client has closed the connection, even if only its sending side, or takes nothing of a
     * stream, or the server stops. Once at most, on the connection's thread, even while another
     * thread calls mr_http_resume or mr_http_stream_end; `drained` is not called after it.
     * true: nobody will use the pending request or its arena again, which are freed at once;
     * false: mr_http_resume (of a stream: mr_http_stream_end) was called or will be. */
    bool (*cancel)(void *job);
    /* n_unsent of a stream has fallen from above MR_HTTP_STREAM_FEW_BYTES to it or below. On the
     * connection's thread, and maybe late: then it may be above again. NULL: not told. */
    void (*drained)(void *job);
};

/* Answer later: once, from within a handler, or from within `answer`, which the new ops then take
 * the place of. ops and job must stay valid until `answer` has run or `cancel` was true, those of a
 * stream until it has ended; a job in the request's arena does.
 * returns  what to give to mr_http_resume, in the request's arena; NULL: no memory, answer now */
struct mr_http_pending *mr_http_suspend(struct mr_http_request *request,
                                        const struct mr_http_pending_ops *ops, void *job);

/* The answer is there: have ops->answer called. Once.
 * threads  any, also the handler's before it returns; the request's arena is the connection's
 *          again */
void mr_http_resume(struct mr_http_pending *pending);

/* A producer goes on at so few unsent bytes: it may stop at more than that, and not before. */
#define MR_HTTP_STREAM_FEW_BYTES ((size_t)64 * 1024)

/* A response in pieces: `answer` sets response->is_stream. Pieces may be added as soon as the
 * request is suspended; they are sent after `answer` has run, as HTTP/1.1 chunks, to HTTP/1.0
 * clients up to the end of the connection. Adding copies. With mr_http_stream_end `job` is done
 * with; between `answer` and it the arena is not to be used.
 * n_unsent  NULL, or out: bytes that wait to be sent; a producer that sees many of them waits for
 *           ops->drained, which may be on its way already: both under a lock of the producer's
 * returns   false: no memory, the piece is lost: end the stream
 * threads   any */
bool mr_http_stream_add(struct mr_http_pending *pending, struct mr_str piece, size_t *n_unsent);
void mr_http_stream_end(struct mr_http_pending *pending);

struct mr_http_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* exact; with slashes behind it: 307 to it, as Starlette does */
    mr_http_handler handler;
    void *ctx; /* passed to it; NULL: that of struct mr_http_options */
};

struct mr_http_options {
    const char *host;        /* name or address, every one of the name's is listened on */
    uint16_t port;           /* 0: the kernel picks a free one */
    bool shares_port;        /* SO_REUSEPORT: other processes may listen on it, too */
    const int *listeners;    /* instead of all that: n_listeners sockets that listen already and */
    unsigned n_listeners;    /* stay the caller's, valid up to mr_http_stop */
    unsigned n_threads;      /* I/O threads, >= 1 */
    size_t max_body_bytes;   /* over it: 413 that names the limit and --max-body */
    size_t max_header_bytes; /* request line and headers together: 431 */
    size_t
        max_request_bytes; /* cap of a request's arena, beside what its body adds: 413; 0: none */
    size_t max_bytes_per_body_byte; /* what each byte of the body adds to that cap */
    unsigned read_timeout_ms;  /* from its first byte for a head, again for a body, to arrive whole:
                                  408; and for any progress of a response: closed */
    unsigned idle_timeout_ms;  /* for the first byte of the next request: closed */
    unsigned max_connections;  /* one more is answered 503 */
    const char *server_header; /* value of the Server header; NULL: none */
    const struct mr_http_route *routes;
    size_t n_routes;
    /* Told of every exchange, on an I/O thread or the acceptor's; must not block. NULL: nobody is.
     */
    void (*observe)(void *ctx, const struct mr_http_exchange *exchange);
    void *ctx; /* passed to every handler whose route has none, and to observe */
};

/* Listen and serve. Copies the options, but not what they point to: strings and routes must outlive
 * the server. Its threads block all signals, and no send raises SIGPIPE.
 * out      on MR_OK the server, to be given to mr_http_stop; untouched on failure
 * returns  MR_OK; MR_E_IO with address and reason; MR_E_NO_MEMORY
 * threads  the caller's thread returns at once; handlers may run before it does */
MR_MUST_CHECK mr_status mr_http_start(const struct mr_http_options *options,
                                      struct mr_http_server **out, struct mr_error *err);

/* The port in use. */
uint16_t mr_http_port(const struct mr_http_server *server);

/* The server will be stopped: responses say `Connection: close` from now on, all else stays as it
 * is. threads: any */
void mr_http_announce_stop(struct mr_http_server *server);

/* Accept what has connected, and then no more; let requests whose first byte has arrived finish (at
 * most drain_ms; their responses say `Connection: close`), cancel and cut off the rest, free
 * everything. A handler is waited for however long it runs, and so is the resume of a request whose
 * `cancel` was false.
 * idle_ms  a connection is closed when it has waited so long for its first or next request, which
 *          may be on its way: RFC 9112 section 9.6 leaves the client no other sign that it is lost
 * threads  any but a handler's, once */
void mr_http_stop(struct mr_http_server *take_server, unsigned drain_ms, unsigned idle_ms);

#endif
