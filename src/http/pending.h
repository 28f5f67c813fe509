/* A request whose answer comes later: what other threads and the connection's loop tell each other
 * about it. Private to src/http.
 *
 * The loop is told by a list of such requests (posted); the loop's lock protects it and the fields
 * that both sides use. Who posts wakes the loop only when it sleeps, and touches nothing after the
 * lock is free again: the loop may have freed everything by then. */
#ifndef MR_HTTP_PENDING_H
#define MR_HTTP_PENDING_H

#include <sys/types.h>

#include "http/http.h"
#include "http/pieces.h"

struct mr_http_connection;
struct mr_http_loop;

struct mr_http_pending {
    struct mr_http_connection *connection;
    const struct mr_http_pending_ops *ops;
    void *job;
    bool is_chunked; /* how the pieces of a stream are framed */

    /* The loop's own. */
    bool is_abandoned;             /* `cancel` was called */
    bool is_stream;                /* `answer` has said so */
    bool is_complete;              /* the stream has ended, and `sending` is the rest of it */
    struct mr_http_pieces sending; /* taken from `added` */

    /* Under the loop's lock. */
    struct mr_http_pending *previous; /* among the posted */
    struct mr_http_pending *next;
    bool is_parked; /* the handler has returned; before, the loop looks without being told */
    bool is_posted;
    bool is_resumed;
    bool is_ended;               /* the stream */
    bool is_discarding;          /* nobody wants its pieces; set by the loop */
    struct mr_http_pieces added; /* the stream's, in order */
    size_t n_unsent;             /* bytes of `added` and `sending` */
};

/* Have the loop look at it. Under the loop's lock.  threads: any */
void mr_http_pending_post(struct mr_http_pending *pending);

/* The handler has returned: from now on the loop is told.  threads: the loop's, as all below */
void mr_http_pending_park(struct mr_http_pending *pending);

bool mr_http_pending_is_resumed(struct mr_http_pending *pending);

/* It is over, or is the connection's own business now: forget it, free a stream's pieces. */
void mr_http_pending_deinit(struct mr_http_pending *pending);

/* Take the first of those that were posted; NULL: none. */
struct mr_http_pending *mr_http_pending_next(struct mr_http_loop *loop);

/* In stream.c. Take over what was added. */
void mr_http_stream_take(struct mr_http_pending *pending);

/* Send from `sending`, once. Returns as sendmsg does. */
ssize_t mr_http_stream_send(struct mr_http_pending *pending);

/* Free what waits to be sent and what will be added. Sees whether the stream has ended. */
void mr_http_stream_discard(struct mr_http_pending *pending);

#endif
