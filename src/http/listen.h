/* Listening sockets: opened on an address, or handed over by whoever started the process; and their
 * end without a lost connection. Private to src/http. */
#ifndef MR_HTTP_LISTEN_H
#define MR_HTTP_LISTEN_H

#include "http/http.h"

#define MR_HTTP_MAX_LISTENERS 8

struct mr_http_listeners {
    int fds[MR_HTTP_MAX_LISTENERS]; /* a name may stand for several addresses */
    unsigned n;
    uint16_t port;
    bool is_borrowed; /* others have them, too, and they are not closed here */
};

/* Listen on every address of options->host, or on the sockets that the options name.
 * listeners  zeroed; to be given to mr_http_listeners_close, also after an error
 * returns    MR_OK; MR_E_IO with address and reason */
MR_MUST_CHECK mr_status mr_http_listeners_open(const struct mr_http_options *options,
                                               struct mr_http_listeners *listeners,
                                               struct mr_error *err);

/* From now on no handshake begins; those under way may end, and are to be accepted. A client that
 * comes now hears nothing and asks again after a second: when these are closed by then, another
 * process that listens on the port answers. */
void mr_http_listeners_hold_off(const struct mr_http_listeners *listeners);

/* Whether a handshake is under way, as far as the system tells. */
bool mr_http_listeners_have_handshakes(const struct mr_http_listeners *listeners);

/* The kernel resets what has not been accepted, unless others have the sockets. */
void mr_http_listeners_close(struct mr_http_listeners *listeners);

#endif
