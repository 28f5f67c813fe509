/* An HTTP server with handlers that need no model: what its tests prove is about src/http alone.
 *
 * Arguments are name=number (see `read_setting`) or host=NAME. It prints "port N"
 * when it listens, and stops at SIGTERM. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "http/http.h"

/* A constant, as small as a prediction: measures the transport. */
static void constant(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    response->content_type = "application/json";
    response->body = mr_str_from("{\"predictions\": [0]}");
}

/* The body, after writing all over the room that was promised. */
static void echo(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    bool is_padded = request->body_capacity >= request->body_size + 8;
    for (size_t i = 0; i < 8 && is_padded; i++)
        is_padded = request->body[request->body_size + i] == 0;
    if (!is_padded) response->status = 500;
    memset(request->body + request->body_size, 'x', request->body_capacity - request->body_size);
    response->content_type = "application/octet-stream";
    response->body = (struct mr_str){request->body, request->body_size};
}

/* What the handler sees: method, path, a header, the size of the body. */
static void inspect(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    struct mr_buf text;
    mr_buf_init(&text, request->arena);
    struct mr_str probe = mr_http_header(request, "x-probe");
    mr_buf_format(&text, "%.*s %.*s %zu [%.*s]", MR_STR_ARGS(request->method),
                  MR_STR_ARGS(request->path), request->body_size, MR_STR_ARGS(probe));
    response->content_type = "text/plain";
    response->body = mr_buf_str(&text);
}

/* Takes the milliseconds that the body says. */
static void slow(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    long ms = strtol(request->body, NULL, 10);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    response->content_type = "text/plain";
    response->body = mr_str_from("done");
}

/* As many bytes as the body says. */
static void large(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    size_t size = strtoul(request->body, NULL, 10);
    char *data = mr_arena_alloc(request->arena, size);
    if (!data) {
        response->status = 503;
        return;
    }
    for (size_t i = 0; i < size; i++) data[i] = (char)('a' + i % 23);
    response->content_type = "text/plain";
    response->body = (struct mr_str){data, size};
}

/* Header values that would split the response, and a status without a body. */
static void evil(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    response->status = 204;
    response->location = mr_str_from("/a\r\nX-Evil: 1");
    response->body = mr_str_from("must not be sent");
}

static const struct mr_http_route routes[] = {
    {"POST", "/invocations", constant},
    {"GET", "/ping", constant},
    {"POST", "/echo", echo},
    {"GET", "/inspect", inspect},
    {"POST", "/inspect", inspect},
    {"PUT", "/inspect", inspect},
    {"POST", "/slow", slow},
    {"POST", "/large", large},
    {"POST", "/evil", evil},
};

struct settings {
    unsigned long port, max_body, max_header, max_request, per_body_byte, read_ms, idle_ms;
    unsigned long drain_ms, connections, threads;
    const char *host;
};

static bool read_setting(const char *argument, struct settings *settings) {
    const struct {
        const char *name;
        unsigned long *value;
    } numbers[] = {{"port=", &settings->port},
                   {"max_body=", &settings->max_body},
                   {"max_header=", &settings->max_header},
                   {"max_request=", &settings->max_request},
                   {"per_body_byte=", &settings->per_body_byte},
                   {"read_ms=", &settings->read_ms},
                   {"idle_ms=", &settings->idle_ms},
                   {"drain_ms=", &settings->drain_ms},
                   {"connections=", &settings->connections},
                   {"threads=", &settings->threads}};
    if (strncmp(argument, "host=", 5) == 0) {
        settings->host = argument + 5;
        return true;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t size = strlen(numbers[i].name);
        if (strncmp(argument, numbers[i].name, size) != 0) continue;
        *numbers[i].value = strtoul(argument + size, NULL, 10);
        return true;
    }
    return false;
}

int main(int argc, char **argv) {
    struct settings settings = {.host = "127.0.0.1",
                                .threads = 1,
                                .max_body = 1 << 20,
                                .max_header = 16384,
                                .read_ms = 10000,
                                .idle_ms = 60000,
                                .drain_ms = 2000,
                                .connections = 1000};
    for (int i = 1; i < argc; i++) {
        if (read_setting(argv[i], &settings)) continue;
        fprintf(stderr, "unknown argument %s\n", argv[i]);
        return 2;
    }
    const struct mr_http_options options = {.host = settings.host,
                                            .port = (uint16_t)settings.port,
                                            .n_threads = (unsigned)settings.threads,
                                            .max_body_bytes = settings.max_body,
                                            .max_header_bytes = settings.max_header,
                                            .max_request_bytes = settings.max_request,
                                            .max_bytes_per_body_byte = settings.per_body_byte,
                                            .read_timeout_ms = (unsigned)settings.read_ms,
                                            .idle_timeout_ms = (unsigned)settings.idle_ms,
                                            .max_connections = (unsigned)settings.connections,
                                            .server_header = "mlrace/" MR_VERSION,
                                            .routes = routes,
                                            .n_routes = sizeof routes / sizeof routes[0]};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct mr_error err = {0};
    struct mr_http_server *server = NULL;
    if (mr_http_start(&options, &server, &err) != MR_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("port %u\n", mr_http_port(server));
    fflush(stdout);
    int received;
    sigwait(&set, &received);
    mr_http_stop(server, (unsigned)settings.drain_ms);
    return 0;
}
