#include "engine/pyproc/calls.h"

#include <assert.h>

#define US_PER_S 1e6

void mr_calls_init(struct mr_calls *calls, struct mr_lane *lanes, size_t n_lanes,
                   int64_t timeout_us, void (*room_wanted)(struct mr_lane *lane)) {
    *calls = (struct mr_calls){.lanes = lanes,
                               .n_lanes = n_lanes,
                               .timeout_us = timeout_us,
                               .next_us = MR_NEVER_US,
                               .service_us = MR_NEVER_US,
                               .room_wanted = room_wanted};
    for (size_t i = 0; i < n_lanes; i++) lanes[i] = (struct mr_lane){.socket = -1};
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

static uint64_t count_rows(const struct mr_input *input) {
    int64_t n = 1;
    if (input->kind == MR_INPUT_TABLE) n = input->table.n_rows;
    bool has_tensors = input->kind == MR_INPUT_TENSOR || input->kind == MR_INPUT_TENSORS;
    if (has_tensors && input->n_tensors && input->tensors[0].n_dims) n = input->tensors[0].shape[0];
    return (uint64_t)n;
}

mr_status mr_calls_prepare(struct mr_call *call, bool is_nan_literal, struct mr_error *err) {
    call->state = NULL;
    const char *reason;
    if (!mr_wire_can_carry(call->input, &reason)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "Python workers cannot be sent %s", reason);
    }
    struct mr_ticket *ticket = mr_arena_alloc(call->arena, sizeof(*ticket));
    if (!ticket) return mr_arena_fail(call->arena, err);
    *ticket = (struct mr_ticket){
        .call = call, .n_rows = count_rows(call->input), .memfd = {.fd = -1}};
    const struct mr_wire_request_options options = {.wants_stream = call->wants_stream,
                                                    .is_nan_literal = is_nan_literal};
    struct mr_wire_request *request;
    MR_TRY(mr_wire_plan_request(call->input, &options, call->arena, &request, &ticket->size, err));
    MR_TRY(write_request(request, ticket, err));
    call->state = ticket;
    return MR_OK;
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

/* Have mr_calls_expire called at a time. */
static void look_at(struct mr_calls *calls, int64_t at_us) {
    if (at_us < calls->next_us) calls->next_us = at_us;
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

static void append(struct mr_calls *calls, struct mr_ticket *ticket) {
    count_in(calls, ticket);
    ticket->place = MR_TICKET_QUEUED;
    ticket->previous = calls->last;
    ticket->next = NULL;
    if (calls->last) {
        calls->last->next = ticket;
    } else {
        calls->first = ticket;
    }
    calls->last = ticket;
}

static void prepend(struct mr_calls *calls, struct mr_ticket *ticket) {
    count_in(calls, ticket);
    ticket->place = MR_TICKET_QUEUED;
    ticket->previous = NULL;
    ticket->next = calls->first;
    if (calls->first) {
        calls->first->previous = ticket;
    } else {
        calls->last = ticket;
    }
    calls->first = ticket;
}

static void unlink_ticket(struct mr_calls *calls, struct mr_ticket *ticket) {
    calls->stats.n_waiting--;
    calls->stats.n_waiting_rows -= ticket->n_rows;
    calls->stats.waiting_bytes -= ticket->size;
    if (ticket->previous) {
        ticket->previous->next = ticket->next;
    } else {
        calls->first = ticket->next;
    }
    if (ticket->next) {
        ticket->next->previous = ticket->previous;
    } else {
        calls->last = ticket->previous;
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool is_open(const struct mr_lane *lane) {
    return lane->socket >= 0 && !lane->is_broken;
}

static void want_room(struct mr_calls *calls, struct mr_lane *lane, bool is_wanted) {
    if (lane->needs_room == is_wanted) return;
    lane->needs_room = is_wanted;
    calls->room_wanted(lane);
}

/* Whether a message could be sent. */
static bool send_message(struct mr_calls *calls, struct mr_lane *lane,
                         const struct mr_wire_header *header, const void *payload, const int *fds) {
    mr_channel_sent sent = mr_channel_send(lane->socket, header, payload, fds);
    if (sent == MR_CHANNEL_FULL) want_room(calls, lane, true);
    lane->is_broken |= sent == MR_CHANNEL_CLOSED || sent == MR_CHANNEL_CLOSED_UNREAD;
    lane->has_unread |= sent == MR_CHANNEL_CLOSED_UNREAD;
    if (sent == MR_CHANNEL_SENT)
        lane->last_call_id = header->type == MR_WIRE_PREDICT ? header->id : 0;
    return sent == MR_CHANNEL_SENT;
}

/* Whether a message without payload could be sent; one after others that wait for room. */
static bool send_word(struct mr_calls *calls, struct mr_lane *lane, mr_wire_type type,
                      uint64_t id) {
    if (!is_open(lane)) return true; /* nobody is there who could want it */
    const struct mr_wire_header header = {.type = type, .id = id};
    return !lane->needs_room && send_message(calls, lane, &header, NULL, NULL);
}

static void cancel_slot(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot) {
    slot->is_resume_due = false;
    slot->is_cancel_due = !send_word(calls, lane, MR_WIRE_CANCEL, slot->id);
}

static void count_sent(struct mr_engine_stats *stats, uint64_t n_calls, uint64_t n_rows) {
    size_t size = 0;
    while (size < MR_STATS_N_SIZES && n_rows > (uint64_t)1 << size) size++;
    stats->n_sent_of_size[size]++;
    stats->n_sent_calls += n_calls;
    stats->n_sent_rows += n_rows;
}

/* Send the first call of the queue to a lane. */
static bool send_first(struct mr_calls *calls, struct mr_lane *lane, int64_t now_us) {
    struct mr_ticket *ticket = calls->first;
    bool is_in_memfd = ticket->payload == NULL;
    const struct mr_wire_header header = {.type = MR_WIRE_PREDICT,
                                          .is_in_memfd = is_in_memfd,
                                          .id = ticket->id,
                                          .payload_size = ticket->size,
                                          .n_fds = is_in_memfd};
    if (!send_message(calls, lane, &header, ticket->payload, &ticket->memfd.fd)) return false;
    unlink_ticket(calls, ticket);
    ticket->place = MR_TICKET_SENT;
    ticket->lane = lane;
    ticket->sent_us = now_us;
    ticket->call->started_ns = (uint64_t)now_us * 1000;
    count_sent(&calls->stats, 1, ticket->n_rows);
    int64_t deadline_us = calls->timeout_us == MR_NEVER_US ? MR_NEVER_US
                                                           : ticket->asked_us + calls->timeout_us;
    lane->slots[lane->n_slots++] = (struct mr_slot){.id = ticket->id,
                                                    .ticket = ticket,
                                                    .sent_us = now_us,
                                                    .deadline_us = deadline_us,
                                                    .give_up_us = MR_NEVER_US};
    return true;
}

/* How long a worker has been at its first call. */
static int64_t busy_us(const struct mr_lane *lane, int64_t now_us) {
    int64_t sent_us = lane->slots[0].sent_us;
    return now_us - (sent_us > lane->freed_us ? sent_us : lane->freed_us);
}

/* Whether the call that a worker has is likely to end in a moment. */
static bool ends_soon(const struct mr_calls *calls, const struct mr_lane *lane, int64_t now_us) {
    return calls->service_us <= MR_CALLS_SHORT_CALL_US && lane->slots[0].ticket &&
           busy_us(lane, now_us) <= 2 * calls->service_us;
}

/* The worker to get the next call; NULL when it must wait. */
static struct mr_lane *choose_lane(const struct mr_calls *calls, int64_t now_us) {
    struct mr_lane *best = NULL;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        struct mr_lane *lane = &calls->lanes[i];
        if (!is_open(lane) || lane->needs_room || lane->is_hung) continue;
        if (lane->n_slots == 0) return lane;
        bool has_place = lane->is_async
                             ? lane->n_slots < MR_CALLS_MAX_ASYNC
                             : lane->n_slots < MR_CALLS_MAX_AHEAD && ends_soon(calls, lane, now_us);
        if (!has_place) continue;
        bool is_better = !best || lane->n_slots < best->n_slots ||
                         (lane->n_slots == best->n_slots &&
                          lane->slots[0].sent_us < best->slots[0].sent_us);
        if (is_better) best = lane;
    }
    return best;
}

static void dispatch(struct mr_calls *calls, int64_t now_us) {
    while (calls->first) {
        struct mr_lane *lane = choose_lane(calls, now_us);
        if (!lane) return;
        send_first(calls, lane, now_us); /* a lane that cannot be sent to is not chosen again */
    }
}

/* --- calls come and go ------------------------------------------------------------------------ */

void mr_calls_ask(struct mr_calls *calls, struct mr_ticket *ticket, int64_t now_us) {
    ticket->id = ++calls->last_id;
    ticket->asked_us = now_us;
    if (calls->timeout_us != MR_NEVER_US) look_at(calls, now_us + calls->timeout_us);
    append(calls, ticket);
    dispatch(calls, now_us);
}

static struct mr_slot *find_slot(struct mr_lane *lane, uint64_t id) {
    for (size_t i = 0; i < lane->n_slots; i++) {
        if (lane->slots[i].id == id) return &lane->slots[i];
    }
    return NULL;
}

bool mr_calls_withdraw(struct mr_calls *calls, struct mr_ticket *ticket) {
    switch (ticket->place) {
    case MR_TICKET_QUEUED: unlink_ticket(calls, ticket); break;
    case MR_TICKET_SENT: {
        struct mr_slot *slot = find_slot(ticket->lane, ticket->id);
        slot->ticket = NULL;
        cancel_slot(calls, ticket->lane, slot);
        break;
    }
    default: return false;
    }
    end_ticket(ticket);
    calls->stats.n_cancelled++;
    return true;
}

void mr_calls_pause(struct mr_calls *calls, struct mr_ticket *ticket, bool is_paused) {
    if (ticket->place != MR_TICKET_SENT) return; /* no chunks come, so there are none to hold */
    struct mr_slot *slot = find_slot(ticket->lane, ticket->id);
    mr_wire_type type = is_paused ? MR_WIRE_PAUSE : MR_WIRE_RESUME;
    bool is_sent = send_word(calls, ticket->lane, type, ticket->id);
    slot->is_resume_due = !is_sent && !is_paused; /* a pause that comes late is none */
}

struct mr_slot *mr_calls_heard(struct mr_lane *lane, uint64_t id, int64_t now_us) {
    lane->heard_us = now_us;
    return find_slot(lane, id);
}

void mr_calls_progress(struct mr_calls *calls, struct mr_slot *slot, int64_t now_us) {
    if (calls->timeout_us != MR_NEVER_US) slot->deadline_us = now_us + calls->timeout_us;
}

struct mr_ticket *mr_calls_take(struct mr_slot *slot) {
    struct mr_ticket *ticket = slot->ticket;
    slot->ticket = NULL;
    if (ticket) end_ticket(ticket);
    return ticket;
}

void mr_calls_free_slot(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot,
                        int64_t now_us) {
    int64_t took_us = busy_us(lane, now_us);
    bool is_first = calls->service_us == MR_NEVER_US;
    calls->service_us = is_first ? took_us : calls->service_us + (took_us - calls->service_us) / 8;
    lane->freed_us = now_us;
    lane->n_answered++;
    size_t n_after = (size_t)(&lane->slots[lane->n_slots] - (slot + 1));
    memmove(slot, slot + 1, n_after * sizeof(*slot));
    lane->n_slots--;
    if (lane->n_slots && lane->slots[0].give_up_us != MR_NEVER_US) {
        look_at(calls, give_up_us(lane, &lane->slots[0])); /* now it is its turn */
    }
    dispatch(calls, now_us);
}

void mr_calls_make_room(struct mr_calls *calls, struct mr_lane *lane, int64_t now_us) {
    if (!is_open(lane)) return;
    want_room(calls, lane, false);
    for (size_t i = 0; i < lane->n_slots; i++) {
        struct mr_slot *slot = &lane->slots[i];
        if (slot->is_cancel_due) cancel_slot(calls, lane, slot);
        if (slot->is_resume_due) {
            slot->is_resume_due = !send_word(calls, lane, MR_WIRE_RESUME, slot->id);
        }
    }
    dispatch(calls, now_us);
}

void mr_calls_fail_queue(struct mr_calls *calls, const struct mr_error *err,
                         struct mr_ended *ended) {
    while (calls->first) {
        struct mr_ticket *ticket = calls->first;
        unlink_ticket(calls, ticket);
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
    dispatch(calls, now_us);
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
    for (size_t i = 0; i < n_begun; i++) {
        struct mr_ticket *ticket = lane->slots[i].ticket;
        if (!ticket) continue;
        end_ticket(ticket);
        mr_ended_add(ended, ticket, err);
    }
    for (size_t i = lane->n_slots; i-- > n_begun;) {
        if (lane->slots[i].ticket) prepend(calls, lane->slots[i].ticket);
    }
    *lane = (struct mr_lane){.socket = -1};
    dispatch(calls, now_us);
}

/* --- time ------------------------------------------------------------------------------------- */

static void end_too_late(struct mr_calls *calls, struct mr_ticket *ticket, struct mr_ended *ended) {
    struct mr_error err;
    double timeout_s = (double)calls->timeout_us / US_PER_S;
    if (ticket->place == MR_TICKET_SENT) {
        calls->stats.n_expired_working++;
        mr_fail(&err, MR_E_DEADLINE,
                "no answer within %g s: the model was still working on the request, which had "
                "waited %.3f s in the queue",
                timeout_s, (double)(ticket->sent_us - ticket->asked_us) / US_PER_S);
    } else {
        calls->stats.n_expired_waiting++;
        mr_fail(&err, MR_E_DEADLINE,
                "no answer within %g s: the request waited in the queue, no worker was free",
                timeout_s);
    }
    end_ticket(ticket);
    mr_ended_add(ended, ticket, &err);
}

static void end_in_flight(struct mr_calls *calls, struct mr_lane *lane, struct mr_slot *slot,
                          bool is_begun, int64_t now_us, struct mr_ended *ended) {
    struct mr_ticket *ticket = slot->ticket;
    slot->give_up_us = now_us + MR_CALLS_GRACE_US;
    if (!ticket) return;
    slot->ticket = NULL;
    if (!is_begun) ticket->place = MR_TICKET_QUEUED; /* what it was but for our haste */
    end_too_late(calls, ticket, ended);
    cancel_slot(calls, lane, slot);
}

static void expire_lane(struct mr_calls *calls, struct mr_lane *lane, int64_t now_us,
                        struct mr_ended *ended) {
    for (size_t i = 0; i < lane->n_slots; i++) {
        struct mr_slot *slot = &lane->slots[i];
        bool is_begun = lane->is_async || i == 0;
        if (slot->give_up_us == MR_NEVER_US) {
            if (slot->deadline_us > now_us) {
                look_at(calls, slot->deadline_us);
                continue;
            }
            end_in_flight(calls, lane, slot, is_begun, now_us, ended);
        }
        if (!is_begun) continue; /* the one before it decides */
        lane->is_hung |= give_up_us(lane, slot) <= now_us;
        if (!lane->is_hung) look_at(calls, give_up_us(lane, slot));
    }
}

void mr_calls_expire(struct mr_calls *calls, int64_t now_us, struct mr_ended *ended) {
    if (calls->timeout_us == MR_NEVER_US) return;
    calls->next_us = MR_NEVER_US;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        expire_lane(calls, &calls->lanes[i], now_us, ended);
    }
    while (calls->first) {
        struct mr_ticket *ticket = calls->first;
        int64_t deadline_us = ticket->asked_us + calls->timeout_us;
        if (deadline_us > now_us) {
            look_at(calls, deadline_us);
            break;
        }
        unlink_ticket(calls, ticket);
        end_too_late(calls, ticket, ended);
    }
}

void mr_calls_stats(const struct mr_calls *calls, struct mr_engine_stats *out) {
    *out = calls->stats;
    out->n_workers = (unsigned)calls->n_lanes;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        const struct mr_lane *lane = &calls->lanes[i];
        out->n_alive += is_open(lane);
        for (size_t j = 0; j < lane->n_slots; j++)
            out->n_under_way += lane->slots[j].ticket != NULL;
    }
}
