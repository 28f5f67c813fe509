/* Reads entries of an untrusted zip archive with libzip, under a budget of unpacked bytes.
 *
 * Nothing outside loader/archive.c includes zip.h. */
#ifndef MR_LOADER_ARCHIVE_H
#define MR_LOADER_ARCHIVE_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mr_archive;

/* Open an archive: by path, or, when path is NULL, from memory (borrowed until closed).
 * max_bytes  cap on the unpacked size of all entries read, together
 * returns    MR_OK, then the caller closes *out; MR_E_IO, MR_E_FORMAT (no zip archive, or two
 *            entries with one name), MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_archive_open(const char *path, struct mr_str memory, size_t max_bytes,
                                        struct mr_archive **out, struct mr_error *err);

void mr_archive_close(struct mr_archive *archive); /* NULL is allowed */

/* Unpack one entry into the arena, checking its length and CRC. `padding` zero bytes follow it.
 * returns  MR_OK; MR_E_FORMAT (no such entry, encrypted, damaged), MR_E_TOO_LARGE (budget or
 *          arena), MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_archive_read(struct mr_archive *archive, const char *name,
                                        size_t padding, struct mr_arena *arena, struct mr_str *out,
                                        struct mr_error *err);

#endif
