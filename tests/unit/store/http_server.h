/* A server of one thread that gives the answers it was told to, in that order, a connection each,
 * and keeps what it was asked. */
#ifndef MR_TESTS_HTTP_SERVER_H
#define MR_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_EXCHANGES 40

struct http_server {
    int fd;
    unsigned port;
    pthread_t thread;
    const char *answers[MAX_EXCHANGES]; /* as sent; what is missing of their length is cut */
    size_t n_answers;
    char requests[MAX_EXCHANGES][4096];
    size_t n_requests;
};

/* Reads a head, and the body that its Content-Length tells of. */
static inline void http_server_read(int fd, char *out, size_t size) {
    size_t n = 0, wanted = size - 1;
    while (n < wanted) {
        ssize_t got = recv(fd, out + n, wanted - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        out[n] = '\0';
        const char *end = strstr(out, "\r\n\r\n"), *length = strstr(out, "Content-Length: ");
        if (!end) continue;
        size_t whole = (size_t)(end - out) + 4;
        if (length && length < end) whole += strtoul(length + 16, NULL, 10);
        if (n >= whole) break;
    }
    out[n] = '\0';
}

static inline void *http_server_run(void *ctx) {
    struct http_server *server = ctx;
    for (size_t i = 0; i < server->n_answers; i++) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0) break;
        http_server_read(fd, server->requests[i], sizeof(server->requests[i]));
        server->n_requests = i + 1;
        const char *answer = server->answers[i];
        for (size_t left = strlen(answer); left;) {
            ssize_t n = send(fd, answer, left, MSG_NOSIGNAL);
            if (n <= 0) break;
            answer += n;
            left -= (size_t)n;
        }
        shutdown(fd, SHUT_WR);
        char rest[256];
        while (recv(fd, rest, sizeof(rest), 0) > 0) continue;
        close(fd);
    }
    return NULL;
}

/* Take a port; the answers may name it. Returns 0 when all went well. */
static inline int http_server_open(struct http_server *server) {
    memset(server, 0, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, size) != 0 ||
        listen(server->fd, 8) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &size) != 0) {
        return -1;
    }
    server->port = ntohs(address.sin_port);
    return 0;
}

static inline void http_server_add(struct http_server *server, const char *answer) {
    if (server->n_answers < MAX_EXCHANGES) server->answers[server->n_answers++] = answer;
}

static inline int http_server_start(struct http_server *server) {
    return pthread_create(&server->thread, NULL, http_server_run, server);
}

/* Ends the server, also when not all of its answers were asked for. */
static inline void http_server_stop(struct http_server *server) {
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

#endif
