#include "http/pieces.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMING_BYTES ((size_t)20) /* 16 digits, CR LF, and CR LF behind the data */

struct mr_http_piece *mr_http_piece_new(struct mr_str data, bool is_chunk) {
    char digits[24];
    int n_digits = is_chunk ? snprintf(digits, sizeof digits, "%zx\r\n", data.size) : 0;
    if (data.size > SIZE_MAX - sizeof(struct mr_http_piece) - FRAMING_BYTES) return NULL;
    struct mr_http_piece *piece = malloc(sizeof(*piece) + data.size + FRAMING_BYTES);
    if (!piece) return NULL;
    piece->next = NULL;
    piece->size = (size_t)n_digits;
    memcpy(piece->data, digits, piece->size);
    memcpy(piece->data + piece->size, data.data, data.size);
    piece->size += data.size;
    if (is_chunk) {
        memcpy(piece->data + piece->size, "\r\n", 2);
        piece->size += 2;
    }
    return piece;
}

void mr_http_pieces_add(struct mr_http_pieces *pieces, struct mr_http_piece *take_piece) {
    if (pieces->last) {
        pieces->last->next = take_piece;
    } else {
        pieces->first = take_piece;
    }
    pieces->last = take_piece;
}

void mr_http_pieces_move(struct mr_http_pieces *to, struct mr_http_pieces *from) {
    if (!from->first) return;
    mr_http_pieces_add(to, from->first);
    to->last = from->last;
    *from = (struct mr_http_pieces){0};
}

int mr_http_pieces_parts(const struct mr_http_pieces *pieces, struct iovec *parts, int max_parts) {
    int n = 0;
    size_t n_sent = pieces->n_sent;
    for (struct mr_http_piece *piece = pieces->first; piece && n < max_parts; piece = piece->next) {
        parts[n++] = (struct iovec){piece->data + n_sent, piece->size - n_sent};
        n_sent = 0;
    }
    return n;
}

static void free_first(struct mr_http_pieces *pieces) {
    struct mr_http_piece *piece = pieces->first;
    pieces->first = piece->next;
    if (!pieces->first) pieces->last = NULL;
    pieces->n_sent = 0;
    free(piece);
}

void mr_http_pieces_sent(struct mr_http_pieces *pieces, size_t n_bytes) {
    while (n_bytes) {
        size_t left = pieces->first->size - pieces->n_sent;
        if (n_bytes < left) {
            pieces->n_sent += n_bytes;
            return;
        }
        n_bytes -= left;
        free_first(pieces);
    }
}

void mr_http_pieces_free(struct mr_http_pieces *pieces) {
    while (pieces->first) free_first(pieces);
}
