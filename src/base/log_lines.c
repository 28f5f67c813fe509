#include "base/log_lines.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define CAPACITY ((size_t)1 << 20)   /* of lines that wait */
#define WRITE_BYTES ((size_t)4096)   /* at once: PIPE_BUF, so that lines of others do not mix in */
#define GATHER_NS (50 * 1000 * 1000) /* from the first line to its writing */
#define TURN_MS 100
#define STOP_MS 1000

struct mr_log_lines {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t has_changed;
    char *waiting; /* CAPACITY bytes */
    size_t size;
    unsigned long long n_dropped;
    bool is_stopping;
    /* The thread's own: what it writes, CAPACITY bytes. */
    char *writing;
};

/* Whole lines of at most WRITE_BYTES, or one longer line. */
static size_t next_part(const char *data, size_t size) {
    if (size <= WRITE_BYTES) return size;
    const char *end = memrchr(data, '\n', WRITE_BYTES);
    if (!end) end = memchr(data, '\n', size);
    return end ? (size_t)(end - data) + 1 : size;
}

static bool is_stopping(struct mr_log_lines *lines) {
    pthread_mutex_lock(&lines->lock);
    bool is_stopping = lines->is_stopping;
    pthread_mutex_unlock(&lines->lock);
    return is_stopping;
}

/* Waits for a reader that does not read, when stopping for STOP_MS. false: it is no use. */
static bool write_all(struct mr_log_lines *lines, const char *data, size_t size) {
    for (int waited_ms = 0; size;) {
        struct pollfd log = {.fd = lines->fd, .events = POLLOUT};
        if (poll(&log, 1, TURN_MS) == 0) {
            if (is_stopping(lines) && (waited_ms += TURN_MS) >= STOP_MS) return false;
            continue;
        }
        ssize_t n = write(lines->fd, data, next_part(data, size));
        if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return true;
}

static void *run(void *arg) {
    struct mr_log_lines *lines = arg;
    pthread_mutex_lock(&lines->lock);
    for (;;) {
        while (!lines->size && !lines->is_stopping) {
            pthread_cond_wait(&lines->has_changed, &lines->lock);
        }
        if (!lines->size) break;
        if (!lines->is_stopping) {
            pthread_mutex_unlock(&lines->lock);
            nanosleep(&(struct timespec){0, GATHER_NS}, NULL);
            pthread_mutex_lock(&lines->lock);
        }
        char *full = lines->waiting;
        size_t size = lines->size;
        unsigned long long n_dropped = lines->n_dropped;
        lines->waiting = lines->writing;
        lines->writing = full;
        lines->size = 0;
        lines->n_dropped = 0;
        pthread_mutex_unlock(&lines->lock);
        bool is_written = write_all(lines, full, size);
        if (n_dropped) mr_log_error("%llu lines of the access log were dropped", n_dropped);
        pthread_mutex_lock(&lines->lock);
        if (!is_written && lines->is_stopping) break;
    }
    pthread_mutex_unlock(&lines->lock);
    return NULL;
}

static void free_lines(struct mr_log_lines *lines) {
    pthread_mutex_destroy(&lines->lock);
    pthread_cond_destroy(&lines->has_changed);
    free(lines->waiting);
    free(lines->writing);
    free(lines);
}

mr_status mr_log_lines_start(int fd, struct mr_log_lines **out, struct mr_error *err) {
    struct mr_log_lines *lines = calloc(1, sizeof(*lines));
    if (!lines) return mr_fail(err, MR_E_NO_MEMORY, "out of memory for the access log");
    lines->fd = fd;
    pthread_mutex_init(&lines->lock, NULL);
    pthread_cond_init(&lines->has_changed, NULL);
    lines->waiting = malloc(CAPACITY);
    lines->writing = malloc(CAPACITY);
    mr_status status = MR_OK;
    if (!lines->waiting || !lines->writing) {
        status = mr_fail(err, MR_E_NO_MEMORY, "out of memory for the access log");
    } else {
        int code = pthread_create(&lines->thread, NULL, run, lines);
        if (code) status = mr_fail(err, MR_E_IO, "a thread for the log: %s", strerror(code));
    }
    if (status == MR_OK) {
        pthread_setname_np(lines->thread, "access-log");
        *out = lines;
    } else {
        free_lines(lines);
    }
    return status;
}

void mr_log_lines_add(struct mr_log_lines *lines, struct mr_str line) {
    pthread_mutex_lock(&lines->lock);
    bool was_empty = lines->size == 0;
    if (line.size > CAPACITY - lines->size) {
        lines->n_dropped++;
    } else {
        memcpy(lines->waiting + lines->size, line.data, line.size);
        lines->size += line.size;
    }
    pthread_mutex_unlock(&lines->lock);
    if (was_empty) pthread_cond_signal(&lines->has_changed);
}

void mr_log_lines_stop(struct mr_log_lines *take_lines) {
    pthread_mutex_lock(&take_lines->lock);
    take_lines->is_stopping = true;
    pthread_mutex_unlock(&take_lines->lock);
    pthread_cond_signal(&take_lines->has_changed);
    pthread_join(take_lines->thread, NULL);
    free_lines(take_lines);
}
