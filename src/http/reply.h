/* The head of a response, as bytes. Pure but for the clock behind the Date header. */
#ifndef MR_HTTP_REPLY_H
#define MR_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

typedef enum mr_http_connection_header {
    MR_HTTP_CONNECTION_NONE, /* HTTP/1.1 stays open without a word */
    MR_HTTP_CONNECTION_CLOSE,
    MR_HTTP_CONNECTION_KEEP_ALIVE /* what an HTTP/1.0 client has to be told */
} mr_http_connection_header;

/* How the client knows where the body ends. */
typedef enum mr_http_framing {
    MR_HTTP_FRAMING_LENGTH,
    MR_HTTP_FRAMING_CHUNKED, /* these two: a body that is still being made, not to be cached */
    MR_HTTP_FRAMING_CLOSE    /* by the end of the connection */
} mr_http_framing;

struct mr_http_reply {
    int status;
    const char *content_type;           /* NULL: none */
    uint64_t content_length;            /* also of the body that an answer to HEAD leaves out */
    struct mr_str location;             /* size 0: none */
    struct mr_str allow;                /* size 0: none */
    unsigned retry_after_s;             /* 0: none */
    struct mr_str request_id;           /* size 0: none */
    const struct mr_http_extra *extras; /* MR_HTTP_MAX_EXTRAS; NULL: none */
    mr_http_framing framing;
    mr_http_connection_header connection;
};

/* The headers that are the same for all responses of one second. One per I/O thread. */
struct mr_http_stamp {
    const char *server; /* value of Server; NULL: none */
    int64_t second;     /* since 1970, of `text` */
    size_t size;
    char text[256];
};

/* Write a response head with its empty line. A header whose value has a control character is left
 * out: a handler cannot split a response. 1xx and 204 have no Content-Length (RFC 9110 8.6).
 * now_s    seconds since 1970, for Date
 * returns  bytes written; 0 when they do not fit into capacity  */
size_t mr_http_reply_write(const struct mr_http_reply *reply, struct mr_http_stamp *stamp,
                           int64_t now_s, char *out, size_t capacity);

/* Whether a response of that status may have a body. */
bool mr_http_reply_has_body(int status);

#endif
