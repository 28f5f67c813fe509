/* Calls on their way: the queue of those that wait, and what each worker has under way.
 *
 * Knows sockets and the time, not processes. A lane is the place of a worker; it is closed while
 * the worker's process is missing. Calls leave the queue in the order they came, but those that go
 * together (batch.h) at once, and a large one not when it would take the last worker that has none
 * while small ones come. A worker gets one call or one batch; where no batches are made and calls
 * are short a second one ahead, so that it need not wait for us in between; an asynchronous one
 * gets many. The calls of a batch that cannot be answered together, or whose worker ended, are sent
 * again, each alone. A call that is cancelled, or too late, ends for its caller at once but keeps
 * its slot until the worker has ended it too, since only then it is free.
 *
 * Not thread-safe: the owner holds one lock around all of it, but for mr_calls_prepare and
 * mr_ended_tell. Times are microseconds of a clock that never goes back, given by the caller. */
#ifndef MR_ENGINE_PYPROC_CALLS_H
#define MR_ENGINE_PYPROC_CALLS_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/pyproc/channel.h"

#define MR_CALLS_MAX_AHEAD 2        /* calls that a worker may hold */
#define MR_CALLS_MAX_ASYNC 64       /* the same, if it is asynchronous */
#define MR_CALLS_GRACE_US 1000000   /* for a worker to end a call that is too late */
#define MR_CALLS_SMALL_US 1000000   /* after a small call: more are to be expected */
#define MR_CALLS_SHORT_CALL_US 2000 /* while they take no longer, calls are sent ahead */
#define MR_NEVER_US INT64_MAX

typedef enum mr_ticket_place {
    MR_TICKET_PREPARED,
    MR_TICKET_QUEUED,
    MR_TICKET_SENT,
    MR_TICKET_ENDED /* for its caller */
} mr_ticket_place;

/* A call and its request, ready to be sent as often as it takes. In the call's arena. */
struct mr_ticket {
    struct mr_call *call;
    mr_ticket_place place;
    struct mr_ticket *next,
        *previous;        /* in the queue or a slot; `next` also in a list of ended ones
                           */
    struct mr_lane *lane; /* MR_TICKET_SENT; so are the next three */
    uint64_t id;          /* of the slot */
    size_t i_part;        /* of the calls that were sent together */
    int64_t first_row;    /* among the rows of all of them */
    int64_t asked_us, sent_us;
    int64_t deadline_us; /* MR_NEVER_US: none */
    bool is_large;       /* more than goes into a batch */
    bool is_alone;       /* it was in a batch already */
    bool has_failed;     /* there was no memory to send it */
    uint64_t n_rows;     /* 1 where they are not decoded */
    size_t size;
    /* One of these: */
    const struct mr_wire_request *request; /* may go with others: written when it is sent */
    const void *payload;                   /* size bytes */
    struct mr_memfd memfd;                 /* sealed; fd >= 0 */
    bool has_chunks;                       /* a part of the answer has come */
};

/* What a worker has got and not ended: a call, or several together. */
struct mr_slot {
    uint64_t id;
    struct mr_ticket *ticket; /* the first of those whose callers wait; NULL: none does */
    size_t n_parts;           /* calls that were sent */
    int64_t n_rows;           /* theirs */
    bool is_large;
    int64_t sent_us;
    int64_t deadline_us;               /* for the worker, MR_NEVER_US: none */
    int64_t give_up_us;                /* MR_NEVER_US: not too late yet */
    bool is_cancel_due, is_resume_due; /* to be sent when there is room */
};

struct mr_lane {
    int socket;  /* -1: closed; borrowed */
    void *owner; /* whoever opened it */
    bool is_async;
    bool is_broken;        /* nothing can be sent any more; its process is about to end */
    bool needs_room;       /* the socket is full: mr_calls_make_room when it is not */
    bool is_hung;          /* has not ended a call in time, see mr_calls_expire */
    bool has_unread;       /* its process has ended without reading the last message */
    uint64_t last_call_id; /* the last message, if that was a call; 0: another one */
    size_t n_slots;
    struct mr_slot slots[MR_CALLS_MAX_ASYNC]; /* in the order they were sent */
    int64_t heard_us;                         /* when the worker last sent anything */
    int64_t freed_us;                         /* when it last ended a call */
    uint64_t n_answered;                      /* since it was opened */
};

struct mr_calls {
    struct mr_lane *lanes;
    size_t n_lanes;
    struct mr_ticket *first, *last; /* the queue */
    int64_t timeout_us;             /* MR_NEVER_US: none */
    int64_t next_us;                /* mr_calls_expire has nothing to do before */
    int64_t service_us;             /* how long calls take lately, a moving mean */
    double lately_us, lately_rows;  /* sums that decay: how long workers took for how many rows */
    uint64_t last_id;
    struct mr_queue_options options;
    bool is_nan_literal;
    bool has_rows;                /* see mr_batch_allows */
    atomic_bool may_batch;        /* calls may be sent together; read without the lock, too */
    uint64_t n_last_calls;        /* that were last answered together */
    int64_t small_until_us;       /* small calls are to be expected up to then */
    struct mr_arena *scratch;     /* for what is being sent */
    struct mr_engine_stats stats; /* but for what lanes tell */
    /* Tell when lane->needs_room has changed. */
    void (*room_wanted)(struct mr_lane *lane);
};

/* Calls to be told that they have ended. Zeroed when empty. */
struct mr_ended {
    struct mr_ticket *first, *last;
};

struct mr_calls_options {
    struct mr_queue_options queue;
    int64_t timeout_us; /* MR_NEVER_US: none */
    bool is_nan_literal;
    bool has_rows; /* see mr_batch_allows */
    void (*room_wanted)(struct mr_lane *lane);
};

/* lanes: n_lanes, borrowed; all become closed. Calls are not sent together before may_batch is set.
 * returns  MR_OK, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_calls_init(struct mr_calls *calls, struct mr_lane *lanes, size_t n_lanes,
                                      const struct mr_calls_options *options, struct mr_error *err);
void mr_calls_deinit(struct mr_calls *calls); /* zeroed is allowed */

/* Lay out a call's request. Sets call->state to its ticket.
 * returns  MR_OK; MR_E_UNSUPPORTED: the protocol cannot carry this input; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY, MR_E_IO
 * threads  any, without the lock */
MR_MUST_CHECK mr_status mr_calls_prepare(const struct mr_calls *calls, struct mr_call *call,
                                         struct mr_error *err);

/* Whether the queue has room for a call with so many rows and bytes.
 * returns  MR_OK; MR_E_BUSY with what is full, which is counted: a prepared call goes to
 *          mr_calls_drop then */
MR_MUST_CHECK mr_status mr_calls_check_room(struct mr_calls *calls, uint64_t n_rows, size_t size,
                                            struct mr_error *err);

/* Forget a prepared call that is not asked. */
void mr_calls_drop(struct mr_ticket *ticket);

/* Send a prepared call to a worker, or put it in the queue. */
void mr_calls_ask(struct mr_calls *calls, struct mr_ticket *ticket, int64_t now_us);

/* Take a call back. true: it will not be told of; false: it has ended before. */
bool mr_calls_withdraw(struct mr_calls *calls, struct mr_ticket *ticket);

/* Hold back the chunks of a call, or let them come again. */
void mr_calls_pause(struct mr_calls *calls, struct mr_ticket *ticket, bool is_paused);

/* A worker is there: it gets calls from now on. */
void mr_calls_open(struct mr_calls *calls, struct mr_lane *lane, int socket, bool is_async,
                   void *owner, int64_t now_us);

/* A worker is gone. What it may have begun ends with err, or is tried again where it was a batch;
 * the rest of what it had been sent goes back to the front of the queue. */
void mr_calls_close(struct mr_calls *calls, struct mr_lane *lane, const struct mr_error *err,
                    int64_t now_us, struct mr_ended *ended);

/* A message about a call has come: its slot, NULL when the worker has no such call. It stays where
 * it is until a slot of this lane is freed, or the lane closed. */
struct mr_slot *mr_calls_heard(struct mr_lane *lane, uint64_t id, int64_t now_us);

/* A part of a call's answer has come: it has time for the next one. */
void mr_calls_progress(struct mr_calls *calls, struct mr_slot *slot, int64_t now_us);

/* The worker has ended what is in a slot, and so it ends for the callers.
 * returns  the tickets, one after the other by `next`, to be told by mr_ended_tell or by hand, or
 *          given to mr_calls_again; NULL when nobody waits for it */
struct mr_ticket *mr_calls_take(struct mr_slot *slot);

/* After that: the slot is free for the next call. */
void mr_calls_free_slot(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot,
                        int64_t now_us);

/* Before that: these of its calls, by `next`, go to the front of the queue, to be sent alone. */
void mr_calls_again(struct mr_calls *calls, struct mr_ticket *tickets);

/* A socket that was full has room. */
void mr_calls_make_room(struct mr_calls *calls, struct mr_lane *lane, int64_t now_us);

/* End the calls that are too late, and set is_hung of the lanes whose worker must be replaced; send
 * what has waited for others long enough. Updates next_us. */
void mr_calls_expire(struct mr_calls *calls, int64_t now_us, struct mr_ended *ended);

/* End all calls in the queue. */
void mr_calls_fail_queue(struct mr_calls *calls, const struct mr_error *err,
                         struct mr_ended *ended);

/* What mr_engine_stats_of tells. */
void mr_calls_stats(const struct mr_calls *calls, struct mr_engine_stats *out);

/* Add a call that has ended and set its status. */
void mr_ended_add(struct mr_ended *ended, struct mr_ticket *ticket, const struct mr_error *err);

/* Tell all of them, without the lock. */
void mr_ended_tell(struct mr_ended *ended);

#endif
