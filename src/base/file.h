/* Whole files in memory. */
#ifndef MR_BASE_FILE_H
#define MR_BASE_FILE_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

/* What is read of a file at once: in a kernel without preemption a thread that reads keeps its
 * processor, whatever its priority, until all it asked for has been copied. A read of 1.4 MB has
 * kept the threads that answer requests waiting for 0.55 ms. */
#define MR_FILE_PIECE_BYTES ((size_t)65536)

/* For those who have no smaller bound. */
#define MR_FILE_MAX_BYTES ((size_t)8 << 30)

/* Read a file; only a regular one, so that no pipe or device keeps the reader.
 * arena    holds the bytes, which a NUL follows
 * returns  MR_OK; MR_E_NOT_FOUND; MR_E_IO; MR_E_TOO_LARGE (more than max_bytes, or the arena's
 *          cap), MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_file_load(const char *path, size_t max_bytes, struct mr_arena *arena,
                                     struct mr_str *out, struct mr_error *err);

/* read(2) of at most MR_FILE_PIECE_BYTES, again when a signal interrupts it. */
ssize_t mr_file_read_piece(int fd, void *out, size_t n);

#endif
