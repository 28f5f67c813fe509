#include "http/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 64
#define INPUT_BYTES ((size_t)64 * 1024) /* beside the longest head */
#define OUTPUT_BYTES ((size_t)16 * 1024)
#define LINGER_MS 5000

/* Edge-triggered: one report per arrival instead of a second look at every socket that was read.
 * EPOLLOUT is asked for from the start and costs nothing: the kernel reports it only after a send
 * has found the socket full. */
static const uint32_t interest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

int64_t mr_http_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void unlink_connection(struct mr_http_connection *connection) {
    struct mr_http_queue *queue = &connection->loop->queues[connection->phase];
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        queue->first = connection->next;
    }
    if (connection->next) {
        connection->next->previous = connection->previous;
    } else {
        queue->last = connection->previous;
    }
}

static void append_connection(struct mr_http_connection *connection, mr_http_phase phase) {
    struct mr_http_queue *queue = &connection->loop->queues[phase];
    connection->phase = phase;
    connection->deadline_ms = phase == MR_HTTP_WAIT ? INT64_MAX
                                                    : mr_http_now_ms() + queue->timeout_ms;
    connection->previous = queue->last;
    connection->next = NULL;
    if (queue->last) {
        queue->last->next = connection;
    } else {
        queue->first = connection;
    }
    queue->last = connection;
}

void mr_http_loop_move(struct mr_http_connection *connection, mr_http_phase phase) {
    unlink_connection(connection);
    append_connection(connection, phase);
}

static void free_connection(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    /* Not left to close: a process that is being started may hold a copy of the descriptor for a
     * moment, which would keep it in the set. */
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    if (connection->arena) mr_http_loop_give_arena(loop, connection->arena);
    free(connection->pending);
    atomic_uint *count = connection->is_refused ? &loop->n_refused : &loop->n_connections;
    free(connection);
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

void mr_http_loop_close(struct mr_http_connection *connection) {
    unlink_connection(connection);
    free_connection(connection);
}

void mr_http_loop_rearm(struct mr_http_connection *connection) {
    struct epoll_event event = {.events = interest, .data.ptr = connection};
    epoll_ctl(connection->loop->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

struct mr_arena *mr_http_loop_take_arena(struct mr_http_loop *loop) {
    struct mr_arena *arena = loop->n_free_arenas ? loop->free_arenas[--loop->n_free_arenas]
                                                 : mr_arena_new(0, NULL);
    if (arena) mr_http_loop_limit_arena(loop, arena, loop->options->max_body_bytes);
    return arena;
}

void mr_http_loop_limit_arena(const struct mr_http_loop *loop, struct mr_arena *arena,
                              size_t body_size) {
    size_t fixed = loop->options->max_request_bytes;
    size_t more = loop->options->max_bytes_per_body_byte * body_size;
    mr_arena_limit(arena, fixed ? fixed + more : 0);
}

void mr_http_loop_give_arena(struct mr_http_loop *loop, struct mr_arena *arena) {
    if (loop->n_free_arenas == MR_HTTP_MAX_FREE_ARENAS) {
        mr_arena_free(arena);
        return;
    }
    mr_arena_reset(arena);
    loop->free_arenas[loop->n_free_arenas++] = arena;
}

void mr_http_loop_wake(struct mr_http_loop *loop) {
    uint64_t one = 1;
    ssize_t written = write(loop->wake, &one, sizeof one);
    (void)written; /* fails only when it would count past 2^64: then it is awake */
}

void mr_http_loop_add(struct mr_http_loop *loop, int take_fd, bool is_refused) {
    struct mr_http_connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(take_fd);
        return;
    }
    connection->loop = loop;
    connection->fd = take_fd;
    connection->is_refused = is_refused;
    atomic_uint *count = is_refused ? &loop->n_refused : &loop->n_connections;
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    pthread_mutex_lock(&loop->lock);
    connection->next = loop->incoming;
    loop->incoming = connection;
    pthread_mutex_unlock(&loop->lock);
    mr_http_loop_wake(loop);
}

void mr_http_loop_drain(struct mr_http_loop *loop, int64_t deadline_ms, unsigned idle_ms) {
    loop->drain_idle_ms = idle_ms;
    atomic_store(&loop->drain_deadline_ms, deadline_ms);
    mr_http_loop_wake(loop);
}

static void adopt_incoming(struct mr_http_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    struct mr_http_connection *connection = loop->incoming;
    loop->incoming = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (connection) {
        struct mr_http_connection *next = connection->next;
        struct epoll_event event = {.events = interest, .data.ptr = connection};
        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0) {
            append_connection(connection, connection->is_refused ? MR_HTTP_LINGER : MR_HTTP_IDLE);
        } else {
            free_connection(connection);
        }
        connection = next;
    }
}

static void on_wake(struct mr_http_loop *loop) {
    uint64_t count;
    ssize_t n = read(loop->wake, &count, sizeof count);
    (void)n;
    adopt_incoming(loop);
}

/* Answers that have come. Those that come meanwhile have their turn after the sockets'. */
static void look_at_posted(struct mr_http_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    const struct mr_http_pending *last = loop->last_posted;
    pthread_mutex_unlock(&loop->lock);
    const struct mr_http_pending *pending = NULL;
    while (pending != last && (pending = mr_http_pending_next(loop)))
        mr_http_connection_turn(pending->connection, 0);
}

static void expire(struct mr_http_loop *loop) {
    int64_t now = mr_http_now_ms();
    for (int i = 0; i < MR_HTTP_N_PHASES; i++) {
        struct mr_http_queue *queue = &loop->queues[i];
        while (queue->first && queue->first->deadline_ms <= now) {
            struct mr_http_connection *connection = queue->first;
            /* Bytes that came in time count, even when this thread was too busy to see them. */
            bool is_open = mr_http_connection_turn(connection, EPOLLIN);
            if (is_open && connection->deadline_ms <= now) mr_http_connection_expire(connection);
        }
    }
}

/* A client that has had an answer, or has just connected, is likely to have a request on its way,
 * which would be lost: it may use the connection for a while, and is told then that it ends. */
static void begin_drain(struct mr_http_loop *loop) {
    loop->is_draining = true;
    adopt_incoming(loop); /* the last: the acceptor has ended */
    struct mr_http_queue *idle = &loop->queues[MR_HTTP_IDLE];
    if (loop->drain_idle_ms >= idle->timeout_ms) return;
    int64_t sooner_ms = idle->timeout_ms - loop->drain_idle_ms;
    idle->timeout_ms = loop->drain_idle_ms;
    for (struct mr_http_connection *connection = idle->first; connection;
         connection = connection->next)
        connection->deadline_ms -= sooner_ms;
    expire(loop);
}

static bool has_connections(const struct mr_http_loop *loop) {
    for (int i = 0; i < MR_HTTP_N_PHASES; i++) {
        if (loop->queues[i].first) return true;
    }
    return false;
}

/* For epoll_wait: until the first deadline, -1 when there is none. */
static int wait_ms(struct mr_http_loop *loop) {
    bool has_deadline = loop->is_draining && !loop->is_cut_off;
    int64_t first = has_deadline ? atomic_load(&loop->drain_deadline_ms) : INT64_MAX;
    for (int i = 0; i < MR_HTTP_N_PHASES; i++) {
        struct mr_http_connection *connection = loop->queues[i].first;
        if (connection && connection->deadline_ms < first) first = connection->deadline_ms;
    }
    if (first == INT64_MAX) return -1;
    int64_t left = first - mr_http_now_ms();
    if (left < 0) left = 0;
    return left > 60 * 1000 ? 60 * 1000 : (int)left + 1;
}

/* The drain's deadline: only requests that others work on, and cannot leave, stay. */
static void cut_off(struct mr_http_loop *loop) {
    loop->is_cut_off = true;
    for (int i = 0; i < MR_HTTP_N_PHASES; i++) {
        struct mr_http_connection *connection = loop->queues[i].first;
        while (connection) {
            struct mr_http_connection *next = connection->next;
            mr_http_connection_cut_off(connection);
            connection = next;
        }
    }
}

static bool is_drained(struct mr_http_loop *loop) {
    int64_t deadline = atomic_load(&loop->drain_deadline_ms);
    if (!deadline) return false;
    if (!loop->is_draining) begin_drain(loop);
    if (!loop->is_cut_off && mr_http_now_ms() >= deadline) cut_off(loop);
    return !has_connections(loop);
}

/* Sleep until there is something to do. Who posts an answer has to wake a loop only while it says
 * that it sleeps; it looks at what was posted after it has said so. */
static int wait_for_events(struct mr_http_loop *loop, struct epoll_event *events) {
    atomic_store(&loop->is_asleep, true);
    int timeout_ms = atomic_load(&loop->has_posted) ? 0 : wait_ms(loop);
    int n = epoll_wait(loop->epoll, events, MAX_EVENTS, timeout_ms);
    atomic_store_explicit(&loop->is_asleep, false, memory_order_relaxed);
    return n;
}

static void *run(void *arg) {
    struct mr_http_loop *loop = arg;
    struct epoll_event events[MAX_EVENTS];
    while (!is_drained(loop)) {
        int n = wait_for_events(loop, events);
        bool is_woken = false;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                mr_http_connection_turn(events[i].data.ptr, events[i].events);
            } else {
                is_woken = true;
            }
        }
        if (is_woken) on_wake(loop);
        if (atomic_load(&loop->has_posted)) look_at_posted(loop);
        expire(loop);
    }
    return NULL;
}

static void free_loop(struct mr_http_loop *loop) {
    while (loop->n_free_arenas) mr_arena_free(loop->free_arenas[--loop->n_free_arenas]);
    if (loop->epoll >= 0) close(loop->epoll);
    if (loop->wake >= 0) close(loop->wake);
    free(loop->input);
    free(loop->output);
    pthread_mutex_destroy(&loop->lock);
}

mr_status mr_http_loop_init(struct mr_http_loop *loop, const struct mr_http_options *options,
                            struct mr_error *err) {
    unsigned read_ms = options->read_timeout_ms;
    *loop = (struct mr_http_loop){
        .options = options,
        .queues = {[MR_HTTP_IDLE] = {.timeout_ms = options->idle_timeout_ms},
                   [MR_HTTP_HEAD] = {.timeout_ms = read_ms},
                   [MR_HTTP_BODY] = {.timeout_ms = read_ms},
                   [MR_HTTP_WRITE] = {.timeout_ms = read_ms},
                   [MR_HTTP_LINGER] = {.timeout_ms = read_ms < LINGER_MS ? read_ms : LINGER_MS}},
        .input_capacity = options->max_header_bytes + INPUT_BYTES,
        .output_capacity = OUTPUT_BYTES,
        .stamp = {.server = options->server_header},
    };
    /* Without it ids are those of the next start again: no reason not to serve. */
    ssize_t n = getrandom(&loop->next_id, sizeof(loop->next_id), GRND_NONBLOCK);
    (void)n;
    pthread_mutex_init(&loop->lock, NULL);
    loop->input = malloc(loop->input_capacity);
    loop->output = malloc(loop->output_capacity);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mr_status status = MR_OK;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (!loop->input || !loop->output) {
        status = mr_fail(err, MR_E_NO_MEMORY, "out of memory for an I/O thread");
    } else if (loop->epoll < 0 || loop->wake < 0 ||
               epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
        status = mr_fail(err, MR_E_IO, "epoll: %s", strerror(errno));
    } else {
        int code = pthread_create(&loop->thread, NULL, run, loop);
        if (code) {
            status = mr_fail(err, MR_E_IO, "an I/O thread: %s", strerror(code));
        } else {
            pthread_setname_np(loop->thread, "http-io");
        }
    }
    if (status != MR_OK) free_loop(loop);
    return status;
}

void mr_http_loop_deinit(struct mr_http_loop *loop) {
    pthread_join(loop->thread, NULL);
    free_loop(loop);
}
