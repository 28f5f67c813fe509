#include "engine/pyproc/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Held while a process is started or reaped, so that none is reaped before it is known here. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_child *held;

int mr_reaper_open(void) {
    /* Orphans of a host come to us instead of to init, which may be nobody who reaps them. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, NULL);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void mr_reaper_on_readable(int fd) {
    char bytes[16 * sizeof(struct signalfd_siginfo)];
    while (read(fd, bytes, sizeof(bytes)) > 0) continue;
}

/* Under the lock. */
static void hold(struct mr_child *child, pid_t pid, int pidfd) {
    *child = (struct mr_child){.next = held, .pid = pid, .pidfd = pidfd};
    held = child;
}

mr_status mr_reaper_start(const struct mr_process_spec *spec, struct mr_child *out,
                          struct mr_error *err) {
    pid_t pid;
    int pidfd;
    pthread_mutex_lock(&lock);
    mr_status status = mr_process_start(spec, &pid, &pidfd, err);
    if (status == MR_OK) hold(out, pid, pidfd);
    pthread_mutex_unlock(&lock);
    return status;
}

bool mr_reaper_adopt(pid_t pid, pid_t parent, struct mr_child *out) {
    pthread_mutex_lock(&lock);
    int pidfd = mr_process_open(pid, parent);
    if (pidfd >= 0) hold(out, pid, pidfd);
    pthread_mutex_unlock(&lock);
    return pidfd >= 0;
}

void mr_reaper_kill(struct mr_child *child) {
    if (child->pidfd < 0) return;
    pthread_mutex_lock(&lock);
    if (!child->is_reaped) mr_process_kill_group(child->pid, child->pidfd);
    pthread_mutex_unlock(&lock);
}

void mr_reaper_release(struct mr_child *child) {
    if (child->pidfd < 0) return;
    pthread_mutex_lock(&lock);
    struct mr_child **at = &held;
    while (*at != child) at = &(*at)->next;
    *at = child->next;
    pthread_mutex_unlock(&lock);
    close(child->pidfd);
    *child = MR_CHILD_NONE;
}

bool mr_reaper_reap(void) {
    bool has_children = true;
    pthread_mutex_lock(&lock);
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            has_children = errno != ECHILD;
            break;
        }
        if (info.si_pid == 0) break;
        struct mr_child *child = held;
        while (child && (child->is_reaped || child->pid != info.si_pid)) child = child->next;
        /* While its number is still taken. */
        if (child) mr_process_kill_group(child->pid, child->pidfd);
        int wait_status;
        if (waitpid(info.si_pid, &wait_status, 0) != info.si_pid) continue;
        if (!child) continue; /* an orphan of one of them, or released */
        child->is_reaped = true;
        child->wait_status = wait_status;
    }
    pthread_mutex_unlock(&lock);
    return has_children;
}

bool mr_reaper_status(const struct mr_child *child, int *wait_status) {
    pthread_mutex_lock(&lock);
    bool is_reaped = child->is_reaped;
    if (is_reaped) *wait_status = child->wait_status;
    pthread_mutex_unlock(&lock);
    return is_reaped;
}

bool mr_reaper_is_busy(void) {
    pthread_mutex_lock(&lock);
    bool is_busy = held;
    pthread_mutex_unlock(&lock);
    return is_busy;
}
