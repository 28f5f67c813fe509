#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FREE_ARENAS 16

struct worker {
    struct mr_http_server *server;
    struct MHD_Daemon *daemon;
    struct mr_arena *free_arenas[MAX_FREE_ARENAS]; /* touched by the daemon's own thread only */
    size_t n_free_arenas;
};

struct mr_http_server {
    struct mr_http_options options;
    int listener;
    int wake; /* eventfd: tells the acceptor to end */
    uint16_t port;
    pthread_t acceptor;
    atomic_bool is_draining;
    atomic_uint n_active; /* requests between their headers and their last byte */
    struct worker workers[];
};

/* One request on its way through MHD. */
struct exchange {
    struct mr_http_request request;
    struct mr_arena *arena;
    size_t declared; /* Content-Length; SIZE_MAX: chunked */
    mr_status failure;
    bool is_answered;
};

struct header_scan {
    unsigned n_content_length;
    unsigned n_transfer_encoding;
};

struct mr_str mr_http_header(const struct mr_http_request *request, const char *name) {
    const char *value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
    return mr_str_from(value);
}

static struct mr_arena *arena_take(struct worker *worker) {
    if (worker->n_free_arenas) return worker->free_arenas[--worker->n_free_arenas];
    return mr_arena_new(worker->server->options.max_request_bytes, NULL);
}

static void arena_give(struct worker *worker, struct mr_arena *arena) {
    if (worker->n_free_arenas == MAX_FREE_ARENAS) {
        mr_arena_free(arena);
        return;
    }
    mr_arena_reset(arena);
    worker->free_arenas[worker->n_free_arenas++] = arena;
}

static enum MHD_Result respond(struct worker *worker, struct MHD_Connection *connection,
                               const struct mr_http_response *answer, const char *allow,
                               bool must_close, bool must_copy) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.size, (void *)(uintptr_t)answer->body.data,
        must_copy ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    const struct mr_http_options *options = &worker->server->options;
    if (answer->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (options->server_header)
        MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, options->server_header);
    if (allow) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    if (answer->location.size) {
        char location[2048];
        snprintf(location, sizeof location, "%.*s", (int)answer->location.size,
                 answer->location.data);
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location);
    }
    if (must_close || atomic_load(&worker->server->is_draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond_error(struct worker *worker, struct MHD_Connection *connection,
                                     mr_status status, const char *message) {
    char body[1024];
    int size = snprintf(body, sizeof body, "{\"error_code\": \"%s\", \"message\": \"%s\"}",
                        mr_status_error_code(status), message);
    struct mr_http_response answer = {.status = mr_status_http(status),
                                      .content_type = "application/json",
                                      .body = {body, (size_t)size}};
    return respond(worker, connection, &answer, NULL, true, true);
}

static enum MHD_Result respond_too_large(struct worker *worker, struct MHD_Connection *connection) {
    char message[200];
    snprintf(message, sizeof message,
             "the request body is larger than the limit of %zu bytes; raise it with --max-body",
             worker->server->options.max_body_bytes);
    return respond_error(worker, connection, MR_E_TOO_LARGE, message);
}

static enum MHD_Result scan_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value) {
    struct header_scan *scan = cls;
    (void)kind;
    (void)value;
    scan->n_content_length += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
    scan->n_transfer_encoding += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    return MHD_YES;
}

/* What MHD 0.9.75 lets through although the length of the body is in doubt. */
static const char *framing_fault(struct MHD_Connection *connection, size_t *declared) {
    struct header_scan scan = {0};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, scan_header, &scan);
    *declared = 0;
    if (scan.n_content_length + scan.n_transfer_encoding > 1)
        return "the length of the body is declared more than once";
    if (scan.n_transfer_encoding) {
        const char *coding = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                         MHD_HTTP_HEADER_TRANSFER_ENCODING);
        if (!coding || strcasecmp(coding, "chunked") != 0)
            return "the only transfer coding that is understood is chunked";
        *declared = SIZE_MAX;
        return NULL;
    }
    if (!scan.n_content_length) return NULL;
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t n_digits = text ? strspn(text, "0123456789") : 0;
    if (!n_digits || text[n_digits] || n_digits > 18) return "Content-Length is not a number";
    *declared = (size_t)strtoull(text, NULL, 10);
    return NULL;
}

static const struct mr_http_route *find_route(const struct mr_http_options *options,
                                              struct mr_str path, struct mr_str method,
                                              const char **allow) {
    for (size_t i = 0; i < options->n_routes; i++) {
        const struct mr_http_route *route = &options->routes[i];
        if (!mr_str_is(path, route->path)) continue;
        if (mr_str_is(method, route->method)) return route;
        bool is_get = strcmp(route->method, "GET") == 0;
        if (is_get && mr_str_is(method, "HEAD")) return route;
        *allow = is_get ? "GET, HEAD" : route->method;
    }
    return NULL;
}

static enum MHD_Result dispatch(struct worker *worker, struct MHD_Connection *connection,
                                struct exchange *exchange) {
    const struct mr_http_options *options = &worker->server->options;
    struct mr_http_response answer = {.status = 200};
    const char *allow = NULL;
    exchange->is_answered = true;
    if (exchange->request.body_size == 0) {
        exchange->request.body = mr_arena_zalloc(exchange->arena, 16);
        exchange->request.body_capacity = 16;
        if (!exchange->request.body)
            return respond_error(worker, connection, MR_E_NO_MEMORY, "out of memory");
    }
    const struct mr_http_route *route = find_route(options, exchange->request.path,
                                                   exchange->request.method, &allow);
    if (route) {
        route->handler(options->ctx, &exchange->request, &answer);
    } else {
        answer.status = allow ? 405 : 404;
        answer.content_type = "application/json";
        answer.body = mr_str_from(allow ? "{\"detail\":\"Method Not Allowed\"}"
                                        : "{\"detail\":\"Not Found\"}");
    }
    return respond(worker, connection, &answer, allow, false, false);
}

static enum MHD_Result begin(struct worker *worker, struct MHD_Connection *connection,
                             const char *path, const char *method, void **context) {
    struct mr_arena *arena = arena_take(worker);
    struct exchange *exchange = arena ? mr_arena_zalloc(arena, sizeof(*exchange)) : NULL;
    if (!exchange) {
        mr_arena_free(arena);
        return MHD_NO;
    }
    atomic_fetch_add(&worker->server->n_active, 1);
    exchange->arena = arena;
    exchange->request = (struct mr_http_request){.method = mr_str_from(method),
                                                 .path = mr_str_from(path),
                                                 .arena = arena,
                                                 .connection = connection};
    *context = exchange;
    const char *fault = framing_fault(connection, &exchange->declared);
    if (fault) {
        exchange->is_answered = true;
        return respond_error(worker, connection, MR_E_BAD_REQUEST, fault);
    }
    if (exchange->declared == SIZE_MAX) return MHD_YES;
    if (exchange->declared > worker->server->options.max_body_bytes) {
        exchange->is_answered = true;
        return respond_too_large(worker, connection);
    }
    return MHD_YES;
}

/* Append to the body: exact room when the length was declared, doubling when it is chunked. */
static mr_status append_body(struct exchange *exchange, const char *data, size_t size,
                             size_t max_body_bytes) {
    struct mr_http_request *request = &exchange->request;
    if (size > max_body_bytes - request->body_size) return MR_E_TOO_LARGE;
    size_t needed = request->body_size + size + 8;
    if (needed > request->body_capacity) {
        size_t capacity = exchange->declared + 8;
        if (exchange->declared == SIZE_MAX || capacity < needed)
            capacity = needed > SIZE_MAX / 2 ? needed : needed * 2;
        char *moved = mr_arena_realloc(exchange->arena, request->body, request->body_capacity,
                                       capacity);
        if (!moved) return mr_arena_fail(exchange->arena, NULL);
        request->body = moved;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_size, data, size);
    request->body_size += size;
    memset(request->body + request->body_size, 0, 8);
    return MR_OK;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context) {
    struct worker *worker = cls;
    (void)version;
    if (!*context) return begin(worker, connection, url, method, context);
    struct exchange *exchange = *context;
    if (*upload_size) {
        if (exchange->failure == MR_OK && !exchange->is_answered) {
            exchange->failure = append_body(exchange, upload, *upload_size,
                                            worker->server->options.max_body_bytes);
        }
        /* MHD takes no answer while body bytes come: after a failure give the connection up. */
        if (exchange->failure != MR_OK) return MHD_NO;
        *upload_size = 0;
        return MHD_YES;
    }
    if (exchange->is_answered) return MHD_YES;
    return dispatch(worker, connection, exchange);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
    struct worker *worker = cls;
    struct exchange *exchange = *context;
    (void)connection;
    (void)code;
    if (!exchange) return;
    *context = NULL;
    arena_give(worker, exchange->arena);
    atomic_fetch_sub(&worker->server->n_active, 1);
}

static void quiet(void *cls, const char *format, va_list args) {
    (void)cls;
    (void)format;
    (void)args;
}

static void *accept_loop(void *arg) {
    struct mr_http_server *server = arg;
    struct pollfd fds[2] = {{.fd = server->wake, .events = POLLIN},
                            {.fd = server->listener, .events = POLLIN}};
    unsigned next = 0;
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return NULL;
        if (fds[0].revents) return NULL;
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(server->listener, (struct sockaddr *)&address, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* Out of descriptors: the connection stays in the queue, so poll would spin. */
            bool is_full = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
            if (is_full) poll(fds, 1, 100);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        MHD_add_connection(server->workers[next].daemon, fd, (struct sockaddr *)&address, size);
        next = (next + 1) % server->options.n_threads;
    }
}

static mr_status start_worker(struct mr_http_server *server, struct worker *worker,
                              struct mr_error *err) {
    const struct mr_http_options *options = &server->options;
    worker->server = server;
    worker->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_NO_LISTEN_SOCKET |
            MHD_USE_ITC | MHD_USE_TURBO | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, worker, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, worker, MHD_OPTION_CONNECTION_TIMEOUT,
        (options->idle_timeout_ms + 999) / 1000, MHD_OPTION_CONNECTION_LIMIT,
        options->max_connections / options->n_threads + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        options->max_header_bytes + 8192, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (!worker->daemon)
        return mr_fail(err, MR_E_IO, "an I/O thread could not be started: %s", strerror(errno));
    return MR_OK;
}

static mr_status open_listener(struct mr_http_server *server, struct mr_error *err) {
    const struct mr_http_options *options = &server->options;
    char port[8];
    snprintf(port, sizeof port, "%u", options->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(options->host, port, &hints, &found);
    if (code)
        return mr_fail(err, MR_E_IO, "cannot listen on %s: %s", options->host, gai_strerror(code));
    int reason = 0;
    for (struct addrinfo *a = found; a; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int one = 1;
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
            bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) {
            server->listener = fd;
            break;
        }
        reason = errno;
        if (fd >= 0) close(fd);
    }
    freeaddrinfo(found);
    if (server->listener < 0)
        return mr_fail(err, MR_E_IO, "cannot listen on %s port %u: %s", options->host,
                       options->port, strerror(reason));
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(server->listener, (struct sockaddr *)&bound, &size) == 0) {
        server->port = ntohs(bound.ss_family == AF_INET6
                                 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                 : ((struct sockaddr_in *)&bound)->sin_port);
    }
    return MR_OK;
}

static void destroy(struct mr_http_server *server) {
    for (unsigned i = 0; i < server->options.n_threads; i++) {
        struct worker *worker = &server->workers[i];
        if (worker->daemon) MHD_stop_daemon(worker->daemon);
        while (worker->n_free_arenas) mr_arena_free(worker->free_arenas[--worker->n_free_arenas]);
    }
    if (server->listener >= 0) close(server->listener);
    if (server->wake >= 0) close(server->wake);
    free(server);
}

mr_status mr_http_start(const struct mr_http_options *options, struct mr_http_server **out,
                        struct mr_error *err) {
    struct mr_http_server *server = calloc(1, sizeof(*server) +
                                                  options->n_threads * sizeof(server->workers[0]));
    if (!server) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    server->options = *options;
    server->listener = -1;
    server->wake = eventfd(0, EFD_CLOEXEC);
    mr_status status = MR_OK;
    if (server->wake < 0) status = mr_fail(err, MR_E_IO, "eventfd: %s", strerror(errno));
    if (status == MR_OK) status = open_listener(server, err);
    for (unsigned i = 0; i < options->n_threads && status == MR_OK; i++)
        status = start_worker(server, &server->workers[i], err);
    if (status == MR_OK && pthread_create(&server->acceptor, NULL, accept_loop, server) != 0)
        status = mr_fail(err, MR_E_IO, "the acceptor thread could not be started");
    if (status != MR_OK) {
        destroy(server);
        return status;
    }
    *out = server;
    return MR_OK;
}

uint16_t mr_http_port(const struct mr_http_server *server) {
    return server->port;
}

void mr_http_stop(struct mr_http_server *server, unsigned drain_ms) {
    atomic_store(&server->is_draining, true);
    uint64_t one = 1;
    ssize_t written = write(server->wake, &one, sizeof one);
    (void)written;
    pthread_join(server->acceptor, NULL);
    for (unsigned waited = 0; waited < drain_ms && atomic_load(&server->n_active); waited += 10)
        poll(NULL, 0, 10);
    destroy(server);
}
