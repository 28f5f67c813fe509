/* A queue of bytes that were added in pieces and are sent in order, each framed as a chunk of
 * RFC 9112 section 7.1 or as it is. No sockets, no locks: the owner's business. */
#ifndef MR_HTTP_PIECES_H
#define MR_HTTP_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/str.h"

struct mr_http_piece {
    struct mr_http_piece *next;
    size_t size; /* with its framing */
    char data[];
};

/* Zeroed: empty. */
struct mr_http_pieces {
    struct mr_http_piece *first;
    struct mr_http_piece *last;
    size_t n_sent; /* bytes of the first piece */
};

/* A copy of `data`, which is not empty: as a chunk, that would end the body. NULL: no memory. */
struct mr_http_piece *mr_http_piece_new(struct mr_str data, bool is_chunk);

void mr_http_pieces_add(struct mr_http_pieces *pieces, struct mr_http_piece *take_piece);

/* Append all of `from`, none of it sent yet, and leave it empty. */
void mr_http_pieces_move(struct mr_http_pieces *to, struct mr_http_pieces *from);

/* What is to be sent next, in at most max_parts parts. Returns their number. */
int mr_http_pieces_parts(const struct mr_http_pieces *pieces, struct iovec *parts, int max_parts);

/* That many bytes, no more than there are, were sent: free what is done. */
void mr_http_pieces_sent(struct mr_http_pieces *pieces, size_t n_bytes);

/* Leaves it empty. */
void mr_http_pieces_free(struct mr_http_pieces *pieces);

#endif
