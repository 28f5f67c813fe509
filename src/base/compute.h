/* A fixed pool of threads for what takes too long for the thread at hand.
 *
 * A job is a number of pieces that may run at the same time, on any threads, and something to do
 * when all of them have ended, which may be to go on with other pieces. Threads take pieces from
 * all groups of jobs in turn, and from all jobs of a group in turn, so that a job of few pieces
 * does not wait for the end of one with many, nor a group of few jobs for the end of another; no
 * thread waits for others. Jobs that hold much memory once they have begun are `large`: only as
 * many of them as there are processors are under way, the others wait, those of a group in the
 * order in which they came. There is one thread more than processors: pieces that take long on each
 * of them, such as decoding a large body, leave one for the others. A job may have a deadline: once
 * it is past no piece of it begins, which is seen whenever a thread looks for work. */
#ifndef MR_BASE_COMPUTE_H
#define MR_BASE_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mr_compute;

/* How a job, or a stage of it, has ended. */
typedef enum mr_compute_end {
    MR_COMPUTE_RAN,       /* all pieces did */
    MR_COMPUTE_CANCELLED, /* some, or none */
    MR_COMPUTE_LATE       /* some, or none, since its deadline passed */
} mr_compute_end;

/* In memory of the caller's, zeroed but for the first six; the pool's from mr_compute_submit on,
 * until `done` returns false or mr_compute_cancel true. */
struct mr_compute_job {
    /* Work on a piece, 0 .. n_pieces. On any thread, for several pieces at once. */
    void (*run)(struct mr_compute_job *job, size_t piece);
    /* All pieces have ended, or none runs any more of a job that is cancelled or late. On the
     * thread of the last one, or on any.
     * returns  true: go on with run and n_pieces as they are now, only of a job that ran; `done` is
     *          called again if it was cancelled meanwhile;
     *          false: the pool does not touch the job again, which may be freed by then */
    bool (*done)(struct mr_compute_job *job, mr_compute_end end);
    size_t n_pieces;      /* at least 1 */
    uint64_t deadline_ns; /* of mr_clock_ns(); 0: none */
    bool is_large;
    unsigned group; /* below the pool's n_groups */

    /* Private, under the pool's lock. */
    struct mr_compute_job *previous, *next;
    bool is_queued;    /* it has pieces that wait for a thread */
    bool is_waiting;   /* of those: as large, for its turn to begin */
    bool is_cancelled; /* pieces that wait were dropped */
    bool is_late;      /* the same */
    size_t n_taken;    /* pieces that were begun */
    size_t n_running;
};

/* Start the threads, which block all signals.
 * n_processors  at least 1
 * n_groups      that have their turns; at least 1
 * out           owned by the caller: mr_compute_free; untouched on error
 * returns       MR_OK, MR_E_NO_MEMORY, MR_E_IO */
MR_MUST_CHECK mr_status mr_compute_new(unsigned n_processors, unsigned n_groups,
                                       struct mr_compute **out, struct mr_error *err);

/* Have all jobs run to their end, then end the threads. NULL is allowed. */
void mr_compute_free(struct mr_compute *take_compute);

/* Queue a job. `done` will be called, maybe before this returns.  threads: any, also from run */
void mr_compute_submit(struct mr_compute *compute, struct mr_compute_job *job);

/* Drop what has not begun of a job that was submitted, and for which `done` has not yet returned
 * false or is known not to be freed by it.
 * returns  true: nothing of it runs, and neither run nor done will be called: it is the caller's;
 *          false: pieces are running, or `done` is, or has returned
 * threads  any */
bool mr_compute_cancel(struct mr_compute *compute, struct mr_compute_job *job);

#endif
