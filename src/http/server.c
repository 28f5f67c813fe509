/* Start and stop: the acceptor thread, the I/O threads it deals to. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/listen.h"
#include "http/loop.h"

#define HANDSHAKE_MS 500 /* for one that has begun to end: a round trip */
#define HANDSHAKE_STEP_MS 2
#define MAX_BACKLOG 65536 /* accepted at the end; more come than can be served */
#define MAX_REFUSED 256   /* connections that are kept to tell them so */

struct mr_http_server {
    struct mr_http_options options;
    struct mr_http_listeners listeners;
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

/* Answered without reading. What the client sends nevertheless would reset a closed socket, maybe
 * before it has read the reason: some are kept for that. */
static void refuse(struct mr_http_server *server, struct mr_http_loop *loop, int fd) {
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
    unsigned n_refused = 0;
    for (unsigned i = 0; i < server->n_loops; i++)
        n_refused += atomic_load_explicit(&server->loops[i].n_refused, memory_order_relaxed);
    if (n_refused < MAX_REFUSED) {
        mr_http_loop_add(loop, fd, true);
    } else {
        close(fd);
    }
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
        refuse(server, loop, fd);
    } else {
        mr_http_loop_add(loop, fd, false);
    }
    return true;
}

static void *accept_loop(void *arg) {
    struct mr_http_server *server = arg;
    const struct mr_http_listeners *listeners = &server->listeners;
    struct pollfd fds[MR_HTTP_MAX_LISTENERS + 1] = {{.fd = server->wake, .events = POLLIN}};
    for (unsigned i = 0; i < listeners->n; i++)
        fds[i + 1] = (struct pollfd){.fd = listeners->fds[i], .events = POLLIN};
    for (;;) {
        if (poll(fds, listeners->n + 1, -1) < 0) continue;
        if (fds[0].revents) return NULL;
        for (unsigned i = 1; i <= listeners->n; i++) {
            bool goes_on = fds[i].revents != 0;
            for (int n = 0; goes_on && n < 64; n++) goes_on = accept_one(server, fds[i].fd);
        }
    }
}

/* As short as can be: who comes meanwhile waits for a second. */
static void let_handshakes_end(const struct mr_http_listeners *listeners) {
    mr_http_listeners_hold_off(listeners);
    int left_ms = HANDSHAKE_MS;
    do {
        nanosleep(&(struct timespec){.tv_nsec = HANDSHAKE_STEP_MS * 1000000L}, NULL);
        left_ms -= HANDSHAKE_STEP_MS;
    } while (left_ms > 0 && mr_http_listeners_have_handshakes(listeners));
}

/* Accept no more, but all that clients believe to be accepted: the kernel would reset it. What
 * waits in a borrowed socket is left to the others. */
static void stop_acceptor(struct mr_http_server *server, unsigned drain_ms) {
    struct mr_http_listeners *listeners = &server->listeners;
    if (server->options.shares_port && drain_ms) let_handshakes_end(listeners);
    if (server->has_acceptor) {
        uint64_t one = 1;
        ssize_t written = write(server->wake, &one, sizeof one);
        (void)written;
        pthread_join(server->acceptor, NULL);
    }
    for (unsigned i = 0; i < listeners->n && drain_ms && !listeners->is_borrowed; i++)
        for (int n = 0; n < MAX_BACKLOG && accept_one(server, listeners->fds[i]); n++) continue;
    mr_http_listeners_close(listeners);
    if (server->wake >= 0) close(server->wake);
}

void mr_http_announce_stop(struct mr_http_server *server) {
    for (unsigned i = 0; i < server->n_loops; i++)
        atomic_store_explicit(&server->loops[i].is_stopping, true, memory_order_relaxed);
}

void mr_http_stop(struct mr_http_server *take_server, unsigned drain_ms, unsigned idle_ms) {
    struct mr_http_server *server = take_server;
    int64_t deadline_ms = mr_http_now_ms() + drain_ms;
    stop_acceptor(server, drain_ms);
    mr_http_announce_stop(server);
    for (unsigned i = 0; i < server->n_loops; i++)
        mr_http_loop_drain(&server->loops[i], deadline_ms, idle_ms);
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
    if (status == MR_OK) status = mr_http_listeners_open(options, &server->listeners, err);
    if (status == MR_OK) {
        /* The threads inherit the mask: signals are for the caller's threads. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        status = start_threads(server, err);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (status != MR_OK) {
        mr_http_stop(server, 0, 0);
        return status;
    }
    *out = server;
    return MR_OK;
}

uint16_t mr_http_port(const struct mr_http_server *server) {
    return server->listeners.port;
}
