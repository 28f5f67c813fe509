/* The children of this process, for all pools in it.
 *
 * The process is the reaper of all orphans below it, so that a child may be one that nobody here
 * has started. Whoever notices first that children have ended reaps all that have; how they ended
 * is kept with those that others hold. A child that is held is not reaped unnoticed: its process id
 * is its own until mr_reaper_reap has noted its end.
 *
 * threads  any; a struct mr_child is held and released by one thread. Whoever calls mr_reaper_start
 *          must live as long as the process: see mr_process_start */
#ifndef MR_ENGINE_PYPROC_REAPER_H
#define MR_ENGINE_PYPROC_REAPER_H

#include "engine/pyproc/process.h"

/* A process that is held: one of ours, or of one of ours, which is ours when that ends. */
struct mr_child {
    struct mr_child *next; /* this and the last two are the reaper's */
    pid_t pid;             /* 0: none is held */
    int pidfd;             /* -1: none is held; readable when the process has ended */
    bool is_reaped;
    int wait_status;
};

#define MR_CHILD_NONE ((struct mr_child){.pidfd = -1})

/* Become the reaper of orphans. Blocks SIGCHLD on the calling thread; other threads should, too.
 * returns  a descriptor, the caller's, that is readable when children may have ended and nobody has
 *          reaped them since, for one of those who have opened one: for mr_reaper_on_readable, then
 *          mr_reaper_reap; -1: an error, with errno */
int mr_reaper_open(void);
void mr_reaper_on_readable(int fd);

/* mr_process_start, of a child that is held from its beginning. */
MR_MUST_CHECK mr_status mr_reaper_start(const struct mr_process_spec *spec, struct mr_child *out,
                                        struct mr_error *err);

/* Hold a process that `parent` says it has forked.
 * returns  false: it has ended and was reaped, or is no child of parent; nothing is held */
bool mr_reaper_adopt(pid_t pid, pid_t parent, struct mr_child *out);

/* SIGKILL to a child and all in its group, unless it was reaped: the number may be another's. */
void mr_reaper_kill(struct mr_child *child);

/* Hold it no longer, whether it has ended or not; pidfd is closed. Nothing, for one that is none.
 */
void mr_reaper_release(struct mr_child *child);

/* Reap all children that have ended, with SIGKILL to what is left of the groups of those held.
 * returns  false: there are no more children */
bool mr_reaper_reap(void);

/* How a child has ended.
 * returns  false: it was not reaped here; it lives, or is for its parent to wait for */
bool mr_reaper_status(const struct mr_child *child, int *wait_status);

/* Whether anyone holds a child: who does goes on reaping. */
bool mr_reaper_is_busy(void);

#endif
