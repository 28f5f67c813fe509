/* What the files of calls.h share: calls.c, where calls come and go, and sending.c. */
#ifndef MR_ENGINE_PYPROC_CALLS_INT_H
#define MR_ENGINE_PYPROC_CALLS_INT_H

#include "engine/pyproc/calls.h"

/* Have mr_calls_expire called at a time. */
static inline void mr_calls_look_at(struct mr_calls *calls, int64_t at_us) {
    if (at_us < calls->next_us) calls->next_us = at_us;
}

static inline bool mr_lane_is_open(const struct mr_lane *lane) {
    return lane->socket >= 0 && !lane->is_broken;
}

/* How long a worker has been at its first call. */
static inline int64_t mr_lane_busy_us(const struct mr_lane *lane, int64_t now_us) {
    int64_t sent_us = lane->slots[0].sent_us;
    return now_us - (sent_us > lane->freed_us ? sent_us : lane->freed_us);
}

/* Add to a list by next and previous; remove. */
void mr_ticket_link(struct mr_ticket **first, struct mr_ticket **last, struct mr_ticket *ticket);
void mr_ticket_unlink(struct mr_ticket **first, struct mr_ticket **last, struct mr_ticket *ticket);

/* Take a ticket out of the queue. */
void mr_calls_unqueue(struct mr_calls *calls, struct mr_ticket *ticket);

/* Send what waits to workers that are free for it. */
void mr_calls_dispatch(struct mr_calls *calls, int64_t now_us);

/* Send a message without payload; one after others that wait for room.
 * returns  false: it must be sent later */
bool mr_calls_send_word(struct mr_calls *calls, struct mr_lane *lane, mr_wire_type type,
                        uint64_t id);

/* Have room_wanted told where it has changed. */
void mr_calls_want_room(struct mr_calls *calls, struct mr_lane *lane, bool is_wanted);

#endif
