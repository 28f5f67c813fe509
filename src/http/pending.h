/* A request whose answer comes later: what other threads and the connection's loop tell each other
 * about it. Private to src/http.
 *
 * The loop is told by a list of such requests (posted); the loop's lock protects it and the fields
 * that both sides use. Who posts wakes the loop only when it sleeps, and touches nothing after the
 * lock is free again: the loop may have freed everything by then. */
#ifndef MR_HTTP_PENDING_H
#define MR_HTTP_PENDING_H

#include "http/http.h"

struct mr_http_connection;
struct mr_http_loop;

struct mr_http_pending {
    struct mr_http_connection *connection;
    const struct mr_http_pending_ops *ops;
    void *job;
    bool is_abandoned; /* `cancel` was called; the loop's own */

    /* Under the loop's lock. */
    struct mr_http_pending *previous; /* among the posted */
    struct mr_http_pending *next;
    bool is_parked; /* the handler has returned; before, the loop looks without being told */
    bool is_posted;
    bool is_resumed;
};

/* The handler has returned: from now on the loop is told.  threads: the loop's, as all below */
void mr_http_pending_park(struct mr_http_pending *pending);

bool mr_http_pending_is_resumed(struct mr_http_pending *pending);

/* The loop will not hear of it any more. */
void mr_http_pending_deinit(struct mr_http_pending *pending);

/* Take the first of those that were posted; NULL: none. */
struct mr_http_pending *mr_http_pending_next(struct mr_http_loop *loop);

#endif
