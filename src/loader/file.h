/* Whole files in memory. */
#ifndef MR_LOADER_FILE_H
#define MR_LOADER_FILE_H

#include "base/arena.h"
#include "base/status.h"

/* Read a file.
 * arena    holds the bytes, which a NUL follows
 * returns  MR_OK; MR_E_IO; MR_E_TOO_LARGE (more than 8 GiB, or the arena's cap), MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_file_load(const char *path, struct mr_arena *arena, struct mr_str *out,
                                     struct mr_error *err);

#endif
