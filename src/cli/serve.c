/* `mlrace serve`: load a model, listen, answer until a signal says stop. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/endpoints.h"
#include "base/cpu.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/engine_options.h"

static const char help[] =
    "Usage: mlrace serve -m MODEL [options]\n"
    "\n"
    "Serve a model saved by MLflow over HTTP, with the answers of `mlflow models serve`.\n"
    "\n"
    "Options (environment variable, default):\n"
    "  -m, --model-uri URI      folder of a model saved by MLflow, or file:// URI (required)\n"
    "  -h, --host HOST          address to listen on (MLFLOW_HOST, 127.0.0.1)\n"
    "  -p, --port PORT          port to listen on, 0 picks a free one (MLFLOW_PORT, 5000)\n"
    "  -t, --timeout SECONDS    time for a request to arrive whole, and for requests under way\n"
    "                           to finish at shutdown\n"
    "                           (MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT, 60)\n"
    "  -w, --workers N          I/O threads; all share one copy of the model\n"
    "                           (MLFLOW_MODELS_WORKERS, the CPU limit)\n"
    "      --max-body SIZE      largest request body, such as 512K, 100M, 2G (256M)\n"
    "      --nan null|literal   how NaN and infinities are written: null, or the bare words\n"
    "                           that MLflow writes, which are not JSON (null)\n";

static const char more_help[] =
    "      --help               this page\n"
    "\n"
    "Endpoints: POST /invocations, GET /ping, /health, /version.\n"
    "SIGTERM and SIGINT let requests under way finish; a second one ends at once.\n"
    "\n"
    "Examples:\n"
    "  mlrace serve -m examples/iris/model\n"
    "  mlrace serve -m ./model -h 0.0.0.0 -p 8080 --max-body 1G\n"
    "  curl http://127.0.0.1:5000/invocations -H 'Content-Type: application/json' \\\n"
    "       -d '{\"dataframe_records\": [{\"a\": 1.5, \"b\": 2.5}]}'\n";

#define MAX_CONNECTIONS 10000

struct config {
    const char *model_uri;
    const char *host;
    unsigned long port;
    unsigned long timeout_s;
    size_t max_body_bytes;
    struct mr_engine_args engine;
};

enum { OPT_MAX_BODY = MR_OPT_OWN, OPT_HELP };

static const struct option options[] = {{"model-uri", required_argument, NULL, 'm'},
                                        {"host", required_argument, NULL, 'h'},
                                        {"port", required_argument, NULL, 'p'},
                                        {"timeout", required_argument, NULL, 't'},
                                        {"max-body", required_argument, NULL, OPT_MAX_BODY},
                                        MR_ENGINE_OPTIONS,
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {0}};

/* Reads one option, be it from the command line or the environment; 0, or an exit code. */
static int set_option(struct config *config, int option, char *value, const char *name) {
    bool is_good = true;
    const char *expected = "";
    switch (option) {
    case 'm': config->model_uri = value; break;
    case 'h': config->host = value; break;
    case 'p':
        is_good = mr_cli_parse_uint(value, 0, 65535, &config->port);
        expected = "a number from 0 to 65535";
        break;
    case 't':
        is_good = mr_cli_parse_uint(value, 1, 86400, &config->timeout_s);
        expected = "a number of seconds from 1 to 86400";
        break;
    case OPT_MAX_BODY:
        is_good = mr_cli_parse_bytes(value, &config->max_body_bytes);
        expected = "a size such as 512K, 100M or 2G";
        break;
    default: is_good = mr_engine_args_set(&config->engine, option, value, &expected);
    }
    return is_good ? 0 : mr_cli_bad_value("serve", name, expected, value);
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
        int code = set_option(config, variables[i].option, value, variables[i].name);
        if (code) return code;
    }
    return 0;
}

/* 0: go on with *config; -1: help was printed; else an exit code. */
static int read_config(int argc, char **argv, struct config *config) {
    int code = read_environment(config);
    if (code) return code;
    opterr = 0;
    for (int c;
         (c = getopt_long(argc, argv, ":m:h:p:t:" MR_ENGINE_LETTERS, options, NULL)) != -1;) {
        if (c == '?' || c == ':') return mr_cli_bad_option("serve", argc, argv, c);
        if (c == OPT_HELP) {
            fputs(help, stdout);
            fputs(mr_engine_help, stdout);
            fputs(more_help, stdout);
            return -1;
        }
        code = set_option(config, c, optarg, mr_cli_option_name(argv));
        if (code) return code;
    }
    if (optind < argc) return mr_cli_usage("serve", "unexpected argument '%s'", argv[optind]);
    if (!config->model_uri) return mr_cli_usage("serve", "a model is needed: -m MODEL");
    return 0;
}

static void end_at_once(int signal_number) {
    _exit(128 + signal_number);
}

/* Waits for SIGTERM or SIGINT, which every thread blocks. Afterwards a second one ends the process
 * at once; by a handler, since as PID 1 the default action would be to ignore it. */
static int wait_for_signal(const sigset_t *set) {
    int signal_number = 0;
    while (sigwait(set, &signal_number) != 0) continue;
    struct sigaction action = {.sa_handler = end_at_once};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
    return signal_number;
}

/* Each connection is a descriptor, and shells still give 1024. Where the hard limit is lower than
 * wanted, the acceptor waits for connections to close. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= MAX_CONNECTIONS + 100) return;
    limit.rlim_cur = limit.rlim_max < MAX_CONNECTIONS + 100 ? limit.rlim_max
                                                            : MAX_CONNECTIONS + 100;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* glibc learns to keep large blocks after the first one is freed; a server would never again give
 * back what one large request took. */
static void give_back_large_blocks(void) {
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

static mr_status start_http(const struct config *config, struct mr_endpoints *endpoints,
                            struct mr_http_server **server, struct mr_error *err) {
    size_t n_routes;
    const struct mr_http_route *routes = mr_endpoints_routes(&n_routes);
    unsigned timeout_ms = (unsigned)config->timeout_s * 1000;
    unsigned long n_workers = config->engine.n_workers;
    unsigned n_threads = n_workers ? (unsigned)n_workers : mr_cpu_count();
    const struct mr_http_options http = {
        .host = config->host,
        .port = (uint16_t)config->port,
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
        .max_connections = MAX_CONNECTIONS,
        .server_header = "mlrace/" MR_VERSION,
        .routes = routes,
        .n_routes = n_routes,
        .ctx = endpoints,
    };
    return mr_http_start(&http, server, err);
}

static int serve(const struct config *config) {
    struct timespec start, ready;
    clock_gettime(CLOCK_MONOTONIC, &start);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a log that nobody reads must not end the server */
    raise_descriptor_limit();
    give_back_large_blocks();

    struct mr_error err = {0};
    struct mr_model *model;
    if (mr_model_load(config->model_uri, NULL, &model, &err) != MR_OK) {
        mr_log_error("%s", err.message);
        return MR_EXIT_FAILED;
    }
    struct mr_endpoints endpoints = {.model = model,
                                     .encode = {.is_nan_literal = config->engine.is_nan_literal}};
    struct mr_http_server *server;
    if (start_http(config, &endpoints, &server, &err) != MR_OK) {
        mr_log_error("%s", err.message);
        mr_model_free(model);
        return MR_EXIT_FAILED;
    }
    clock_gettime(CLOCK_MONOTONIC, &ready);
    double ms = (double)(ready.tv_sec - start.tv_sec) * 1e3 +
                (double)(ready.tv_nsec - start.tv_nsec) * 1e-6;
    bool is_ipv6 = strchr(config->host, ':') != NULL;
    mr_log_info("model %s, engine %s: %s", model->path, model->engine.ops->name,
                model->engine.reason);
    mr_log_info("listening on http://%s%s%s:%u (ready in %.1f ms)", is_ipv6 ? "[" : "",
                config->host, is_ipv6 ? "]" : "", mr_http_port(server), ms);

    int signal_number = wait_for_signal(&set);
    mr_log_info("%s: finishing requests under way", strsignal(signal_number));
    mr_http_stop(server, (unsigned)config->timeout_s * 1000);
    mr_model_free(model);
    return 0;
}

int mr_cli_serve(int argc, char **argv) {
    struct config config = {
        .host = "127.0.0.1", .port = 5000, .timeout_s = 60, .max_body_bytes = (size_t)256 << 20};
    if (!mr_engine_args_init(&config.engine, argc)) return MR_EXIT_FAILED;
    int code = read_config(argc, argv, &config);
    if (code <= 0) code = code < 0 ? 0 : serve(&config);
    mr_engine_args_deinit(&config.engine);
    return code;
}
