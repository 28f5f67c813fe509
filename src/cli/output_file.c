#include "cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a signal has to remove; "" is nothing. Changed while these signals are blocked. */
static char unfinished[PATH_MAX];
static bool is_on_terminal;

static void remove_and_end(int signal_number) {
    if (unfinished[0]) unlink(unfinished);
    /* The prompt shall not stand behind a progress bar. */
    if (is_on_terminal && write(STDERR_FILENO, "\n", 1) < 0) is_on_terminal = false;
    _exit(128 + signal_number);
}

static void ending_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

static void set_unfinished(const char *path) {
    sigset_t set, before;
    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    snprintf(unfinished, sizeof(unfinished), "%s", path);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void watch_signals(void) {
    is_on_terminal = isatty(STDERR_FILENO);
    struct sigaction action = {.sa_handler = remove_and_end};
    ending_signals(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static mr_status fail_open(const char *path, struct mr_error *err) {
    return mr_fail(err, MR_E_IO, "cannot write %s: %s", path, strerror(errno));
}

/* What the file at a path may do is what the new one may do. */
static mode_t mode_for(const struct stat *existing) {
    if (existing) return existing->st_mode & 07777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* Makes FOLDER/.NAME.XXXXXX. */
static mr_status open_beside(const char *target, mode_t mode, int *fd, struct mr_error *err) {
    const char *slash = strrchr(target, '/');
    int folder = slash ? (int)(slash - target) + 1 : 0;
    char path[PATH_MAX];
    int size = snprintf(path, sizeof(path), "%.*s.%s.XXXXXX", folder, target, target + folder);
    if (size < 0 || (size_t)size >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return fail_open(target, err);
    }
    sigset_t set, before;
    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    *fd = mkostemp(path, O_CLOEXEC);
    int why = errno;
    if (*fd >= 0) set_unfinished(path);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    if (*fd < 0) return fail_open(target, err);
    if (fchmod(*fd, mode) != 0) return fail_open(target, err);
    return MR_OK;
}

mr_status mr_output_open(const char *path, struct mr_output_file *out, struct mr_error *err) {
    *out = (struct mr_output_file){.fd = STDOUT_FILENO};
    watch_signals();
    if (!path || strcmp(path, "-") == 0) return MR_OK;
    struct stat info;
    bool is_there = stat(path, &info) == 0;
    if (is_there && !S_ISREG(info.st_mode)) {
        out->fd = open(path, O_WRONLY | O_CLOEXEC);
        return out->fd < 0 ? fail_open(path, err) : MR_OK;
    }
    /* A link is followed: what it points at is replaced, not the link. */
    out->target = is_there ? realpath(path, NULL) : strdup(path);
    if (!out->target) return fail_open(path, err);
    if (open_beside(out->target, mode_for(is_there ? &info : NULL), &out->fd, err) == MR_OK) {
        return MR_OK;
    }
    mr_output_abandon(out);
    return MR_E_IO;
}

mr_status mr_output_commit(struct mr_output_file *out, struct mr_error *err) {
    if (out->fd == STDOUT_FILENO) return MR_OK;
    bool is_closed = close(out->fd) == 0; /* some file systems tell of a full disk only now */
    out->fd = -1;
    if (!is_closed || (out->target && rename(unfinished, out->target) != 0)) {
        mr_status status = fail_open(out->target ? out->target : "the output", err);
        mr_output_abandon(out);
        return status;
    }
    set_unfinished("");
    free(out->target);
    out->target = NULL;
    return MR_OK;
}

void mr_output_abandon(struct mr_output_file *out) {
    if (out->fd >= 0 && out->fd != STDOUT_FILENO) close(out->fd);
    if (out->target && unfinished[0]) unlink(unfinished);
    set_unfinished("");
    free(out->target);
    *out = (struct mr_output_file){.fd = -1};
}
