#include "engine/pyproc/calls.h"

#include <assert.h>

#include "engine/pyproc/batch.h"
#include "engine/pyproc/calls_int.h"

/* Messages to workers that the expected wait is learnt from: enough that a single one which was
 * held up does not have others refused. */
#define N_LATELY 64

#define US_PER_S 1e6

mr_status mr_calls_init(struct mr_calls *calls, struct mr_lane *lanes, size_t n_lanes,
                        const struct mr_calls_options *options, struct mr_error *err) {
    *calls = (struct mr_calls){.lanes = lanes,
                               .n_lanes = n_lanes,
                               .timeout_us = options->timeout_us,
                               .next_us = MR_NEVER_US,
                               .service_us = MR_NEVER_US,
                               .small_until_us = INT64_MIN,
                               .options = options->queue,
                               .is_nan_literal = options->is_nan_literal,
                               .has_rows = options->has_rows,
                               .room_wanted = options->room_wanted,
                               .scratch = mr_arena_new(0, NULL)};
    if (!calls->options.max_batch_rows) calls->options.max_batch_rows = MR_MAX_BATCH_ROWS;
    if (!calls->options.max_batch_bytes) calls->options.max_batch_bytes = MR_MAX_BATCH_BYTES;
    for (size_t i = 0; i < n_lanes; i++) lanes[i] = (struct mr_lane){.socket = -1};
    return calls->scratch ? MR_OK : mr_fail(err, MR_E_NO_MEMORY, "out of memory");
}

void mr_calls_deinit(struct mr_calls *calls) {
    mr_arena_free(calls->scratch);
    calls->scratch = NULL;
}

/* --- tickets ---------------------------------------------------------------------------------- */

static mr_status write_request(const struct mr_wire_request *request, struct mr_ticket *ticket,
                               struct mr_error *err) {
    struct mr_arena *arena = ticket->call->arena;
    if (ticket->size <= MR_CHANNEL_MAX_INLINE_BYTES) {
        void *payload = mr_arena_alloc(arena, ticket->size);
        if (!payload) return mr_arena_fail(arena, err);
        mr_wire_write_request(request, payload);
        ticket->payload = payload;
        return MR_OK;
    }
    MR_TRY(mr_memfd_init(ticket->size, &ticket->memfd, err));
    mr_wire_write_request(request, ticket->memfd.data);
    mr_status status = mr_memfd_seal(&ticket->memfd, err);
    if (status != MR_OK) mr_memfd_deinit(&ticket->memfd);
    return status;
}

/* Whether a call is laid out when it is sent, with others that go with it. */
static bool is_laid_out_later(const struct mr_calls *calls, const struct mr_ticket *ticket) {
    return atomic_load(&calls->may_batch) && !ticket->is_large &&
           mr_batch_allows(ticket->call, calls->has_rows);
}

mr_status mr_calls_prepare(const struct mr_calls *calls, struct mr_call *call,
                           struct mr_error *err) {
    call->state = NULL;
    const char *reason;
    if (!mr_wire_can_carry(call->input, &reason)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "Python workers cannot be sent %s", reason);
    }
    struct mr_ticket *ticket = mr_arena_alloc(call->arena, sizeof(*ticket));
    if (!ticket) return mr_arena_fail(call->arena, err);
    *ticket = (struct mr_ticket){
        .call = call, .n_rows = (uint64_t)mr_wire_n_rows(call->input), .memfd = {.fd = -1}};
    const struct mr_wire_request_options options = {.wants_stream = call->wants_stream,
                                                    .is_nan_literal = calls->is_nan_literal,
                                                    .trace = call->trace};
    struct mr_wire_request *request;
    MR_TRY(
        mr_wire_plan_request(&call->input, 1, &options, call->arena, &request, &ticket->size, err));
    ticket->is_large = ticket->n_rows > calls->options.max_batch_rows ||
                       ticket->size > calls->options.max_batch_bytes;
    if (is_laid_out_later(calls, ticket)) {
        ticket->request = request;
    } else {
        MR_TRY(write_request(request, ticket, err));
    }
    call->state = ticket;
    return MR_OK;
}

void mr_calls_drop(struct mr_ticket *ticket) {
    mr_memfd_deinit(&ticket->memfd);
}

/* How long one more call would wait, by what rows take lately; 0: nobody knows. */
static int64_t expected_wait_us(const struct mr_calls *calls) {
    int64_t n_at_once = 0;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        const struct mr_lane *lane = &calls->lanes[i];
        if (mr_lane_is_open(lane)) n_at_once += lane->is_async ? MR_CALLS_MAX_ASYNC : 1;
    }
    if (!n_at_once || calls->lately_rows <= 0) return 0;
    double row_us = calls->lately_us / calls->lately_rows;
    return (int64_t)((double)calls->stats.n_waiting_rows * row_us / (double)n_at_once);
}

mr_status mr_calls_check_room(struct mr_calls *calls, uint64_t n_rows, size_t size,
                              struct mr_error *err) {
    const struct mr_queue_options *options = &calls->options;
    const struct mr_engine_stats *stats = &calls->stats;
    const char *what = NULL;
    int64_t wait_us = 0;
    if (stats->n_waiting == 0) return MR_OK;
    if (options->max_bytes && stats->waiting_bytes + size > options->max_bytes) what = "bytes";
    if (options->max_rows && stats->n_waiting_rows + n_rows > options->max_rows) what = "rows";
    if (options->max_calls && stats->n_waiting >= options->max_calls) what = "requests";
    if (options->max_delay_us && stats->n_waiting >= calls->n_lanes) {
        wait_us = expected_wait_us(calls);
    }
    if (!what && wait_us <= (int64_t)options->max_delay_us) return MR_OK;
    calls->stats.n_refused++;
    if (what) {
        return mr_fail(err, MR_E_BUSY, "too many %s wait for the model already: try again later",
                       what);
    }
    return mr_fail(err, MR_E_BUSY, "the request would wait %.3f s for the model: try again later",
                   (double)wait_us / US_PER_S);
}

/* A call has ended for its caller; nothing of it will be sent again. */
static void end_ticket(struct mr_ticket *ticket) {
    ticket->place = MR_TICKET_ENDED;
    mr_memfd_deinit(&ticket->memfd);
}

void mr_ended_add(struct mr_ended *ended, struct mr_ticket *ticket, const struct mr_error *err) {
    ticket->call->status = err->status;
    ticket->call->err = *err;
    ticket->next = NULL;
    if (ended->last) {
        ended->last->next = ticket;
    } else {
        ended->first = ticket;
    }
    ended->last = ticket;
}

void mr_ended_tell(struct mr_ended *ended) {
    struct mr_ticket *ticket = ended->first;
    *ended = (struct mr_ended){0};
    while (ticket) {
        struct mr_ticket *next = ticket->next; /* with `done` its memory is the caller's */
        ticket->call->done(ticket->call);
        ticket = next;
    }
}

/* When a worker that has not ended a call in time is given up: after a grace that counts from when
 * it began with it, or, for one that has many, from its last sign of life. */
static int64_t give_up_us(const struct mr_lane *lane, const struct mr_slot *slot) {
    int64_t sign_us = lane->is_async ? lane->heard_us : lane->freed_us;
    int64_t later_us = sign_us + MR_CALLS_GRACE_US;
    return slot->give_up_us > later_us ? slot->give_up_us : later_us;
}

/* --- the queue -------------------------------------------------------------------------------- */

static void count_in(struct mr_calls *calls, const struct mr_ticket *ticket) {
    calls->stats.n_waiting++;
    calls->stats.n_waiting_rows += ticket->n_rows;
    calls->stats.waiting_bytes += ticket->size;
}

void mr_ticket_link(struct mr_ticket **first, struct mr_ticket **last, struct mr_ticket *ticket) {
    ticket->previous = *last;
    ticket->next = NULL;
    if (*last) {
        (*last)->next = ticket;
    } else {
        *first = ticket;
    }
    *last = ticket;
}

void mr_ticket_unlink(struct mr_ticket **first, struct mr_ticket **last, struct mr_ticket *ticket) {
    if (ticket->previous) {
        ticket->previous->next = ticket->next;
    } else {
        *first = ticket->next;
    }
    if (ticket->next) {
        ticket->next->previous = ticket->previous;
    } else {
        *last = ticket->previous;
    }
}

static void append(struct mr_calls *calls, struct mr_ticket *ticket) {
    count_in(calls, ticket);
    ticket->place = MR_TICKET_QUEUED;
    mr_ticket_link(&calls->first, &calls->last, ticket);
}

static void prepend(struct mr_calls *calls, struct mr_ticket *ticket) {
    count_in(calls, ticket);
    ticket->place = MR_TICKET_QUEUED;
    ticket->call->started_ns = 0;
    ticket->previous = NULL;
    ticket->next = calls->first;
    if (calls->first) {
        calls->first->previous = ticket;
    } else {
        calls->last = ticket;
    }
    calls->first = ticket;
    mr_calls_look_at(calls, ticket->deadline_us);
}

/* The same with a list, in its order. */
static void prepend_all(struct mr_calls *calls, struct mr_ticket *tickets) {
    struct mr_ticket *last = NULL; /* of those that are linked by next alone, too */
    for (struct mr_ticket *ticket = tickets; ticket; ticket = ticket->next) {
        ticket->previous = last;
        last = ticket;
    }
    while (last) {
        struct mr_ticket *previous = last->previous;
        prepend(calls, last);
        last = previous;
    }
}

void mr_calls_unqueue(struct mr_calls *calls, struct mr_ticket *ticket) {
    calls->stats.n_waiting--;
    calls->stats.n_waiting_rows -= ticket->n_rows;
    calls->stats.waiting_bytes -= ticket->size;
    mr_ticket_unlink(&calls->first, &calls->last, ticket);
}

void mr_calls_again(struct mr_calls *calls, struct mr_ticket *tickets) {
    for (struct mr_ticket *ticket = tickets; ticket; ticket = ticket->next) {
        ticket->is_alone = true;
        calls->stats.n_rerun++;
    }
    prepend_all(calls, tickets);
}

/* --- slots ------------------------------------------------------------------------------------ */

static void leave_slot(struct mr_slot *slot, struct mr_ticket *ticket) {
    struct mr_ticket *last = NULL;
    mr_ticket_unlink(&slot->ticket, &last, ticket);
}

static void cancel_slot(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot) {
    slot->is_resume_due = false;
    slot->is_cancel_due = !mr_calls_send_word(calls, lane, MR_WIRE_CANCEL, slot->id);
}

/* --- calls come and go ------------------------------------------------------------------------ */

/* When a call is too late: by our limit, or by its client's. */
static int64_t deadline_of(const struct mr_calls *calls, const struct mr_call *call,
                           int64_t now_us) {
    int64_t ours_us = calls->timeout_us == MR_NEVER_US ? MR_NEVER_US : now_us + calls->timeout_us;
    int64_t theirs_us = call->deadline_ns ? (int64_t)(call->deadline_ns / 1000) : MR_NEVER_US;
    return ours_us < theirs_us ? ours_us : theirs_us;
}

void mr_calls_ask(struct mr_calls *calls, struct mr_ticket *ticket, int64_t now_us) {
    ticket->asked_us = now_us;
    ticket->deadline_us = deadline_of(calls, ticket->call, now_us);
    mr_calls_look_at(calls, ticket->deadline_us);
    if (!ticket->is_large) calls->small_until_us = now_us + MR_CALLS_SMALL_US;
    append(calls, ticket);
    mr_calls_dispatch(calls, now_us);
}

static struct mr_slot *find_slot(struct mr_lane *lane, uint64_t id) {
    for (size_t i = 0; i < lane->n_slots; i++) {
        if (lane->slots[i].id == id) return &lane->slots[i];
    }
    return NULL;
}

bool mr_calls_withdraw(struct mr_calls *calls, struct mr_ticket *ticket) {
    switch (ticket->place) {
    case MR_TICKET_QUEUED: mr_calls_unqueue(calls, ticket); break;
    case MR_TICKET_SENT: {
        struct mr_slot *slot = find_slot(ticket->lane, ticket->id);
        leave_slot(slot, ticket);
        if (!slot->ticket) cancel_slot(calls, ticket->lane, slot);
        break;
    }
    default: return false;
    }
    end_ticket(ticket);
    return true;
}

void mr_calls_pause(struct mr_calls *calls, struct mr_ticket *ticket, bool is_paused) {
    if (ticket->place != MR_TICKET_SENT) return; /* no chunks come, so there are none to hold */
    struct mr_slot *slot = find_slot(ticket->lane, ticket->id);
    mr_wire_type type = is_paused ? MR_WIRE_PAUSE : MR_WIRE_RESUME;
    bool is_sent = mr_calls_send_word(calls, ticket->lane, type, ticket->id);
    slot->is_resume_due = !is_sent && !is_paused; /* a pause that comes late is none */
}

struct mr_slot *mr_calls_heard(struct mr_lane *lane, uint64_t id, int64_t now_us) {
    lane->heard_us = now_us;
    return find_slot(lane, id);
}

void mr_calls_progress(struct mr_calls *calls, struct mr_slot *slot, int64_t now_us) {
    if (calls->timeout_us != MR_NEVER_US) slot->deadline_us = now_us + calls->timeout_us;
    if (slot->ticket) slot->ticket->deadline_us = slot->deadline_us; /* a stream is never shared */
}

struct mr_ticket *mr_calls_take(struct mr_slot *slot) {
    struct mr_ticket *tickets = slot->ticket;
    slot->ticket = NULL;
    for (struct mr_ticket *ticket = tickets; ticket; ticket = ticket->next) end_ticket(ticket);
    return tickets;
}

void mr_calls_free_slot(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot,
                        int64_t now_us) {
    int64_t took_us = mr_lane_busy_us(lane, now_us);
    bool is_first = calls->service_us == MR_NEVER_US;
    calls->service_us = is_first ? took_us : calls->service_us + (took_us - calls->service_us) / 8;
    calls->lately_us += (double)took_us - calls->lately_us / N_LATELY;
    calls->lately_rows += (double)slot->n_rows - calls->lately_rows / N_LATELY;
    lane->freed_us = now_us;
    lane->n_answered++;
    calls->n_last_calls = slot->n_parts;
    size_t n_after = (size_t)(&lane->slots[lane->n_slots] - (slot + 1));
    memmove(slot, slot + 1, n_after * sizeof(*slot));
    lane->n_slots--;
    if (lane->n_slots && lane->slots[0].give_up_us != MR_NEVER_US) {
        mr_calls_look_at(calls, give_up_us(lane, &lane->slots[0])); /* now it is its turn */
    }
    mr_calls_dispatch(calls, now_us);
}

void mr_calls_make_room(struct mr_calls *calls, struct mr_lane *lane, int64_t now_us) {
    if (!mr_lane_is_open(lane)) return;
    mr_calls_want_room(calls, lane, false);
    for (size_t i = 0; i < lane->n_slots; i++) {
        struct mr_slot *slot = &lane->slots[i];
        if (slot->is_cancel_due) cancel_slot(calls, lane, slot);
        if (slot->is_resume_due) {
            slot->is_resume_due = !mr_calls_send_word(calls, lane, MR_WIRE_RESUME, slot->id);
        }
    }
    mr_calls_dispatch(calls, now_us);
}

void mr_calls_fail_queue(struct mr_calls *calls, const struct mr_error *err,
                         struct mr_ended *ended) {
    while (calls->first) {
        struct mr_ticket *ticket = calls->first;
        mr_calls_unqueue(calls, ticket);
        end_ticket(ticket);
        mr_ended_add(ended, ticket, err);
    }
}

/* --- lanes ------------------------------------------------------------------------------------ */

void mr_calls_open(struct mr_calls *calls, struct mr_lane *lane, int socket, bool is_async,
                   void *owner, int64_t now_us) {
    assert(lane->socket < 0);
    *lane = (struct mr_lane){.socket = socket,
                             .owner = owner,
                             .is_async = is_async,
                             .heard_us = now_us,
                             .freed_us = now_us};
    mr_calls_dispatch(calls, now_us);
}

/* How many of a worker's calls, the first ones, it may have begun. */
static size_t count_begun(const struct mr_lane *lane) {
    if (lane->is_async || lane->n_slots == 0) return lane->n_slots;
    bool is_unread = lane->has_unread && lane->last_call_id == lane->slots[0].id;
    return is_unread ? 0 : 1;
}

void mr_calls_close(struct mr_calls *calls, struct mr_lane *lane, const struct mr_error *err,
                    int64_t now_us, struct mr_ended *ended) {
    size_t n_begun = count_begun(lane);
    for (size_t i = lane->n_slots; i-- > n_begun;) prepend_all(calls, lane->slots[i].ticket);
    for (size_t i = 0; i < n_begun; i++) {
        if (lane->slots[i].n_parts > 1) {
            mr_calls_again(calls, lane->slots[i].ticket);
            continue;
        }
        struct mr_ticket *ticket = mr_calls_take(&lane->slots[i]);
        if (ticket) mr_ended_add(ended, ticket, err);
    }
    *lane = (struct mr_lane){.socket = -1};
    mr_calls_dispatch(calls, now_us);
}

/* --- time ------------------------------------------------------------------------------------- */

static void end_too_late(struct mr_ticket *ticket, struct mr_ended *ended) {
    struct mr_error err;
    double limit_s = (double)((ticket->deadline_us - ticket->asked_us + 500) / 1000) / 1e3;
    if (ticket->place == MR_TICKET_SENT) {
        mr_fail(&err, MR_E_DEADLINE,
                "no answer within %g s: the model was still working on the request, which had "
                "waited %.3f s in the queue",
                limit_s, (double)(ticket->sent_us - ticket->asked_us) / US_PER_S);
    } else {
        mr_fail(&err, MR_E_DEADLINE,
                "no answer within %g s: the request waited in the queue, no worker was free",
                limit_s);
    }
    end_ticket(ticket);
    mr_ended_add(ended, ticket, &err);
}

/* Those in a slot that are too late. is_begun: the worker is at it. */
static void expire_tickets(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot,
                           bool is_begun, int64_t now_us, struct mr_ended *ended) {
    bool was_wanted = slot->ticket;
    for (struct mr_ticket *ticket = slot->ticket, *next; ticket; ticket = next) {
        next = ticket->next;
        if (ticket->deadline_us > now_us) {
            mr_calls_look_at(calls, ticket->deadline_us);
            continue;
        }
        leave_slot(slot, ticket);
        if (!is_begun) { /* but for our haste it were in the queue */
            ticket->place = MR_TICKET_QUEUED;
            ticket->call->started_ns = 0;
        }
        end_too_late(ticket, ended);
    }
    if (was_wanted && !slot->ticket) cancel_slot(calls, lane, slot);
}

static void expire_lane(struct mr_calls *calls, struct mr_lane *lane, int64_t now_us,
                        struct mr_ended *ended) {
    for (size_t i = 0; i < lane->n_slots; i++) {
        struct mr_slot *slot = &lane->slots[i];
        bool is_begun = lane->is_async || i == 0;
        expire_tickets(calls, lane, slot, is_begun, now_us, ended);
        if (slot->give_up_us == MR_NEVER_US) {
            if (slot->deadline_us > now_us) {
                mr_calls_look_at(calls, slot->deadline_us);
                continue;
            }
            slot->give_up_us = now_us + MR_CALLS_GRACE_US;
        }
        if (!is_begun) continue; /* the one before it decides */
        lane->is_hung |= give_up_us(lane, slot) <= now_us;
        if (!lane->is_hung) mr_calls_look_at(calls, give_up_us(lane, slot));
    }
}

static void expire_queue(struct mr_calls *calls, int64_t now_us, struct mr_ended *ended) {
    for (struct mr_ticket *ticket = calls->first, *next; ticket; ticket = next) {
        next = ticket->next;
        if (ticket->deadline_us > now_us && !ticket->has_failed) {
            mr_calls_look_at(calls, ticket->deadline_us);
            continue;
        }
        mr_calls_unqueue(calls, ticket);
        if (ticket->has_failed) {
            struct mr_error err;
            mr_fail(&err, MR_E_NO_MEMORY, "out of memory");
            end_ticket(ticket);
            mr_ended_add(ended, ticket, &err);
        } else {
            end_too_late(ticket, ended);
        }
    }
}

void mr_calls_expire(struct mr_calls *calls, int64_t now_us, struct mr_ended *ended) {
    calls->next_us = MR_NEVER_US;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        expire_lane(calls, &calls->lanes[i], now_us, ended);
    }
    expire_queue(calls, now_us, ended);
    mr_calls_dispatch(calls, now_us);
}

void mr_calls_stats(const struct mr_calls *calls, struct mr_engine_stats *out) {
    *out = calls->stats;
    out->n_workers = (unsigned)calls->n_lanes;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        const struct mr_lane *lane = &calls->lanes[i];
        out->n_alive += mr_lane_is_open(lane);
        for (size_t j = 0; j < lane->n_slots; j++) {
            const struct mr_ticket *ticket = lane->slots[j].ticket;
            for (; ticket; ticket = ticket->next) out->n_under_way++;
        }
    }
}
