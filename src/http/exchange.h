/* What is noted of a request while it is served, for who observes the server. Private to src/http.
 */
#ifndef MR_HTTP_EXCHANGE_H
#define MR_HTTP_EXCHANGE_H

#include "base/clock.h"
#include "http/head.h"
#include "http/http.h"

struct mr_http_connection;

/* Its first byte is there. */
void mr_http_exchange_begin(struct mr_http_connection *connection);

/* Its head is. Takes over the client's X-Request-Id, or makes one. */
void mr_http_exchange_identify(struct mr_http_connection *connection,
                               const struct mr_http_head *head);

/* The input buffer is about to be another's: copy what points there into the request's arena.
 * returns  false: no memory */
bool mr_http_exchange_keep(struct mr_http_connection *connection);

/* It is over, in whatever way; nothing happens when none is under way. Tell the observer. */
void mr_http_exchange_end(struct mr_http_connection *connection);

#endif
