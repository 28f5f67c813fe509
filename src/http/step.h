/* The steps of a connection's turn. Private to its three files: request.c receives, connection.c
 * gives requests to handlers and takes the steps, response.c sends. */
#ifndef MR_HTTP_STEP_H
#define MR_HTTP_STEP_H

#include <sys/types.h>

#include "http/loop.h"

#define MR_HTTP_TURN_BYTES ((size_t)256 * 1024)

typedef enum mr_http_step {
    MR_HTTP_STEP_NEXT, /* take another */
    MR_HTTP_STEP_WAIT, /* until epoll reports the socket */
    MR_HTTP_STEP_CLOSE /* the connection is over */
} mr_http_step;

static inline void mr_http_spend(struct mr_http_loop *loop, size_t bytes) {
    loop->budget -= bytes < loop->budget ? bytes : loop->budget;
}

/* May this turn go on? If not, the others have theirs, and epoll reports this one at once again. */
bool mr_http_has_budget(struct mr_http_connection *connection);

/* request.c: phases IDLE and HEAD, phase BODY. */
mr_http_step mr_http_read_head(struct mr_http_connection *connection);
mr_http_step mr_http_read_body(struct mr_http_connection *connection);

/* Receive at most `size` bytes. 0: none now; can_read and is_eof say why. -1: the connection broke.
 */
ssize_t mr_http_receive(struct mr_http_connection *connection, void *to, size_t size);

/* connection.c: the request is whole, have its handler answer it. */
mr_http_step mr_http_dispatch(struct mr_http_connection *connection, struct mr_http_head *head);

/* There is no handler: 404 and 405 with the bodies of Starlette and FastAPI, 307 to the path
 * without its trailing slashes. */
mr_http_step mr_http_answer_without_handler(struct mr_http_connection *connection,
                                            const struct mr_http_head *head);

/* response.c. allow: the Allow header, size 0 for none. */
mr_http_step mr_http_respond(struct mr_http_connection *connection,
                             const struct mr_http_response *response, struct mr_str allow);

/* Answer with loop->err and close: what comes next on this connection is not to be trusted, or not
 * worth to be received. */
mr_http_step mr_http_refuse(struct mr_http_connection *connection);

/* Phase WRITE: send what is left of the response. */
mr_http_step mr_http_write_on(struct mr_http_connection *connection);

/* The head of a stream is out: send what has been added. Only progress postpones the deadline of a
 * client that does not read. */
mr_http_step mr_http_stream_on(struct mr_http_connection *connection);

#endif
