/* Sending: which worker gets what next, one call or several that go together. */
#include "engine/pyproc/batch.h"
#include "engine/pyproc/calls_int.h"

/* --- messages --------------------------------------------------------------------------------- */

void mr_calls_want_room(struct mr_calls *calls, struct mr_lane *lane, bool is_wanted) {
    if (lane->needs_room == is_wanted) return;
    lane->needs_room = is_wanted;
    calls->room_wanted(lane);
}

/* Whether a message could be sent. */
static bool send_message(struct mr_calls *calls, struct mr_lane *lane,
                         const struct mr_wire_header *header, const void *payload, const int *fds) {
    mr_channel_sent sent = mr_channel_send(lane->socket, header, payload, fds);
    if (sent == MR_CHANNEL_FULL) mr_calls_want_room(calls, lane, true);
    lane->is_broken |= sent == MR_CHANNEL_CLOSED || sent == MR_CHANNEL_CLOSED_UNREAD;
    lane->has_unread |= sent == MR_CHANNEL_CLOSED_UNREAD;
    if (sent == MR_CHANNEL_SENT)
        lane->last_call_id = header->type == MR_WIRE_PREDICT ? header->id : 0;
    return sent == MR_CHANNEL_SENT;
}

bool mr_calls_send_word(struct mr_calls *calls, struct mr_lane *lane, mr_wire_type type,
                        uint64_t id) {
    if (!mr_lane_is_open(lane)) return true; /* nobody is there who could want it */
    const struct mr_wire_header header = {.type = type, .id = id};
    return !lane->needs_room && send_message(calls, lane, &header, NULL, NULL);
}

/* --- what goes together ----------------------------------------------------------------------- */

/* Calls of the queue that are sent in one message, in the scratch arena, and that message. */
struct parcel {
    struct mr_ticket **tickets;
    size_t n;
    size_t size;
    const void *payload;   /* size bytes, NULL: in the memfd */
    struct mr_memfd memfd; /* that of the one ticket, or ours */
};

static struct mr_batch_state batch_state(const struct mr_calls *calls,
                                         const struct mr_ticket *first, int64_t now_us) {
    struct mr_batch_state state = {.n_waiting = calls->stats.n_waiting,
                                   .n_waiting_rows = calls->stats.n_waiting_rows,
                                   .n_last_calls = calls->n_last_calls,
                                   .waited_us = now_us - first->asked_us};
    for (size_t i = 0; i < calls->n_lanes; i++) {
        state.n_workers += mr_lane_is_open(&calls->lanes[i]);
    }
    return state;
}

static bool may_join(const struct mr_calls *calls, const struct mr_ticket *ticket) {
    return atomic_load(&calls->may_batch) && ticket->request && !ticket->is_alone;
}

static bool can_be_sent(struct mr_calls *calls, const struct mr_ticket *ticket, int64_t now_us) {
    if (ticket->has_failed) return false;
    if (ticket->deadline_us > now_us) return true;
    mr_calls_look_at(calls, now_us);
    return false;
}

/* The first call and all behind it that go with it. The order of calls is kept among those that
 * match: the first one that does not fit ends the batch. */
static bool gather(struct mr_calls *calls, struct mr_ticket *first, int64_t now_us,
                   struct parcel *out) {
    const struct mr_queue_options *options = &calls->options;
    size_t max_n = 1;
    uint64_t max_rows = 0, n_rows = first->n_rows;
    if (may_join(calls, first)) {
        const struct mr_batch_state state = batch_state(calls, first, now_us);
        max_rows = mr_batch_share(options, &state);
        max_n = max_rows < state.n_waiting ? (size_t)max_rows : (size_t)state.n_waiting;
        if (max_n == 0) max_n = 1;
    }
    *out = (struct parcel){.size = first->size, .memfd = {.fd = -1}};
    out->tickets = mr_arena_array(calls->scratch, max_n, sizeof(struct mr_ticket *));
    if (!out->tickets) return false;
    out->tickets[out->n++] = first;
    for (struct mr_ticket *ticket = first->next; ticket && out->n < max_n; ticket = ticket->next) {
        if (!may_join(calls, ticket) || !can_be_sent(calls, ticket, now_us)) continue;
        if (!mr_batch_matches(first->call->input, ticket->call->input)) continue;
        n_rows += ticket->n_rows;
        out->size += ticket->size;
        if (n_rows > max_rows || out->size > options->max_batch_bytes) break;
        out->tickets[out->n++] = ticket;
    }
    return true;
}

/* Lay out the rows of all tickets as one request. */
static const struct mr_wire_request *join(struct mr_calls *calls, struct parcel *parcel) {
    const struct mr_input **inputs = mr_arena_array(calls->scratch, parcel->n, sizeof(*inputs));
    if (!inputs) return NULL;
    for (size_t i = 0; i < parcel->n; i++) inputs[i] = parcel->tickets[i]->call->input;
    const struct mr_wire_request_options options = {.is_nan_literal = calls->is_nan_literal};
    struct mr_wire_request *request;
    mr_status status = mr_wire_plan_request(inputs, parcel->n, &options, calls->scratch, &request,
                                            &parcel->size, NULL);
    return status == MR_OK ? request : NULL;
}

/* Write the message's payload; false: no memory. */
static bool fill(struct mr_calls *calls, struct parcel *parcel) {
    const struct mr_ticket *first = parcel->tickets[0];
    parcel->size = first->size;
    parcel->payload = first->payload;
    parcel->memfd = first->memfd;
    if (!first->request) return true;
    const struct mr_wire_request *request = parcel->n > 1 ? join(calls, parcel) : first->request;
    if (!request) return false;
    if (parcel->size > MR_CHANNEL_MAX_INLINE_BYTES) {
        if (mr_memfd_init(parcel->size, &parcel->memfd, NULL) != MR_OK) return false;
        mr_wire_write_request(request, parcel->memfd.data);
        return mr_memfd_seal(&parcel->memfd, NULL) == MR_OK;
    }
    void *payload = mr_arena_alloc(calls->scratch, parcel->size);
    if (!payload) return false;
    mr_wire_write_request(request, payload);
    parcel->payload = payload;
    return true;
}

/* --- sending it ------------------------------------------------------------------------------- */

static void count_sent(struct mr_engine_stats *stats, uint64_t n_calls, uint64_t n_rows) {
    size_t size = 0;
    while (size < MR_STATS_N_SIZES && n_rows > (uint64_t)1 << size) size++;
    stats->n_sent_of_size[size]++;
    stats->n_sent_calls += n_calls;
    stats->n_sent_rows += n_rows;
}

/* What was sent leaves the queue for a slot of the lane. */
static void occupy(struct mr_calls *calls, struct mr_lane *lane, const struct parcel *parcel,
                   uint64_t id, int64_t now_us) {
    struct mr_slot *slot = &lane->slots[lane->n_slots++];
    struct mr_ticket *last = NULL;
    *slot = (struct mr_slot){.id = id,
                             .n_parts = parcel->n,
                             .is_large = parcel->tickets[0]->is_large,
                             .sent_us = now_us,
                             .deadline_us = MR_NEVER_US,
                             .give_up_us = MR_NEVER_US};
    uint64_t n_rows = 0;
    for (size_t i = 0; i < parcel->n; i++) {
        struct mr_ticket *ticket = parcel->tickets[i];
        mr_calls_unqueue(calls, ticket);
        mr_ticket_link(&slot->ticket, &last, ticket);
        ticket->place = MR_TICKET_SENT;
        ticket->lane = lane;
        ticket->id = id;
        ticket->i_part = i;
        ticket->first_row = (int64_t)n_rows;
        ticket->sent_us = now_us;
        ticket->call->started_ns = (uint64_t)now_us * 1000;
        n_rows += ticket->n_rows;
    }
    slot->n_rows = (int64_t)n_rows;
    if (calls->timeout_us != MR_NEVER_US) slot->deadline_us = last->asked_us + calls->timeout_us;
    count_sent(&calls->stats, parcel->n, n_rows);
}

/* Send a call of the queue, with all that go with it, to a lane. */
static void send_first(struct mr_calls *calls, struct mr_lane *lane, struct mr_ticket *first,
                       int64_t now_us) {
    struct parcel parcel;
    mr_arena_reset(calls->scratch);
    bool is_filled = gather(calls, first, now_us, &parcel) && fill(calls, &parcel);
    if (is_filled) {
        uint64_t id = ++calls->last_id;
        bool is_in_memfd = parcel.payload == NULL;
        const struct mr_wire_header header = {.type = MR_WIRE_PREDICT,
                                              .is_in_memfd = is_in_memfd,
                                              .id = id,
                                              .payload_size = parcel.size,
                                              .n_fds = is_in_memfd};
        if (send_message(calls, lane, &header, parcel.payload, &parcel.memfd.fd)) {
            occupy(calls, lane, &parcel, id, now_us);
        }
    } else {
        first->has_failed = true;
        mr_calls_look_at(calls, now_us);
    }
    if (parcel.memfd.fd != first->memfd.fd) mr_memfd_deinit(&parcel.memfd);
}

/* --- to whom ---------------------------------------------------------------------------------- */

/* Whether the call that a worker has is likely to end in a moment. */
static bool ends_soon(const struct mr_calls *calls, const struct mr_lane *lane, int64_t now_us) {
    return calls->service_us <= MR_CALLS_SHORT_CALL_US && lane->slots[0].ticket &&
           !lane->slots[0].is_large && mr_lane_busy_us(lane, now_us) <= 2 * calls->service_us;
}

/* How many calls a worker may hold with this one. One that may go with others is not sent ahead: it
 * would miss those that are yet to come. */
static size_t max_slots(const struct mr_calls *calls, const struct mr_lane *lane,
                        const struct mr_ticket *ticket, int64_t now_us) {
    if (lane->is_async) return MR_CALLS_MAX_ASYNC;
    if (lane->n_slots == 0 || ticket->is_large || may_join(calls, ticket)) return 1;
    return ends_soon(calls, lane, now_us) ? MR_CALLS_MAX_AHEAD : 1;
}

/* The worker to get a call; NULL when it must wait. */
static struct mr_lane *choose_lane(const struct mr_calls *calls, const struct mr_ticket *ticket,
                                   int64_t now_us) {
    struct mr_lane *best = NULL;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        struct mr_lane *lane = &calls->lanes[i];
        if (!mr_lane_is_open(lane) || lane->needs_room || lane->is_hung) continue;
        if (lane->n_slots == 0) return lane;
        if (lane->n_slots >= max_slots(calls, lane, ticket, now_us)) continue;
        bool is_better = !best || lane->n_slots < best->n_slots ||
                         (lane->n_slots == best->n_slots &&
                          lane->slots[0].sent_us < best->slots[0].sent_us);
        if (is_better) best = lane;
    }
    return best;
}

/* Whether a large call would take the last worker that has none, while small ones come. */
static bool must_leave_one(struct mr_calls *calls, int64_t now_us) {
    size_t n_open = 0, n_large = 0;
    if (calls->small_until_us <= now_us) return false;
    for (size_t i = 0; i < calls->n_lanes; i++) {
        const struct mr_lane *lane = &calls->lanes[i];
        if (!mr_lane_is_open(lane)) continue;
        if (lane->is_async) return false;
        n_open++;
        n_large += lane->n_slots > 0 && lane->slots[0].is_large;
    }
    bool must = n_open > 1 && n_large >= n_open - 1;
    if (must) mr_calls_look_at(calls, calls->small_until_us);
    return must;
}

/* The call that is to be sent next, NULL: none may be. */
static struct mr_ticket *next_ticket(struct mr_calls *calls, int64_t now_us) {
    bool is_known = false, skips_large = false;
    for (struct mr_ticket *ticket = calls->first; ticket; ticket = ticket->next) {
        if (!can_be_sent(calls, ticket, now_us)) continue;
        if (!ticket->is_large) return ticket;
        if (!is_known) skips_large = must_leave_one(calls, now_us);
        is_known = true;
        if (!skips_large) return ticket;
    }
    return NULL;
}

/* Whether a free worker waits for more calls to go with that one. */
static bool waits_for_more(struct mr_calls *calls, const struct mr_ticket *ticket, int64_t now_us) {
    if (calls->options.max_batch_delay_us == 0 || !may_join(calls, ticket)) return false;
    const struct mr_batch_state state = batch_state(calls, ticket, now_us);
    if (!mr_batch_is_open(&calls->options, &state)) return false;
    mr_calls_look_at(calls, ticket->asked_us + calls->options.max_batch_delay_us);
    return true;
}

void mr_calls_dispatch(struct mr_calls *calls, int64_t now_us) {
    for (;;) {
        struct mr_ticket *ticket = next_ticket(calls, now_us);
        struct mr_lane *lane = ticket ? choose_lane(calls, ticket, now_us) : NULL;
        if (!lane || waits_for_more(calls, ticket, now_us)) return;
        /* A lane or a call that cannot be sent is not chosen again. */
        send_first(calls, lane, ticket, now_us);
    }
}
