/* `mlrace explain`: the model's signature, the engine chosen for it, and why. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/engine_options.h"
#include "model/model.h"

static const char help[] =
    "Usage: mlrace explain -m MODEL [options]\n"
    "\n"
    "Show what a model expects, which engine evaluates it, why, and why not a faster one; of a\n"
    "URI, what it means now: store, version, run, and where the files are.\n"
    "\n"
    "Options:\n" MR_CLI_MODEL_URI_HELP;

static const char more_help[] =
    "      --help               this page\n"
    "\n"
    "-w and --nan are accepted, too: the options of `mlrace serve` explain what it would do.\n"
    "Exit code: 0 when an engine can evaluate the model, 1 otherwise.\n"
    "\n"
    "Examples:\n"
    "  mlrace explain -m examples/iris/model\n"
    "  mlrace explain -m ./model --engine native\n"
    "  MLFLOW_TRACKING_URI=http://127.0.0.1:5000 mlrace explain -m models:/iris@champion\n";

struct config {
    const char *model_uri;
    struct mr_engine_args engine;
};

/* A model that Python evaluates is not loaded: that may take minutes, and an environment. */
static mr_status describe(struct mr_model *model, const struct mr_engine_options *options,
                          struct mr_buf *text, struct mr_error *err) {
    mr_status status = mr_model_find_engine(model, options, err);
    bool is_native = status == MR_OK && mr_engine_is_native(&model->engine);
    if (is_native) status = mr_model_load_engine(model, err);
    mr_model_describe(model, text);
    if (status != MR_OK) mr_buf_format(text, "engine:   none: %s\n", err->message);
    if (status == MR_OK && !is_native) {
        mr_buf_format(text, "python:   %s\n", options->python.interpreter);
    }
    return status;
}

static int explain(struct config *config) {
    struct mr_error err = {0};
    struct mr_model *model = NULL;
    mr_engine_args_resolve(&config->engine);
    if (mr_model_read(config->model_uri, &config->engine.store, &model, &err) != MR_OK) {
        return mr_cli_fail("explain", &err);
    }
    struct mr_buf text;
    mr_buf_init(&text, model->arena);
    mr_status status = describe(model, &config->engine.options, &text, &err);
    fwrite(text.data, 1, text.size, stdout);
    mr_model_free(model);
    return status == MR_OK ? 0 : MR_EXIT_FAILED;
}

static bool set_option(void *to, int option, char *value, const char **expected) {
    struct config *config = to;
    if (option != 'm') return mr_engine_args_set(&config->engine, option, value, expected);
    config->model_uri = value;
    return true;
}

static int read_config(int argc, char **argv, struct config *config) {
    static const struct option options[] = {
        {"model-uri", required_argument, NULL, 'm'}, MR_ENGINE_OPTIONS, MR_CLI_HELP_OPTION, {0}};
    static const char *const texts[] = {help, mr_engine_help, more_help, NULL};
    const struct mr_cli_syntax syntax = {.command = "explain",
                                         .letters = ":m:" MR_ENGINE_LETTERS,
                                         .options = options,
                                         .help = texts,
                                         .set = set_option};
    int code = mr_cli_read(&syntax, argc, argv, config);
    if (code) return code;
    return config->model_uri ? 0 : mr_cli_usage("explain", "a model is needed: -m MODEL");
}

int mr_cli_explain(int argc, char **argv) {
    struct config config = {0};
    if (!mr_engine_args_init(&config.engine, argc)) return MR_EXIT_FAILED;
    int code = read_config(argc, argv, &config);
    code = code == 0 ? explain(&config) : code == MR_CLI_DONE ? 0 : code;
    mr_engine_args_deinit(&config.engine);
    return code;
}
