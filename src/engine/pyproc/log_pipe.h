/* What a Python process prints: lines of a pipe that go to the log, each with a tag that says whose
 * it is.
 *
 * Never waits and never grows: a line that is too long is cut, and lines are dropped, counted,
 * where nobody reads the log. */
#ifndef MR_ENGINE_PYPROC_LOG_PIPE_H
#define MR_ENGINE_PYPROC_LOG_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MR_LOG_PIPE_MAX_LINE_BYTES ((size_t)1000)

struct mr_log_pipe {
    int fd;       /* our end; -1: closed */
    char tag[48]; /* "worker 3 (pid 123)" */
    char line[MR_LOG_PIPE_MAX_LINE_BYTES];
    size_t size;        /* bytes of line */
    bool is_cut;        /* the rest of the line is skipped */
    bool is_returned;   /* its last byte was a carriage return */
    uint64_t n_dropped; /* lines since the last one that was logged */
};

/* A pipe; *theirs is the end to write to, the caller's.
 * returns  MR_OK; MR_E_IO, then nothing is open */
MR_MUST_CHECK mr_status mr_log_pipe_init(struct mr_log_pipe *pipe, int *theirs,
                                         struct mr_error *err);

/* Log lines that have arrived, at most some kilobytes of them.
 * returns  false: the other end is closed */
bool mr_log_pipe_turn(struct mr_log_pipe *pipe);

/* Log what is left, at most a full pipe, and close it. */
void mr_log_pipe_deinit(struct mr_log_pipe *pipe);

#endif
