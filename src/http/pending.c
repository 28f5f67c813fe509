#include "http/pending.h"

#include <assert.h>
#include <unistd.h>

#include "http/loop.h"

/* Heads that have come with their whole request lie in the loop's scratch. */
static bool keep_head(struct mr_http_connection *connection) {
    struct mr_http_head *scratch = &connection->loop->head;
    if (connection->request_head != scratch) return true;
    struct mr_http_head *head = mr_arena_alloc(connection->arena, sizeof(*head));
    char *text = mr_arena_alloc(connection->arena, scratch->text.size);
    if (!head || !text || !mr_http_exchange_keep(connection)) return false;
    mr_http_head_copy(scratch, text, head);
    connection->request_head = head;
    connection->request.method = head->method;
    return true;
}

struct mr_http_pending *mr_http_suspend(struct mr_http_request *request,
                                        const struct mr_http_pending_ops *ops, void *job) {
    struct mr_http_connection *connection = request->connection;
    struct mr_http_pending *pending = mr_arena_alloc(request->arena, sizeof(*pending));
    if (!pending || !keep_head(connection)) return NULL;
    if (connection->suspended) {
        assert(!connection->suspended->is_abandoned);
        mr_http_pending_deinit(connection->suspended);
    }
    *pending = (struct mr_http_pending){
        .connection = connection, .ops = ops, .job = job, .is_chunked = !connection->is_http_1_0};
    connection->suspended = pending;
    return pending;
}

/* The lock is held for the write, too: else the loop could end, and close its descriptors, before
 * that. */
void mr_http_pending_post(struct mr_http_pending *pending) {
    if (!pending->is_parked || pending->is_posted) return;
    struct mr_http_loop *loop = pending->connection->loop;
    pending->is_posted = true;
    pending->previous = loop->last_posted;
    pending->next = NULL;
    if (loop->last_posted) {
        loop->last_posted->next = pending;
    } else {
        loop->first_posted = pending;
    }
    loop->last_posted = pending;
    /* The loop says that it sleeps before it looks at has_posted for the last time, so one of both
     * sees the other's word. */
    atomic_store(&loop->has_posted, true);
    if (atomic_exchange(&loop->is_asleep, false)) mr_http_loop_wake(loop);
}

static void unpost(struct mr_http_pending *pending) {
    struct mr_http_loop *loop = pending->connection->loop;
    if (!pending->is_posted) return;
    pending->is_posted = false;
    if (pending->previous) {
        pending->previous->next = pending->next;
    } else {
        loop->first_posted = pending->next;
    }
    if (pending->next) {
        pending->next->previous = pending->previous;
    } else {
        loop->last_posted = pending->previous;
    }
    atomic_store(&loop->has_posted, loop->first_posted != NULL);
}

void mr_http_resume(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    pending->is_resumed = true;
    mr_http_pending_post(pending);
    pthread_mutex_unlock(lock);
}

void mr_http_pending_park(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    pending->is_parked = true;
    pthread_mutex_unlock(lock);
}

bool mr_http_pending_is_resumed(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    bool is_resumed = pending->is_resumed;
    pthread_mutex_unlock(lock);
    return is_resumed;
}

void mr_http_pending_deinit(struct mr_http_pending *pending) {
    pthread_mutex_t *lock = &pending->connection->loop->lock;
    pthread_mutex_lock(lock);
    unpost(pending);
    pthread_mutex_unlock(lock);
    mr_http_pieces_free(&pending->sending);
    mr_http_pieces_free(&pending->added);
    pending->connection->suspended = NULL;
}

struct mr_http_pending *mr_http_pending_next(struct mr_http_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    struct mr_http_pending *pending = loop->first_posted;
    if (pending) unpost(pending);
    pthread_mutex_unlock(&loop->lock);
    return pending;
}
