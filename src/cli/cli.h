/* The command line: arguments and environment -> one immutable config struct per command.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + n ended by signal n. */
#ifndef MR_CLI_CLI_H
#define MR_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#define MR_EXIT_FAILED 1
#define MR_EXIT_USAGE 2

/* The commands. argv[0] is the command's own name. Each returns the exit code. */
int mr_cli_serve(int argc, char **argv);
int mr_cli_predict(int argc, char **argv);
int mr_cli_explain(int argc, char **argv);
int mr_cli_prepare_env(int argc, char **argv);

/* Print a usage error to standard error, with a pointer to `--help`; returns MR_EXIT_USAGE. */
int mr_cli_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Say what getopt_long found wrong with argv (it returned '?' or ':'); returns MR_EXIT_USAGE. */
int mr_cli_bad_option(const char *command, int argc, char **argv, int result);

/* Say that an option's value is not what it should be; returns MR_EXIT_USAGE.
 * name  as it was given: "-p", "--port=7", "MLFLOW_PORT" */
int mr_cli_bad_value(const char *command, const char *name, const char *expected,
                     const char *value);

/* The option that getopt_long has just returned, as it was given. */
const char *mr_cli_option_name(char **argv);

/* The place of a word in a list that ends with NULL. */
#define MR_CLI_NO_WORD (-1)
int mr_cli_find_word(const char *const *words, const char *word);

/* Values of options. Each returns false when the text is not such a value. */
bool mr_cli_parse_uint(const char *text, unsigned long min, unsigned long max, unsigned long *out);
bool mr_cli_parse_bytes(const char *text, size_t *out); /* 1048576, 512K, 2G: powers of 1024 */

#endif
