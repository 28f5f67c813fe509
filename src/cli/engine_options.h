/* Options that commands share: how many work, how answers are written, which engine evaluates the
 * model, the environment of one that Python evaluates, and what is kept of downloaded ones. */
#ifndef MR_CLI_ENGINE_OPTIONS_H
#define MR_CLI_ENGINE_OPTIONS_H

#include <limits.h>

#include "cli/cli.h"
#include "engine/engine.h"
#include "store/store.h"

struct mr_engine_args {
    unsigned long n_workers; /* 0: the CPU limit */
    bool is_nan_literal;
    struct mr_engine_options options; /* strings are argv's, or those below */
    struct mr_store_options store;
    const char **variables;
    const char **pip_overrides;
    struct mr_error problem;
    char interpreter[PATH_MAX];
    char package_path[PATH_MAX];
};

/* Values of getopt_long for options without a letter; a command's own start at MR_OPT_OWN. */
enum {
    MR_OPT_NAN = MR_OPT_HELP + 1,
    MR_OPT_CACHE_SIZE,
    MR_OPT_ENGINE,
    MR_OPT_ENV_MANAGER,
    MR_OPT_NO_CONDA,
    MR_OPT_ENV,
    MR_OPT_INSTALL_MLFLOW,
    MR_OPT_OFFLINE,
    MR_OPT_WHEEL_DIR,
    MR_OPT_BATCH, /* queue_options.h; so are all up to MR_OPT_ENABLE_MLSERVER */
    MR_OPT_NO_BATCH,
    MR_OPT_MAX_BATCH_ROWS,
    MR_OPT_MAX_BATCH_BYTES,
    MR_OPT_MAX_BATCH_DELAY,
    MR_OPT_MAX_QUEUE_DELAY,
    MR_OPT_MAX_QUEUE,
    MR_OPT_MAX_QUEUE_ROWS,
    MR_OPT_MAX_QUEUE_BYTES,
    MR_OPT_ENABLE_MLSERVER,
    MR_OPT_OWN
};

/* For a command's table of options, and its string of letters. */
/* clang-format off */
#define MR_ENGINE_OPTIONS                                                                          \
    {"workers", required_argument, NULL, 'w'},                                                     \
    {"nan", required_argument, NULL, MR_OPT_NAN},                                                  \
    {"engine", required_argument, NULL, MR_OPT_ENGINE},                                            \
    {"cache-size", required_argument, NULL, MR_OPT_CACHE_SIZE},                                    \
    {"env-manager", required_argument, NULL, MR_OPT_ENV_MANAGER},                                  \
    {"no-conda", no_argument, NULL, MR_OPT_NO_CONDA},                                              \
    {"env", required_argument, NULL, MR_OPT_ENV},                                                  \
    {"install-mlflow", no_argument, NULL, MR_OPT_INSTALL_MLFLOW},                                  \
    {"pip-requirements-override", required_argument, NULL, 'r'},                                   \
    {"offline", no_argument, NULL, MR_OPT_OFFLINE},                                                \
    {"wheel-dir", required_argument, NULL, MR_OPT_WHEEL_DIR}
/* clang-format on */
#define MR_ENGINE_LETTERS "w:r:"

/* Their part of a command's help, but for -w and --nan. */
extern const char mr_engine_help[];

/* No options yet, for a command line of argc arguments. false: no memory */
bool mr_engine_args_init(struct mr_engine_args *args, int argc);
void mr_engine_args_deinit(struct mr_engine_args *args); /* zeroed is allowed */

/* Read one option.
 * value     kept; the list of 'r' is cut up in place
 * expected  set when false is returned: what the value should have been */
bool mr_engine_args_set(struct mr_engine_args *args, int option, char *value,
                        const char **expected);

/* All options were read: fill in what the Python engine needs, but for timeout and `loaded`. */
void mr_engine_args_resolve(struct mr_engine_args *args);

#endif
