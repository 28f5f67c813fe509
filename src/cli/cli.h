/* The command line: arguments and environment -> one immutable config struct per command.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + n ended by signal n. */
#ifndef MR_CLI_CLI_H
#define MR_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define MR_EXIT_FAILED 1
#define MR_EXIT_USAGE 2

/* The commands. argv[0] is the command's own name. Each returns the exit code. */
int mr_cli_serve(int argc, char **argv);
int mr_cli_predict(int argc, char **argv);
int mr_cli_explain(int argc, char **argv);
int mr_cli_prepare_env(int argc, char **argv);
int mr_cli_cache(int argc, char **argv);

/* Print a usage error to standard error, with a pointer to `--help`; returns MR_EXIT_USAGE. */
int mr_cli_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print a failure to standard error; returns MR_EXIT_FAILED. */
int mr_cli_fail(const char *command, const struct mr_error *err);

/* Say that an option's value is not what it should be; returns MR_EXIT_USAGE.
 * name  as it was given: "-p", "--port=7", "MLFLOW_PORT" */
int mr_cli_bad_value(const char *command, const char *name, const char *expected,
                     const char *value);

/* What a command takes. */
struct mr_cli_syntax {
    const char *command;
    const char *letters;          /* for getopt_long, starting with ':' */
    const struct option *options; /* for getopt_long; with MR_CLI_HELP_OPTION */
    const char *const *help;      /* texts to print one after the other, NULL at the end */
    /* Take an option. false: *expected says what the value should have been. */
    bool (*set)(void *config, int option, char *value, const char **expected);
};

#define MR_OPT_HELP 256
#define MR_CLI_HELP_OPTION                                                                         \
    { "help", no_argument, NULL, MR_OPT_HELP }

/* Read a command line.
 * returns  0: go on; MR_CLI_DONE: help was asked for and printed; MR_EXIT_USAGE: the fault was
 *          printed */
#define MR_CLI_DONE (-1)
int mr_cli_read(const struct mr_cli_syntax *syntax, int argc, char **argv, void *config);

/* The place of a word in a list that ends with NULL. */
#define MR_CLI_NO_WORD (-1)
int mr_cli_find_word(const char *const *words, const char *word);

/* The help of -m, which every command that reads a model has. */
#define MR_CLI_MODEL_URI_HELP                                                                      \
    "  -m, --model-uri URI      folder of a model saved by MLflow, or its URI (required):\n"       \
    "                           runs:/RUN_ID/model, models:/NAME/VERSION, models:/NAME@ALIAS,\n"   \
    "                           models:/NAME/latest, models:/MODEL_ID and others that MLflow\n"    \
    "                           takes; MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI say where\n"    \
    "                           they are looked up (./mlruns, else sqlite:///mlflow.db)\n"

/* Values of options. Each returns false when the text is not such a value. */
bool mr_cli_parse_uint(const char *text, unsigned long min, unsigned long max, unsigned long *out);
bool mr_cli_parse_bytes(const char *text, size_t *out);     /* 1048576, 512K, 2G: powers of 1024 */
bool mr_cli_parse_ms(const char *text, unsigned long *out); /* 250ms, 30 or 30s, 5m, 2h */

#endif
