/* What workers say about calls. */
#include <stdlib.h>

#include "base/log.h"
#include "engine/pyproc/calls_int.h"
#include "engine/pyproc/pool_int.h"

static mr_status out_of_turn(const struct mr_wire_header *header, struct mr_error *err) {
    return mr_fail(err, MR_E_FORMAT, "a message of type %d that nobody asked for",
                   (int)header->type);
}

static void end_call(struct mr_call *call, mr_status status) {
    call->status = status;
    call->done(call);
}

static void free_slot(struct mr_pool *pool, struct mr_lane *lane, struct mr_slot *slot) {
    pthread_mutex_lock(&pool->lock);
    mr_calls_free_slot(&pool->calls, lane, slot, mr_pool_now_us());
    pthread_mutex_unlock(&pool->lock);
}

static mr_status read_result(const struct mr_message *message, const struct mr_ticket *ticket) {
    struct mr_call *call = ticket->call;
    MR_TRY(mr_wire_read_result(message->payload, message->header.payload_size, call->arena,
                               &call->output, &call->err));
    if (!ticket->has_chunks || call->output.http_status) return MR_OK;
    return mr_fail(&call->err, MR_E_FORMAT, "a result that is no error after chunks");
}

/* The slot is freed when the result is found good: nothing more goes to a worker that sends others.
 */
static mr_status on_own_result(struct mr_pool *pool, struct mr_lane *lane,
                               const struct mr_message *message, struct mr_slot *slot,
                               struct mr_ticket *ticket, struct mr_error *err) {
    mr_status status = ticket ? read_result(message, ticket) : MR_OK;
    if (status == MR_E_FORMAT) {
        *err = ticket->call->err;
        end_call(ticket->call,
                 mr_fail(&ticket->call->err, MR_E_UNAVAILABLE,
                         "the worker process was ended, since it answered with %s", err->message));
        return status;
    }
    free_slot(pool, lane, slot);
    if (ticket) end_call(ticket->call, status);
    return MR_OK;
}

/* What came of calls that were asked together. */
struct parts {
    struct mr_ticket *answered, *again, *last_answered, *last_again;
    bool is_final; /* this model's calls are never to be asked together again */
};

/* Give each call its part of the answer.
 * returns  MR_OK; MR_E_FORMAT: the worker is not to be trusted. Calls that it has not answered well
 *          are in `again` */
static mr_status read_parts(const struct mr_message *message, const struct mr_slot *slot,
                            struct mr_ticket *tickets, struct parts *out, struct mr_error *err) {
    mr_status worst = MR_OK;
    for (struct mr_ticket *ticket = tickets, *next; ticket; ticket = next) {
        next = ticket->next;
        struct mr_call *call = ticket->call;
        const struct mr_wire_part part = {.i = ticket->i_part,
                                          .n_parts = slot->n_parts,
                                          .first_row = ticket->first_row,
                                          .n_rows = (int64_t)ticket->n_rows,
                                          .n_all_rows = slot->n_rows};
        call->status = mr_wire_read_part(message->payload, message->header.payload_size, &part,
                                         call->arena, &call->output, &out->is_final, &call->err);
        bool is_again = call->status == MR_E_UNAVAILABLE || call->status == MR_E_FORMAT;
        if (call->status == MR_E_FORMAT) {
            worst = MR_E_FORMAT;
            *err = call->err;
        }
        if (is_again) {
            mr_ticket_link(&out->again, &out->last_again, ticket);
        } else {
            mr_ticket_link(&out->answered, &out->last_answered, ticket);
        }
    }
    return worst;
}

/* A result for several calls. Where it is none for each of them, they are asked again, alone. */
static mr_status on_shared_result(struct mr_pool *pool, struct mr_lane *lane,
                                  const struct mr_message *message, struct mr_slot *slot,
                                  struct mr_ticket *tickets, struct mr_error *err) {
    struct parts parts = {0};
    mr_status status = read_parts(message, slot, tickets, &parts, err);
    bool is_news = parts.is_final && atomic_exchange(&pool->calls.may_batch, false);
    if (is_news) {
        mr_log_error("the model does not answer row by row: its requests are no longer sent to it "
                     "together");
    }
    pthread_mutex_lock(&pool->lock);
    mr_calls_again(&pool->calls, parts.again);
    if (status == MR_OK) mr_calls_free_slot(&pool->calls, lane, slot, mr_pool_now_us());
    pthread_mutex_unlock(&pool->lock);
    while (parts.answered) {
        struct mr_call *call = parts.answered->call;
        parts.answered = parts.answered->next;
        call->done(call);
    }
    return status;
}

static mr_status on_result(struct mr_pool *pool, struct mr_lane *lane,
                           const struct mr_message *message, struct mr_error *err) {
    pthread_mutex_lock(&pool->lock);
    struct mr_slot *slot = mr_calls_heard(lane, message->header.id, mr_pool_now_us());
    struct mr_ticket *tickets = slot ? mr_calls_take(slot) : NULL;
    pthread_mutex_unlock(&pool->lock);
    if (!slot) return MR_OK;
    return slot->n_parts > 1 ? on_shared_result(pool, lane, message, slot, tickets, err)
                             : on_own_result(pool, lane, message, slot, tickets, err);
}

static mr_status on_end(struct mr_pool *pool, struct mr_lane *lane,
                        const struct mr_message *message, struct mr_error *err) {
    if (message->header.payload_size) return out_of_turn(&message->header, err);
    pthread_mutex_lock(&pool->lock);
    struct mr_slot *slot = mr_calls_heard(lane, message->header.id, mr_pool_now_us());
    bool is_wanted = !slot || !slot->ticket || slot->ticket->call->wants_stream;
    struct mr_ticket *ticket = slot && is_wanted ? mr_calls_take(slot) : NULL;
    pthread_mutex_unlock(&pool->lock);
    if (!is_wanted) return out_of_turn(&message->header, err);
    if (slot) free_slot(pool, lane, slot);
    if (!ticket) return MR_OK;
    ticket->call->is_streamed = true;
    end_call(ticket->call, MR_OK);
    return MR_OK;
}

/* Tell a chunk of a call, which mr_pool_cancel waits for. A chunk that cannot be taken ends it. */
static void tell_chunk(struct mr_pool *pool, struct mr_lane *lane, uint64_t id,
                       struct mr_ticket *ticket, struct mr_str text) {
    struct mr_call *call = ticket->call;
    bool is_taken = call->chunk(call, text);
    pthread_mutex_lock(&pool->lock);
    /* Who has cancelled it meanwhile may have freed the ticket, but not left it in the slot. */
    struct mr_slot *slot = mr_calls_heard(lane, id, mr_pool_now_us());
    bool is_ended = !is_taken && slot && slot->ticket &&
                    mr_calls_withdraw(&pool->calls, slot->ticket);
    pool->chunk_ticket = NULL;
    pthread_cond_broadcast(&pool->chunk_told);
    pthread_mutex_unlock(&pool->lock);
    if (!is_ended) return;
    end_call(call, mr_fail(&call->err, MR_E_NO_MEMORY, "out of memory for a streamed answer"));
}

/* A text that can stand in a line: not empty, ASCII, no control characters. */
static bool is_line(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte >= 0x7f) return false;
    }
    return text.size > 0;
}

static mr_status on_text(struct mr_pool *pool, struct mr_lane *lane, uint64_t id,
                         struct mr_str text, struct mr_error *err) {
    if (!is_line(text)) return mr_fail(err, MR_E_FORMAT, "a chunk that is no line of ASCII");
    pthread_mutex_lock(&pool->lock);
    int64_t now_us = mr_pool_now_us();
    struct mr_slot *slot = mr_calls_heard(lane, id, now_us);
    struct mr_ticket *ticket = slot ? slot->ticket : NULL;
    bool is_wanted = !ticket || ticket->call->wants_stream;
    if (ticket && is_wanted) {
        mr_calls_progress(&pool->calls, slot, now_us);
        ticket->has_chunks = true;
        pool->chunk_ticket = ticket;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!is_wanted) return mr_fail(err, MR_E_FORMAT, "a chunk of a call that is no stream");
    if (ticket) tell_chunk(pool, lane, id, ticket, text);
    return MR_OK;
}

static mr_status on_chunk(struct mr_pool *pool, struct mr_lane *lane,
                          const struct mr_message *message, struct mr_error *err) {
    struct mr_str text = {message->payload, message->header.payload_size};
    if (!message->mapping) return on_text(pool, lane, message->header.id, text, err);
    char *copy = malloc(text.size); /* what is checked must not change any more */
    if (!copy) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    memcpy(copy, text.data, text.size);
    text.data = copy;
    mr_status status = on_text(pool, lane, message->header.id, text, err);
    free(copy);
    return status;
}

mr_status mr_pool_on_answer(struct mr_pool *pool, struct mr_lane *lane,
                            const struct mr_message *message, struct mr_error *err) {
    switch (message->header.type) {
    case MR_WIRE_RESULT: return on_result(pool, lane, message, err);
    case MR_WIRE_END: return on_end(pool, lane, message, err);
    case MR_WIRE_CHUNK: return on_chunk(pool, lane, message, err);
    default: return out_of_turn(&message->header, err);
    }
}
