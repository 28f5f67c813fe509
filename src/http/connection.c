/* One connection: bytes in, requests to handlers, responses out.
 *
 * A turn takes steps until the connection has to wait for the socket, is closed, or has used up its
 * budget. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "http/step.h"

struct mr_str mr_http_header(const struct mr_http_request *request, const char *name) {
    const struct mr_http_connection *connection = request->connection;
    return mr_http_head_find(connection->request_head, name);
}

bool mr_http_has_budget(struct mr_http_connection *connection) {
    if (connection->loop->budget) return true;
    mr_http_loop_rearm(connection);
    return false;
}

/* ---- Requests ---- */

mr_http_step mr_http_answer_without_handler(struct mr_http_connection *connection,
                                            const struct mr_http_head *head) {
    const struct mr_http_options *options = connection->loop->options;
    struct mr_http_found found = connection->found;
    struct mr_http_response response = {.status = found.status};
    char allow[128];
    struct mr_str allowed = {allow, 0};
    if (found.status == 307) {
        size_t capacity = strlen(found.route->path) + 1 + head->query.size * 3;
        char *location = mr_arena_alloc(connection->arena, capacity);
        if (!location) {
            (void)mr_arena_fail(connection->arena, &connection->loop->err);
            return mr_http_refuse(connection);
        }
        size_t size = mr_http_route_location(found.route, head->query, location, capacity);
        response.location = (struct mr_str){location, size};
        return mr_http_respond(connection, &response, allowed);
    }
    response.content_type = "application/json";
    response.body = mr_str_from("{\"detail\":\"Not Found\"}");
    if (found.status == 405) {
        allowed.size = mr_http_route_allow(options->routes, options->n_routes, head->path, allow,
                                           sizeof allow);
        response.body = mr_str_from("{\"detail\":\"Method Not Allowed\"}");
    }
    return mr_http_respond(connection, &response, allowed);
}

mr_http_step mr_http_dispatch(struct mr_http_connection *connection, struct mr_http_head *head) {
    struct mr_http_found found = connection->found;
    struct mr_http_exchange *exchange = &connection->exchange;
    exchange->whole_ns = mr_clock_ns();
    exchange->n_received = connection->body_size;
    if (found.status != 200) return mr_http_answer_without_handler(connection, head);
    exchange->route = found.route;
    connection->request_head = head;
    connection->request = (struct mr_http_request){.method = head->method,
                                                   .path = mr_str_from(found.route->path),
                                                   .body = connection->body,
                                                   .body_size = connection->body_size,
                                                   .body_capacity = connection->body_capacity,
                                                   .arena = connection->arena,
                                                   .id = exchange->id,
                                                   .first_ns = exchange->first_ns,
                                                   .whole_ns = exchange->whole_ns,
                                                   .connection = connection};
    struct mr_http_response response = {.status = 200};
    void *ctx = found.route->ctx ? found.route->ctx : connection->loop->options->ctx;
    found.route->handler(ctx, &connection->request, &response);
    if (!connection->suspended)
        return mr_http_respond(connection, &response, (struct mr_str){NULL, 0});
    mr_http_pending_park(connection->suspended);
    mr_http_loop_move(connection, MR_HTTP_WAIT);
    return MR_HTTP_STEP_NEXT; /* maybe it was resumed by then */
}

/* ---- Requests that are answered later ----
 * Who has closed its side of the connection meanwhile is gone, as for nginx and Go's net/http:
 * nobody would notice else that a client has given up. What is there to be sent is sent even so. */

static mr_http_step wait_on(struct mr_http_connection *connection) {
    struct mr_http_pending *pending = connection->suspended;
    if (pending->is_stream) return mr_http_stream_on(connection);
    if (!mr_http_pending_is_resumed(pending))
        return connection->is_hung_up && !pending->is_abandoned ? MR_HTTP_STEP_CLOSE
                                                                : MR_HTTP_STEP_WAIT;
    struct mr_http_response response = {.status = 200};
    pending->ops->answer(pending->job, &connection->request, &response);
    if (connection->suspended != pending) {
        mr_http_pending_park(connection->suspended);
        return MR_HTTP_STEP_NEXT;
    }
    pending->is_stream = response.is_stream;
    bool is_wanted = !pending->is_abandoned;
    if (!response.is_stream) mr_http_pending_deinit(pending);
    if (is_wanted) return mr_http_respond(connection, &response, (struct mr_str){NULL, 0});
    return response.is_stream ? mr_http_stream_on(connection) : MR_HTTP_STEP_CLOSE;
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

/* ---- Turns ---- */

static mr_http_step drop_input(struct mr_http_connection *connection) {
    if (connection->is_eof) return MR_HTTP_STEP_CLOSE;
    if (!connection->can_read || !mr_http_has_budget(connection)) return MR_HTTP_STEP_WAIT;
    struct mr_http_loop *loop = connection->loop;
    return mr_http_receive(connection, loop->input, loop->input_capacity) < 0 ? MR_HTTP_STEP_CLOSE
                                                                              : MR_HTTP_STEP_NEXT;
}

static mr_http_step take_step(struct mr_http_connection *connection) {
    switch (connection->phase) {
    case MR_HTTP_IDLE:
    case MR_HTTP_HEAD: return mr_http_read_head(connection);
    case MR_HTTP_BODY: return mr_http_read_body(connection);
    case MR_HTTP_WAIT: return wait_on(connection);
    case MR_HTTP_WRITE: return mr_http_write_on(connection);
    case MR_HTTP_LINGER: return drop_input(connection);
    case MR_HTTP_N_PHASES: break;
    }
    return MR_HTTP_STEP_CLOSE;
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

static bool run(struct mr_http_connection *connection, mr_http_step next) {
    while (next == MR_HTTP_STEP_NEXT) next = take_step(connection);
    if (next == MR_HTTP_STEP_WAIT && save_pending(connection)) return true;
    if (connection->suspended && !abandon(connection)) return true;
    mr_http_exchange_end(connection);
    mr_http_loop_close(connection);
    return false;
}

bool mr_http_connection_turn(struct mr_http_connection *connection, uint32_t events) {
    struct mr_http_loop *loop = connection->loop;
    if (events & ~(uint32_t)EPOLLOUT) connection->can_read = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection->is_hung_up = true;
    loop->budget = MR_HTTP_TURN_BYTES;
    loop->at = 0;
    loop->end = connection->pending_size;
    if (loop->end) memcpy(loop->input, connection->pending, loop->end);
    return run(connection, MR_HTTP_STEP_NEXT);
}

bool mr_http_connection_cut_off(struct mr_http_connection *connection) {
    return run(connection, MR_HTTP_STEP_CLOSE);
}

bool mr_http_connection_expire(struct mr_http_connection *connection) {
    struct mr_http_loop *loop = connection->loop;
    bool is_body = connection->phase == MR_HTTP_BODY;
    if (!is_body && connection->phase != MR_HTTP_HEAD) return run(connection, MR_HTTP_STEP_CLOSE);
    (void)mr_fail(&loop->err, MR_E_TIMEOUT, "the %s did not arrive whole within %u ms",
                  is_body ? "request body" : "request line and headers",
                  loop->options->read_timeout_ms);
    loop->budget = MR_HTTP_TURN_BYTES;
    if (!is_body) connection->is_head = false;
    return run(connection, mr_http_refuse(connection));
}
