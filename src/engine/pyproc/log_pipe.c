#include "engine/pyproc/log_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define TURN_BYTES ((size_t)8192)
#define PIPE_BYTES ((size_t)65536) /* what a pipe holds */

mr_status mr_log_pipe_init(struct mr_log_pipe *pipe, int *theirs, struct mr_error *err) {
    int ends[2];
    *pipe = (struct mr_log_pipe){.fd = -1};
    if (pipe2(ends, O_CLOEXEC) != 0) return mr_fail(err, MR_E_IO, "pipe: %s", strerror(errno));
    pipe->fd = ends[0];
    fcntl(pipe->fd, F_SETFL, O_NONBLOCK); /* ours alone: a process expects its output to block */
    *theirs = ends[1];
    return MR_OK;
}

/* A line is smaller than PIPE_BUF, so that a log that can take anything takes all of it. */
static bool can_log(void) {
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&log, 1, 0) != 0;
}

static void log_line(struct mr_log_pipe *pipe) {
    if (!can_log()) {
        pipe->n_dropped++;
    } else {
        if (pipe->n_dropped) {
            mr_log_error("%s: %llu lines were dropped, since nobody read the log", pipe->tag,
                         (unsigned long long)pipe->n_dropped);
            pipe->n_dropped = 0;
        }
        mr_log_info("%s: %.*s%s", pipe->tag, (int)pipe->size, pipe->line,
                    pipe->is_cut ? "..." : "");
    }
    pipe->size = 0;
    pipe->is_cut = false;
}

static void add_byte(struct mr_log_pipe *pipe, char byte) {
    if (byte == '\n') {
        pipe->is_returned = false;
        log_line(pipe);
    } else if (byte == '\r') {
        pipe->is_returned = true;
    } else {
        if (pipe->is_returned) { /* written over, as progress bars do */
            pipe->size = 0;
            pipe->is_cut = pipe->is_returned = false;
        }
        if (pipe->size == sizeof(pipe->line)) {
            pipe->is_cut = true;
        } else {
            pipe->line[pipe->size++] = byte ? byte : ' ';
        }
    }
}

/* Bytes that were read; 0 at the end, -1 when there is nothing at the moment. */
static ssize_t read_some(struct mr_log_pipe *pipe) {
    char bytes[TURN_BYTES];
    ssize_t size = read(pipe->fd, bytes, sizeof(bytes));
    if (size < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
    for (ssize_t i = 0; i < size; i++) add_byte(pipe, bytes[i]);
    return size;
}

bool mr_log_pipe_turn(struct mr_log_pipe *pipe) {
    return read_some(pipe) != 0;
}

void mr_log_pipe_deinit(struct mr_log_pipe *pipe) {
    if (pipe->fd < 0) return;
    for (size_t total = 0; total < PIPE_BYTES;) {
        ssize_t size = read_some(pipe);
        if (size <= 0) break;
        total += (size_t)size;
    }
    if (pipe->size) log_line(pipe);
    close(pipe->fd);
    pipe->fd = -1;
}
