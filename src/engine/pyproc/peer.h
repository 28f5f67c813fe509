/* One Python process as the pool sees it: a host that it started, or a worker that a host forked.
 *
 * Holds the process, the socket to it and the pipe it prints to, and keeps all three in the pool's
 * epoll set. Knows nothing of calls. For the pool's thread alone. */
#ifndef MR_ENGINE_PYPROC_PEER_H
#define MR_ENGINE_PYPROC_PEER_H

#include "engine/pyproc/channel.h"
#include "engine/pyproc/command.h"
#include "engine/pyproc/loaded.h"
#include "engine/pyproc/log_pipe.h"
#include "engine/pyproc/reaper.h"

/* What epoll reports on: data.ptr is one of these. */
typedef enum mr_watch_kind {
    MR_WATCH_WAKE,   /* of the pool: another thread wants something */
    MR_WATCH_CHILD,  /* of the pool: a child has ended */
    MR_WATCH_SOCKET, /* of a peer; so are the next two */
    MR_WATCH_PROCESS,
    MR_WATCH_LOG
} mr_watch_kind;

struct mr_watch {
    mr_watch_kind kind;
    struct mr_peer *peer; /* NULL: the pool's own */
};

typedef enum mr_peer_phase {
    MR_PEER_FORKING, /* asked for; its process id is not known yet */
    MR_PEER_LOADING, /* a host that has not said LOADED */
    MR_PEER_READY,
    MR_PEER_CLOSED, /* it has ended, or closed its socket; how it ended will be known soon */
    MR_PEER_GONE    /* given up: what is left is to see it end */
} mr_peer_phase;

struct mr_peer {
    struct mr_peer *next; /* the pool's list */
    mr_peer_phase phase;
    struct mr_worker *worker; /* the place it fills; NULL: none, it is a template or was given up */
    struct mr_peer *host;     /* the process that forked it; NULL: it is a host, or that is gone */
    bool is_host;
    bool is_async;              /* as its host said */
    struct mr_child child;      /* none: not known yet, or it ended before it could be watched */
    int socket;                 /* -1: closed */
    int epoll;                  /* the pool's */
    char name[24];              /* "worker 3" */
    struct mr_log_pipe log;     /* its tag is name and process id */
    struct mr_watch watches[3]; /* socket, process, log */
    int64_t ready_us;           /* when it became so; 0: never */
    int64_t give_up_us;         /* FORKING, CLOSED: when to wait no longer */
    bool is_ended;              /* the process has */
    bool was_killed;            /* by us, while it lived */
    bool has_status;
    int wait_status;
    bool is_done; /* nothing is left of it: to be freed */
};

/* Start a host.
 * name     who it is, in the log
 * returns  MR_OK: LOADING; MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_peer_start(const struct mr_command *command, int epoll, const char *name,
                                      struct mr_peer **out, struct mr_error *err);

/* Ask a host to fork a worker.
 * returns  MR_OK: FORKING; MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_peer_fork(struct mr_peer *host, unsigned number, struct mr_peer **out,
                                     struct mr_error *err);

/* Its host says which process it is. READY; without a pidfd when it has ended since. */
void mr_peer_forked(struct mr_peer *peer, pid_t pid);

/* Have epoll report when the socket has room, or no longer.  threads: any, while it is open */
void mr_peer_want_room(struct mr_peer *peer, bool is_wanted);

/* Its process has ended, which epoll need not say again. */
void mr_peer_ended(struct mr_peer *peer);

/* SIGKILL to it and all in its group. */
void mr_peer_kill(struct mr_peer *peer);

void mr_peer_close_socket(struct mr_peer *peer);
void mr_peer_close_log(struct mr_peer *peer); /* logs what is left */

/* Close what is open, free. The process is no longer watched. */
void mr_peer_free(struct mr_peer *peer);

#endif
