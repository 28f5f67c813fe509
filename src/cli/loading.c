#include "cli/loading.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void has_ended(void *ctx, const struct mr_error *err) {
    struct mr_loading *loading = ctx;
    if (err) loading->err = *err;
    uint64_t one = 1;
    ssize_t written = write(loading->fd, &one, sizeof(one));
    (void)written; /* a counter at 0 takes it */
}

mr_status mr_loading_init(struct mr_loading *loading, struct mr_python_options *python,
                          struct mr_error *err) {
    *loading = (struct mr_loading){.fd = eventfd(0, EFD_CLOEXEC)};
    if (loading->fd < 0) return mr_fail(err, MR_E_IO, "eventfd: %s", strerror(errno));
    python->loaded = has_ended;
    python->ctx = loading;
    return MR_OK;
}

void mr_loading_deinit(struct mr_loading *loading) {
    close(loading->fd);
}

mr_status mr_loading_wait(struct mr_loading *loading, struct mr_error *err) {
    uint64_t count;
    while (read(loading->fd, &count, sizeof(count)) < 0 && errno == EINTR) continue;
    if (loading->err.status == MR_OK) return MR_OK;
    return mr_fail(err, loading->err.status, "%s", loading->err.message);
}
