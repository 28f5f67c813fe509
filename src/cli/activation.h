/* Sockets that whoever started the server listens on, and hands over: systemd's socket activation,
 * sd_listen_fds(3). They live on between two servers, so that no client is refused. */
#ifndef MR_CLI_ACTIVATION_H
#define MR_CLI_ACTIVATION_H

#include "base/status.h"

#define MR_ACTIVATION_MAX 8

struct mr_activation {
    unsigned n; /* 0: none were handed over */
    int fds[MR_ACTIVATION_MAX];
    char host[64]; /* address of the first one, as in a URL but for the brackets */
};

/* Read the environment, LISTEN_FDS and LISTEN_PID, and take both out of it: they are not for the
 * processes that this one starts. Nor are the sockets.
 * returns  MR_OK; MR_E_IO: what was handed over cannot be served on */
MR_MUST_CHECK mr_status mr_activation_read(struct mr_activation *out, struct mr_error *err);

#endif
