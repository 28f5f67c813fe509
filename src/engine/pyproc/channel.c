#include "engine/pyproc/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* Room for the descriptors of a message; the kernel drops those that are more, and says so. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MR_WIRE_MAX_FDS * sizeof(int))];
};

mr_status mr_channel_pair(int *ours, int *theirs, struct mr_error *err) {
    int pair[2];
    *ours = *theirs = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return mr_fail(err, MR_E_IO, "socketpair: %s", strerror(errno));
    }
    *ours = pair[0];
    *theirs = pair[1];
    return MR_OK;
}

mr_status mr_memfd_init(size_t size, struct mr_memfd *out, struct mr_error *err) {
    *out = (struct mr_memfd){.fd = -1, .size = size};
    out->fd = memfd_create("mlrace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (out->fd < 0) return mr_fail(err, MR_E_NO_MEMORY, "memfd_create: %s", strerror(errno));
    /* Without memory of its own, the first write to a page could end in SIGBUS. */
    if (fallocate(out->fd, 0, 0, (off_t)size) == 0) {
        void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, out->fd, 0);
        if (data != MAP_FAILED) {
            out->data = data;
            return MR_OK;
        }
    }
    int error = errno;
    mr_memfd_deinit(out);
    return mr_fail(err, MR_E_NO_MEMORY, "a memfd of %zu bytes: %s", size, strerror(error));
}

static void unmap(struct mr_memfd *memfd) {
    if (memfd->data) munmap(memfd->data, memfd->size);
    memfd->data = NULL;
}

mr_status mr_memfd_seal(struct mr_memfd *memfd, struct mr_error *err) {
    unmap(memfd);
    if (fcntl(memfd->fd, F_ADD_SEALS, SEALS) == 0) return MR_OK;
    return mr_fail(err, MR_E_IO, "the seals of a memfd: %s", strerror(errno));
}

void mr_memfd_deinit(struct mr_memfd *memfd) {
    unmap(memfd);
    if (memfd->fd >= 0) close(memfd->fd);
    memfd->fd = -1;
}

mr_channel_sent mr_channel_send(int socket, const struct mr_wire_header *header,
                                const void *payload, const int *fds) {
    assert(header->n_fds <= MR_WIRE_MAX_FDS);
    char head[MR_WIRE_HEADER_BYTES];
    mr_wire_write_header(header, head);
    struct iovec parts[2] = {{head, sizeof(head)}, {(void *)payload, header->payload_size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = payload ? 2 : 1};
    union control control = {0};
    if (header->n_fds) {
        size_t size = header->n_fds * sizeof(int);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), fds, size);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return MR_CHANNEL_SENT;
    if (errno == EAGAIN) return MR_CHANNEL_FULL;
    return errno == ECONNRESET ? MR_CHANNEL_CLOSED_UNREAD : MR_CHANNEL_CLOSED;
}

/* The descriptors that came with a message; returns their number. */
static size_t take_fds(struct msghdr *message, int fds[MR_WIRE_MAX_FDS]) {
    size_t n = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
        size_t n_here = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n_here && n < MR_WIRE_MAX_FDS; i++) {
            memcpy(&fds[n++], CMSG_DATA(at) + i * sizeof(int), sizeof(int));
        }
    }
    return n;
}

/* Map the payload that lies in fd. */
static mr_status map_payload(int fd, struct mr_message *out, struct mr_error *err) {
    size_t size = out->header.payload_size;
    struct stat stat;
    struct statfs fs;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS) {
        return mr_fail(err, MR_E_FORMAT, "a payload's descriptor has seals %d, expected %d", seals,
                       SEALS);
    }
    /* Pages of hugetlbfs can be sealed as well, and be missing when they are read. */
    if (fstatfs(fd, &fs) != 0 || fs.f_type != TMPFS_MAGIC || fstat(fd, &stat) != 0) {
        return mr_fail(err, MR_E_FORMAT, "a payload's descriptor is no memfd of ordinary pages");
    }
    if (size == 0 || (uint64_t)stat.st_size < size) {
        return mr_fail(err, MR_E_FORMAT, "a payload of %zu bytes in a memfd of %lld", size,
                       (long long)stat.st_size);
    }
    void *mapping = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (mapping == MAP_FAILED) {
        return mr_fail(err, MR_E_NO_MEMORY, "a payload of %zu bytes that cannot be mapped: %s",
                       size, strerror(errno));
    }
    out->payload = out->mapping = mapping;
    return MR_OK;
}

static mr_status read_message(const struct msghdr *message, const void *buffer, size_t size,
                              const int *fds, size_t n_fds, struct mr_message *out,
                              struct mr_error *err) {
    if (message->msg_flags & MSG_TRUNC) {
        return mr_fail(err, MR_E_FORMAT, "a datagram of more than %zu bytes",
                       MR_WIRE_MAX_DATAGRAM_BYTES);
    }
    if (message->msg_flags & MSG_CTRUNC) {
        return mr_fail(err, MR_E_FORMAT, "a datagram with descriptors for which there is no room");
    }
    MR_TRY(mr_wire_read_header(buffer, size, &out->header, err));
    if (n_fds != out->header.n_fds || n_fds != (out->header.is_in_memfd ? 1 : 0)) {
        return mr_fail(err, MR_E_FORMAT, "a message of type %d with %zu descriptors, expected %d",
                       (int)out->header.type, n_fds, out->header.is_in_memfd ? 1 : 0);
    }
    if (out->header.is_in_memfd) return map_payload(fds[0], out, err);
    out->payload = (const char *)buffer + MR_WIRE_HEADER_BYTES;
    return MR_OK;
}

mr_channel_received mr_channel_receive(int socket, void *buffer, struct mr_message *out,
                                       struct mr_error *err) {
    *out = (struct mr_message){0};
    struct iovec part = {buffer, MR_WIRE_MAX_DATAGRAM_BYTES};
    union control control;
    struct msghdr message;
    ssize_t size;
    do {
        message = (struct msghdr){.msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control)};
        size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == ECONNRESET) return MR_CHANNEL_UNREAD; /* and forgotten by the kernel */
    if (size < 0) return errno == EAGAIN ? MR_CHANNEL_NOTHING : MR_CHANNEL_END;
    if (size == 0 && message.msg_controllen == 0) return MR_CHANNEL_END;
    int fds[MR_WIRE_MAX_FDS];
    size_t n_fds = take_fds(&message, fds);
    mr_status status = read_message(&message, buffer, (size_t)size, fds, n_fds, out, err);
    for (size_t i = 0; i < n_fds; i++) close(fds[i]); /* a mapping needs it no more */
    return status == MR_OK ? MR_CHANNEL_MESSAGE : MR_CHANNEL_BROKEN;
}

void mr_message_deinit(struct mr_message *message) {
    if (message->mapping) munmap(message->mapping, message->header.payload_size);
    *message = (struct mr_message){0};
}
