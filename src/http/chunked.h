/* The transfer coding "chunked" (RFC 9112 section 7.1), taken apart as the bytes come.
 *
 * Chunk extensions and trailer fields are read and dropped. Pure: no sockets, no allocation. */
#ifndef MR_HTTP_CHUNKED_H
#define MR_HTTP_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

struct mr_http_chunked {
    int state;           /* private */
    uint64_t left;       /* of the chunk's data */
    unsigned n_digits;   /* of the chunk size */
    size_t overhead;     /* bytes of extensions and trailers so far */
    size_t max_overhead; /* more of those is MR_E_HEADERS_TOO_LARGE */
    bool is_trailer_line_empty;
};

/* Start of a body. max_overhead_bytes limits what is sent beside the data itself. */
void mr_http_chunked_init(struct mr_http_chunked *chunked, size_t max_overhead_bytes);

/* Read on. Takes bytes from *input (which is moved behind them) until it has found a run of body
 * bytes, the input is used up, or the body is complete.
 * piece    the run: points into the input; size 0 when there was none
 * returns  MR_OK; MR_E_BAD_REQUEST; MR_E_HEADERS_TOO_LARGE  */
MR_MUST_CHECK mr_status mr_http_chunked_next(struct mr_http_chunked *chunked, struct mr_str *input,
                                             struct mr_str *piece, struct mr_error *err);

/* The last chunk and the trailer have been read; what follows is the next request. */
bool mr_http_chunked_is_done(const struct mr_http_chunked *chunked);

#endif
