#include "cli/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* A listening TCP socket? */
static mr_status check_socket(int fd, struct sockaddr_storage *address, socklen_t *size,
                              struct mr_error *err) {
    int type = 0, is_listening = 0;
    socklen_t type_size = sizeof(type), flag_size = sizeof(is_listening);
    *size = sizeof(*address);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &flag_size) != 0 ||
        getsockname(fd, (struct sockaddr *)address, size) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return mr_fail(err, MR_E_IO, "LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
    }
    bool is_inet = address->ss_family == AF_INET || address->ss_family == AF_INET6;
    if (is_inet && type == SOCK_STREAM && is_listening) return MR_OK;
    return mr_fail(err, MR_E_IO,
                   "LISTEN_FDS: descriptor %d is not a TCP socket that listens (ListenStream=)",
                   fd);
}

mr_status mr_activation_read(struct mr_activation *out, struct mr_error *err) {
    *out = (struct mr_activation){0};
    char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
    unsigned long pid = 0, n = 0;
    /* For another process, from which this one has only inherited it. */
    bool is_ours = pid_text && n_text && mr_cli_parse_uint(pid_text, 1, INT32_MAX, &pid) &&
                   pid == (unsigned long)getpid();
    bool is_number = is_ours && mr_cli_parse_uint(n_text, 0, MR_ACTIVATION_MAX, &n);
    if (is_ours && !is_number) {
        return mr_fail(err, MR_E_IO, "LISTEN_FDS: expected a number from 0 to %d, got %s",
                       MR_ACTIVATION_MAX, n_text);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (unsigned i = 0; i < n; i++) {
        struct sockaddr_storage address;
        socklen_t size;
        int fd = FIRST_FD + (int)i;
        MR_TRY(check_socket(fd, &address, &size, err));
        out->fds[out->n++] = fd;
        if (i == 0) {
            getnameinfo((struct sockaddr *)&address, size, out->host, sizeof(out->host), NULL, 0,
                        NI_NUMERICHOST);
        }
    }
    return MR_OK;
}
