#include "http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool set_flag(int fd, int level, int name) {
    int one = 1;
    return setsockopt(fd, level, name, &one, sizeof one) == 0;
}

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address, uint16_t port, bool shares_port) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    struct sockaddr_storage to = {0};
    memcpy(&to, address->ai_addr, address->ai_addrlen);
    bool is_ipv6 = address->ai_family == AF_INET6;
    if (is_ipv6) {
        ((struct sockaddr_in6 *)&to)->sin6_port = htons(port);
        /* Else [::] would take the port of 0.0.0.0 too, which a name may also stand for. */
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    } else {
        ((struct sockaddr_in *)&to)->sin_port = htons(port);
    }
    if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) &&
        (!shares_port || set_flag(fd, SOL_SOCKET, SO_REUSEPORT)) &&
        bind(fd, (struct sockaddr *)&to, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) return 0;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

static mr_status borrow(const struct mr_http_options *options, struct mr_http_listeners *listeners,
                        struct mr_error *err) {
    listeners->is_borrowed = true;
    if (options->n_listeners > MR_HTTP_MAX_LISTENERS)
        return mr_fail(err, MR_E_IO, "%u sockets to listen on: more than %d", options->n_listeners,
                       MR_HTTP_MAX_LISTENERS);
    for (unsigned i = 0; i < options->n_listeners; i++) {
        int fd = options->listeners[i];
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
            return mr_fail(err, MR_E_IO, "the socket %d to listen on: %s", fd, strerror(errno));
        listeners->fds[listeners->n++] = fd;
    }
    listeners->port = port_of(listeners->fds[0]);
    return MR_OK;
}

/* As asyncio's create_server does for uvicorn: who serves on "localhost" is reached over 127.0.0.1
 * and over ::1. */
static mr_status open_host(const struct mr_http_options *options,
                           struct mr_http_listeners *listeners, struct mr_error *err) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(options->host, NULL, &hints, &found);
    if (code)
        return mr_fail(err, MR_E_IO, "cannot listen on %s: %s", options->host, gai_strerror(code));
    listeners->port = options->port;
    int reason = EADDRNOTAVAIL;
    for (struct addrinfo *a = found; a && listeners->n < MR_HTTP_MAX_LISTENERS; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
        int fd = listen_on(a, listeners->port, options->shares_port);
        if (fd < 0) {
            reason = errno;
            /* A host without IPv6 may still have ::1 in its hosts file. */
            if (reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT) continue;
            listeners->port = 0;
            break;
        }
        listeners->fds[listeners->n++] = fd;
        if (!listeners->port) listeners->port = port_of(fd);
    }
    freeaddrinfo(found);
    if (!listeners->n || !listeners->port)
        return mr_fail(err, MR_E_IO, "cannot listen on %s port %u: %s", options->host,
                       options->port, strerror(reason));
    return MR_OK;
}

mr_status mr_http_listeners_open(const struct mr_http_options *options,
                                 struct mr_http_listeners *listeners, struct mr_error *err) {
    return options->n_listeners ? borrow(options, listeners, err)
                                : open_host(options, listeners, err);
}

/* A filter on the socket (socket(7), SO_ATTACH_FILTER), which sees a packet from its TCP header on,
 * drops those with SYN and without ACK. */
void mr_http_listeners_hold_off(const struct mr_http_listeners *listeners) {
    static const struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* the flags */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const struct sock_fprog program = {sizeof drop_syn / sizeof drop_syn[0],
                                       (struct sock_filter *)(uintptr_t)drop_syn};
    /* Where it cannot be had, a client may come between the last accept and the close. */
    for (unsigned i = 0; i < listeners->n; i++)
        (void)setsockopt(listeners->fds[i], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* A line of proc_pid_net(5)'s tcp: "0: LOCAL:PORT REMOTE:PORT STATE ...", numbers in hexadecimal.
 */
static bool is_handshake(const char *line, uint16_t port) {
    enum { SYN_RECV = 3 };
    const char *at = strchr(line, ':');
    at = at ? strchr(at + 1, ':') : NULL;
    if (!at || strtoul(at + 1, NULL, 16) != port) return false;
    at = strchr(at + 1, ':');
    at = at ? strchr(at, ' ') : NULL;
    return at && strtoul(at, NULL, 16) == SYN_RECV;
}

bool mr_http_listeners_have_handshakes(const struct mr_http_listeners *listeners) {
    static const char *const tables[] = {"/proc/self/net/tcp", "/proc/self/net/tcp6"};
    bool is_found = false;
    for (int i = 0; i < 2 && !is_found; i++) {
        FILE *table = fopen(tables[i], "re");
        char line[512];
        while (table && !is_found && fgets(line, sizeof line, table))
            is_found = is_handshake(line, listeners->port);
        if (table) fclose(table);
    }
    return is_found;
}

void mr_http_listeners_close(struct mr_http_listeners *listeners) {
    while (listeners->n) {
        int fd = listeners->fds[--listeners->n];
        if (!listeners->is_borrowed) close(fd);
    }
}
