/* The skops format: a zip archive of schema.json and .npy files (skops/io in the skops project).
 *
 * Yields the object graph. Loads every protocol that skops itself still loads (0 to 2). A node
 * type this file does not know becomes an instance without state, so that a model fails only when
 * somebody needs that node. The bytes are untrusted: recursion, counts and sizes are bounded. */
#ifndef MR_LOADER_SKOPS_H
#define MR_LOADER_SKOPS_H

#include "base/arena.h"
#include "base/status.h"
#include "loader/object.h"

struct mr_skops {
    const struct mr_object *root;
    int protocol;
    struct mr_str skops_version; /* as in the file; size 0 when absent */
};

struct mr_skops_options {
    size_t max_bytes; /* cap on all unpacked bytes that are read together; 0: 4 GiB */
};

/* Read an archive from a file or from memory.
 * options  NULL: the defaults
 * arena    holds everything *out points to; also temporary data, so give it a cap when the archive
 *          is not trusted
 * returns  MR_OK; MR_E_IO (no such file, read error), MR_E_FORMAT (what is wrong, and in which
 *          entry), MR_E_UNSUPPORTED (a later protocol), MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_skops_load(const char *path, const struct mr_skops_options *options,
                                      struct mr_arena *arena, struct mr_skops *out,
                                      struct mr_error *err);
MR_MUST_CHECK mr_status mr_skops_parse(struct mr_str file, const struct mr_skops_options *options,
                                       struct mr_arena *arena, struct mr_skops *out,
                                       struct mr_error *err);

#endif
