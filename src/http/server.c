/* Start and stop: listening sockets, the acceptor thread, the I/O threads it deals to. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/loop.h"

#define MAX_LISTENERS 8

struct mr_http_server {
    struct mr_http_options options;
    int listeners[MAX_LISTENERS]; /* a name may stand for several addresses */
    unsigned n_listeners;
    uint16_t port;
    int wake; /* eventfd: ends the acceptor */
    pthread_t acceptor;
    bool has_acceptor;
    unsigned n_loops; /* that were started */
    unsigned last_loop;
    struct mr_http_loop loops[];
};

/* The I/O thread with the fewest connections; among equals the next in turn. */
static struct mr_http_loop *choose_loop(struct mr_http_server *server, unsigned *n_connections) {
    unsigned best = 0, fewest = UINT32_MAX;
    *n_connections = 0;
    for (unsigned i = 1; i <= server->n_loops; i++) {
        unsigned candidate = (server->last_loop + i) % server->n_loops;
        unsigned n = atomic_load_explicit(&server->loops[candidate].n_connections,
                                          memory_order_relaxed);
        *n_connections += n;
        if (n < fewest) {
            fewest = n;
            best = candidate;
        }
    }
    server->last_loop = best;
    return &server->loops[best];
}

/* Answered without reading: at worst the client sees a reset instead of the reason. */
static void refuse(const struct mr_http_server *server, int fd) {
    static const char body[] =
        "{\"error_code\": \"RESOURCE_EXHAUSTED\", \"message\": \"too many connections\"}";
    char answer[512];
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                        "Retry-After: 1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                        sizeof body - 1, body);
    ssize_t sent = send(fd, answer, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    shutdown(fd, SHUT_WR);
    close(fd);
    uint64_t now = mr_clock_ns();
    const struct mr_http_exchange exchange = {.status = 503,
                                              .n_sent = sizeof body - 1,
                                              .first_ns = now,
                                              .answered_ns = now,
                                              .end_ns = now};
    if (server->options.observe) server->options.observe(server->options.ctx, &exchange);
}

/* False: there is nothing to accept, or no room for it. */
static bool accept_one(struct mr_http_server *server, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        /* Out of descriptors or memory: the connection stays in the backlog and would be reported
         * at once, over and over. */
        int code = errno;
        struct pollfd ended = {.fd = server->wake, .events = POLLIN};
        if (code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS)
            poll(&ended, 1, 50);
        return code == ECONNABORTED || code == EINTR;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    unsigned n_connections;
    struct mr_http_loop *loop = choose_loop(server, &n_connections);
    if (n_connections >= server->options.max_connections) {
        refuse(server, fd);
    } else {
        mr_http_loop_add(loop, fd);
    }
    return true;
}

static void *accept_loop(void *arg) {
    struct mr_http_server *server = arg;
    struct pollfd fds[MAX_LISTENERS + 1] = {{.fd = server->wake, .events = POLLIN}};
    for (unsigned i = 0; i < server->n_listeners; i++)
        fds[i + 1] = (struct pollfd){.fd = server->listeners[i], .events = POLLIN};
    for (;;) {
        if (poll(fds, server->n_listeners + 1, -1) < 0) continue;
        if (fds[0].revents) return NULL;
        for (unsigned i = 1; i <= server->n_listeners; i++) {
            bool goes_on = fds[i].revents != 0;
            for (int n = 0; goes_on && n < 64; n++) goes_on = accept_one(server, fds[i].fd);
        }
    }
}

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address, uint16_t port) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    struct sockaddr_storage to = {0};
    memcpy(&to, address->ai_addr, address->ai_addrlen);
    int one = 1;
    bool is_ipv6 = address->ai_family == AF_INET6;
    if (is_ipv6) {
        ((struct sockaddr_in6 *)&to)->sin6_port = htons(port);
        /* Else [::] would take the port of 0.0.0.0 too, which a name may also stand for. */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    } else {
        ((struct sockaddr_in *)&to)->sin_port = htons(port);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, (struct sockaddr *)&to, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) return 0;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

/* Listen on every address of the name, as asyncio's create_server does for uvicorn: who serves on
 * "localhost" is reached over 127.0.0.1 and over ::1. */
static mr_status open_listeners(struct mr_http_server *server, struct mr_error *err) {
    const struct mr_http_options *options = &server->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(options->host, NULL, &hints, &found);
    if (code)
        return mr_fail(err, MR_E_IO, "cannot listen on %s: %s", options->host, gai_strerror(code));
    server->port = options->port;
    int reason = EADDRNOTAVAIL;
    for (struct addrinfo *a = found; a && server->n_listeners < MAX_LISTENERS; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
        int fd = listen_on(a, server->port);
        if (fd < 0) {
            reason = errno;
            /* A host without IPv6 may still have ::1 in its hosts file. */
            if (reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT) continue;
            server->port = 0;
            break;
        }
        server->listeners[server->n_listeners++] = fd;
        if (!server->port) server->port = port_of(fd);
    }
    freeaddrinfo(found);
    if (!server->n_listeners || !server->port)
        return mr_fail(err, MR_E_IO, "cannot listen on %s port %u: %s", options->host,
                       options->port, strerror(reason));
    return MR_OK;
}

static void stop_acceptor(struct mr_http_server *server) {
    if (server->has_acceptor) {
        uint64_t one = 1;
        ssize_t written = write(server->wake, &one, sizeof one);
        (void)written;
        pthread_join(server->acceptor, NULL);
    }
    while (server->n_listeners) close(server->listeners[--server->n_listeners]);
    if (server->wake >= 0) close(server->wake);
}

void mr_http_stop(struct mr_http_server *take_server, unsigned drain_ms) {
    struct mr_http_server *server = take_server;
    stop_acceptor(server);
    int64_t deadline_ms = mr_http_now_ms() + drain_ms;
    for (unsigned i = 0; i < server->n_loops; i++)
        mr_http_loop_drain(&server->loops[i], deadline_ms);
    for (unsigned i = 0; i < server->n_loops; i++) mr_http_loop_deinit(&server->loops[i]);
    free(server);
}

static mr_status start_threads(struct mr_http_server *server, struct mr_error *err) {
    for (; server->n_loops < server->options.n_threads; server->n_loops++)
        MR_TRY(mr_http_loop_init(&server->loops[server->n_loops], &server->options, err));
    int code = pthread_create(&server->acceptor, NULL, accept_loop, server);
    if (code) return mr_fail(err, MR_E_IO, "the acceptor thread: %s", strerror(code));
    server->has_acceptor = true;
    pthread_setname_np(server->acceptor, "http-accept");
    return MR_OK;
}

mr_status mr_http_start(const struct mr_http_options *options, struct mr_http_server **out,
                        struct mr_error *err) {
    struct mr_http_server *server = calloc(1, sizeof(*server) +
                                                  options->n_threads * sizeof(server->loops[0]));
    if (!server) return mr_fail(err, MR_E_NO_MEMORY, "out of memory for the HTTP server");
    server->options = *options;
    server->wake = eventfd(0, EFD_CLOEXEC);
    mr_status status = MR_OK;
    if (server->wake < 0) status = mr_fail(err, MR_E_IO, "eventfd: %s", strerror(errno));
    if (status == MR_OK) status = open_listeners(server, err);
    if (status == MR_OK) {
        /* The threads inherit the mask: signals are for the caller's threads. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        status = start_threads(server, err);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (status != MR_OK) {
        mr_http_stop(server, 0);
        return status;
    }
    *out = server;
    return MR_OK;
}

uint16_t mr_http_port(const struct mr_http_server *server) {
    return server->port;
}
