#include "base/compute.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct job_list {
    struct mr_compute_job *first, *last;
};

struct group {
    struct job_list queue;   /* jobs with pieces to take: the first one's turn is next */
    struct job_list waiting; /* large jobs that have not begun */
};

struct mr_compute {
    pthread_mutex_t lock; /* protects what follows, and the private part of every job */
    pthread_cond_t has_work;
    struct group *groups; /* n_groups of them */
    unsigned n_groups;
    unsigned next_group, next_large; /* whose turn is next to have a piece taken, to begin */
    unsigned max_large, n_large;     /* large jobs that have begun */
    uint64_t next_ns;                /* no deadline of what waits is before */
    unsigned n_asleep;
    bool is_ending;
    unsigned n_threads;
    pthread_t threads[];
};

/* Lists --------------------------------------------------------------------------------------- */

static void append(struct job_list *list, struct mr_compute_job *job) {
    job->previous = list->last;
    job->next = NULL;
    if (list->last) {
        list->last->next = job;
    } else {
        list->first = job;
    }
    list->last = job;
}

static void unlink_job(struct job_list *list, struct mr_compute_job *job) {
    if (job->previous) {
        job->previous->next = job->next;
    } else {
        list->first = job->next;
    }
    if (job->next) {
        job->next->previous = job->previous;
    } else {
        list->last = job->previous;
    }
}

/* Under the lock ------------------------------------------------------------------------------ */

static void note_deadline(struct mr_compute *compute, const struct mr_compute_job *job) {
    if (job->deadline_ns && job->deadline_ns < compute->next_ns) {
        compute->next_ns = job->deadline_ns;
    }
}

static void queue_job(struct mr_compute *compute, struct mr_compute_job *job) {
    note_deadline(compute, job);
    job->is_queued = true;
    job->n_taken = 0;
    append(&compute->groups[job->group].queue, job);
    for (size_t i = 0; i < job->n_pieces && i < compute->n_asleep; i++) {
        pthread_cond_signal(&compute->has_work);
    }
}

/* A large job has ended: the next one may begin. */
static void leave_large(struct mr_compute *compute) {
    struct job_list *waiting = NULL;
    compute->n_large--;
    for (unsigned i = 0; i < compute->n_groups && !waiting; i++) {
        struct group *group = &compute->groups[compute->next_large];
        compute->next_large = (compute->next_large + 1) % compute->n_groups;
        if (group->waiting.first) waiting = &group->waiting;
    }
    if (!waiting) return;
    struct mr_compute_job *next = waiting->first;
    unlink_job(waiting, next);
    next->is_waiting = false;
    compute->n_large++;
    queue_job(compute, next);
}

/* Takes a piece of the job whose turn it is in the group whose turn it is; false: there is none. */
static bool take_piece(struct mr_compute *compute, struct mr_compute_job **out, size_t *piece) {
    struct job_list *queue = NULL;
    for (unsigned i = 0; i < compute->n_groups && !queue; i++) {
        struct group *group = &compute->groups[compute->next_group];
        compute->next_group = (compute->next_group + 1) % compute->n_groups;
        if (group->queue.first) queue = &group->queue;
    }
    if (!queue) return false;
    struct mr_compute_job *job = queue->first;
    unlink_job(queue, job);
    *out = job;
    *piece = job->n_taken++;
    job->n_running++;
    job->is_queued = job->n_taken < job->n_pieces;
    if (job->is_queued) append(queue, job);
    return true;
}

static mr_compute_end end_of(const struct mr_compute_job *job) {
    if (job->is_cancelled) return MR_COMPUTE_CANCELLED;
    return job->is_late ? MR_COMPUTE_LATE : MR_COMPUTE_RAN;
}

/* No piece runs any more. The lock is free while `done` runs. */
static void end_pieces(struct mr_compute *compute, struct mr_compute_job *job) {
    bool is_large = job->is_large && !job->is_waiting, goes_on;
    mr_compute_end end;
    do {
        end = end_of(job);
        pthread_mutex_unlock(&compute->lock);
        goes_on = job->done(job, end);
        pthread_mutex_lock(&compute->lock);
        assert(!goes_on || end == MR_COMPUTE_RAN);
    } while (goes_on && job->is_cancelled);
    if (goes_on) {
        queue_job(compute, job);
    } else if (is_large) {
        leave_large(compute);
    }
}

/* Takes those that are late out of a list; those of which nothing runs go to another one. */
static void take_late(struct mr_compute *compute, struct job_list *list, uint64_t now_ns,
                      struct job_list *out) {
    for (struct mr_compute_job *job = list->first, *next; job; job = next) {
        next = job->next;
        if (!job->deadline_ns || job->deadline_ns > now_ns) {
            note_deadline(compute, job);
            continue;
        }
        unlink_job(list, job);
        job->is_queued = false;
        job->is_late = true;
        if (job->n_running == 0) append(out, job); /* else the last piece ends it */
    }
}

static void drop_late(struct mr_compute *compute) {
    struct job_list late = {0};
    if (compute->next_ns == UINT64_MAX) return;
    uint64_t now_ns = mr_clock_ns();
    if (now_ns < compute->next_ns) return;
    compute->next_ns = UINT64_MAX;
    for (unsigned i = 0; i < compute->n_groups; i++) {
        take_late(compute, &compute->groups[i].queue, now_ns, &late);
        take_late(compute, &compute->groups[i].waiting, now_ns, &late);
    }
    for (struct mr_compute_job *job = late.first, *next; job; job = next) {
        next = job->next;
        end_pieces(compute, job);
    }
}

/* Threads ------------------------------------------------------------------------------------- */

static void *work(void *arg) {
    struct mr_compute *compute = arg;
    struct mr_compute_job *job;
    size_t piece;
    pthread_mutex_lock(&compute->lock);
    for (;;) {
        drop_late(compute);
        if (take_piece(compute, &job, &piece)) {
            pthread_mutex_unlock(&compute->lock);
            job->run(job, piece);
            pthread_mutex_lock(&compute->lock);
            job->n_running--;
            if (!job->is_queued && job->n_running == 0) end_pieces(compute, job);
        } else if (compute->is_ending) {
            break; /* who still runs a piece sees to what comes of it */
        } else {
            compute->n_asleep++;
            pthread_cond_wait(&compute->has_work, &compute->lock);
            compute->n_asleep--;
        }
    }
    pthread_mutex_unlock(&compute->lock);
    return NULL;
}

static int start_threads(struct mr_compute *compute, unsigned n) {
    sigset_t all, before;
    int code = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (compute->n_threads < n && code == 0) {
        pthread_t *thread = &compute->threads[compute->n_threads];
        code = pthread_create(thread, NULL, work, compute);
        if (code) break;
        pthread_setname_np(*thread, "compute");
        compute->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

mr_status mr_compute_new(unsigned n_processors, unsigned n_groups, struct mr_compute **out,
                         struct mr_error *err) {
    unsigned n_threads = n_processors + 1;
    struct mr_compute *compute = calloc(1, sizeof(*compute) + n_threads * sizeof(pthread_t));
    struct group *groups = calloc(n_groups, sizeof(*groups));
    if (!compute || !groups) {
        free(compute);
        free(groups);
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory for %u threads", n_threads);
    }
    compute->groups = groups;
    compute->n_groups = n_groups;
    compute->max_large = n_processors;
    compute->next_ns = UINT64_MAX;
    pthread_mutex_init(&compute->lock, NULL);
    pthread_cond_init(&compute->has_work, NULL);
    int code = start_threads(compute, n_threads);
    if (code) {
        mr_compute_free(compute);
        return mr_fail(err, MR_E_IO, "a compute thread: %s", strerror(code));
    }
    *out = compute;
    return MR_OK;
}

void mr_compute_free(struct mr_compute *compute) {
    if (!compute) return;
    pthread_mutex_lock(&compute->lock);
    compute->is_ending = true;
    pthread_cond_broadcast(&compute->has_work);
    pthread_mutex_unlock(&compute->lock);
    for (unsigned i = 0; i < compute->n_threads; i++) pthread_join(compute->threads[i], NULL);
    pthread_cond_destroy(&compute->has_work);
    pthread_mutex_destroy(&compute->lock);
    free(compute->groups);
    free(compute);
}

/* Jobs ---------------------------------------------------------------------------------------- */

void mr_compute_submit(struct mr_compute *compute, struct mr_compute_job *job) {
    pthread_mutex_lock(&compute->lock);
    if (job->is_large && compute->n_large == compute->max_large) {
        job->is_queued = job->is_waiting = true;
        note_deadline(compute, job);
        append(&compute->groups[job->group].waiting, job);
    } else {
        if (job->is_large) {
            compute->n_large++;
            compute->next_large = (job->group + 1) % compute->n_groups;
        }
        queue_job(compute, job);
    }
    pthread_mutex_unlock(&compute->lock);
}

bool mr_compute_cancel(struct mr_compute *compute, struct mr_compute_job *job) {
    pthread_mutex_lock(&compute->lock);
    bool is_dropped = job->is_queued && job->n_running == 0;
    if (job->is_queued) {
        bool was_waiting = job->is_waiting;
        struct group *group = &compute->groups[job->group];
        unlink_job(was_waiting ? &group->waiting : &group->queue, job);
        job->is_queued = job->is_waiting = false;
        if (is_dropped && job->is_large && !was_waiting) leave_large(compute);
    }
    job->is_cancelled = true;
    pthread_mutex_unlock(&compute->lock);
    return is_dropped;
}
