/* Messages over a socket pair (docs/internals/worker-protocol.md), and what is too large for a
 * datagram in a memfd beside it.
 *
 * The peer is not trusted: whatever it sends is a message, or an error that says what is wrong.
 * Descriptors that come along are closed when they are not wanted, and a memfd is only mapped where
 * its seals rule out that it is cut off under the mapping. Its bytes may change under the reader
 * all the same, so that they are copied before they are checked. */
#ifndef MR_ENGINE_PYPROC_CHANNEL_H
#define MR_ENGINE_PYPROC_CHANNEL_H

#include "engine/pyproc/wire.h"

/* The largest payload that follows its header in the datagram. */
#define MR_CHANNEL_MAX_INLINE_BYTES (MR_WIRE_MAX_DATAGRAM_BYTES - MR_WIRE_HEADER_BYTES)

/* Two connected sockets that are closed at exec.
 * returns  MR_OK; MR_E_IO, both are -1 then */
MR_MUST_CHECK mr_status mr_channel_pair(int *ours, int *theirs, struct mr_error *err);

/* A memfd to write a payload to before it is sealed. */
struct mr_memfd {
    int fd;     /* -1: none */
    void *data; /* size bytes; NULL once it is sealed */
    size_t size;
};

/* Memory for size bytes (not 0), reserved so that writing to it cannot fail.
 * returns  MR_OK; MR_E_NO_MEMORY, out is {-1} then */
MR_MUST_CHECK mr_status mr_memfd_init(size_t size, struct mr_memfd *out, struct mr_error *err);

/* All is written: seal it as the protocol asks; the mapping ends.
 * returns  MR_OK, MR_E_IO */
MR_MUST_CHECK mr_status mr_memfd_seal(struct mr_memfd *memfd, struct mr_error *err);

void mr_memfd_deinit(struct mr_memfd *memfd); /* -1 is allowed */

typedef enum mr_channel_sent {
    MR_CHANNEL_SENT,
    MR_CHANNEL_FULL,         /* the peer must read first; epoll's EPOLLOUT tells when */
    MR_CHANNEL_CLOSED,       /* nobody will ever read it */
    MR_CHANNEL_CLOSED_UNREAD /* nor what was sent before: instead of MR_CHANNEL_UNREAD */
} mr_channel_sent;

/* Send one message, without waiting.
 * payload  header->payload_size bytes, or NULL where there are none or they lie in a memfd
 * fds      header->n_fds of them, which stay the caller's; the memfd first */
MR_MUST_CHECK mr_channel_sent mr_channel_send(int socket, const struct mr_wire_header *header,
                                              const void *payload, const int *fds);

/* One received message. */
struct mr_message {
    struct mr_wire_header header;
    const void *payload; /* header.payload_size bytes, in the buffer or mapped */
    void *mapping;       /* NULL: none */
};

typedef enum mr_channel_received {
    MR_CHANNEL_MESSAGE, /* to be given to mr_message_deinit */
    MR_CHANNEL_NOTHING, /* at the moment */
    MR_CHANNEL_UNREAD,  /* the peer has closed its end and not read all that was sent to it; told
                           once, before the messages that it had sent */
    MR_CHANNEL_END,     /* the peer has closed its end */
    MR_CHANNEL_BROKEN   /* what came is no message, or there is no memory for it: err */
} mr_channel_received;

/* Receive one message, without waiting.
 * buffer  MR_WIRE_MAX_DATAGRAM_BYTES, which the message may lie in */
MR_MUST_CHECK mr_channel_received mr_channel_receive(int socket, void *buffer,
                                                     struct mr_message *out, struct mr_error *err);

void mr_message_deinit(struct mr_message *message);

#endif
