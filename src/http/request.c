/* A connection's requests as they arrive. Bytes are received into the loop's input buffer; a
 * request that is there whole is answered from it. Of one that is not, the head moves to the arena
 * and the body is received right where it will stay. */
#include <errno.h>
#include <sys/socket.h>

#include "http/step.h"

#define BODY_PADDING ((size_t)8) /* promised by struct mr_http_request */
#define FIRST_CHUNKED_BYTES ((size_t)4096)

ssize_t mr_http_receive(struct mr_http_connection *connection, void *to, size_t size) {
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
    mr_http_spend(connection->loop, (size_t)n);
    return n;
}

static mr_http_step refuse_too_large(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    (void)mr_fail(&loop->err, MR_E_TOO_LARGE,
                  "the request body is over the limit of %zu bytes (--max-body)",
                  loop->options->max_body_bytes);
    return mr_http_refuse(connection);
}

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
static mr_http_step complete_body(struct mr_http_connection *connection,
                                  struct mr_http_head *head) {
    mr_http_loop_limit_arena(connection->loop, connection->arena, connection->body_size);
    memset(connection->body + connection->body_size, 0, BODY_PADDING);
    return mr_http_dispatch(connection, head);
}

static mr_http_step read_sized_body(struct mr_http_connection *connection) {
    size_t left = (size_t)connection->request_head->content_length - connection->body_size;
    if (!left) return complete_body(connection, connection->request_head);
    if (connection->is_eof) return MR_HTTP_STEP_CLOSE;
    if (!connection->can_read || !mr_http_has_budget(connection)) return MR_HTTP_STEP_WAIT;
    size_t size = left < MR_HTTP_TURN_BYTES ? left : MR_HTTP_TURN_BYTES;
    ssize_t n = mr_http_receive(connection, connection->body + connection->body_size, size);
    if (n < 0) return MR_HTTP_STEP_CLOSE;
    connection->body_size += (size_t)n;
    return MR_HTTP_STEP_NEXT;
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

static mr_http_step read_chunked_body(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    struct mr_http_chunked *chunked = &connection->chunked;
    struct mr_str input = {loop->input + loop->at, loop->end - loop->at};
    while (input.size && !mr_http_chunked_is_done(chunked)) {
        struct mr_str piece;
        if (mr_http_chunked_next(chunked, &input, &piece, &loop->err) != MR_OK)
            return mr_http_refuse(connection);
        if (piece.size > loop->options->max_body_bytes - connection->body_size)
            return refuse_too_large(connection);
        if (!append_chunk(connection, piece)) {
            (void)mr_arena_fail(connection->arena, &loop->err);
            return mr_http_refuse(connection);
        }
    }
    loop->at = loop->end - input.size;
    if (mr_http_chunked_is_done(chunked))
        return complete_body(connection, connection->request_head);
    if (connection->is_eof) return MR_HTTP_STEP_CLOSE;
    if (!connection->can_read || !mr_http_has_budget(connection)) return MR_HTTP_STEP_WAIT;
    ssize_t n = mr_http_receive(connection, loop->input, loop->input_capacity);
    if (n < 0) return MR_HTTP_STEP_CLOSE;
    loop->at = 0;
    loop->end = (size_t)n;
    return MR_HTTP_STEP_NEXT;
}

mr_http_step mr_http_read_body(struct mr_http_connection *connection) {
    return connection->request_head->is_chunked ? read_chunked_body(connection)
                                                : read_sized_body(connection);
}

/* The body is not here yet: keep the head, and make room for the body. */
static mr_http_step begin_body(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    struct mr_arena *arena = connection->arena;
    struct mr_http_head *head = mr_arena_alloc(arena, sizeof(*head));
    char *copy = mr_arena_alloc(arena, loop->head.text.size);
    size_t capacity = loop->head.is_chunked ? FIRST_CHUNKED_BYTES
                                            : (size_t)loop->head.content_length;
    if (!head || !copy || !reserve_body(connection, capacity) ||
        !mr_http_exchange_keep(connection)) {
        (void)mr_arena_fail(arena, &loop->err);
        return mr_http_refuse(connection);
    }
    mr_http_head_copy(&loop->head, copy, head);
    connection->request_head = head;
    mr_http_chunked_init(&connection->chunked, loop->options->max_header_bytes);
    mr_http_loop_move(connection, MR_HTTP_BODY);
    if (!head->is_chunked) { /* fewer than the whole: begin_request has seen to that */
        append_body(connection, loop->input + loop->at, loop->end - loop->at);
        loop->at = loop->end;
    } else if (loop->at < loop->end) {
        return MR_HTTP_STEP_NEXT;
    }
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (head->expects_continue && !connection->body_size) {
        ssize_t n = send(connection->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL);
        if (n != sizeof go_on - 1) return MR_HTTP_STEP_CLOSE;
    }
    return MR_HTTP_STEP_NEXT;
}

/* A head of `size` bytes is at the front of the input. */
static mr_http_step begin_request(struct mr_http_connection *connection, size_t size) {
    struct mr_http_loop *loop = connection->loop;
    const struct mr_http_options *options = loop->options;
    struct mr_http_head *head = &loop->head;
    struct mr_str text = {loop->input + loop->at, size};
    connection->is_head = connection->is_keep_alive = connection->is_http_1_0 = false;
    if (mr_http_head_parse(text, head, &loop->err) != MR_OK) return mr_http_refuse(connection);
    mr_http_exchange_identify(connection, head);
    connection->is_head = mr_str_is(head->method, "HEAD");
    connection->is_keep_alive = head->is_keep_alive;
    connection->is_http_1_0 = head->is_http_1_0;
    if (head->content_length > options->max_body_bytes) return refuse_too_large(connection);
    loop->at += size;
    connection->found = mr_http_route_find(options->routes, options->n_routes, head->method,
                                           head->path);
    connection->arena = mr_http_loop_take_arena(loop);
    if (!connection->arena) return MR_HTTP_STEP_CLOSE;
    size_t arrived = loop->end - loop->at;
    if (head->is_chunked || arrived < head->content_length) {
        /* Whoever waits for 100 to send a body nobody wants is told so instead. */
        if (head->expects_continue && !arrived && connection->found.status != 200) {
            connection->is_closing = true;
            return mr_http_answer_without_handler(connection, head);
        }
        return begin_body(connection);
    }
    size_t body_size = (size_t)head->content_length;
    if (!reserve_body(connection, body_size)) {
        (void)mr_arena_fail(connection->arena, &loop->err);
        return mr_http_refuse(connection);
    }
    append_body(connection, loop->input + loop->at, body_size);
    loop->at += body_size;
    return complete_body(connection, head);
}

/* Is there a head at the front of the input? MR_HTTP_STEP_WAIT: not yet. */
static mr_http_step find_request(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    size_t max_bytes = loop->options->max_header_bytes;
    /* RFC 9112 section 2.2: empty lines before a request line are ignored. */
    while (loop->end - loop->at >= 2 && memcmp(loop->input + loop->at, "\r\n", 2) == 0)
        loop->at += 2;
    const char *data = loop->input + loop->at;
    size_t left = loop->end - loop->at;
    if (!left || (left == 1 && *data == '\r')) return MR_HTTP_STEP_WAIT;
    if (connection->phase == MR_HTTP_IDLE) {
        mr_http_loop_move(connection, MR_HTTP_HEAD);
        mr_http_exchange_begin(connection);
    }
    size_t size = mr_http_is_token_char(*data)
                      ? mr_http_head_size(data, left, &connection->scanned)
                      : left; /* TLS or noise: the parser says so now, not after a timeout */
    if (size > max_bytes || (!size && left >= max_bytes)) {
        (void)mr_fail(&loop->err, MR_E_HEADERS_TOO_LARGE,
                      "the request line and headers are over the limit of %zu bytes", max_bytes);
        connection->is_head = false;
        return mr_http_refuse(connection);
    }
    if (!size) return MR_HTTP_STEP_WAIT;
    connection->scanned = 0;
    return begin_request(connection, size);
}

mr_http_step mr_http_read_head(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    if (!mr_http_has_budget(connection)) return MR_HTTP_STEP_WAIT;
    if (loop->at < loop->end) {
        mr_http_step next = find_request(connection);
        if (next != MR_HTTP_STEP_WAIT) return next;
    }
    if (connection->is_eof) return MR_HTTP_STEP_CLOSE;
    if (!connection->can_read) return MR_HTTP_STEP_WAIT;
    if (loop->at) {
        memmove(loop->input, loop->input + loop->at, loop->end - loop->at);
        loop->end -= loop->at;
        loop->at = 0;
    }
    ssize_t n = mr_http_receive(connection, loop->input + loop->end,
                                loop->input_capacity - loop->end);
    if (n < 0) return MR_HTTP_STEP_CLOSE;
    loop->end += (size_t)n;
    return MR_HTTP_STEP_NEXT;
}
