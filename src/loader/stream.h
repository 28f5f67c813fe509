/* A file read once, from its first byte to its last, whether it is plain or compressed with zlib or
 * gzip, as joblib.dump compresses.
 *
 * Nothing outside loader/stream.c includes zlib.h. */
#ifndef MR_LOADER_STREAM_H
#define MR_LOADER_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

struct mr_stream;

/* Open a file: by path, or, when path is NULL, from memory (borrowed until closed). The first bytes
 * tell how it is compressed.
 * returns  MR_OK, then the caller closes *out; MR_E_IO, MR_E_UNSUPPORTED (bz2, xz, lzma, lz4 and
 *          joblib's format before 0.10), MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_stream_open(const char *path, struct mr_str memory,
                                       struct mr_stream **out, struct mr_error *err);

void mr_stream_close(struct mr_stream *stream); /* NULL is allowed */

/* Read exactly n bytes.
 * returns  MR_OK; MR_E_FORMAT (the file ends before, or its compressed data is damaged), MR_E_IO */
MR_MUST_CHECK mr_status mr_stream_read(struct mr_stream *stream, void *out, size_t n,
                                       struct mr_error *err);

/* How many bytes were read, unpacked. */
uint64_t mr_stream_offset(const struct mr_stream *stream);

/* No more bytes than this can follow: what is left of a plain file; for a compressed one, the most
 * that deflate can make of its size. */
uint64_t mr_stream_max_left(const struct mr_stream *stream);

/* The size of the file as it is stored. */
uint64_t mr_stream_stored_bytes(const struct mr_stream *stream);

/* Whether the checksum at the end of a compressed file is right, if all of it was read. What
 * follows the last byte that a reader asked for is not looked at.
 * returns  MR_OK; MR_E_FORMAT, MR_E_IO */
MR_MUST_CHECK mr_status mr_stream_check_end(struct mr_stream *stream, struct mr_error *err);

#endif
