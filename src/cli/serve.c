/* `mlrace serve`: load a model, listen, answer until a signal says stop. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "api/endpoints.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "cli/activation.h"
#include "cli/cli.h"
#include "cli/engine_options.h"
#include "cli/loading.h"
#include "cli/queue_options.h"
#include "cli/signals.h"

static const char help[] =
    "Usage: mlrace serve -m MODEL [options]\n"
    "\n"
    "Serve a model saved by MLflow over HTTP, with the answers of `mlflow models serve`.\n"
    "\n"
    "Options (environment variable, default):\n" MR_CLI_MODEL_URI_HELP
    "  -h, --host HOST          address to listen on (MLFLOW_HOST, 127.0.0.1)\n"
    "  -p, --port PORT          port to listen on, 0 picks a free one (MLFLOW_PORT, 5000)\n"
    "  -t, --timeout SECONDS    time for a request to arrive whole, for Python to answer it or to\n"
    "                           add to a stream (MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT, 60)\n"
    "  -w, --workers N          Python processes; of a model that C evaluates, threads, which\n"
    "                           share one copy of it: N for connections and small requests,\n"
    "                           N + 1 for large ones (MLFLOW_MODELS_WORKERS, the CPU limit)\n"
    "      --max-body SIZE      largest request body, such as 512K, 100M, 2G (256M)\n"
    "      --max-connections N  one more is answered 503 (10000)\n"
    "      --shutdown-timeout SECONDS\n"
    "                           for requests under way to finish at SIGTERM (--timeout)\n"
    "      --shutdown-delay SECONDS\n"
    "                           after SIGTERM: not ready any more, but serving, until load\n"
    "                           balancers have noticed (0)\n"
    "      --reuse-port         another server may listen on the port already, or later\n"
    "      --log-format text|json  lines of the log (text on a terminal, else json)\n"
    "      --no-access-log      no line for each request\n"
    "      --server-timing      responses tell in a header where their time went\n"
    "      --error-detail full|brief|none\n"
    "                           what clients are told of errors: full adds the stack trace of a\n"
    "                           Python model, none has the reason in the log alone (brief)\n"
    "      --nan null|literal   how NaN and infinities are written: null, or the bare words\n"
    "                           that MLflow writes, which are not JSON (null)\n";

static const char more_help[] =
    "      --help               this page\n"
    "\n"
    "Endpoints: POST /invocations, GET /ping, /health, /readyz, /livez, /version, /metrics. "
    "/ping,\n"
    "/health and /readyz answer 503 while Python loads a model, when none of its workers lives,\n"
    "and at shutdown. If the model cannot be loaded, the program ends with exit code 1. A model\n"
    "that streams does so for `Accept: text/event-stream`, or \"stream\": true beside messages,\n"
    "input or in params: as server-sent events.\n"
    "SIGTERM and SIGINT let requests under way finish; a second one ends at once. Sockets of\n"
    "systemd's socket activation (LISTEN_FDS) take the place of host and port.\n"
    "\n"
    "Examples:\n"
    "  mlrace serve -m examples/iris/model\n"
    "  mlrace serve -m ./model -h 0.0.0.0 -p 8080 --max-body 1G\n"
    "  mlrace serve -m ./model --engine python --env-manager uv -w 4 --env OMP_NUM_THREADS=1\n"
    "  curl http://127.0.0.1:5000/invocations -H 'Content-Type: application/json' \\\n"
    "       -d '{\"dataframe_records\": [{\"a\": 1.5, \"b\": 2.5}]}'\n";

/* At SIGTERM connections that have not waited longer for their next request are kept so long: it
 * may be on its way. As long as Go's net/http gives a new connection (Server.Shutdown). */
#define SHUTDOWN_IDLE_MS 5000

struct config {
    const char *model_uri;
    const char *host;
    unsigned long port;
    unsigned long timeout_s;
    unsigned long shutdown_timeout_s; /* 0: timeout_s */
    unsigned long shutdown_delay_s;
    unsigned long max_connections;
    bool shares_port;
    struct mr_activation activation;
    size_t max_body_bytes;
    mr_log_format log_format;
    bool has_access_log;
    bool has_server_timing;
    mr_error_detail error_detail;
    struct mr_engine_args engine;
};

enum {
    OPT_MAX_BODY = MR_OPT_OWN,
    OPT_MAX_CONNECTIONS,
    OPT_SHUTDOWN_TIMEOUT,
    OPT_SHUTDOWN_DELAY,
    OPT_REUSE_PORT,
    OPT_LOG_FORMAT,
    OPT_NO_ACCESS_LOG,
    OPT_SERVER_TIMING,
    OPT_ERROR_DETAIL
};

static const struct option options[] = {
    {"model-uri", required_argument, NULL, 'm'},
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"timeout", required_argument, NULL, 't'},
    {"max-body", required_argument, NULL, OPT_MAX_BODY},
    {"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
    {"shutdown-timeout", required_argument, NULL, OPT_SHUTDOWN_TIMEOUT},
    {"shutdown-delay", required_argument, NULL, OPT_SHUTDOWN_DELAY},
    {"reuse-port", no_argument, NULL, OPT_REUSE_PORT},
    {"log-format", required_argument, NULL, OPT_LOG_FORMAT},
    {"no-access-log", no_argument, NULL, OPT_NO_ACCESS_LOG},
    {"server-timing", no_argument, NULL, OPT_SERVER_TIMING},
    {"error-detail", required_argument, NULL, OPT_ERROR_DETAIL},
    MR_ENGINE_OPTIONS,
    MR_QUEUE_OPTIONS,
    MR_CLI_HELP_OPTION,
    {0}};

static bool set_error_detail(struct config *config, const char *name) {
    static const char *const names[] = {
        [MR_ERROR_BRIEF] = "brief", [MR_ERROR_FULL] = "full", [MR_ERROR_NONE] = "none", NULL};
    int found = mr_cli_find_word(names, name);
    if (found == MR_CLI_NO_WORD) return false;
    config->error_detail = (mr_error_detail)found;
    config->engine.options.python.has_stack_traces = found == MR_ERROR_FULL;
    return true;
}

static bool set_option(void *to, int option, char *value, const char **expected) {
    struct config *config = to;
    switch (option) {
    case 'm': config->model_uri = value; return true;
    case 'h': config->host = value; return true;
    case 'p':
        *expected = "a number from 0 to 65535";
        return mr_cli_parse_uint(value, 0, 65535, &config->port);
    case 't':
        *expected = "a number of seconds from 1 to 86400";
        return mr_cli_parse_uint(value, 1, 86400, &config->timeout_s);
    case OPT_MAX_BODY:
        *expected = "a size such as 512K, 100M or 2G";
        return mr_cli_parse_bytes(value, &config->max_body_bytes);
    case OPT_MAX_CONNECTIONS:
        *expected = "a number from 1 to 1000000";
        return mr_cli_parse_uint(value, 1, 1000000, &config->max_connections);
    case OPT_SHUTDOWN_TIMEOUT:
        *expected = "a number of seconds from 1 to 86400";
        return mr_cli_parse_uint(value, 1, 86400, &config->shutdown_timeout_s);
    case OPT_SHUTDOWN_DELAY:
        *expected = "a number of seconds from 0 to 3600";
        return mr_cli_parse_uint(value, 0, 3600, &config->shutdown_delay_s);
    case OPT_REUSE_PORT: config->shares_port = true; return true;
    case OPT_LOG_FORMAT:
        *expected = "text or json";
        config->log_format = strcmp(value, "json") == 0 ? MR_LOG_JSON : MR_LOG_TEXT;
        return config->log_format == MR_LOG_JSON || strcmp(value, "text") == 0;
    case OPT_NO_ACCESS_LOG: config->has_access_log = false; return true;
    case OPT_SERVER_TIMING: config->has_server_timing = true; return true;
    case OPT_ERROR_DETAIL:
        *expected = "full, brief or none";
        return set_error_detail(config, value);
    default:
        return mr_queue_options_set(&config->engine.options.python.queue, option, value,
                                    expected) &&
               mr_engine_args_set(&config->engine, option, value, expected);
    }
}

static int read_environment(struct config *config) {
    static const struct {
        const char *name;
        int option;
    } variables[] = {{"MLFLOW_HOST", 'h'},
                     {"MLFLOW_PORT", 'p'},
                     {"MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", 't'},
                     {"MLFLOW_MODELS_WORKERS", 'w'}};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        char *value = getenv(variables[i].name);
        if (!value || !*value) continue;
        const char *expected = "";
        if (!set_option(config, variables[i].option, value, &expected)) {
            return mr_cli_bad_value("serve", variables[i].name, expected, value);
        }
    }
    return 0;
}

static int read_config(int argc, char **argv, struct config *config) {
    static const char *const texts[] = {help, mr_engine_help, mr_queue_help, more_help, NULL};
    const struct mr_cli_syntax syntax = {.command = "serve",
                                         .letters = ":m:h:p:t:" MR_ENGINE_LETTERS,
                                         .options = options,
                                         .help = texts,
                                         .set = set_option};
    int code = read_environment(config);
    if (code == 0) code = mr_cli_read(&syntax, argc, argv, config);
    if (code) return code;
    return config->model_uri ? 0 : mr_cli_usage("serve", "a model is needed: -m MODEL");
}

static double ms_since(uint64_t start_ns) {
    return (double)(mr_clock_ns() - start_ns) * 1e-6;
}

/* Waits until the server is to end: for a signal, or for a model that cannot be loaded; or only
 * until the model is loaded.
 * signal_number  0: none came */
static mr_status wait_for(bool is_until_loaded, int signals, struct mr_loading *loading,
                          uint64_t start_ns, _Atomic double *load_seconds, int *signal_number,
                          struct mr_error *err) {
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = loading->fd, .events = POLLIN}};
    *signal_number = 0;
    for (;;) {
        if (poll(fds, 2, -1) < 0) continue;
        if (fds[1].revents) {
            MR_TRY(mr_loading_wait(loading, err));
            *load_seconds = ms_since(start_ns) * 1e-3;
            mr_log_info("the model is loaded (ready after %.1f ms)", *load_seconds * 1e3);
            if (is_until_loaded) return MR_OK;
        }
        struct signalfd_siginfo info;
        if (fds[0].revents && read(signals, &info, sizeof(info)) == sizeof(info)) {
            *signal_number = (int)info.ssi_signo;
            return MR_OK;
        }
    }
}

/* --- serving -----------------------------------------------------------------------------------
 */

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

static mr_status start_http(const struct config *config, struct mr_endpoints *endpoints,
                            unsigned n_threads, struct mr_http_server **server,
                            struct mr_error *err) {
    size_t n_routes;
    const struct mr_http_route *routes = mr_endpoints_routes(&n_routes);
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
        .routes = routes,
        .n_routes = n_routes,
        .observe = mr_endpoints_observe,
        .ctx = endpoints,
    };
    return mr_http_start(&http, server, err);
}

static void log_start(const struct config *config, const struct mr_model *model,
                      const struct mr_http_server *server, uint64_t start_ns) {
    const char *host = config->activation.n ? config->activation.host : config->host;
    const struct mr_engine *engine = &model->engine;
    bool is_native = mr_engine_is_native(engine);
    mr_log_info("model %s, engine %s: %s", model->path, engine->ops->name, engine->reason);
    if (!is_native && engine->refusals[0]) mr_log_info("not C: %s", engine->refusals);
    bool is_ipv6 = strchr(host, ':') != NULL;
    bool is_ready = mr_engine_state_of(engine) == MR_ENGINE_READY;
    mr_log_info("listening on http://%s%s%s:%u (%s %.1f ms)", is_ipv6 ? "[" : "", host,
                is_ipv6 ? "]" : "", mr_http_port(server),
                is_ready ? "ready in" : "loading the model since", ms_since(start_ns));
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
static void stop_http(const struct config *config, struct mr_endpoints *endpoints,
                      struct mr_http_server *server, int signal_number) {
    mr_engine_state state = mr_engine_state_of(&endpoints->model->engine);
    /* What waits for a model that is not there would wait in vain. */
    bool is_loaded = state == MR_ENGINE_READY || state == MR_ENGINE_DOWN;
    atomic_store(&endpoints->is_stopping, true);
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

/* Threads that decode and encode and, with a native engine, evaluate. */
static unsigned count_threads(const struct config *config, const struct mr_model *model) {
    bool is_native = mr_engine_is_native(&model->engine);
    unsigned long n_workers = is_native ? config->engine.n_workers : 0;
    return n_workers ? (unsigned)n_workers : mr_cpu_count();
}

/* Serves until a signal, or a model that cannot be loaded, says stop. */
static mr_status serve_until_end(const struct config *config, struct mr_endpoints *endpoints,
                                 int signals, struct mr_loading *loading, uint64_t start_ns,
                                 struct mr_error *err) {
    const struct mr_model *model = endpoints->model;
    struct mr_http_server *server;
    int signal_number = 0;
    /* A server that shares its port would get requests that the other one can answer already. */
    bool is_to_wait = config->shares_port && !mr_engine_is_native(&model->engine);
    if (is_to_wait)
        MR_TRY(wait_for(true, signals, loading, start_ns, endpoints->load_seconds, &signal_number,
                        err));
    if (signal_number) {
        mr_signals_take_next_literally();
        return MR_OK;
    }
    MR_TRY(start_http(config, endpoints, count_threads(config, model), &server, err));
    log_start(config, model, server, start_ns);
    mr_status status = wait_for(false, signals, loading, start_ns, endpoints->load_seconds,
                                &signal_number, err);
    stop_http(config, endpoints, server, signal_number);
    return status;
}

static mr_status start_observer(const struct config *config, struct mr_observer *observer,
                                struct mr_error *err) {
    size_t n_routes;
    const struct mr_http_route *routes = mr_endpoints_routes(&n_routes);
    return mr_observer_init(observer, routes, n_routes, config->has_access_log, err);
}

static mr_status serve_model(const struct config *config, const struct mr_model *model, int signals,
                             struct mr_loading *loading, uint64_t start_ns, struct mr_error *err) {
    struct mr_cost cost = {0};
    bool is_loaded = mr_engine_is_native(&model->engine);
    _Atomic double load_seconds = is_loaded ? ms_since(start_ns) * 1e-3 : 0;
    struct mr_endpoints endpoints = {.model = model,
                                     .encode = {.is_nan_literal = config->engine.is_nan_literal},
                                     .cost = &cost,
                                     .error_detail = config->error_detail,
                                     .has_server_timing = config->has_server_timing,
                                     .load_seconds = &load_seconds};
    MR_TRY(start_observer(config, &endpoints.observer, err));
    mr_status status = mr_compute_new(count_threads(config, model), &endpoints.compute, err);
    if (status == MR_OK) {
        status = serve_until_end(config, &endpoints, signals, loading, start_ns, err);
        mr_compute_free(endpoints.compute);
    }
    mr_observer_deinit(&endpoints.observer);
    return status;
}

static mr_status load_and_serve(struct config *config, int signals, struct mr_loading *loading,
                                struct mr_error *err) {
    uint64_t start_ns = mr_clock_ns();
    config->engine.options.python.timeout_ms = (unsigned)config->timeout_s * 1000;
    mr_engine_args_resolve(&config->engine);
    struct mr_model *model;
    MR_TRY(mr_model_load(config->model_uri, NULL, &config->engine.options, &model, err));
    mr_status status = serve_model(config, model, signals, loading, start_ns, err);
    mr_model_free(model);
    return status;
}

static int serve(struct config *config) {
    struct mr_error err = {0};
    struct mr_loading loading;
    mr_log_set_format(config->log_format);
    raise_descriptor_limit(config->max_connections);
    give_back_large_blocks();
    int signals = mr_signals_watch();
    mr_status status = signals >= 0 ? MR_OK
                                    : mr_fail(&err, MR_E_IO, "signalfd: %s", strerror(errno));
    if (status == MR_OK) status = mr_activation_read(&config->activation, &err);
    if (status == MR_OK) {
        status = mr_loading_init(&loading, &config->engine.options.python, &err);
    }
    if (status == MR_OK) {
        status = load_and_serve(config, signals, &loading, &err);
        mr_loading_deinit(&loading);
    }
    if (signals >= 0) close(signals);
    if (status == MR_OK) return 0;
    mr_log_error("%s", err.message);
    return MR_EXIT_FAILED;
}

int mr_cli_serve(int argc, char **argv) {
    struct config config = {.host = "127.0.0.1",
                            .port = 5000,
                            .timeout_s = 60,
                            .max_connections = 10000,
                            .max_body_bytes = (size_t)256 << 20,
                            .log_format = isatty(STDERR_FILENO) ? MR_LOG_TEXT : MR_LOG_JSON,
                            .has_access_log = true};
    if (!mr_engine_args_init(&config.engine, argc)) return MR_EXIT_FAILED;
    mr_queue_options_init(&config.engine.options.python.queue);
    int code = read_config(argc, argv, &config);
    if (code <= 0) code = code == MR_CLI_DONE ? 0 : serve(&config);
    mr_engine_args_deinit(&config.engine);
    return code;
}
