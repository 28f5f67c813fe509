/* Posts a body at a constant rate, whatever the server does: an open loop, as wrk2 has it.
 *
 *     bench_overload PORT BODY_FILE RATE SECONDS MAX_CONNECTIONS
 *
 * A request is due every 1/RATE seconds. It goes out on a connection that is idle, else on a new one;
 * when all MAX_CONNECTIONS are busy it waits here. Latency counts from the moment it was due, so that
 * a server which answers late is not asked less often, and is not measured better for it.
 * On standard output one JSON object: for each status the number of answers, and p50, p99 and max of
 * their latency in microseconds, and p99 since they were sent; what was never answered has
 * status 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_EVENTS 512
#define MAX_ANSWER_BYTES 16384
#define DRAIN_NS ((uint64_t)10 * 1000000000) /* for the last answers */

struct connection {
    int fd;
    uint64_t due_ns; /* of the request under way; 0: idle */
    uint64_t sent_ns;
    size_t size;     /* of the answer so far */
    char answer[MAX_ANSWER_BYTES];
};

struct sample {
    unsigned status;
    unsigned us;      /* since it was due */
    unsigned sent_us; /* since it was sent */
};

static struct {
    struct sockaddr_in address;
    char *request;
    size_t request_size;
    uint64_t begun_ns, gap_ns;
    size_t n_requests, n_due, n_sent, n_samples, n_busy;
    struct sample *samples;
    struct connection **idle;
    size_t n_idle, n_connections, max_connections;
    int epoll;
} load;

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_request(const char *body_file, const char *port) {
    FILE *file = fopen(body_file, "re");
    if (!file) fail(body_file);
    char *body = malloc(1 << 20);
    if (!body) fail("memory");
    size_t size = fread(body, 1, 1 << 20, file);
    fclose(file);
    load.request = malloc(size + 512);
    if (!load.request) fail("memory");
    int n = snprintf(load.request, 512,
                     "POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     port, size);
    memcpy(load.request + n, body, size);
    load.request_size = (size_t)n + size;
    free(body);
}

static struct connection *open_connection(void) {
    struct connection *connection = malloc(sizeof(*connection));
    if (!connection) fail("memory");
    int one = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) fail("socket");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(connection->fd, (struct sockaddr *)&load.address, sizeof(load.address)) != 0) {
        fail("connect");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, connection->fd, &event);
    load.n_connections++;
    return connection;
}

static void send_due(void) {
    while (load.n_sent < load.n_due) {
        struct connection *connection;
        if (load.n_idle) {
            connection = load.idle[--load.n_idle];
        } else if (load.n_connections < load.max_connections) {
            connection = open_connection();
        } else {
            return;
        }
        connection->due_ns = load.begun_ns + load.n_sent++ * load.gap_ns;
        connection->sent_ns = mr_clock_ns();
        connection->size = 0;
        load.n_busy++;
        if (send(connection->fd, load.request, load.request_size, MSG_NOSIGNAL) !=
            (ssize_t)load.request_size) {
            fail("send");
        }
    }
}

static void note(struct connection *connection, unsigned status) {
    uint64_t now_ns = mr_clock_ns();
    load.samples[load.n_samples++] = (struct sample){
        .status = status,
        .us = (unsigned)((now_ns - connection->due_ns) / 1000),
        .sent_us = (unsigned)((now_ns - connection->sent_ns) / 1000)};
    connection->due_ns = 0;
    load.n_busy--;
}

/* Whether the answer is whole. */
static int is_whole(struct connection *connection) {
    connection->answer[connection->size] = '\0';
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = end ? strcasestr(connection->answer, "content-length:") : NULL;
    if (!length || length > end) return 0;
    return connection->size >= (size_t)(end + 4 - connection->answer) + strtoul(length + 15, 0, 10);
}

static void on_readable(struct connection *connection) {
    ssize_t n = recv(connection->fd, connection->answer + connection->size,
                     MAX_ANSWER_BYTES - 1 - connection->size, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) {
        connection->size += (size_t)n;
        if (!connection->due_ns || !is_whole(connection)) return;
        note(connection, (unsigned)strtoul(connection->answer + 9, NULL, 10));
        if (!strcasestr(connection->answer, "connection: close")) {
            load.idle[load.n_idle++] = connection;
            return;
        }
    } else if (connection->due_ns) {
        note(connection, 0);
    } else {
        for (size_t i = 0; i < load.n_idle; i++) {
            if (load.idle[i] == connection) load.idle[i--] = load.idle[--load.n_idle];
        }
    }
    close(connection->fd);
    free(connection);
    load.n_connections--;
}

static void run(uint64_t end_ns) {
    struct epoll_event events[MAX_EVENTS];
    load.begun_ns = mr_clock_ns();
    for (;;) {
        uint64_t now_ns = mr_clock_ns();
        uint64_t n_due = (now_ns - load.begun_ns) / load.gap_ns + 1;
        load.n_due = n_due < load.n_requests ? (size_t)n_due : load.n_requests;
        send_due();
        if (load.n_sent == load.n_requests && load.n_busy == 0) return;
        if (now_ns - load.begun_ns > end_ns + DRAIN_NS) return;
        uint64_t next_ns = load.begun_ns + load.n_due * load.gap_ns;
        uint64_t wait_ns = load.n_due == load.n_requests ? 100000000 : next_ns - now_ns;
        if (next_ns < now_ns) wait_ns = 0;
        struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000),
                                .tv_nsec = (long)(wait_ns % 1000000000)};
        int n = epoll_pwait2(load.epoll, events, MAX_EVENTS, &wait, NULL);
        for (int i = 0; i < n; i++) on_readable(events[i].data.ptr);
    }
}

static int compare(const void *a, const void *b) {
    const struct sample *x = a, *y = b;
    if (x->status != y->status) return x->status < y->status ? -1 : 1;
    return x->us < y->us ? -1 : x->us > y->us;
}

static int compare_sent(const void *a, const void *b) {
    const struct sample *x = a, *y = b;
    return x->sent_us < y->sent_us ? -1 : x->sent_us > y->sent_us;
}

static void report(double seconds) {
    /* What was never answered is as late as can be. */
    while (load.n_samples < load.n_requests) {
        load.samples[load.n_samples++] = (struct sample){0, 4000000000u, 4000000000u};
    }
    qsort(load.samples, load.n_samples, sizeof(*load.samples), compare);
    printf("{\"seconds\": %.3f, \"connections\": %zu", seconds, load.n_connections);
    for (size_t i = 0, end; i < load.n_samples; i = end) {
        for (end = i; end < load.n_samples; end++) {
            if (load.samples[end].status != load.samples[i].status) break;
        }
        size_t n = end - i;
        printf(", \"%u\": {\"n\": %zu, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u",
               load.samples[i].status, n, load.samples[i + n / 2].us,
               load.samples[i + n * 99 / 100].us, load.samples[end - 1].us);
        qsort(load.samples + i, n, sizeof(*load.samples), compare_sent);
        printf(", \"p99_sent_us\": %u}", load.samples[i + n * 99 / 100].sent_us);
    }
    printf("}\n");
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL);
    load.max_connections = strtoul(argv[5], NULL, 10);
    load.gap_ns = (uint64_t)(1e9 / rate);
    load.n_requests = (size_t)(rate * seconds);
    load.address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    make_request(argv[2], argv[1]);
    load.samples = calloc(load.n_requests + 1, sizeof(*load.samples));
    load.idle = calloc(load.max_connections + 1, sizeof(struct connection *));
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.samples || !load.idle || load.epoll < 0) fail("start");
    run((uint64_t)(seconds * 1e9));
    report((double)(mr_clock_ns() - load.begun_ns) * 1e-9);
    return 0;
}
