/* Lines that many threads write at a high rate: gathered in memory, written by a thread of their
 * own, many with one system call, some tens of milliseconds later. Who adds one never waits for the
 * reader of the log: where it does not keep up, lines are dropped and counted. */
#ifndef MR_BASE_LOG_LINES_H
#define MR_BASE_LOG_LINES_H

#include "base/status.h"
#include "base/str.h"

struct mr_log_lines;

/* fd: borrowed, written to until mr_log_lines_stop. MR_E_NO_MEMORY, MR_E_IO */
MR_MUST_CHECK mr_status mr_log_lines_start(int fd, struct mr_log_lines **out, struct mr_error *err);

/* Add a line, which ends with a newline.  threads: any */
void mr_log_lines_add(struct mr_log_lines *lines, struct mr_str line);

/* Write what is left, for a second at most, and end. Nobody may add any more. */
void mr_log_lines_stop(struct mr_log_lines *take_lines);

#endif
