/* How processes end: what is seen of it, what is said of it, and that nothing of them stays. */
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "engine/pyproc/pool_int.h"

#define STATUS_US 100000       /* for a host to say how a worker ended, or for that to end */
#define MAX_LAST_MESSAGES 1000 /* of a process that has ended: its children may hold its socket */
#define SHUT_DOWN_US 5000000   /* for killed processes to end */
#define ORPHANS_US 1000000     /* the same, for their children */

/* A peer is of no more use: what is left is to see its process end, where that has not. */
static void give_up(struct mr_pool *pool, struct mr_peer *peer, const char *how) {
    mr_peer_close_log(peer); /* its last words before those on its end */
    mr_pool_replace(pool, peer, how);
    mr_peer_close_socket(peer);
    peer->phase = MR_PEER_GONE;
    peer->is_done = peer->is_ended || peer->child.pidfd < 0;
}

void mr_pool_expel(struct mr_pool *pool, struct mr_peer *peer, const char *how) {
    mr_peer_kill(peer);
    give_up(pool, peer, how);
}

/* Its end is known, as far as it ever will be. */
static void conclude(struct mr_pool *pool, struct mr_peer *peer) {
    char how[160] = "ended, nobody knows how";
    if (peer->has_status) {
        mr_process_describe_end(peer->wait_status, peer->was_killed, how, sizeof(how));
    }
    give_up(pool, peer, how);
}

/* Wait for the rest of what there is to know. */
static void await(struct mr_pool *pool, struct mr_peer *peer) {
    peer->phase = MR_PEER_CLOSED;
    peer->give_up_us = mr_pool_now_us() + STATUS_US;
    mr_pool_due(pool, peer->give_up_us);
}

/* The peer has closed its socket: it ends, or has lost its mind. Which will be known soon. */
static void hung_up(struct mr_pool *pool, struct mr_peer *peer) {
    if (peer->worker) {
        pthread_mutex_lock(&pool->lock);
        mr_pool_lane(pool, peer->worker)->is_broken = true;
        pthread_mutex_unlock(&pool->lock);
    }
    if (!peer->is_ended) await(pool, peer);
    mr_peer_close_socket(peer);
}

static void note_unread(struct mr_pool *pool, struct mr_peer *peer) {
    if (!peer->worker) return;
    pthread_mutex_lock(&pool->lock);
    mr_pool_lane(pool, peer->worker)->has_unread = true;
    pthread_mutex_unlock(&pool->lock);
}

/* What a peer did that it must not, to go behind "the process". */
static void misbehaved(struct mr_pool *pool, struct mr_peer *peer, const struct mr_error *err) {
    char how[sizeof(err->message) + 64];
    bool has_failed = err->status == MR_E_UNSUPPORTED;
    snprintf(how, sizeof(how), "%s%s",
             has_failed ? "could not load the model: " : "was ended, since it sent ", err->message);
    mr_pool_expel(pool, peer, how);
}

/* One message, if there is one.  returns: whether there may be more */
static bool receive(struct mr_pool *pool, struct mr_peer *peer) {
    struct mr_message message;
    struct mr_error err = {0};
    switch (mr_channel_receive(peer->socket, pool->datagram, &message, &err)) {
    case MR_CHANNEL_NOTHING: return false;
    case MR_CHANNEL_UNREAD: note_unread(pool, peer); return true;
    case MR_CHANNEL_END: hung_up(pool, peer); return false;
    case MR_CHANNEL_BROKEN: misbehaved(pool, peer, &err); return false;
    case MR_CHANNEL_MESSAGE: break;
    }
    mr_status status = mr_pool_on_message(pool, peer, &message, &err);
    mr_message_deinit(&message);
    if (status != MR_OK) misbehaved(pool, peer, &err);
    return peer->socket >= 0;
}

void mr_pool_on_ended(struct mr_pool *pool, struct mr_peer *peer) {
    bool is_news = !peer->is_ended;
    mr_peer_ended(peer);
    if (peer->phase == MR_PEER_GONE) {
        peer->is_done = true;
        return;
    }
    if (is_news && peer->socket >= 0) { /* what it said before counts */
        for (int i = 0; i < MAX_LAST_MESSAGES && receive(pool, peer); i++) continue;
    }
    if (peer->phase == MR_PEER_GONE) return;
    if (peer->has_status) {
        conclude(pool, peer);
    } else if (is_news) {
        await(pool, peer);
    }
}

bool mr_pool_reap(struct mr_pool *pool) {
    bool has_children = mr_reaper_reap();
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) {
        if (peer->is_done || peer->has_status) continue;
        peer->has_status = mr_reaper_status(&peer->child, &peer->wait_status);
        if (peer->has_status) mr_pool_on_ended(pool, peer);
    }
    return has_children;
}

/* The pidfd says that the process has ended. */
static void on_process(struct mr_pool *pool, struct mr_peer *peer) {
    mr_pool_reap(pool);
    if (peer->is_ended) return;
    mr_reaper_kill(&peer->child);
    mr_pool_on_ended(pool, peer);
}

void mr_pool_on_peer(struct mr_pool *pool, const struct mr_watch *watch, uint32_t events) {
    struct mr_peer *peer = watch->peer;
    if (peer->is_done) return;
    switch (watch->kind) {
    case MR_WATCH_LOG:
        if (peer->log.fd >= 0 && !mr_log_pipe_turn(&peer->log)) mr_peer_close_log(peer);
        break;
    case MR_WATCH_PROCESS: on_process(pool, peer); break;
    default:
        if (peer->socket < 0) break; /* closed since the event was made */
        if ((events & EPOLLOUT) && peer->worker) {
            pthread_mutex_lock(&pool->lock);
            mr_calls_make_room(&pool->calls, mr_pool_lane(pool, peer->worker), mr_pool_now_us());
            pthread_mutex_unlock(&pool->lock);
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(pool, peer);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void on_calls_time(struct mr_pool *pool, int64_t now_us) {
    struct mr_ended ended = {0};
    pthread_mutex_lock(&pool->lock);
    bool is_due = pool->calls.next_us <= now_us;
    if (is_due) mr_calls_expire(&pool->calls, now_us, &ended);
    pthread_mutex_unlock(&pool->lock);
    mr_ended_tell(&ended);
    for (unsigned i = 0; is_due && i < pool->options.n_workers; i++) {
        struct mr_peer *peer = pool->workers[i].peer;
        if (peer && pool->lanes[i].is_hung) {
            mr_pool_expel(pool, peer, "was ended, since it did not end a call in time");
        }
    }
}

static void on_peer_time(struct mr_pool *pool, struct mr_peer *peer, int64_t now_us) {
    bool is_waiting = peer->phase == MR_PEER_FORKING || peer->phase == MR_PEER_CLOSED;
    if (peer->is_done || !is_waiting) return;
    if (peer->give_up_us > now_us) {
        mr_pool_due(pool, peer->give_up_us);
    } else if (peer->phase == MR_PEER_FORKING) {
        mr_pool_expel(pool, peer->host, "was ended, since it did not fork a worker");
    } else if (peer->is_ended) {
        conclude(pool, peer);
    } else {
        mr_pool_expel(pool, peer, "was ended, since it closed its connection");
    }
}

void mr_pool_on_time(struct mr_pool *pool, int64_t now_us) {
    on_calls_time(pool, now_us);
    if (pool->due_us > now_us) return;
    pool->due_us = MR_NEVER_US;
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) {
        on_peer_time(pool, peer, now_us);
    }
    mr_pool_start_due(pool, now_us);
}

/* --- the end of the pool ---------------------------------------------------------------------- */

void mr_pool_sweep(struct mr_pool *pool) {
    for (struct mr_peer **at = &pool->peers; *at;) {
        struct mr_peer *peer = *at;
        if (peer->is_done) {
            *at = peer->next;
            mr_peer_free(peer);
        } else {
            at = &peer->next;
        }
    }
}

static void end_calls(struct mr_pool *pool) {
    struct mr_ended ended = {0};
    struct mr_error err;
    mr_fail(&err, MR_E_UNAVAILABLE, "the server is stopping");
    pthread_mutex_lock(&pool->lock);
    mr_calls_fail_queue(&pool->calls, &err, &ended);
    for (unsigned i = 0; i < pool->options.n_workers; i++) {
        if (pool->lanes[i].socket < 0) continue;
        mr_calls_close(&pool->calls, &pool->lanes[i], &err, mr_pool_now_us(), &ended);
    }
    mr_calls_fail_queue(&pool->calls, &err, &ended);
    pthread_mutex_unlock(&pool->lock);
    mr_ended_tell(&ended);
}

/* Reap what is ours, and see what else has ended: others, the template that is being killed, say,
 * may have reaped it.  returns: false, there are no more children */
static bool find_ended(struct mr_pool *pool) {
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) {
        struct pollfd process = {.fd = peer->child.pidfd, .events = POLLIN};
        if (poll(&process, 1, 0) == 1) peer->is_ended = true;
    }
    bool has_children = mr_pool_reap(pool);
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) {
        peer->is_done |= peer->is_ended;
    }
    return has_children;
}

void mr_pool_shut_down(struct mr_pool *pool) {
    end_calls(pool);
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) {
        mr_peer_kill(peer);
        mr_peer_close_log(peer);
        mr_peer_close_socket(peer);
        peer->phase = MR_PEER_GONE;
        peer->is_done = peer->child.pidfd < 0;
    }
    /* Workers whose host is killed as well become our children; so do theirs. */
    int64_t begun_us = mr_pool_now_us();
    for (;;) {
        bool has_children = find_ended(pool);
        mr_pool_sweep(pool);
        if (!has_children) break;
        if (!pool->peers && mr_reaper_is_busy()) break; /* another pool reaps the orphans */
        int64_t limit_us = pool->peers ? SHUT_DOWN_US : ORPHANS_US;
        if (mr_pool_now_us() - begun_us > limit_us) break;
        struct pollfd children = {.fd = pool->children, .events = POLLIN};
        poll(&children, 1, 10);
    }
    for (struct mr_peer *peer = pool->peers; peer; peer = peer->next) peer->is_done = true;
    mr_pool_sweep(pool);
}
