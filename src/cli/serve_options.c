#include "cli/serve_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/model_file.h"
#include "cli/queue_options.h"
#include "cli/traffic_options.h"

#define DEFAULT_WATCH_MS 30000

static const char help[] =
    "Usage: mlrace serve -m MODEL [options]\n"
    "\n"
    "Serve a model saved by MLflow over HTTP, with the answers of `mlflow models serve`.\n"
    "\n"
    "Options (environment variable, default):\n" MR_CLI_MODEL_URI_HELP
    "                           several models: -m NAME=URI for each\n"
    "      --models PATH        a folder whose folders are models, or a YAML file that lists\n"
    "                           models with name, uri and options of their own\n"
    "      --split NAME=N,...   /invocations is answered by these models, each for its share of\n"
    "                           requests; the same X-Request-Id leads to the same model\n"
    "      --shadow NAME        this model is asked what /invocations is asked, when the answer\n"
    "                           is on its way, to see in /metrics whether it answers the same;\n"
    "                           but for what is larger than 512K\n"
    "  -h, --host HOST          address to listen on (MLFLOW_HOST, 127.0.0.1)\n"
    "  -p, --port PORT          port to listen on, 0 picks a free one (MLFLOW_PORT, 5000)\n"
    "  -t, --timeout SECONDS    time for a request to arrive whole, for the model to answer it or\n"
    "                           to add to a stream (MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT, 60)\n"
    "  -w, --workers N          Python processes; of a model that C evaluates, threads, which\n"
    "                           share one copy of it: N for connections and small requests,\n"
    "                           N + 1 for large ones (MLFLOW_MODELS_WORKERS, the CPU limit)\n"
    "      --max-body SIZE      largest request body, such as 512K, 100M, 2G (256M)\n"
    "      --watch[=TIME]       look every 30s, or 5s, 10m ..., whether the model's URI means\n"
    "                           another model now, or its files have changed: that is loaded\n"
    "                           beside the one that serves and takes its place, if it can be\n"
    "                           loaded and answers its own input example\n"
    "      --enable-reload      the same when asked to: POST /reload\n"
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
    "Endpoints: POST /invocations, GET /ping, /health, /readyz, /livez, /version, /metrics,\n"
    "/models; of several models POST /models/NAME/invocations, GET /models/NAME/ping: then\n"
    "/invocations is of the first, and the server is ready when all are. /ping,\n"
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
    "  mlrace serve -m champion=models:/iris@champion -m other=./model --watch=30s\n"
    "  mlrace serve -m old=./a -m new=./b --split old=90,new=10\n"
    "  mlrace serve -m old=./a -m new=./b --shadow new\n"
    "  mlrace serve -m ./model --engine python --env-manager uv -w 4 --env OMP_NUM_THREADS=1\n"
    "  curl http://127.0.0.1:5000/invocations -H 'Content-Type: application/json' \\\n"
    "       -d '{\"dataframe_records\": [{\"a\": 1.5, \"b\": 2.5}]}'\n";

enum {
    OPT_MAX_BODY = MR_OPT_OWN,
    OPT_MAX_CONNECTIONS,
    OPT_SHUTDOWN_TIMEOUT,
    OPT_SHUTDOWN_DELAY,
    OPT_REUSE_PORT,
    OPT_LOG_FORMAT,
    OPT_NO_ACCESS_LOG,
    OPT_SERVER_TIMING,
    OPT_ERROR_DETAIL,
    OPT_WATCH,
    OPT_ENABLE_RELOAD,
    OPT_MODELS,
    OPT_SPLIT,
    OPT_SHADOW
};

static const struct option options[] = {
    {"model-uri", required_argument, NULL, 'm'},
    {"split", required_argument, NULL, OPT_SPLIT},
    {"shadow", required_argument, NULL, OPT_SHADOW},
    {"models", required_argument, NULL, OPT_MODELS},
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
    {"watch", optional_argument, NULL, OPT_WATCH},
    {"enable-reload", no_argument, NULL, OPT_ENABLE_RELOAD},
    MR_ENGINE_OPTIONS,
    MR_QUEUE_OPTIONS,
    MR_CLI_HELP_OPTION,
    {0}};

static bool set_error_detail(struct mr_serve_config *config, const char *name) {
    static const char *const names[] = {
        [MR_ERROR_BRIEF] = "brief", [MR_ERROR_FULL] = "full", [MR_ERROR_NONE] = "none", NULL};
    int found = mr_cli_find_word(names, name);
    if (found == MR_CLI_NO_WORD) return false;
    config->error_detail = (mr_error_detail)found;
    config->engine.options.python.has_stack_traces = found == MR_ERROR_FULL;
    return true;
}

static bool set_watch(struct mr_serve_config *config, const char *value) {
    unsigned long ms = DEFAULT_WATCH_MS;
    if (value && !mr_cli_parse_ms(value, &ms)) return false;
    config->watch_ms = (unsigned)ms;
    return ms >= 100 && ms <= 24 * 3600 * 1000;
}

/* Where more than one would leave it open which counts. */
static bool is_only(const char *before, const char **expected) {
    *expected = "one such option, not two";
    return !before;
}

static bool set_option(void *to, int option, char *value, const char **expected) {
    struct mr_serve_config *config = to;
    switch (option) {
    case 'm': return mr_model_list_add(&config->models, value, expected);
    case OPT_SPLIT:
        if (!is_only(config->split_text, expected)) return false;
        config->split_text = value;
        return true;
    case OPT_SHADOW:
        if (!is_only(config->shadow_name, expected)) return false;
        config->shadow_name = value;
        return true;
    case OPT_MODELS:
        if (!is_only(config->models_path, expected)) return false;
        config->models_path = value;
        return true;
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
    case OPT_WATCH:
        *expected = "a time from 100ms to 24h, such as 30s or 5m";
        return set_watch(config, value);
    case OPT_ENABLE_RELOAD: config->is_reloadable = true; return true;
    default:
        return mr_queue_options_set(&config->engine.options.python.queue, option, value,
                                    expected) &&
               mr_engine_args_set(&config->engine, option, value, expected);
    }
}

static int read_environment(struct mr_serve_config *config) {
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

static int read_config(int argc, char **argv, struct mr_serve_config *config) {
    static const char *const texts[] = {help, mr_engine_help, mr_queue_help, more_help, NULL};
    const struct mr_cli_syntax syntax = {.command = "serve",
                                         .letters = ":m:h:p:t:" MR_ENGINE_LETTERS,
                                         .options = options,
                                         .help = texts,
                                         .set = set_option};
    int code = read_environment(config);
    if (code == 0) code = mr_cli_read(&syntax, argc, argv, config);
    if (code) return code;
    struct mr_error err = {0};
    mr_status status = MR_OK;
    if (config->models_path) {
        status = mr_model_file_read(config->models_path, &config->models, &err);
    }
    if (status == MR_OK) status = mr_model_list_check(&config->models, &err);
    if (status == MR_OK) status = mr_traffic_read(config, &err);
    if (status == MR_OK) return 0;
    return mr_cli_usage("serve", "%s", err.message);
}

int mr_serve_options_read(int argc, char **argv, struct mr_serve_config *config) {
    *config = (struct mr_serve_config){.host = "127.0.0.1",
                                       .port = 5000,
                                       .timeout_s = 60,
                                       .max_connections = 10000,
                                       .max_body_bytes = (size_t)256 << 20,
                                       .log_format = isatty(STDERR_FILENO) ? MR_LOG_TEXT
                                                                           : MR_LOG_JSON,
                                       .has_access_log = true};
    if (!mr_engine_args_init(&config->engine, argc)) return MR_EXIT_FAILED;
    if (!mr_model_list_init(&config->models)) return MR_EXIT_FAILED;
    mr_queue_options_init(&config->engine.options.python.queue);
    return read_config(argc, argv, config);
}

void mr_serve_options_deinit(struct mr_serve_config *config) {
    mr_model_list_deinit(&config->models);
    mr_engine_args_deinit(&config->engine);
}
