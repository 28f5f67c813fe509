/* `mlrace prepare-env`: build the Python environment of a model ahead. Python does it
 * (python/mlrace/environment.py), in this process's place: so its output and exit code are this
 * command's, and signals reach it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/endpoints.h"
#include "cli/cli.h"
#include "cli/engine_options.h"
#include "engine/pyproc/command.h"
#include "model/model.h"
#include "store/python.h"

static const char help[] =
    "Usage: mlrace prepare-env -m MODEL [options]\n"
    "\n"
    "Build the Python environment that a model asks for (python_env.yaml, requirements.txt or\n"
    "conda.yaml), so that `mlrace serve` with the same --env-manager starts at once and needs no\n"
    "network. An environment is built once for each set of requirements; the path of its\n"
    "interpreter goes to standard output.\n"
    "\n"
    "Options (default):\n" MR_CLI_MODEL_URI_HELP
    "      --env-manager NAME   uv; virtualenv: uv if it is installed, else venv and pip, for\n"
    "                           which the right Python must be installed; conda: also mamba and\n"
    "                           micromamba (uv if it is installed, else virtualenv)\n"
    "      --offline            use no network: packages come from --wheel-dir and uv's cache\n"
    "      --wheel-dir DIR      a folder of packages to take from, such as `pip download` fills\n"
    "      --install-mlflow     also install MLflow " MR_MLFLOW_VERSION "\n"
    "  -r, --pip-requirements-override LIST\n"
    "                           packages to install at the end, such as x==1.0,y==2.0\n"
    "      --help               this page\n"
    "\n"
    "Environment variables: MLRACE_PYTHON, the interpreter that does it (python3); MLRACE_HOME,\n"
    "under which envs/ holds the environments (~/.cache/mlrace), each of which may be removed;\n"
    "PIP_INDEX_URL, UV_INDEX_URL, HTTPS_PROXY and all others of pip, uv and conda.\n"
    "Exit code: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  mlrace prepare-env -m ./model && mlrace serve -m ./model --env-manager uv\n"
    "  pip download -r model/requirements.txt -d wheels    # where there is a network\n"
    "  mlrace prepare-env -m ./model --offline --wheel-dir wheels\n";

static const struct option options[] = {
    {"model-uri", required_argument, NULL, 'm'},
    {"env-manager", required_argument, NULL, MR_OPT_ENV_MANAGER},
    {"install-mlflow", no_argument, NULL, MR_OPT_INSTALL_MLFLOW},
    {"offline", no_argument, NULL, MR_OPT_OFFLINE},
    {"wheel-dir", required_argument, NULL, MR_OPT_WHEEL_DIR},
    {"pip-requirements-override", required_argument, NULL, 'r'},
    MR_CLI_HELP_OPTION,
    {0}};

struct config {
    const char *model_uri;
    struct mr_engine_args engine;
};

static bool set_option(void *to, int option, char *value, const char **expected) {
    struct config *config = to;
    if (option == 'm') {
        config->model_uri = value;
        return true;
    }
    bool is_good = mr_engine_args_set(&config->engine, option, value, expected);
    if (option != MR_OPT_ENV_MANAGER) return is_good;
    /* PyFuncBackend.prepare_env refuses local, too: there is nothing to build. */
    *expected = "virtualenv, uv or conda";
    return is_good && strcmp(value, "local") != 0;
}

static int read_config(int argc, char **argv, struct config *config) {
    static const char *const texts[] = {help, NULL};
    const struct mr_cli_syntax syntax = {.command = "prepare-env",
                                         .letters = ":m:r:",
                                         .options = options,
                                         .help = texts,
                                         .set = set_option};
    int code = mr_cli_read(&syntax, argc, argv, config);
    if (code) return code;
    return config->model_uri ? 0 : mr_cli_usage("prepare-env", "a model is needed: -m MODEL");
}

/* Becomes Python; returns only when that fails. */
static mr_status become_python(const struct mr_model *model, const struct config *config,
                               struct mr_error *err) {
    char interpreter[PATH_MAX], package[PATH_MAX];
    MR_TRY(mr_python_find_interpreter(interpreter, err));
    MR_TRY(mr_python_find_package(package, err));
    struct mr_python_options python = config->engine.options.python;
    python.interpreter = interpreter;
    python.package_path = package;
    struct mr_command command;
    MR_TRY(mr_command_init_prepare(&python, model->path, model->arena, &command, err));
    execve(interpreter, command.argv, command.envp);
    return mr_fail(err, MR_E_IO, "cannot start %s: %s", interpreter, strerror(errno));
}

static int prepare(const struct config *config) {
    struct mr_error err = {0};
    struct mr_model *model = NULL;
    if (mr_model_read(config->model_uri, &config->engine.store, &model, &err) == MR_OK) {
        /* It returns a failure or not at all. */
        mr_status status = become_python(model, config, &err);
        (void)status;
    }
    mr_model_free(model);
    return mr_cli_fail("prepare-env", &err);
}

int mr_cli_prepare_env(int argc, char **argv) {
    struct config config = {0};
    if (!mr_engine_args_init(&config.engine, argc)) return MR_EXIT_FAILED;
    int code = read_config(argc, argv, &config);
    code = code == 0 ? prepare(&config) : code == MR_CLI_DONE ? 0 : code;
    mr_engine_args_deinit(&config.engine);
    return code;
}
