/* One I/O thread: an epoll set and the connections that were dealt to it. Private to src/http.
 *
 * Everything here but what follows `lock` belongs to the loop's own thread. A connection is always
 * in exactly one queue, that of its phase. All of one queue wait equally long, so a queue is in
 * order of deadline and the next timeout is at the front of one. */
#ifndef MR_HTTP_LOOP_H
#define MR_HTTP_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/chunked.h"
#include "http/exchange.h"
#include "http/head.h"
#include "http/http.h"
#include "http/pending.h"
#include "http/reply.h"
#include "http/route.h"

#define MR_HTTP_MAX_FREE_ARENAS 8
#define MR_HTTP_MAX_ID 128

typedef enum mr_http_phase {
    MR_HTTP_IDLE,   /* no byte of a request yet: until idle_timeout */
    MR_HTTP_HEAD,   /* part of a head: until read_timeout */
    MR_HTTP_BODY,   /* part of a body: until read_timeout */
    MR_HTTP_WAIT,   /* the answer is made elsewhere: without a deadline */
    MR_HTTP_WRITE,  /* part of a response is unsent: until read_timeout without progress */
    MR_HTTP_LINGER, /* all is sent, input is dropped until the client closes too */
    MR_HTTP_N_PHASES
} mr_http_phase;

struct mr_http_connection {
    struct mr_http_loop *loop;
    struct mr_http_connection *previous; /* in its queue */
    struct mr_http_connection *next;
    int64_t deadline_ms;
    int fd;
    mr_http_phase phase;
    bool can_read;      /* epoll said so and the socket has not been found empty since */
    bool is_hung_up;    /* epoll has reported the end of the stream */
    bool is_eof;        /* the client will send no more */
    bool is_head;       /* the request under way is HEAD */
    bool is_http_1_0;   /* it came as HTTP/1.0 */
    bool is_keep_alive; /* go on after its response */
    bool is_closing;    /* close on our own account: with lingering */
    bool is_refused;    /* one too many, and told so: lingers only */
    char *pending;      /* received and not consumed, between turns; malloc */
    size_t pending_size;
    size_t pending_capacity;
    size_t scanned;                    /* see mr_http_head_size */
    struct mr_arena *arena;            /* of the request under way; NULL between requests */
    struct mr_http_head *request_head; /* of the same; in the arena, or the loop's scratch */
    struct mr_http_request request;    /* as its handler sees it */
    struct mr_http_pending *suspended; /* it is answered later; NULL: it is not, or was */
    struct mr_http_exchange exchange;  /* under way while first_ns is not 0 */
    char id[MR_HTTP_MAX_ID];

    /* phase BODY */
    struct mr_http_found found;
    struct mr_http_chunked chunked;
    char *body; /* in the arena */
    size_t body_size;
    size_t body_capacity;

    /* phase WRITE: what is left of head and body, in the arena or static */
    struct mr_str unsent[2];
};

struct mr_http_queue {
    struct mr_http_connection *first;
    struct mr_http_connection *last;
    unsigned timeout_ms;
};

struct mr_http_loop {
    const struct mr_http_options *options;
    pthread_t thread;
    int epoll;
    int wake; /* eventfd: look at `incoming`, the posted and `drain_deadline_ms` */
    bool is_draining;
    bool is_cut_off; /* the drain's deadline has passed */
    struct mr_http_queue queues[MR_HTTP_N_PHASES];

    /* Scratch of the connection whose turn it is. */
    char *input;
    size_t input_capacity;
    size_t at; /* input[at..end) is received and not consumed */
    size_t end;
    size_t budget; /* bytes it may still receive before the others have their turn */
    char *output;
    size_t output_capacity;
    struct mr_http_head head;
    struct mr_error err;

    uint64_t next_id;
    struct mr_http_stamp stamp;
    struct mr_arena *free_arenas[MR_HTTP_MAX_FREE_ARENAS];
    size_t n_free_arenas;

    pthread_mutex_t lock; /* protects incoming and the posted */
    struct mr_http_connection *incoming;
    struct mr_http_pending *first_posted;
    struct mr_http_pending *last_posted;
    atomic_bool has_posted;
    atomic_bool is_asleep;          /* waits for events, or is about to: has to be woken */
    atomic_uint n_connections;      /* without */
    atomic_uint n_refused;          /* those that are refused */
    atomic_bool is_stopping;        /* each response is to be the last of its connection */
    atomic_llong drain_deadline_ms; /* 0: serve on */
    unsigned drain_idle_ms;         /* set before it */
};

/* Prepare a loop and start its thread.
 * returns  MR_OK; MR_E_IO; MR_E_NO_MEMORY. After a failure the loop needs no deinit. */
MR_MUST_CHECK mr_status mr_http_loop_init(struct mr_http_loop *loop,
                                          const struct mr_http_options *options,
                                          struct mr_error *err);

/* Give a connected, non-blocking socket to a loop, which closes it.
 * is_refused  nothing that comes of it is answered
 * threads     any */
void mr_http_loop_add(struct mr_http_loop *loop, int take_fd, bool is_refused);

/* Have its thread look around.  threads: any */
void mr_http_loop_wake(struct mr_http_loop *loop);

/* Let requests under way finish, until the deadline at most, close connections that have waited
 * idle_ms for their next request; then the thread ends.  threads: any */
void mr_http_loop_drain(struct mr_http_loop *loop, int64_t deadline_ms, unsigned idle_ms);

/* Sooner than is_draining: a handler may have run since. */
static inline bool mr_http_loop_is_stopping(const struct mr_http_loop *loop) {
    return atomic_load_explicit(&loop->is_stopping, memory_order_relaxed);
}

/* Wait for the thread to end and free everything. Call mr_http_loop_drain first. */
void mr_http_loop_deinit(struct mr_http_loop *loop);

/* Milliseconds of a clock that never goes back; coarse (1 to 10 ms) and cheap. */
int64_t mr_http_now_ms(void);

/* For connection.c, on the loop's thread. */
void mr_http_loop_move(struct mr_http_connection *connection, mr_http_phase phase);
void mr_http_loop_close(struct mr_http_connection *connection); /* frees it */
void mr_http_loop_rearm(struct mr_http_connection *connection); /* report again what is ready now */
struct mr_arena *mr_http_loop_take_arena(struct mr_http_loop *loop); /* NULL: no memory */
void mr_http_loop_limit_arena(const struct mr_http_loop *loop, struct mr_arena *arena,
                              size_t body_size); /* cap it for such a body */
void mr_http_loop_give_arena(struct mr_http_loop *loop, struct mr_arena *arena);

/* In connection.c. They return false when they have closed the connection. */
bool mr_http_connection_turn(struct mr_http_connection *connection, uint32_t events);
bool mr_http_connection_expire(struct mr_http_connection *connection);
/* Close it whatever it does. One whose request others still work on is open, in MR_HTTP_WAIT, until
 * they have done with it. */
bool mr_http_connection_cut_off(struct mr_http_connection *connection);

#endif
