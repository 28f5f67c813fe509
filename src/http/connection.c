/* One connection: bytes in, requests to handlers, responses out.
 *
 * A turn takes steps until the connection has to wait for the socket, is closed, or has used up its
 * budget. Bytes are received into the loop's input buffer; a request that is there whole is
 * answered from it. Of one that is not, the head moves to the arena and the body is received right
 * where it will stay. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "http/loop.h"

#define BODY_PADDING ((size_t)8) /* promised by struct mr_http_request */
#define TURN_BYTES ((size_t)256 * 1024)
#define RESPONSE_COST_BYTES ((size_t)4096) /* ends the turn of one who pipelines without end */
#define FIRST_CHUNKED_BYTES ((size_t)4096)

typedef enum step {
    STEP_NEXT,  /* take another */
    STEP_WAIT,  /* until epoll reports the socket */
    STEP_CLOSE, /* the connection is over */
} step;

struct mr_str mr_http_header(const struct mr_http_request *request, const char *name) {
    const struct mr_http_connection *connection = request->connection;
    return mr_http_head_find(connection->request_head, name);
}

static void spend(struct mr_http_loop *loop, size_t bytes) {
    loop->budget -= bytes < loop->budget ? bytes : loop->budget;
}

/* May this turn go on? If not, the others have theirs, and epoll reports this one at once again. */
static bool has_budget(struct mr_http_connection *connection) {
    if (connection->loop->budget) return true;
    mr_http_loop_rearm(connection);
    return false;
}

/* Receive at most `size` bytes. 0: none now; can_read and is_eof say why. -1: the connection broke.
 */
static ssize_t receive(struct mr_http_connection *connection, void *to, size_t size) {
    ssize_t n = recv(connection->fd, to, size, 0);
    if (n < 0) {
        if (errno == EINTR) return 0;
        connection->can_read = false;
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    }
    connection->is_eof = n == 0;
    /* Less than asked for: the socket is empty, and epoll will report what comes (epoll(7)); but
     * an end of stream that it has reported already is still to be read. */
    if (n == 0 || ((size_t)n < size && !connection->is_hung_up)) connection->can_read = false;
    spend(connection->loop, (size_t)n);
    return n;
}

/* ---- Responses ---- */

static step stream_on(struct mr_http_connection *connection);

/* What was to be sent is out: on with the stream or to the next request, or the end. */
static step finish(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    if (connection->suspended) return stream_on(connection);
    if (connection->arena) {
        mr_http_loop_give_arena(loop, connection->arena);
        connection->arena = NULL;
    }
    connection->body = NULL;
    connection->body_size = connection->body_capacity = 0;
    spend(loop, RESPONSE_COST_BYTES);
    /* The response may have promised more before the drain began. */
    bool has_unread = loop->at < loop->end || connection->can_read;
    if (connection->is_keep_alive && (has_unread || !mr_http_loop_is_stopping(loop))) {
        mr_http_loop_move(connection, MR_HTTP_IDLE);
        return STEP_NEXT;
    }
    /* Closing a socket that has unread bytes resets the connection, and the client may lose the
     * response it has not read yet (RFC 9112 section 9.6). */
    if (connection->is_eof || !(connection->is_closing || has_unread)) return STEP_CLOSE;
    shutdown(connection->fd, SHUT_WR);
    loop->at = loop->end = 0;
    mr_http_loop_move(connection, MR_HTTP_LINGER);
    return STEP_NEXT;
}

/* Send what is left of the response. */
static step write_on(struct mr_http_connection *connection) {
    struct mr_str *unsent = connection->unsent;
    while (unsent[0].size || unsent[1].size) {
        if (!has_budget(connection)) return STEP_WAIT;
        struct iovec parts[2] = {{(void *)(uintptr_t)unsent[0].data, unsent[0].size},
                                 {(void *)(uintptr_t)unsent[1].data, unsent[1].size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t n = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? STEP_WAIT : STEP_CLOSE;
        }
        spend(connection->loop, (size_t)n);
        for (int i = 0; i < 2; i++) {
            size_t part = (size_t)n < unsent[i].size ? (size_t)n : unsent[i].size;
            unsent[i].data += part;
            unsent[i].size -= part;
            n -= (ssize_t)part;
        }
        mr_http_loop_move(connection, MR_HTTP_WRITE);
    }
    return finish(connection);
}

/* Keep a part of the output buffer, which the next connection will overwrite. */
static bool keep_unsent(struct mr_http_connection *connection, struct mr_str head,
                        struct mr_str body) {
    struct mr_http_loop *loop = connection->loop;
    if (!connection->arena) connection->arena = mr_http_loop_take_arena(loop);
    if (!connection->arena) return false;
    char *copy = mr_arena_strdup(connection->arena, head);
    if (!copy) return false;
    connection->unsent[0] = (struct mr_str){copy, head.size};
    connection->unsent[1] = body;
    mr_http_loop_move(connection, MR_HTTP_WRITE);
    return true;
}

/* Send a response: in one call when it fits into the output buffer, as most do. */
static step send_response(struct mr_http_connection *connection, size_t head_size,
                          struct mr_str body) {
    struct mr_http_loop *loop = connection->loop;
    struct mr_str head = {loop->output, head_size};
    if (body.size && body.size <= loop->output_capacity - head_size) {
        memcpy(loop->output + head_size, body.data, body.size);
        head.size += body.size;
        body.size = 0;
    }
    if (!body.size) {
        ssize_t n = send(connection->fd, head.data, head.size, MSG_NOSIGNAL);
        if (n == (ssize_t)head.size) return finish(connection);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return STEP_CLOSE;
        if (n > 0) {
            head.data += n;
            head.size -= (size_t)n;
        }
    }
    return keep_unsent(connection, head, body) ? STEP_NEXT : STEP_CLOSE;
}

static step respond(struct mr_http_connection *connection, const struct mr_http_response *response,
                    struct mr_str allow) {
    struct mr_http_loop *loop = connection->loop;
    bool has_body = !connection->is_head && mr_http_reply_has_body(response->status);
    bool is_stream = response->is_stream && connection->suspended;
    if (mr_http_loop_is_stopping(loop)) connection->is_closing = true;
    if (connection->is_closing || (is_stream && connection->is_http_1_0))
        connection->is_keep_alive = false;
    struct mr_http_reply reply = {.status = response->status,
                                  .content_type = response->content_type,
                                  .content_length = response->body.size,
                                  .location = response->location,
                                  .allow = allow,
                                  .retry_after_s = response->retry_after_s};
    if (is_stream) {
        bool is_chunked = connection->suspended->is_chunked;
        reply.framing = is_chunked ? MR_HTTP_FRAMING_CHUNKED : MR_HTTP_FRAMING_CLOSE;
        if (!has_body) mr_http_stream_discard(connection->suspended);
    }
    if (!connection->is_keep_alive) {
        reply.connection = MR_HTTP_CONNECTION_CLOSE;
    } else if (connection->is_http_1_0) {
        reply.connection = MR_HTTP_CONNECTION_KEEP_ALIVE;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    size_t head_size = mr_http_reply_write(&reply, &loop->stamp, now.tv_sec, loop->output,
                                           loop->output_capacity);
    if (!head_size) return STEP_CLOSE;
    return send_response(connection, head_size,
                         has_body && !is_stream ? response->body : (struct mr_str){NULL, 0});
}

/* Answer with loop->err and close: what comes next on this connection is not to be trusted, or not
 * worth to be received. */
static step refuse(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    char body[1024]; /* the messages of this folder and of the arena have nothing to escape */
    int size = snprintf(body, sizeof body, "{\"error_code\": \"%s\", \"message\": \"%s\"}",
                        mr_status_error_code(loop->err.status), loop->err.message);
    struct mr_http_response response = {.status = mr_status_http(loop->err.status),
                                        .content_type = "application/json",
                                        .body = {body, (size_t)size}};
    connection->is_closing = true;
    loop->at = loop->end = 0;
    return respond(connection, &response, (struct mr_str){NULL, 0});
}

static step refuse_too_large(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    (void)mr_fail(&loop->err, MR_E_TOO_LARGE,
                  "the request body is over the limit of %zu bytes (--max-body)",
                  loop->options->max_body_bytes);
    return refuse(connection);
}

/* ---- Requests ---- */

/* No handler: 404 and 405 with the bodies of Starlette and FastAPI, 307 to the path without its
 * trailing slashes. */
static step answer_without_handler(struct mr_http_connection *connection,
                                   const struct mr_http_head *head, struct mr_http_found found) {
    const struct mr_http_options *options = connection->loop->options;
    struct mr_http_response response = {.status = found.status};
    char allow[128];
    struct mr_str allowed = {allow, 0};
    if (found.status == 307) {
        size_t capacity = strlen(found.route->path) + 1 + head->query.size * 3;
        char *location = mr_arena_alloc(connection->arena, capacity);
        if (!location) {
            (void)mr_arena_fail(connection->arena, &connection->loop->err);
            return refuse(connection);
        }
        size_t size = mr_http_route_location(found.route, head->query, location, capacity);
        response.location = (struct mr_str){location, size};
        return respond(connection, &response, allowed);
    }
    response.content_type = "application/json";
    response.body = mr_str_from("{\"detail\":\"Not Found\"}");
    if (found.status == 405) {
        allowed.size = mr_http_route_allow(options->routes, options->n_routes, head->path, allow,
                                           sizeof allow);
        response.body = mr_str_from("{\"detail\":\"Method Not Allowed\"}");
    }
    return respond(connection, &response, allowed);
}

/* The request is whole: answer it. */
static step dispatch(struct mr_http_connection *connection, struct mr_http_head *head) {
    struct mr_http_found found = connection->found;
    if (found.status != 200) return answer_without_handler(connection, head, found);
    connection->request_head = head;
    connection->request = (struct mr_http_request){.method = head->method,
                                                   .path = mr_str_from(found.route->path),
                                                   .body = connection->body,
                                                   .body_size = connection->body_size,
                                                   .body_capacity = connection->body_capacity,
                                                   .arena = connection->arena,
                                                   .connection = connection};
    struct mr_http_response response = {.status = 200};
    found.route->handler(connection->loop->options->ctx, &connection->request, &response);
    if (!connection->suspended) return respond(connection, &response, (struct mr_str){NULL, 0});
    mr_http_pending_park(connection->suspended);
    mr_http_loop_move(connection, MR_HTTP_WAIT);
    return STEP_NEXT; /* maybe it was resumed by then */
}

/* ---- Requests that are answered later ----
 * Who has closed its side of the connection meanwhile is gone, as for nginx and Go's net/http:
 * nobody would notice else that a client has given up. What is there to be sent is sent even so. */

static step wait_on(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    if (pending->is_stream) return stream_on(connection);
    if (!mr_http_pending_is_resumed(pending))
        return connection->is_hung_up && !pending->is_abandoned ? STEP_CLOSE : STEP_WAIT;
    struct mr_http_response response = {.status = 200};
    pending->ops->answer(pending->job, &connection->request, &response);
    pending->is_stream = response.is_stream;
    bool is_wanted = !pending->is_abandoned;
    if (!response.is_stream) mr_http_pending_deinit(pending);
    if (is_wanted) return respond(connection, &response, (struct mr_str){NULL, 0});
    return response.is_stream ? stream_on(connection) : STEP_CLOSE;
}

/* All of the stream is out. */
static step end_stream(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    if (pending->is_chunked && !pending->is_discarding)
        connection->unsent[0] = mr_str_from("0\r\n\r\n");
    mr_http_pending_deinit(pending);
    mr_http_loop_move(connection, MR_HTTP_WRITE);
    return write_on(connection);
}

/* Its head is out: send what has been added. Only progress postpones the deadline of a client that
 * does not read. */
static step stream_on(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    mr_http_stream_take(pending);
    if (pending->is_abandoned) {
        if (!pending->is_complete) return STEP_WAIT;
        mr_http_pending_deinit(pending);
        return STEP_CLOSE;
    }
    if (connection->is_hung_up && !pending->is_complete) return STEP_CLOSE;
    while (pending->sending.first) {
        if (!has_budget(connection)) return STEP_WAIT;
        ssize_t n = mr_http_stream_send(pending);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return STEP_CLOSE;
        if (n > 0) spend(connection->loop, (size_t)n);
        bool is_stuck = n < 0 && connection->phase == MR_HTTP_WRITE;
        if (!is_stuck) mr_http_loop_move(connection, MR_HTTP_WRITE);
        if (n < 0) return STEP_WAIT;
    }
    if (pending->is_complete) return end_stream(connection);
    if (connection->phase != MR_HTTP_WAIT) mr_http_loop_move(connection, MR_HTTP_WAIT);
    return STEP_WAIT;
}

/* The connection is over while others work for it. May it be freed? Else it waits for them. */
static bool abandon(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    if (pending->is_abandoned) return false;
    /* Before `cancel`: a producer that goes on then must not find the stream full again, of which
     * nobody would tell it the end. */
    pending->is_abandoned = true;
    mr_http_stream_discard(pending);
    if (pending->is_complete || pending->ops->cancel(pending->job)) {
        mr_http_pending_deinit(pending);
        return true;
    }
    shutdown(connection->fd, SHUT_RDWR);
    free(connection->pending);
    connection->pending = NULL;
    connection->pending_size = connection->pending_capacity = 0;
    mr_http_loop_move(connection, MR_HTTP_WAIT);
    return false;
}

/* ---- Bytes ---- */

/* Make the body's room at least `capacity` bytes plus padding. */
static bool reserve_body(struct mr_http_connection *connection, size_t capacity) {
    if (connection->body && capacity + BODY_PADDING <= connection->body_capacity) return true;
    char *body = mr_arena_realloc(connection->arena, connection->body, connection->body_capacity,
                                  capacity + BODY_PADDING);
    if (!body) return false;
    connection->body = body;
    connection->body_capacity = capacity + BODY_PADDING;
    return true;
}

static void append_body(struct mr_http_connection *connection, const char *data, size_t size) {
    if (size) memcpy(connection->body + connection->body_size, data, size);
    connection->body_size += size;
}

/* Zero what lies behind the body, as struct mr_http_request promises, and answer. */
static step complete_body(struct mr_http_connection *connection, struct mr_http_head *head) {
    mr_http_loop_limit_arena(connection->loop, connection->arena, connection->body_size);
    memset(connection->body + connection->body_size, 0, BODY_PADDING);
    return dispatch(connection, head);
}

static step read_sized_body(struct mr_http_connection *connection) {
    size_t left = (size_t)connection->request_head->content_length - connection->body_size;
    if (!left) return complete_body(connection, connection->request_head);
    if (connection->is_eof) return STEP_CLOSE;
    if (!connection->can_read || !has_budget(connection)) return STEP_WAIT;
    size_t size = left < TURN_BYTES ? left : TURN_BYTES;
    ssize_t n = receive(connection, connection->body + connection->body_size, size);
    if (n < 0) return STEP_CLOSE;
    connection->body_size += (size_t)n;
    return STEP_NEXT;
}

/* Add a run of chunk data, growing by doubling. */
static bool append_chunk(struct mr_http_connection *connection, struct mr_str piece) {
    size_t needed = connection->body_size + piece.size;
    if (needed + BODY_PADDING > connection->body_capacity) {
        size_t limit = connection->loop->options->max_body_bytes;
        size_t capacity = needed < FIRST_CHUNKED_BYTES / 2 ? FIRST_CHUNKED_BYTES : needed * 2;
        if (capacity > limit && needed <= limit) capacity = limit;
        if (!reserve_body(connection, capacity)) return false;
    }
    append_body(connection, piece.data, piece.size);
    return true;
}

static step read_chunked_body(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    struct mr_http_chunked *chunked = &connection->chunked;
    struct mr_str input = {loop->input + loop->at, loop->end - loop->at};
    while (input.size && !mr_http_chunked_is_done(chunked)) {
        struct mr_str piece;
        if (mr_http_chunked_next(chunked, &input, &piece, &loop->err) != MR_OK)
            return refuse(connection);
        if (piece.size > loop->options->max_body_bytes - connection->body_size)
            return refuse_too_large(connection);
        if (!append_chunk(connection, piece)) {
            (void)mr_arena_fail(connection->arena, &loop->err);
            return refuse(connection);
        }
    }
    loop->at = loop->end - input.size;
    if (mr_http_chunked_is_done(chunked))
        return complete_body(connection, connection->request_head);
    if (connection->is_eof) return STEP_CLOSE;
    if (!connection->can_read || !has_budget(connection)) return STEP_WAIT;
    ssize_t n = receive(connection, loop->input, loop->input_capacity);
    if (n < 0) return STEP_CLOSE;
    loop->at = 0;
    loop->end = (size_t)n;
    return STEP_NEXT;
}

/* The body is not here yet: keep the head, and make room for the body. */
static step begin_body(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    struct mr_arena *arena = connection->arena;
    struct mr_http_head *head = mr_arena_alloc(arena, sizeof(*head));
    char *copy = mr_arena_alloc(arena, loop->head.text.size);
    size_t capacity = loop->head.is_chunked ? FIRST_CHUNKED_BYTES
                                            : (size_t)loop->head.content_length;
    if (!head || !copy || !reserve_body(connection, capacity)) {
        (void)mr_arena_fail(arena, &loop->err);
        return refuse(connection);
    }
    mr_http_head_copy(&loop->head, copy, head);
    connection->request_head = head;
    mr_http_chunked_init(&connection->chunked, loop->options->max_header_bytes);
    mr_http_loop_move(connection, MR_HTTP_BODY);
    if (!head->is_chunked) { /* fewer than the whole: begin_request has seen to that */
        append_body(connection, loop->input + loop->at, loop->end - loop->at);
        loop->at = loop->end;
    } else if (loop->at < loop->end) {
        return STEP_NEXT;
    }
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (head->expects_continue && !connection->body_size) {
        ssize_t n = send(connection->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL);
        if (n != sizeof go_on - 1) return STEP_CLOSE;
    }
    return STEP_NEXT;
}

/* A head of `size` bytes is at the front of the input. */
static step begin_request(struct mr_http_connection *connection, size_t size) {
    struct mr_http_loop *loop = connection->loop;
    const struct mr_http_options *options = loop->options;
    struct mr_http_head *head = &loop->head;
    struct mr_str text = {loop->input + loop->at, size};
    connection->is_head = connection->is_keep_alive = connection->is_http_1_0 = false;
    if (mr_http_head_parse(text, head, &loop->err) != MR_OK) return refuse(connection);
    connection->is_head = mr_str_is(head->method, "HEAD");
    connection->is_keep_alive = head->is_keep_alive;
    connection->is_http_1_0 = head->is_http_1_0;
    if (head->content_length > options->max_body_bytes) return refuse_too_large(connection);
    loop->at += size;
    connection->found = mr_http_route_find(options->routes, options->n_routes, head->method,
                                           head->path);
    connection->arena = mr_http_loop_take_arena(loop);
    if (!connection->arena) return STEP_CLOSE;
    size_t arrived = loop->end - loop->at;
    if (head->is_chunked || arrived < head->content_length) {
        /* Whoever waits for 100 to send a body nobody wants is told so instead. */
        if (head->expects_continue && !arrived && connection->found.status != 200) {
            connection->is_closing = true;
            return answer_without_handler(connection, head, connection->found);
        }
        return begin_body(connection);
    }
    size_t body_size = (size_t)head->content_length;
    if (!reserve_body(connection, body_size)) {
        (void)mr_arena_fail(connection->arena, &loop->err);
        return refuse(connection);
    }
    append_body(connection, loop->input + loop->at, body_size);
    loop->at += body_size;
    return complete_body(connection, head);
}

/* Is there a head at the front of the input? STEP_WAIT: not yet. */
static step find_request(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    size_t max_bytes = loop->options->max_header_bytes;
    /* RFC 9112 section 2.2: empty lines before a request line are ignored. */
    while (loop->end - loop->at >= 2 && memcmp(loop->input + loop->at, "\r\n", 2) == 0)
        loop->at += 2;
    const char *data = loop->input + loop->at;
    size_t left = loop->end - loop->at;
    if (!left || (left == 1 && *data == '\r')) return STEP_WAIT;
    if (connection->phase == MR_HTTP_IDLE) mr_http_loop_move(connection, MR_HTTP_HEAD);
    size_t size = mr_http_is_token_char(*data)
                      ? mr_http_head_size(data, left, &connection->scanned)
                      : left; /* TLS or noise: the parser says so now, not after a timeout */
    if (size > max_bytes || (!size && left >= max_bytes)) {
        (void)mr_fail(&loop->err, MR_E_HEADERS_TOO_LARGE,
                      "the request line and headers are over the limit of %zu bytes", max_bytes);
        connection->is_head = false;
        return refuse(connection);
    }
    if (!size) return STEP_WAIT;
    connection->scanned = 0;
    return begin_request(connection, size);
}

static step read_head(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    if (!has_budget(connection)) return STEP_WAIT;
    if (loop->at < loop->end) {
        step next = find_request(connection);
        if (next != STEP_WAIT) return next;
    }
    if (connection->is_eof) return STEP_CLOSE;
    if (!connection->can_read) return STEP_WAIT;
    if (loop->at) {
        memmove(loop->input, loop->input + loop->at, loop->end - loop->at);
        loop->end -= loop->at;
        loop->at = 0;
    }
    ssize_t n = receive(connection, loop->input + loop->end, loop->input_capacity - loop->end);
    if (n < 0) return STEP_CLOSE;
    loop->end += (size_t)n;
    return STEP_NEXT;
}

static step drop_input(struct mr_http_connection *connection) {
    if (connection->is_eof) return STEP_CLOSE;
    if (!connection->can_read || !has_budget(connection)) return STEP_WAIT;
    struct mr_http_loop *loop = connection->loop;
    return receive(connection, loop->input, loop->input_capacity) < 0 ? STEP_CLOSE : STEP_NEXT;
}

static step take_step(struct mr_http_connection *connection) {
    switch (connection->phase) {
    case MR_HTTP_IDLE:
    case MR_HTTP_HEAD: return read_head(connection);
    case MR_HTTP_BODY:
        return connection->request_head->is_chunked ? read_chunked_body(connection)
                                                    : read_sized_body(connection);
    case MR_HTTP_WAIT: return wait_on(connection);
    case MR_HTTP_WRITE: return write_on(connection);
    case MR_HTTP_LINGER: return drop_input(connection);
    case MR_HTTP_N_PHASES: break;
    }
    return STEP_CLOSE;
}

/* Save what was received and not consumed; the input buffer is the next connection's. */
static bool save_pending(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    size_t size = loop->end - loop->at;
    if (!size && connection->pending) {
        free(connection->pending);
        connection->pending = NULL;
        connection->pending_capacity = 0;
    }
    if (size > connection->pending_capacity) {
        size_t capacity = connection->pending_capacity ? connection->pending_capacity : 256;
        while (capacity < size) capacity *= 2;
        char *pending = realloc(connection->pending, capacity);
        if (!pending) return false;
        connection->pending = pending;
        connection->pending_capacity = capacity;
    }
    if (size) memcpy(connection->pending, loop->input + loop->at, size);
    connection->pending_size = size;
    return true;
}

static bool run(struct mr_http_connection *connection, step next) {
    while (next == STEP_NEXT) next = take_step(connection);
    if (next == STEP_WAIT && save_pending(connection)) return true;
    if (connection->suspended && !abandon(connection)) return true;
    mr_http_loop_close(connection);
    return false;
}

bool mr_http_connection_turn(struct mr_http_connection *connection, uint32_t events) {
    struct mr_http_loop *loop = connection->loop;
    if (events & ~(uint32_t)EPOLLOUT) connection->can_read = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection->is_hung_up = true;
    loop->budget = TURN_BYTES;
    loop->at = 0;
    loop->end = connection->pending_size;
    if (loop->end) memcpy(loop->input, connection->pending, loop->end);
    return run(connection, STEP_NEXT);
}

bool mr_http_connection_cut_off(struct mr_http_connection *connection) {
    return run(connection, STEP_CLOSE);
}

bool mr_http_connection_expire(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    bool is_body = connection->phase == MR_HTTP_BODY;
    if (!is_body && connection->phase != MR_HTTP_HEAD) return run(connection, STEP_CLOSE);
    (void)mr_fail(&loop->err, MR_E_TIMEOUT, "the %s did not arrive whole within %u ms",
                  is_body ? "request body" : "request line and headers",
                  loop->options->read_timeout_ms);
    loop->budget = TURN_BYTES;
    if (!is_body) connection->is_head = false;
    return run(connection, refuse(connection));
}
