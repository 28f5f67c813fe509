/* Options of `mlrace serve` on calls that wait for Python: how many may, and which are sent to the
 * model together. */
#ifndef MR_CLI_QUEUE_OPTIONS_H
#define MR_CLI_QUEUE_OPTIONS_H

#include "engine/engine.h"

/* For the command's table of options. */
/* clang-format off */
#define MR_QUEUE_OPTIONS                                                                           \
    {"batch", no_argument, NULL, MR_OPT_BATCH},                                                    \
    {"no-batch", no_argument, NULL, MR_OPT_NO_BATCH},                                              \
    {"max-batch-rows", required_argument, NULL, MR_OPT_MAX_BATCH_ROWS},                            \
    {"max-batch-bytes", required_argument, NULL, MR_OPT_MAX_BATCH_BYTES},                          \
    {"max-batch-delay", required_argument, NULL, MR_OPT_MAX_BATCH_DELAY},                          \
    {"max-queue-delay", required_argument, NULL, MR_OPT_MAX_QUEUE_DELAY},                          \
    {"max-queue", required_argument, NULL, MR_OPT_MAX_QUEUE},                                      \
    {"max-queue-rows", required_argument, NULL, MR_OPT_MAX_QUEUE_ROWS},                            \
    {"max-queue-bytes", required_argument, NULL, MR_OPT_MAX_QUEUE_BYTES},                          \
    {"enable-mlserver", no_argument, NULL, MR_OPT_ENABLE_MLSERVER}
/* clang-format on */

/* Their part of the help. */
extern const char mr_queue_help[];

/* The limits that hold where none are given. */
void mr_queue_options_init(struct mr_queue_options *options);

/* Read one option; others are left alone.
 * expected  set when false is returned: what the value should have been */
bool mr_queue_options_set(struct mr_queue_options *options, int option, const char *value,
                          const char **expected);

#endif
