#include "engine/pyproc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0); /* closed at exec always */
}

static int pidfd_send(int pidfd, int signal_number) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

/* In the child, which shares its memory with the parent until it executes: only system calls, only
 * its own variables. Returns the error that stopped it. */
static int execute(const struct mr_process_spec *spec, pid_t parent) {
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (getppid() != parent) return ESRCH; /* it ended before it could be watched */
    /* First out of the way, in case that one of them has a number that is about to be taken. */
    int socket = fcntl(spec->socket, F_DUPFD_CLOEXEC, MR_PROCESS_SOCKET + 1);
    int output = fcntl(spec->output, F_DUPFD_CLOEXEC, MR_PROCESS_SOCKET + 1);
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (socket < 0 || output < 0 || input < 0) return errno;
    if (input == STDIN_FILENO) {
        if (fcntl(input, F_SETFD, 0) != 0) return errno;
    } else if (dup2(input, STDIN_FILENO) < 0) {
        return errno;
    }
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) return errno;
    if (dup2(socket, MR_PROCESS_SOCKET) < 0) return errno;
    /* What libraries have left open at exec; a kernel before 5.9 does not know the call. */
    syscall(SYS_close_range, MR_PROCESS_SOCKET + 1, UINT_MAX, 0);
    const struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(spec->path, spec->argv, spec->envp);
    return errno;
}

static mr_status cannot_start(const struct mr_process_spec *spec, int error, struct mr_error *err) {
    return mr_fail(err, MR_E_IO, "%s cannot be started: %s", spec->path, strerror(error));
}

mr_status mr_process_start(const struct mr_process_spec *spec, pid_t *pid, int *pidfd,
                           struct mr_error *err) {
    if (access(spec->path, X_OK) != 0) return cannot_start(spec, errno, err);
    sigset_t all, before;
    sigfillset(&all);
    /* A handler must not run in the child while it shares our memory. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    volatile int error = 0;
    const pid_t parent = getpid();
    /* vfork: a server with gigabytes of page tables need not copy them. */
    pid_t child = vfork();
    if (child == 0) {
        error = execute(spec, parent);
        _exit(127);
    }
    if (child < 0) error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (child > 0 && !error) {
        *pidfd = pidfd_open(child);
        if (*pidfd >= 0) {
            *pid = child;
            return MR_OK;
        }
        error = errno;
        kill(child, SIGKILL);
    }
    if (child > 0) waitpid(child, NULL, 0);
    return cannot_start(spec, error, err);
}

/* The parent of a process, 0 when it is gone. */
static pid_t parent_of(pid_t pid) {
    char path[64], stat[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t size = read(fd, stat, sizeof(stat) - 1);
    close(fd);
    stat[size < 0 ? 0 : size] = '\0';
    /* "pid (name) state ppid ...", where the name may hold anything. */
    const char *after_name = strrchr(stat, ')');
    if (!after_name || strlen(after_name) < 5) return 0;
    return (pid_t)strtol(after_name + 4, NULL, 10);
}

int mr_process_open(pid_t pid, pid_t parent) {
    if (pid <= 1) return -1;
    int pidfd = pidfd_open(pid);
    if (pidfd < 0) return -1;
    /* The number may belong to another process by now. What the descriptor stands for was alive
     * before its parent was read and is so after: it is the same one. */
    if (parent_of(pid) == parent && pidfd_send(pidfd, 0) == 0) return pidfd;
    close(pidfd);
    return -1;
}

void mr_process_kill_group(pid_t pid, int pidfd) {
    if (pidfd >= 0) pidfd_send(pidfd, SIGKILL); /* it may have left its group */
    if (pid > 1) kill(-pid, SIGKILL);           /* 1 and below would be many groups */
}

void mr_process_describe_end(int wait_status, bool was_killed, char *out, size_t size) {
    if (WIFSIGNALED(wait_status)) {
        int number = WTERMSIG(wait_status);
        const char *name = strsignal(number);
        const char *more = "";
        if (number == SIGKILL && !was_killed) more = ", likely for lack of memory";
        snprintf(out, size, "was ended by signal %d (%s)%s", number, name ? name : "unknown", more);
    } else {
        snprintf(out, size, "ended with exit code %d", WEXITSTATUS(wait_status));
    }
}
