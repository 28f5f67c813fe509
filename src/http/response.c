/* A connection's responses: head and body, or a stream piece by piece. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "http/step.h"

#define RESPONSE_COST_BYTES ((size_t)4096) /* ends the turn of one who pipelines without end */

/* What was to be sent is out: on with the stream or to the next request, or the end. */
static mr_http_step finish(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    if (connection->suspended) return mr_http_stream_on(connection);
    connection->exchange.is_cut = false;
    mr_http_exchange_end(connection);
    if (connection->arena) {
        mr_http_loop_give_arena(loop, connection->arena);
        connection->arena = NULL;
    }
    connection->body = NULL;
    connection->body_size = connection->body_capacity = 0;
    mr_http_spend(loop, RESPONSE_COST_BYTES);
    if (connection->is_keep_alive) {
        mr_http_loop_move(connection, MR_HTTP_IDLE);
        return MR_HTTP_STEP_NEXT;
    }
    /* Closing a socket that has unread bytes resets the connection, and the client may lose the
     * response it has not read yet (RFC 9112 section 9.6). */
    bool has_unread = loop->at < loop->end || connection->can_read;
    if (connection->is_eof || !(connection->is_closing || has_unread)) return MR_HTTP_STEP_CLOSE;
    shutdown(connection->fd, SHUT_WR);
    loop->at = loop->end = 0;
    mr_http_loop_move(connection, MR_HTTP_LINGER);
    return MR_HTTP_STEP_NEXT;
}

mr_http_step mr_http_write_on(struct mr_http_connection *connection) {
    struct mr_str *unsent = connection->unsent;
    while (unsent[0].size || unsent[1].size) {
        if (!mr_http_has_budget(connection)) return MR_HTTP_STEP_WAIT;
        struct iovec parts[2] = {{(void *)(uintptr_t)unsent[0].data, unsent[0].size},
                                 {(void *)(uintptr_t)unsent[1].data, unsent[1].size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t n = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? MR_HTTP_STEP_WAIT : MR_HTTP_STEP_CLOSE;
        }
        mr_http_spend(connection->loop, (size_t)n);
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
    if (!copy || !mr_http_exchange_keep(connection)) return false;
    connection->unsent[0] = (struct mr_str){copy, head.size};
    connection->unsent[1] = body;
    mr_http_loop_move(connection, MR_HTTP_WRITE);
    return true;
}

/* Send a response: in one call when it fits into the output buffer, as most do. */
static mr_http_step send_response(struct mr_http_connection *connection, size_t head_size,
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
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return MR_HTTP_STEP_CLOSE;
        if (n > 0) {
            head.data += n;
            head.size -= (size_t)n;
        }
    }
    return keep_unsent(connection, head, body) ? MR_HTTP_STEP_NEXT : MR_HTTP_STEP_CLOSE;
}

void mr_http_response_add(struct mr_http_response *response, const char *name,
                          struct mr_str value) {
    struct mr_http_extra *extra = response->extras;
    while (extra < response->extras + MR_HTTP_MAX_EXTRAS && extra->name) extra++;
    if (extra == response->extras + MR_HTTP_MAX_EXTRAS) return;
    *extra = (struct mr_http_extra){name, value};
}

static void note_response(struct mr_http_connection *connection,
                          const struct mr_http_response *response, bool has_body) {
    struct mr_http_exchange *exchange = &connection->exchange;
    exchange->status = response->status;
    exchange->answered_ns = mr_clock_ns();
    exchange->n_sent = has_body ? response->body.size : 0;
    exchange->is_cut = true; /* until all of it is out */
}

mr_http_step mr_http_respond(struct mr_http_connection *connection,
                             const struct mr_http_response *response, struct mr_str allow) {
    struct mr_http_loop *loop = connection->loop;
    bool has_body = !connection->is_head && mr_http_reply_has_body(response->status);
    bool is_stream = response->is_stream && connection->suspended;
    note_response(connection, response, has_body && !is_stream);
    /* Not while there is more of a pipeline: what follows this word is not answered. */
    if (mr_http_loop_is_stopping(loop) && loop->at == loop->end) connection->is_closing = true;
    if (connection->is_closing || (is_stream && connection->is_http_1_0))
        connection->is_keep_alive = false;
    struct mr_http_reply reply = {.status = response->status,
                                  .content_type = response->content_type,
                                  .content_length = response->body.size,
                                  .location = response->location,
                                  .allow = allow,
                                  .retry_after_s = response->retry_after_s,
                                  .request_id = connection->exchange.id,
                                  .extras = response->extras};
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
    if (!head_size) return MR_HTTP_STEP_CLOSE;
    return send_response(connection, head_size,
                         has_body && !is_stream ? response->body : (struct mr_str){NULL, 0});
}

mr_http_step mr_http_refuse(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    char body[1024]; /* the messages of this folder and of the arena have nothing to escape */
    int size = snprintf(body, sizeof body, "{\"error_code\": \"%s\", \"message\": \"%s\"}",
                        mr_status_error_code(loop->err.status), loop->err.message);
    struct mr_http_response response = {.status = mr_status_http(loop->err.status),
                                        .content_type = "application/json",
                                        .body = {body, (size_t)size}};
    connection->is_closing = true;
    loop->at = loop->end = 0;
    return mr_http_respond(connection, &response, (struct mr_str){NULL, 0});
}

/* ---- Streams ---- */

/* All of the stream is out. */
static mr_http_step end_stream(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    if (pending->is_chunked && !pending->is_discarding)
        connection->unsent[0] = mr_str_from("0\r\n\r\n");
    mr_http_pending_deinit(pending);
    mr_http_loop_move(connection, MR_HTTP_WRITE);
    return mr_http_write_on(connection);
}

mr_http_step mr_http_stream_on(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    mr_http_stream_take(pending);
    if (pending->is_abandoned) {
        if (!pending->is_complete) return MR_HTTP_STEP_WAIT;
        mr_http_pending_deinit(pending);
        return MR_HTTP_STEP_CLOSE;
    }
    if (connection->is_hung_up && !pending->is_complete) return MR_HTTP_STEP_CLOSE;
    while (pending->sending.first) {
        if (!mr_http_has_budget(connection)) return MR_HTTP_STEP_WAIT;
        ssize_t n = mr_http_stream_send(pending);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return MR_HTTP_STEP_CLOSE;
        if (n > 0) {
            mr_http_spend(connection->loop, (size_t)n);
            connection->exchange.n_sent += (size_t)n;
        }
        bool is_stuck = n < 0 && connection->phase == MR_HTTP_WRITE;
        if (!is_stuck) mr_http_loop_move(connection, MR_HTTP_WRITE);
        if (n < 0) return MR_HTTP_STEP_WAIT;
    }
    if (pending->is_complete) return end_stream(connection);
    if (connection->phase != MR_HTTP_WAIT) mr_http_loop_move(connection, MR_HTTP_WAIT);
    return MR_HTTP_STEP_WAIT;
}
