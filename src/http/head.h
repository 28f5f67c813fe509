/* The head of an HTTP/1.1 request: request line and header fields (RFC 9112 sections 2 to 6).
 *
 * Strict where leniency lets two readers of one byte stream disagree on where a request ends: a
 * line ends with CRLF, no folded lines, no space before a colon, one Content-Length of digits or
 * one `Transfer-Encoding: chunked`, never both. Pure functions: no sockets, no allocation. */
#ifndef MR_HTTP_HEAD_H
#define MR_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

#define MR_HTTP_MAX_FIELDS 100

struct mr_http_field {
    struct mr_str name; /* as sent */
    struct mr_str value;
};

/* Everything points into the parsed text. */
struct mr_http_head {
    struct mr_str text; /* the whole head */
    struct mr_str method;
    struct mr_str path;      /* as sent, still percent-encoded; "*" of `OPTIONS *` */
    struct mr_str query;     /* behind the question mark */
    bool is_http_1_0;        /* else 1.1 or a later 1.x */
    bool is_keep_alive;      /* what the client asked for, the version's default applied */
    bool expects_continue;   /* waits for 100 before it sends the body */
    bool is_chunked;         /* the body has transfer coding chunked; content_length is 0 */
    uint64_t content_length; /* capped at INT64_MAX */
    size_t n_fields;
    struct mr_http_field fields[MR_HTTP_MAX_FIELDS];
};

/* Bytes up to and including the empty line that ends a head, 0 when it is not there yet.
 * scanned  bytes known not to end it, from an earlier call on a shorter prefix of the same data;
 *          start with 0. Keeps the cost linear for one who sends a byte at a time. */
size_t mr_http_head_size(const char *data, size_t size, size_t *scanned);

/* Whether a request may start with this byte: tells HTTP from TLS and noise at the first byte. */
bool mr_http_is_token_char(char c);

/* Parse a whole head, as measured by mr_http_head_size.
 * returns  MR_OK; MR_E_BAD_REQUEST; MR_E_HEADERS_TOO_LARGE (too many fields); MR_E_UNSUPPORTED
 *          (transfer coding); MR_E_HTTP_VERSION. After any of these nothing that follows on the
 *          connection can be trusted.  err says which rule was broken, never NULL  */
MR_MUST_CHECK mr_status mr_http_head_parse(struct mr_str text, struct mr_http_head *out,
                                           struct mr_error *err);

/* Make *out a copy of a parsed head whose text lies in `text`, which has room for head->text.size
 * bytes. */
void mr_http_head_copy(const struct mr_http_head *head, char *text, struct mr_http_head *out);

/* The value of the first field of that name, compared without case; size 0 when there is none. */
struct mr_str mr_http_head_find(const struct mr_http_head *head, const char *name);

#endif
