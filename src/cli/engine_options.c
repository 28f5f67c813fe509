#include "cli/engine_options.h"

#include <stdlib.h>
#include <string.h>

#include "store/python.h"

const char mr_engine_help[] =
    "      --engine NAME        native: C evaluates the model, or it is an error; python: Python\n"
    "                           does, as in MLflow; auto: C where it gives the same answers,\n"
    "                           else Python (auto)\n"
    "      --cache-size SIZE    how much of models that were downloaded is kept, such as 512M or\n"
    "                           20G; what is in use always is (MLRACE_CACHE_SIZE, else 10G).\n"
    "                           `mlrace cache` shows and removes them\n"
    "\n"
    "Options for models that Python evaluates:\n"
    "      --env-manager NAME   local: the Python that is there, MLRACE_PYTHON or python3;\n"
    "                           virtualenv, uv, conda: an environment made from the model's\n"
    "                           requirements, kept for the next time (local, but an error when\n"
    "                           that Python lacks what the model requires)\n"
    "      --no-conda           the same as --env-manager local\n"
    "      --install-mlflow     install MLflow in that environment, too\n"
    "  -r, --pip-requirements-override LIST\n"
    "                           packages such as x==1.0,y==2.0 to install over the model's own\n"
    "      --offline            make that environment without the network\n"
    "      --wheel-dir DIR      take packages from the wheels in this folder\n"
    "      --env KEY=VALUE      set an environment variable; may be given again\n";

bool mr_engine_args_init(struct mr_engine_args *args, int argc) {
    *args = (struct mr_engine_args){.store = {.has_progress = true, .uses_last_known = true}};
    args->variables = calloc((size_t)argc + 1, sizeof(*args->variables));
    args->options.python.variables = args->variables;
    return args->variables != NULL;
}

void mr_engine_args_deinit(struct mr_engine_args *args) {
    free(args->variables);
    free(args->pip_overrides);
    *args = (struct mr_engine_args){0};
}

static bool set_engine(struct mr_engine_options *options, const char *name) {
    static const char *const names[] = {[MR_ENGINE_AUTO] = "auto",
                                        [MR_ENGINE_NATIVE] = "native",
                                        [MR_ENGINE_PYTHON] = "python",
                                        NULL};
    int found = mr_cli_find_word(names, name);
    if (found != MR_CLI_NO_WORD) options->choice = (mr_engine_choice)found;
    return found != MR_CLI_NO_WORD;
}

static bool set_env_manager(struct mr_python_options *python, const char *name) {
    static const char *const names[] = {"local", "virtualenv", "uv", "conda", NULL};
    int found = mr_cli_find_word(names, name);
    if (found != MR_CLI_NO_WORD) python->env_manager = names[found];
    return found != MR_CLI_NO_WORD;
}

static bool set_cache_size(struct mr_store_options *store, const char *text) {
    size_t bytes;
    if (!mr_cli_parse_bytes(text, &bytes)) return false;
    store->max_cache_bytes = bytes;
    return true;
}

/* "x==1,y": of two lists the last counts, as in MLflow. */
static bool set_overrides(struct mr_engine_args *args, char *list) {
    size_t n = 1;
    for (const char *c = list; *c; c++) n += *c == ',';
    free(args->pip_overrides);
    args->pip_overrides = calloc(n, sizeof(*args->pip_overrides));
    args->options.python.pip_overrides = args->pip_overrides;
    args->options.python.n_pip_overrides = args->pip_overrides ? n : 0;
    for (size_t i = 0; i < args->options.python.n_pip_overrides; i++) {
        size_t size = strcspn(list, ",");
        if (size == 0) return false;
        args->pip_overrides[i] = list;
        list += size;
        if (*list) *list++ = '\0';
    }
    return args->pip_overrides != NULL;
}

bool mr_engine_args_set(struct mr_engine_args *args, int option, char *value,
                        const char **expected) {
    static const char *const nan_styles[] = {"null", "literal", NULL};
    struct mr_python_options *python = &args->options.python;
    switch (option) {
    case 'w':
        *expected = "a number from 1 to 1024";
        return mr_cli_parse_uint(value, 1, 1024, &args->n_workers);
    case 'r': *expected = "packages such as x==1.0,y==2.0"; return set_overrides(args, value);
    case MR_OPT_NAN:
        *expected = "null or literal";
        args->is_nan_literal = strcmp(value, "literal") == 0;
        return mr_cli_find_word(nan_styles, value) != MR_CLI_NO_WORD;
    case MR_OPT_ENGINE:
        *expected = "auto, native or python";
        return set_engine(&args->options, value);
    case MR_OPT_CACHE_SIZE:
        *expected = "bytes such as 1048576, 512M or 20G";
        return set_cache_size(&args->store, value);
    case MR_OPT_ENV_MANAGER:
        *expected = "local, virtualenv, uv or conda";
        return set_env_manager(python, value);
    case MR_OPT_NO_CONDA: return set_env_manager(python, "local");
    case MR_OPT_ENV:
        *expected = "KEY=VALUE";
        args->variables[python->n_variables++] = value;
        return strcspn(value, "=") > 0 && strchr(value, '=');
    case MR_OPT_INSTALL_MLFLOW: python->installs_mlflow = true; return true;
    case MR_OPT_OFFLINE: python->is_offline = true; return true;
    case MR_OPT_WHEEL_DIR: python->wheel_dir = value; return true;
    default: return true;
    }
}

void mr_engine_args_resolve(struct mr_engine_args *args) {
    struct mr_python_options *python = &args->options.python;
    python->n_workers = (unsigned)args->n_workers;
    python->is_nan_literal = args->is_nan_literal;
    python->interpreter = args->interpreter;
    python->package_path = args->package_path;
    mr_status status = mr_python_find_interpreter(args->interpreter, &args->problem);
    if (status == MR_OK) status = mr_python_find_package(args->package_path, &args->problem);
    python->problem = status == MR_OK ? NULL : args->problem.message;
}
