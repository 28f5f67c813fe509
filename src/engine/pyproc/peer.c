#include "engine/pyproc/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct mr_watch *watch_of(struct mr_peer *peer, mr_watch_kind kind) {
    return &peer->watches[kind - MR_WATCH_SOCKET];
}

static mr_status watch(struct mr_peer *peer, mr_watch_kind kind, int fd, struct mr_error *err) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch_of(peer, kind)};
    if (epoll_ctl(peer->epoll, EPOLL_CTL_ADD, fd, &event) == 0) return MR_OK;
    return mr_fail(err, MR_E_IO, "epoll_ctl: %s", strerror(errno));
}

/* Leave the epoll set before the descriptor is closed: a child that has not executed its program
 * yet may hold a copy, which would keep it there. */
static void unwatch(struct mr_peer *peer, int fd) {
    epoll_ctl(peer->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void release_process(struct mr_peer *peer) {
    if (peer->child.pidfd < 0) return;
    unwatch(peer, peer->child.pidfd);
    mr_reaper_release(&peer->child);
}

void mr_peer_want_room(struct mr_peer *peer, bool is_wanted) {
    struct epoll_event event = {.events = EPOLLIN | (is_wanted ? EPOLLOUT : 0),
                                .data.ptr = watch_of(peer, MR_WATCH_SOCKET)};
    epoll_ctl(peer->epoll, EPOLL_CTL_MOD, peer->socket, &event);
}

static struct mr_peer *new_peer(int epoll) {
    struct mr_peer *peer = calloc(1, sizeof(*peer));
    if (!peer) return NULL;
    peer->epoll = epoll;
    peer->child = MR_CHILD_NONE;
    peer->socket = peer->log.fd = -1;
    for (mr_watch_kind kind = MR_WATCH_SOCKET; kind <= MR_WATCH_LOG; kind++) {
        *watch_of(peer, kind) = (struct mr_watch){kind, peer};
    }
    return peer;
}

/* Make a peer with its socket and pipe, and the other ends of both. After an error all is closed
 * and freed. */
static mr_status connect_peer(int epoll, struct mr_peer **out, int theirs[2],
                              struct mr_error *err) {
    struct mr_peer *peer = new_peer(epoll);
    if (!peer) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = mr_channel_pair(&peer->socket, &theirs[0], err);
    if (status == MR_OK) {
        status = mr_log_pipe_init(&peer->log, &theirs[1], err);
        if (status != MR_OK) close(theirs[0]);
    }
    if (status == MR_OK) {
        status = watch(peer, MR_WATCH_LOG, peer->log.fd, err);
        if (status == MR_OK) {
            *out = peer;
            return MR_OK;
        }
        close(theirs[0]);
        close(theirs[1]);
    }
    mr_peer_free(peer);
    return status;
}

static void tag_with_pid(struct mr_peer *peer, pid_t pid) {
    snprintf(peer->log.tag, sizeof(peer->log.tag), "%s (pid %d)", peer->name, (int)pid);
}

mr_status mr_peer_start(const struct mr_command *command, int epoll, const char *name,
                        struct mr_peer **out, struct mr_error *err) {
    struct mr_peer *peer;
    int theirs[2];
    MR_TRY(connect_peer(epoll, &peer, theirs, err));
    const struct mr_process_spec spec = {.path = command->argv[0],
                                         .argv = command->argv,
                                         .envp = command->envp,
                                         .socket = theirs[0],
                                         .output = theirs[1]};
    mr_status status = mr_reaper_start(&spec, &peer->child, err);
    close(theirs[0]);
    close(theirs[1]);
    peer->is_host = true;
    peer->phase = MR_PEER_LOADING;
    if (status == MR_OK) {
        snprintf(peer->name, sizeof(peer->name), "%s", name);
        tag_with_pid(peer, peer->child.pid);
        status = watch(peer, MR_WATCH_PROCESS, peer->child.pidfd, err);
        if (status == MR_OK) status = watch(peer, MR_WATCH_SOCKET, peer->socket, err);
        if (status != MR_OK) mr_peer_kill(peer); /* and reaped as a child that nobody knows */
    }
    if (status != MR_OK) {
        mr_peer_free(peer);
        return status;
    }
    *out = peer;
    return MR_OK;
}

mr_status mr_peer_fork(struct mr_peer *host, unsigned number, struct mr_peer **out,
                       struct mr_error *err) {
    struct mr_peer *peer;
    int theirs[2];
    MR_TRY(connect_peer(host->epoll, &peer, theirs, err));
    const struct mr_wire_header header = {.type = MR_WIRE_FORK, .id = number, .n_fds = 2};
    mr_channel_sent sent = mr_channel_send(host->socket, &header, NULL, theirs);
    close(theirs[0]);
    close(theirs[1]);
    if (sent != MR_CHANNEL_SENT) {
        mr_peer_free(peer);
        return mr_fail(err, MR_E_IO, "the process that forks workers does not read");
    }
    peer->phase = MR_PEER_FORKING;
    peer->host = host;
    peer->is_async = host->is_async;
    snprintf(peer->name, sizeof(peer->name), "worker %u", number);
    memcpy(peer->log.tag, peer->name, sizeof(peer->name));
    *out = peer;
    return MR_OK;
}

void mr_peer_forked(struct mr_peer *peer, pid_t pid) {
    struct mr_error ignored;
    peer->phase = MR_PEER_READY;
    tag_with_pid(peer, pid);
    if (!mr_reaper_adopt(pid, peer->host->child.pid, &peer->child)) return;
    if (watch(peer, MR_WATCH_PROCESS, peer->child.pidfd, &ignored) == MR_OK &&
        watch(peer, MR_WATCH_SOCKET, peer->socket, &ignored) == MR_OK) {
        return;
    }
    mr_peer_kill(peer);
    release_process(peer);
}

void mr_peer_ended(struct mr_peer *peer) {
    peer->is_ended = true;
    if (peer->child.pidfd >= 0) unwatch(peer, peer->child.pidfd);
}

void mr_peer_kill(struct mr_peer *peer) {
    if (peer->child.pidfd < 0) return;
    mr_reaper_kill(&peer->child);
    if (!peer->is_ended) peer->was_killed = true;
}

void mr_peer_close_socket(struct mr_peer *peer) {
    if (peer->socket < 0) return;
    unwatch(peer, peer->socket);
    close(peer->socket);
    peer->socket = -1;
}

void mr_peer_close_log(struct mr_peer *peer) {
    if (peer->log.fd < 0) return;
    unwatch(peer, peer->log.fd);
    mr_log_pipe_deinit(&peer->log);
}

void mr_peer_free(struct mr_peer *peer) {
    mr_peer_close_socket(peer);
    mr_peer_close_log(peer);
    release_process(peer);
    free(peer);
}
