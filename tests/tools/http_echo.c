/* A server with the handlers the HTTP tests need and no model: what they prove is about http/. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/http.h"

static void constant(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    response->content_type = "application/json";
    response->body = mr_str_from("{\"predictions\": [0]}");
}

static void echo(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    response->content_type = "application/octet-stream";
    response->body = (struct mr_str){request->body, request->body_size};
}

int main(int argc, char **argv) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    static const struct mr_http_route routes[] = {
        {"POST", "/invocations", constant},
        {"POST", "/echo", echo},
        {"GET", "/ping", constant},
    };
    struct mr_http_options options = {.host = "127.0.0.1",
                                      .port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0),
                                      .n_threads = 1,
                                      .max_body_bytes = 1 << 20,
                                      .max_header_bytes = 16384,
                                      .read_timeout_ms = 10000,
                                      .idle_timeout_ms = 60000,
                                      .max_connections = 1000,
                                      .server_header = "mlrace/" MR_VERSION,
                                      .routes = routes,
                                      .n_routes = sizeof routes / sizeof routes[0]};
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
    mr_http_stop(server, 2000);
    return 0;
}
