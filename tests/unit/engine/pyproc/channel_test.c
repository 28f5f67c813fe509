#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/pyproc/channel.h"

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static int ours, theirs;
static char buffer[MR_WIRE_MAX_DATAGRAM_BYTES];

static int open_pair(void **state) {
    (void)state;
    struct mr_error err = {0};
    return mr_channel_pair(&ours, &theirs, &err) == MR_OK ? 0 : -1;
}

static int close_pair(void **state) {
    (void)state;
    close(ours);
    close(theirs);
    return 0;
}

static int count_fds(void) {
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

/* What a peer may send: a header, bytes behind it, descriptors. */
static void send_raw(const struct mr_wire_header *header, const void *bytes, size_t size,
                     const int *fds, size_t n_fds) {
    char head[MR_WIRE_HEADER_BYTES];
    mr_wire_write_header(header, head);
    struct iovec parts[2] = {{head, sizeof(head)}, {(void *)bytes, size}};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (n_fds) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
    }
    assert_int_equal(sendmsg(theirs, &message, 0), sizeof(head) + size);
}

static int new_memfd(size_t size, unsigned flags, int seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) return -1;
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static mr_channel_received receive(struct mr_message *message, struct mr_error *err) {
    *err = (struct mr_error){0};
    return mr_channel_receive(ours, buffer, message, err);
}

static void assert_broken(const char *why) {
    struct mr_message message;
    struct mr_error err;
    assert_int_equal(receive(&message, &err), MR_CHANNEL_BROKEN);
    if (!strstr(err.message, why)) print_message("received: %s\n", err.message);
    assert_non_null(strstr(err.message, why));
}

static void test_small_message(void **state) {
    (void)state;
    const struct mr_wire_header header = {.type = MR_WIRE_CHUNK, .id = 7, .payload_size = 4};
    assert_int_equal(mr_channel_send(theirs, &header, "\"ab\"", NULL), MR_CHANNEL_SENT);
    struct mr_message message;
    struct mr_error err;
    assert_int_equal(receive(&message, &err), MR_CHANNEL_MESSAGE);
    assert_int_equal(message.header.type, MR_WIRE_CHUNK);
    assert_int_equal(message.header.id, 7);
    assert_int_equal(message.header.payload_size, 4);
    assert_memory_equal(message.payload, "\"ab\"", 4);
    assert_null(message.mapping);
    mr_message_deinit(&message);
    assert_int_equal(receive(&message, &err), MR_CHANNEL_NOTHING);
}

static void test_memfd(void **state) {
    (void)state;
    int n_fds = count_fds();
    struct mr_error err = {0};
    struct mr_memfd memfd;
    size_t size = 3 << 20;
    assert_int_equal(mr_memfd_init(size, &memfd, &err), MR_OK);
    memset(memfd.data, 'x', size);
    assert_int_equal(mr_memfd_seal(&memfd, &err), MR_OK);
    assert_null(memfd.data);
    assert_int_equal(fcntl(memfd.fd, F_GET_SEALS), SEALS);
    const struct mr_wire_header header = {
        .type = MR_WIRE_RESULT, .is_in_memfd = true, .payload_size = size, .n_fds = 1};
    for (int i = 0; i < 2; i++) { /* as often as it takes */
        assert_int_equal(mr_channel_send(theirs, &header, NULL, &memfd.fd), MR_CHANNEL_SENT);
    }
    mr_memfd_deinit(&memfd);
    for (int i = 0; i < 2; i++) {
        struct mr_message message;
        assert_int_equal(receive(&message, &err), MR_CHANNEL_MESSAGE);
        assert_int_equal(message.header.payload_size, size);
        assert_int_equal(((const char *)message.payload)[size - 1], 'x');
        mr_message_deinit(&message);
    }
    assert_int_equal(count_fds(), n_fds);
}

/* Nothing that a peer sends crashes the receiver or leaves a descriptor open in it. */
static void test_hostile_memfds(void **state) {
    (void)state;
    int n_fds = count_fds();
    struct mr_wire_header header = {
        .type = MR_WIRE_RESULT, .is_in_memfd = true, .payload_size = 8192, .n_fds = 1};
    struct {
        int fd;
        const char *why;
    } cases[] = {
        {new_memfd(8192, 0, 0), "seals"},
        {new_memfd(8192, 0, F_SEAL_GROW | F_SEAL_SHRINK), "seals"},
        {new_memfd(8192, 0, F_SEAL_GROW | F_SEAL_SEAL), "seals"},
        {new_memfd(8191, 0, SEALS), "in a memfd of 8191"},
        {new_memfd(0, 0, SEALS), "in a memfd of 0"},
        {new_memfd(2 << 20, MFD_HUGETLB, SEALS), "no memfd of ordinary pages"},
        {open("/dev/zero", O_RDWR | O_CLOEXEC), "seals"},
        {open("/proc/self/mem", O_RDWR | O_CLOEXEC), "seals"},
        {dup(ours), "seals"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].fd < 0) continue; /* no huge pages here */
        send_raw(&header, NULL, 0, &cases[i].fd, 1);
        close(cases[i].fd);
        assert_broken(cases[i].why);
    }
    int sealed = new_memfd(8192, 0, SEALS);
    header.payload_size = UINT64_MAX;
    send_raw(&header, NULL, 0, &sealed, 1);
    assert_broken("in a memfd of 8192");
    header.payload_size = 0;
    send_raw(&header, NULL, 0, &sealed, 1);
    assert_broken("a payload of 0 bytes");
    close(sealed);
    assert_int_equal(count_fds(), n_fds);
}

static void test_hostile_descriptors(void **state) {
    (void)state;
    int n_fds = count_fds();
    int fds[8];
    for (size_t i = 0; i < 8; i++) fds[i] = new_memfd(4096, 0, SEALS);
    struct mr_wire_header plain = {.type = MR_WIRE_RESULT, .payload_size = 3};
    send_raw(&plain, "abc", 3, fds, 1); /* more than the header says */
    assert_broken("descriptors");
    send_raw(&plain, "abc", 3, fds, 8); /* more than fit */
    assert_broken("no room");
    plain.n_fds = 1;
    send_raw(&plain, "abc", 3, NULL, 0);
    assert_broken("descriptors");
    struct mr_wire_header in_memfd = {
        .type = MR_WIRE_RESULT, .is_in_memfd = true, .payload_size = 100, .n_fds = 1};
    send_raw(&in_memfd, NULL, 0, NULL, 0); /* fewer than it says */
    assert_broken("0 descriptors");
    send_raw(&in_memfd, NULL, 0, fds, 2);
    assert_broken("2 descriptors");
    for (size_t i = 0; i < 8; i++) close(fds[i]);
    assert_int_equal(count_fds(), n_fds);
}

static void test_hostile_datagrams(void **state) {
    (void)state;
    static char large[MR_WIRE_MAX_DATAGRAM_BYTES + 1];
    assert_int_equal(send(theirs, "MRW1", 4, 0), 4);
    assert_broken("4 bytes");
    assert_int_equal(send(theirs, large, sizeof(large), 0), sizeof(large));
    assert_broken("more than 65536");
    assert_int_equal(send(theirs, large, 100, 0), 100);
    assert_broken("magic");
}

/* What was sent before the end is received, also when it ended with a message of ours unread. */
static void test_end(void **state) {
    (void)state;
    const struct mr_wire_header predict = {.type = MR_WIRE_PREDICT, .id = 1};
    const struct mr_wire_header end = {.type = MR_WIRE_END, .id = 1};
    assert_int_equal(mr_channel_send(ours, &predict, NULL, NULL), MR_CHANNEL_SENT);
    assert_int_equal(mr_channel_send(theirs, &end, NULL, NULL), MR_CHANNEL_SENT);
    close(theirs);
    struct mr_message message;
    struct mr_error err;
    assert_int_equal(receive(&message, &err), MR_CHANNEL_UNREAD);
    assert_int_equal(receive(&message, &err), MR_CHANNEL_MESSAGE);
    assert_int_equal(message.header.type, MR_WIRE_END);
    mr_message_deinit(&message);
    assert_int_equal(receive(&message, &err), MR_CHANNEL_END);
    assert_int_equal(mr_channel_send(ours, &predict, NULL, NULL), MR_CHANNEL_CLOSED);
    theirs = dup(ours); /* something to close */
}

/* The same, told by the next attempt to send. */
static void test_end_unread(void **state) {
    (void)state;
    const struct mr_wire_header predict = {.type = MR_WIRE_PREDICT, .id = 1};
    assert_int_equal(mr_channel_send(ours, &predict, NULL, NULL), MR_CHANNEL_SENT);
    close(theirs);
    assert_int_equal(mr_channel_send(ours, &predict, NULL, NULL), MR_CHANNEL_CLOSED_UNREAD);
    assert_int_equal(mr_channel_send(ours, &predict, NULL, NULL), MR_CHANNEL_CLOSED);
    struct mr_message message;
    struct mr_error err;
    assert_int_equal(receive(&message, &err), MR_CHANNEL_END);
    theirs = dup(ours); /* something to close */
}

static void test_full(void **state) {
    (void)state;
    static char payload[60000];
    const struct mr_wire_header header = {.type = MR_WIRE_PREDICT, .payload_size = sizeof(payload)};
    int n_sent = 0;
    mr_channel_sent sent;
    while ((sent = mr_channel_send(ours, &header, payload, NULL)) == MR_CHANNEL_SENT) n_sent++;
    assert_int_equal(sent, MR_CHANNEL_FULL);
    assert_true(n_sent >= 2); /* a worker holds two */
    assert_true(recv(theirs, buffer, sizeof(buffer), 0) > 0);
    assert_int_equal(mr_channel_send(ours, &header, payload, NULL), MR_CHANNEL_SENT);
}

static void test_no_memfd(void **state) {
    (void)state;
    struct mr_error err = {0};
    struct mr_memfd memfd;
    struct rlimit limit, none = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    none.rlim_max = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(mr_memfd_init(4096, &memfd, &err), MR_E_NO_MEMORY);
    assert_int_equal(memfd.fd, -1);
    int a, b;
    assert_int_equal(mr_channel_pair(&a, &b, &err), MR_E_IO);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(a, -1);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_PAIR(test_small_message),     WITH_PAIR(test_memfd),
        WITH_PAIR(test_hostile_memfds),    WITH_PAIR(test_hostile_descriptors),
        WITH_PAIR(test_hostile_datagrams), WITH_PAIR(test_end),
        WITH_PAIR(test_end_unread),        WITH_PAIR(test_full),
        cmocka_unit_test(test_no_memfd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
