/* `mlrace explain`: the model's signature, the engine chosen for it, and why. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "model/model.h"

static const char help[] =
    "Usage: mlrace explain -m MODEL\n"
    "\n"
    "Show what a model expects and which engine evaluates it, and why.\n"
    "\n"
    "Options:\n"
    "  -m, --model-uri URI   folder of a model saved by MLflow, or file:// URI (required)\n"
    "      --help            this page\n"
    "\n"
    "Exit code: 0 when an engine can evaluate the model, 1 otherwise.\n"
    "\n"
    "Example:\n"
    "  mlrace explain -m examples/iris/model\n";

static int explain(const char *uri) {
    struct mr_error err = {0};
    struct mr_model *model;
    if (mr_model_read(uri, &model, &err) != MR_OK) {
        fprintf(stderr, "mlrace explain: %s\n", err.message);
        return MR_EXIT_FAILED;
    }
    mr_status status = mr_model_find_engine(model, NULL, &err);
    if (status == MR_OK) status = mr_model_load_engine(model, &err);
    struct mr_buf text;
    mr_buf_init(&text, model->arena);
    mr_model_describe(model, &text);
    if (status != MR_OK) mr_buf_format(&text, "engine:   none: %s\n", err.message);
    fwrite(text.data, 1, text.size, stdout);
    mr_model_free(model);
    return status == MR_OK ? 0 : MR_EXIT_FAILED;
}

int mr_cli_explain(int argc, char **argv) {
    static const struct option options[] = {
        {"model-uri", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'H'}, {0}};
    const char *uri = NULL;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":m:", options, NULL)) != -1;) {
        switch (c) {
        case 'm': uri = optarg; break;
        case 'H': fputs(help, stdout); return 0;
        default: return mr_cli_bad_option("explain", argc, argv, c);
        }
    }
    if (optind < argc) return mr_cli_usage("explain", "unexpected argument '%s'", argv[optind]);
    if (!uri) return mr_cli_usage("explain", "a model is needed: -m MODEL");
    return explain(uri);
}
