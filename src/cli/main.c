/* mlrace: serves MLflow models. This file only finds the command. */
#include <stdio.h>
#include <string.h>

#include "api/endpoints.h"
#include "cli/cli.h"

static const char help[] =
    "Usage: mlrace COMMAND [options]\n"
    "\n"
    "Serve models saved by MLflow: evaluated in C where that gives the same answers, else by "
    "Python\n"
    "processes.\n"
    "\n"
    "Commands:\n"
    "  serve        answer HTTP requests as `mlflow models serve` does\n"
    "  predict      score a file as `mlflow models predict` does\n"
    "  explain      show a model's signature, the engine chosen for it, and why\n"
    "  prepare-env  build the Python environment of a model ahead\n"
    "  cache        show and remove models that were downloaded\n"
    "\n"
    "`mlrace models serve` is the same as `mlrace serve`, and so on. `mlrace COMMAND --help` "
    "tells\n"
    "more.\n"
    "\n"
    "Examples:\n"
    "  mlrace serve -m examples/iris/model -p 5000\n"
    "  mlrace predict -m examples/iris/model -i rows.csv -o predictions.csv\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", mr_cli_serve},     {"predict", mr_cli_predict},
    {"explain", mr_cli_explain}, {"prepare-env", mr_cli_prepare_env},
    {"cache", mr_cli_cache},
};

int main(int argc, char **argv) {
    /* MLflow's spelling: `mlflow models serve ...`. */
    if (argc > 2 && strcmp(argv[1], "models") == 0) {
        argc--;
        argv++;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? MR_EXIT_USAGE : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("mlrace " MR_VERSION " (MLflow " MR_MLFLOW_VERSION " protocol)");
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "mlrace: unknown command '%s'\nTry 'mlrace --help'.\n", argv[1]);
    return MR_EXIT_USAGE;
}
