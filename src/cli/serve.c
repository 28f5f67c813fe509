/* `mlrace serve`: load models, listen, answer until a signal says stop. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/hosting.h"
#include "cli/signals.h"

/* At SIGTERM connections that have not waited longer for their next request are kept so long: it
 * may be on its way. As long as Go's net/http gives a new connection (Server.Shutdown). */
#define SHUTDOWN_IDLE_MS 5000

/* The server from its start to its end. */
struct server {
    struct mr_serve_config *config;
    struct mr_endpoints endpoints;
    struct mr_backlog backlog;
    struct mr_loading loading;
    int signals; /* descriptor */
    uint64_t start_ns;
};

static double ms_since(uint64_t start_ns) {
    return (double)(mr_clock_ns() - start_ns) * 1e-6;
}

/* Waiting ------------------------------------------------------------------------------------- */

/* Until all models are loaded, or one cannot be. */
static mr_status wait_for_model(struct server *server, struct mr_error *err) {
    MR_TRY(mr_loading_wait(&server->loading, err));
    if (server->loading.n_left) return MR_OK;
    bool is_one = server->endpoints.n_models == 1;
    mr_log_info("the model%s loaded (ready after %.1f ms)", is_one ? " is" : "s are",
                ms_since(server->start_ns));
    return MR_OK;
}

/* Waits until the server is to end: for a signal, or for a model that cannot be loaded; or only
 * until all models are loaded.
 * signal_number  0: none came */
static mr_status wait_for(bool is_until_loaded, struct server *server, int *signal_number,
                          struct mr_error *err) {
    struct pollfd fds[] = {{.fd = server->signals, .events = POLLIN},
                           {.fd = server->loading.fd, .events = POLLIN}};
    *signal_number = 0;
    while (!is_until_loaded || server->loading.n_left) {
        if (poll(fds, server->loading.n_left ? 2 : 1, -1) < 0) continue;
        if (server->loading.n_left && fds[1].revents) MR_TRY(wait_for_model(server, err));
        struct signalfd_siginfo info;
        if (fds[0].revents && read(server->signals, &info, sizeof(info)) == sizeof(info)) {
            *signal_number = (int)info.ssi_signo;
            break;
        }
    }
    return MR_OK;
}

/* Serving ------------------------------------------------------------------------------------- */

/* Each connection is a descriptor, a large request to Python a second one, each of its workers
 * three; and shells still give 1024. Where the hard limit is lower than wanted, the acceptor waits
 * for connections to close. */
static void raise_descriptor_limit(unsigned long max_connections) {
    struct rlimit limit;
    rlim_t wanted = 2 * max_connections + 4096;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur <= max_connections) {
        mr_log_info("no more than %llu files may be open (ulimit -n): connections over that wait",
                    (unsigned long long)limit.rlim_cur);
    }
}

/* glibc learns to keep large blocks after the first one is freed; a server would never again give
 * back what one large request took. */
static void give_back_large_blocks(void) {
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

static mr_status start_http(const struct mr_serve_config *config, struct mr_endpoints *endpoints,
                            unsigned n_threads, struct mr_http_server **server,
                            struct mr_error *err) {
    unsigned timeout_ms = (unsigned)config->timeout_s * 1000;
    const struct mr_http_options http = {
        .host = config->host,
        .port = (uint16_t)config->port,
        .shares_port = config->shares_port,
        .listeners = config->activation.fds,
        .n_listeners = config->activation.n,
        .n_threads = n_threads,
        .max_body_bytes = config->max_body_bytes,
        .max_header_bytes = 16 * 1024,
        /* A body of tiny numbers takes 16 bytes for each as JSON values, and 8 as columns. A small
         * body can describe a large table, of records that lack most keys: it may take as much as
         * a large body does. */
        .max_request_bytes = config->max_body_bytes + ((size_t)64 << 20),
        .max_bytes_per_body_byte = 20,
        .read_timeout_ms = timeout_ms,
        .idle_timeout_ms = 120 * 1000,
        .max_connections = (unsigned)config->max_connections,
        .server_header = "mlrace/" MR_VERSION,
        .routes = endpoints->routes,
        .n_routes = endpoints->n_routes,
        .observe = mr_endpoints_observe,
        .ctx = endpoints,
    };
    return mr_http_start(&http, server, err);
}

static void log_start(const struct server *server, const struct mr_http_server *http) {
    const struct mr_serve_config *config = server->config;
    const char *host = config->activation.n ? config->activation.host : config->host;
    bool is_ipv6 = strchr(host, ':') != NULL;
    mr_log_info("listening on http://%s%s%s:%u (%s %.1f ms)", is_ipv6 ? "[" : "", host,
                is_ipv6 ? "]" : "", mr_http_port(http),
                server->loading.n_left ? "loading the model since" : "ready in",
                ms_since(server->start_ns));
}

/* Load balancers send requests for a while after they were told not to; kube-apiserver's
 * --shutdown-delay-duration is the same. */
static void wait_for_balancers(struct mr_http_server *server, unsigned long delay_s) {
    if (delay_s == 0) return;
    mr_log_info("not ready any more, serving for %lu s", delay_s);
    mr_http_announce_stop(server);
    struct timespec left = {.tv_sec = (time_t)delay_s};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* signal_number: 0, loading the model failed. */
static void stop_http(const struct mr_serve_config *config, struct mr_endpoints *endpoints,
                      struct mr_http_server *server, int signal_number) {
    /* What waits for a model that is not there would wait in vain. */
    bool is_loaded = mr_hosting_is_loaded(endpoints);
    mr_hosting_cancel(endpoints);
    mr_signals_take_next_literally();
    if (signal_number) {
        mr_log_info("%s: %s", strsignal(signal_number),
                    is_loaded ? "finishing requests under way" : "stopping");
    }
    /* SIGINT comes from a keyboard: nobody else has to notice. */
    bool is_patient = is_loaded && signal_number == SIGTERM;
    if (is_patient) wait_for_balancers(server, config->shutdown_delay_s);
    unsigned long timeout_s = config->shutdown_timeout_s ? config->shutdown_timeout_s
                                                         : config->timeout_s;
    mr_http_stop(server, is_loaded ? (unsigned)timeout_s * 1000 : 0,
                 is_patient ? SHUTDOWN_IDLE_MS : 0);
}

/* Threads that decode and encode and, with a native engine, evaluate: as many as -w says, unless
 * that is the number of Python's processes. */
static unsigned count_threads(const struct server *server) {
    bool has_python = mr_hosting_has_python(&server->endpoints);
    unsigned long n_workers = has_python ? 0 : server->config->engine.n_workers;
    return n_workers ? (unsigned)n_workers : mr_cpu_count();
}

/* Serves until a signal, or a model that cannot be loaded, says stop. */
static mr_status serve_until_end(struct server *server, struct mr_error *err) {
    const struct mr_serve_config *config = server->config;
    struct mr_http_server *http;
    int signal_number = 0;
    /* A server that shares its port would get requests that the other one can answer already. */
    if (config->shares_port) MR_TRY(wait_for(true, server, &signal_number, err));
    if (signal_number) {
        mr_signals_take_next_literally();
        return MR_OK;
    }
    MR_TRY(start_http(config, &server->endpoints, count_threads(server), &http, err));
    log_start(server, http);
    mr_status status = wait_for(false, server, &signal_number, err);
    stop_http(config, &server->endpoints, http, signal_number);
    return status;
}

static mr_status start_observer(struct server *server, struct mr_error *err) {
    struct mr_endpoints *endpoints = &server->endpoints;
    bool is_one = endpoints->n_models == 1;
    const struct mr_observer_options options = {
        .routes = endpoints->routes,
        .route_names = endpoints->route_names,
        .n_routes = endpoints->n_routes,
        .models = endpoints->model_names,
        .n_models = is_one ? 0 : endpoints->n_models,
        .has_access_log = server->config->has_access_log,
    };
    return mr_observer_init(&endpoints->observer, &options, err);
}

static mr_status start_compute(struct server *server, struct mr_error *err) {
    struct mr_endpoints *endpoints = &server->endpoints;
    server->backlog = (struct mr_backlog){.limits = &server->config->engine.options.python.queue,
                                          .n_threads = count_threads(server) + 1,
                                          .decoding.ps_per_row = MR_BACKLOG_FIRST_PS};
    endpoints->backlog = &server->backlog;
    return mr_compute_new(count_threads(server), (unsigned)endpoints->n_models, &endpoints->compute,
                          err);
}

/* From the first load of a model to the last. */
static mr_status serve_models(struct server *server, struct mr_arena *arena, struct mr_error *err) {
    const struct mr_serve_config *config = server->config;
    struct mr_endpoints *endpoints = &server->endpoints;
    MR_TRY(mr_hosting_load(config, endpoints, &server->loading, arena, err));
    /* Of native models nobody has to wait. */
    while (server->loading.n_left && !mr_hosting_has_python(endpoints)) {
        MR_TRY(mr_loading_wait(&server->loading, err));
    }
    MR_TRY(mr_endpoints_init(endpoints, arena, err));
    MR_TRY(start_observer(server, err));
    mr_status status = mr_hosting_start(config, endpoints, err);
    if (status == MR_OK) status = start_compute(server, err);
    if (status == MR_OK) status = serve_until_end(server, err);
    mr_compute_free(endpoints->compute);
    mr_observer_deinit(&endpoints->observer);
    return status;
}

static mr_status load_and_serve(struct mr_serve_config *config, int signals, struct mr_error *err) {
    struct server server = {
        .config = config,
        .endpoints = {.encode = {.is_nan_literal = config->engine.is_nan_literal},
                      .split = {.shares = config->shares, .n = config->n_shares},
                      .is_reloadable = config->is_reloadable,
                      .error_detail = config->error_detail,
                      .timeout_ms = (unsigned)config->timeout_s * 1000,
                      .has_server_timing = config->has_server_timing},
        .signals = signals,
        .start_ns = mr_clock_ns()};
    config->engine.options.python.timeout_ms = (unsigned)config->timeout_s * 1000;
    mr_engine_args_resolve(&config->engine);
    MR_TRY(mr_model_list_resolve(&config->models, &config->engine, err));
    MR_TRY(mr_loading_init(&server.loading, config->models.n, err));
    struct mr_arena *arena = mr_arena_new(0, NULL);
    mr_status status = arena ? serve_models(&server, arena, err)
                             : mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_hosting_unload(&server.endpoints);
    mr_loading_deinit(&server.loading);
    mr_arena_free(arena);
    return status;
}

static int serve(struct mr_serve_config *config) {
    struct mr_error err = {0};
    mr_log_set_format(config->log_format);
    raise_descriptor_limit(config->max_connections);
    give_back_large_blocks();
    int signals = mr_signals_watch();
    mr_status status = signals >= 0 ? MR_OK
                                    : mr_fail(&err, MR_E_IO, "signalfd: %s", strerror(errno));
    if (status == MR_OK) status = mr_activation_read(&config->activation, &err);
    if (status == MR_OK) status = load_and_serve(config, signals, &err);
    if (signals >= 0) close(signals);
    if (status == MR_OK) return 0;
    mr_log_error("%s", err.message);
    return MR_EXIT_FAILED;
}

int mr_cli_serve(int argc, char **argv) {
    struct mr_serve_config config;
    int code = mr_serve_options_read(argc, argv, &config);
    if (code <= 0) code = code == MR_CLI_DONE ? 0 : serve(&config);
    mr_serve_options_deinit(&config);
    return code;
}
