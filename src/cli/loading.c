#include "cli/loading.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void mr_loading_told(void *ctx, const struct mr_error *err) {
    struct mr_loading *loading = ctx;
    pthread_mutex_lock(&loading->lock);
    if (err && loading->err.status == MR_OK) loading->err = *err;
    pthread_mutex_unlock(&loading->lock);
    uint64_t one = 1;
    ssize_t written = write(loading->fd, &one, sizeof(one));
    (void)written; /* a counter near 0 takes it */
}

mr_status mr_loading_init(struct mr_loading *loading, size_t n_models, struct mr_error *err) {
    *loading = (struct mr_loading){.fd = eventfd(0, EFD_CLOEXEC), .n_left = n_models};
    if (loading->fd < 0) return mr_fail(err, MR_E_IO, "eventfd: %s", strerror(errno));
    pthread_mutex_init(&loading->lock, NULL);
    return MR_OK;
}

void mr_loading_deinit(struct mr_loading *loading) {
    close(loading->fd);
    pthread_mutex_destroy(&loading->lock);
}

mr_status mr_loading_wait(struct mr_loading *loading, struct mr_error *err) {
    uint64_t count = 0;
    if (loading->n_left == 0) return MR_OK;
    while (read(loading->fd, &count, sizeof(count)) < 0 && errno == EINTR) continue;
    loading->n_left -= count < loading->n_left ? (size_t)count : loading->n_left;
    pthread_mutex_lock(&loading->lock);
    struct mr_error failure = loading->err;
    pthread_mutex_unlock(&loading->lock);
    return failure.status == MR_OK ? MR_OK : mr_fail(err, failure.status, "%s", failure.message);
}
