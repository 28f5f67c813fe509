/* A file that is there whole or not at all: written under another name beside its place, renamed
 * when it is complete. At most one at a time, since a signal that ends the program removes it. */
#ifndef MR_CLI_OUTPUT_FILE_H
#define MR_CLI_OUTPUT_FILE_H

#include <stdbool.h>

#include "base/status.h"

struct mr_output_file {
    int fd;
    char *target; /* where it goes; NULL: written in place (a pipe, a device, standard output) */
};

/* Start. path: NULL or "-" is standard output. MR_E_IO with path and reason */
MR_MUST_CHECK mr_status mr_output_open(const char *path, struct mr_output_file *out,
                                       struct mr_error *err);

/* All is written: put it in its place. MR_E_IO */
MR_MUST_CHECK mr_status mr_output_commit(struct mr_output_file *out, struct mr_error *err);

/* Something went wrong: leave nothing behind. */
void mr_output_abandon(struct mr_output_file *out);

#endif
