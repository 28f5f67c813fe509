/* Operating-system processes: starting one, holding on to it, ending it and its children, and what
 * to say about its end. */
#ifndef MR_ENGINE_PYPROC_PROCESS_H
#define MR_ENGINE_PYPROC_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"

#define MR_PROCESS_SOCKET 3 /* where a started process finds its socket */

struct mr_process_spec {
    const char *path;  /* the program */
    char *const *argv; /* NULL-terminated, as for execve; so is envp */
    char *const *envp;
    int socket; /* becomes MR_PROCESS_SOCKET */
    int output; /* becomes standard output and error; standard input is /dev/null */
};

/* Start a program as leader of a process group of its own, with no other descriptors, no blocked
 * or ignored signals. It gets SIGKILL when the calling thread ends.
 * pid, pidfd  to be reaped and closed by the caller
 * returns     MR_OK; MR_E_IO with path and reason, then there is no process */
MR_MUST_CHECK mr_status mr_process_start(const struct mr_process_spec *spec, pid_t *pid, int *pidfd,
                                         struct mr_error *err);

/* A pidfd of a process that `parent` says it has forked; -1 when it has ended and was reaped, or is
 * no child of parent. Closed at exec. */
int mr_process_open(pid_t pid, pid_t parent);

/* SIGKILL to the leader of a group and to all in it. */
void mr_process_kill_group(pid_t pid, int pidfd);

/* How a process ended: "ended by signal 9 (Killed), likely out of memory", "ended with exit code
 * 3". wait_status  as waitpid gives it; was_killed: the signal came from us */
void mr_process_describe_end(int wait_status, bool was_killed, char *out, size_t size);

#endif
