/* A progress bar on a terminal: one line on standard error, drawn over itself.
 *
 * Knows bytes, rows and time; what they are of is the caller's matter. One thread at a time. */
#ifndef MR_BASE_PROGRESS_H
#define MR_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_progress {
    int fd;
    bool is_on; /* fd is a terminal that can move its cursor */
    int64_t start_ns;
};

/* Start the clock. fd: where to draw, if it is a terminal; else every call below does nothing. */
void mr_progress_init(struct mr_progress *progress, int fd);

/* For what has no rows: bytes per second are shown instead. */
#define MR_PROGRESS_NO_ROWS UINT64_MAX

/* Draw how far it is. total_bytes: 0 when nobody knows. */
void mr_progress_draw(struct mr_progress *progress, uint64_t done_bytes, uint64_t total_bytes,
                      uint64_t n_rows);

/* Take the bar away, so that other lines can follow. */
void mr_progress_clear(struct mr_progress *progress);

/* Clear, and say what was done: "1,000,000 rows in 2.3 s (434,783 rows/s)". */
void mr_progress_finish(struct mr_progress *progress, uint64_t n_rows);

/* What mr_progress_draw draws, at most `columns` characters, without moving the cursor. out: room
 * for size bytes; NUL-terminated. Returns the length. */
size_t mr_progress_format(char *out, size_t size, unsigned columns, uint64_t done_bytes,
                          uint64_t total_bytes, uint64_t n_rows, int64_t elapsed_ns);

#endif
