/* Responses in pieces: the producers' side, and the loop's, which sends. */
#include <stdlib.h>
#include <sys/socket.h>

#include "http/loop.h"

#define MAX_PARTS 64 /* of one sendmsg */

bool mr_http_stream_add(struct mr_http_pending *pending, struct mr_str piece, size_t *n_unsent) {
    struct mr_http_piece *copy = NULL;
    bool is_kept = true;
    if (piece.size) {
        copy = mr_http_piece_new(piece, pending->is_chunked);
        is_kept = copy != NULL;
    }
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    if (copy && !pending->is_discarding) {
        pending->n_unsent += copy->size;
        mr_http_pieces_add(&pending->added, copy);
        copy = NULL;
        if (pending->is_resumed) mr_http_pending_post(pending);
    }
    if (n_unsent) *n_unsent = pending->n_unsent;
    pthread_mutex_unlock(lock);
    free(copy);
    return is_kept;
}

void mr_http_stream_end(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    pending->is_ended = true;
    if (pending->is_resumed) mr_http_pending_post(pending);
    pthread_mutex_unlock(lock);
}

void mr_http_stream_take(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    mr_http_pieces_move(&pending->sending, &pending->added);
    pending->is_complete = pending->is_ended;
    pthread_mutex_unlock(lock);
}

/* n_bytes less wait to be sent: tell a producer that may wait for it. */
static void note_progress(struct mr_http_pending *pending, size_t n_bytes) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    bool were_many = pending->n_unsent > MR_HTTP_STREAM_FEW_BYTES;
    pending->n_unsent -= n_bytes;
    bool is_drained = were_many && pending->n_unsent <= MR_HTTP_STREAM_FEW_BYTES;
    bool is_ended = pending->is_ended;
    pthread_mutex_unlock(lock);
    if (is_drained && !is_ended && !pending->is_abandoned && pending->ops->drained)
        pending->ops->drained(pending->job);
}

ssize_t mr_http_stream_send(struct mr_http_pending *pending) {
    struct iovec parts[MAX_PARTS];
    int n_parts = mr_http_pieces_parts(&pending->sending, parts, MAX_PARTS);
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)n_parts};
    ssize_t n = sendmsg(pending->connection->fd, &message, MSG_NOSIGNAL);
    if (n > 0) {
        mr_http_pieces_sent(&pending->sending, (size_t)n);
        note_progress(pending, (size_t)n);
    }
    return n;
}

void mr_http_stream_discard(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    pending->is_discarding = true;
    mr_http_pieces_move(&pending->sending, &pending->added);
    size_t n_bytes = pending->n_unsent;
    pending->is_complete = pending->is_stream && pending->is_ended;
    pthread_mutex_unlock(lock);
    mr_http_pieces_free(&pending->sending);
    note_progress(pending, n_bytes);
}
