#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena_fixture.h"
#include "engine/pyproc/calls.h"

#define N_LANES 2
#define S 1000000 /* microseconds */
#define TIMEOUT_US (10 * S)

/* --- a pool without processes: the tests play the workers ------------------------------------- */

static struct mr_calls calls;
static struct mr_lane lanes[N_LANES];
static int theirs[N_LANES]; /* the workers' ends */
static int64_t now;
static int n_room_wanted;

static void room_wanted(struct mr_lane *lane) {
    n_room_wanted += lane->needs_room ? 1 : -1;
}

static void open_lane(int i, bool is_async) {
    int ours;
    struct mr_error err = {0};
    assert_int_equal(mr_channel_pair(&ours, &theirs[i], &err), MR_OK);
    mr_calls_open(&calls, &lanes[i], ours, is_async, NULL, now);
}

static void close_lane(int i, struct mr_ended *ended) {
    struct mr_error err = {0};
    mr_fail(&err, MR_E_UNAVAILABLE, "the worker died");
    int ours = lanes[i].socket;
    mr_calls_close(&calls, &lanes[i], &err, now, ended);
    close(ours);
    close(theirs[i]);
}

static struct mr_calls_options options;

/* With other options than before. */
static void init_calls(void) {
    struct mr_error err = {0};
    mr_calls_deinit(&calls);
    assert_int_equal(mr_calls_init(&calls, lanes, N_LANES, &options, &err), MR_OK);
}

static int setup(void **state) {
    now = 100 * S;
    n_room_wanted = 0;
    options = (struct mr_calls_options){.timeout_us = TIMEOUT_US, .room_wanted = room_wanted};
    init_calls();
    return arena_setup(state);
}

static int teardown(void **state) {
    struct mr_ended ended = {0};
    for (int i = 0; i < N_LANES; i++) {
        if (lanes[i].socket >= 0) close_lane(i, &ended);
    }
    mr_calls_deinit(&calls);
    return arena_teardown(state);
}

static int n_done;

static void done(struct mr_call *call) {
    (void)call;
    n_done++;
}

static struct mr_call *new_call(size_t body_size) {
    struct mr_input *input = mr_arena_zalloc(arena, sizeof(*input));
    struct mr_call *call = mr_arena_zalloc(arena, sizeof(*call));
    input->kind = MR_INPUT_RAW;
    input->raw_body = (struct mr_str){mr_arena_zalloc(arena, body_size), body_size};
    *call = (struct mr_call){.input = input, .arena = arena, .done = done};
    struct mr_error err = {0};
    assert_int_equal(mr_calls_prepare(&calls, call, &err), MR_OK);
    return call;
}

static struct mr_call *ask(size_t body_size) {
    struct mr_call *call = new_call(body_size);
    mr_calls_ask(&calls, call->state, now);
    return call;
}

static uint64_t id_of(const struct mr_call *call) {
    return ((const struct mr_ticket *)call->state)->id;
}

/* The next message that worker i gets: its type, 0 when there is none. */
static int take(int i, uint64_t *id) {
    char datagram[MR_WIRE_MAX_DATAGRAM_BYTES];
    ssize_t size = recv(theirs[i], datagram, sizeof(datagram), MSG_DONTWAIT);
    if (size < (ssize_t)MR_WIRE_HEADER_BYTES) return 0;
    uint16_t type;
    memcpy(&type, datagram + 4, sizeof(type));
    memcpy(id, datagram + 8, sizeof(*id));
    return type;
}

static void assert_takes(int i, int type, const struct mr_call *call) {
    uint64_t id = 0;
    assert_int_equal(take(i, &id), type);
    assert_int_equal(id, id_of(call));
}

static void assert_takes_nothing(int i) {
    uint64_t id;
    assert_int_equal(take(i, &id), 0);
}

/* Worker i ends a call. Returns the call, NULL when nobody waits for it. */
static struct mr_call *answer(int i, uint64_t id) {
    struct mr_slot *slot = mr_calls_heard(&lanes[i], id, now);
    assert_non_null(slot);
    struct mr_ticket *ticket = mr_calls_take(slot);
    mr_calls_free_slot(&calls, &lanes[i], slot, now);
    return ticket ? ticket->call : NULL;
}

static bool withdraw(struct mr_call *call) {
    return mr_calls_withdraw(&calls, call->state);
}

static struct mr_ended expire(int64_t at) {
    struct mr_ended ended = {0};
    now = at;
    mr_calls_expire(&calls, now, &ended);
    return ended;
}

static void assert_ended(struct mr_ended *ended, struct mr_call *call, mr_status status,
                         const char *message) {
    assert_non_null(ended->first);
    assert_ptr_equal(ended->first->call, call);
    assert_int_equal(call->status, status);
    if (!strstr(call->err.message, message)) print_message("%s\n", call->err.message);
    assert_non_null(strstr(call->err.message, message));
    ended->first = ended->first->next;
}

/* Calls take a while: none is sent ahead. */
static void learn_long_calls(int i) {
    struct mr_call *call = ask(10);
    assert_takes(i, MR_WIRE_PREDICT, call);
    now += 50000;
    assert_ptr_equal(answer(i, id_of(call)), call);
}

static void learn_short_calls(int i) {
    struct mr_call *call = ask(10);
    assert_takes(i, MR_WIRE_PREDICT, call);
    now += 100;
    assert_ptr_equal(answer(i, id_of(call)), call);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_order(void **state) {
    (void)state;
    struct mr_call *early = ask(10); /* before any worker is there */
    open_lane(0, false);
    assert_takes(0, MR_WIRE_PREDICT, early);
    struct mr_call *a = ask(10), *b = ask(10), *c = ask(10);
    assert_takes_nothing(0); /* how long calls take is not known yet */
    open_lane(1, false);
    assert_takes(1, MR_WIRE_PREDICT, a);
    now += 50000;
    assert_ptr_equal(answer(1, id_of(a)), a);
    assert_takes(1, MR_WIRE_PREDICT, b);
    now += 50000;
    assert_ptr_equal(answer(0, id_of(early)), early);
    assert_takes(0, MR_WIRE_PREDICT, c);
    assert_takes_nothing(1);
    assert_null(calls.first);
}

/* A second short call goes to the worker that is likely to be free first; a third one waits. */
static void test_one_ahead(void **state) {
    (void)state;
    open_lane(0, false);
    learn_short_calls(0);
    open_lane(1, false);
    struct mr_call *a = ask(10);
    now += 50;
    struct mr_call *b = ask(10);
    now += 50;
    struct mr_call *c = ask(10), *d = ask(10), *e = ask(10);
    assert_takes(0, MR_WIRE_PREDICT, a);
    assert_takes(1, MR_WIRE_PREDICT, b);
    assert_takes(0, MR_WIRE_PREDICT, c);
    assert_takes(1, MR_WIRE_PREDICT, d);
    assert_ptr_equal(calls.first, e->state);
    assert_ptr_equal(answer(0, id_of(a)), a);
    assert_takes(0, MR_WIRE_PREDICT, e);
}

/* Nothing is put behind a call that takes long, where another worker may be free before. */
static void test_none_behind_a_long_call(void **state) {
    (void)state;
    open_lane(0, false);
    learn_short_calls(0);
    struct mr_call *slow = ask(10);
    now += 5000;
    struct mr_call *next = ask(10);
    assert_takes(0, MR_WIRE_PREDICT, slow);
    assert_takes_nothing(0);
    open_lane(1, false);
    assert_takes(1, MR_WIRE_PREDICT, next);
}

static void test_withdraw(void **state) {
    (void)state;
    open_lane(0, false);
    learn_long_calls(0);
    struct mr_call *a = ask(10), *b = ask(10), *c = ask(10);
    assert_takes(0, MR_WIRE_PREDICT, a);
    assert_true(withdraw(b)); /* never sent */
    assert_false(withdraw(b));
    assert_true(withdraw(a)); /* the worker is told, and is not free before it has ended it */
    assert_takes(0, MR_WIRE_CANCEL, a);
    assert_takes_nothing(0);
    assert_null(answer(0, id_of(a)));
    assert_null(mr_calls_heard(&lanes[0], id_of(a), now)); /* answered twice */
    assert_takes(0, MR_WIRE_PREDICT, c);
    assert_ptr_equal(answer(0, id_of(c)), c);
    assert_false(withdraw(c));
    mr_calls_pause(&calls, c->state, true);
    assert_takes_nothing(0);
}

static void test_pause(void **state) {
    (void)state;
    open_lane(0, false);
    struct mr_call *a = ask(10), *b = ask(10);
    assert_takes(0, MR_WIRE_PREDICT, a);
    mr_calls_pause(&calls, a->state, true);
    mr_calls_pause(&calls, b->state, true); /* still in the queue */
    mr_calls_pause(&calls, a->state, false);
    assert_takes(0, MR_WIRE_PAUSE, a);
    assert_takes(0, MR_WIRE_RESUME, a);
    assert_takes_nothing(0);
}

/* What a dead worker had begun fails; what it had been sent ahead is first in the queue again. */
static void test_close(void **state) {
    (void)state;
    open_lane(0, false);
    learn_short_calls(0);
    struct mr_call *a = ask(10), *b = ask(100000), *c = ask(10);
    assert_takes(0, MR_WIRE_PREDICT, a);
    assert_takes(0, MR_WIRE_PREDICT, b);
    struct mr_ended ended = {0};
    close_lane(0, &ended);
    assert_ended(&ended, a, MR_E_UNAVAILABLE, "the worker died");
    assert_null(ended.first);
    assert_false(withdraw(a));
    assert_ptr_equal(calls.first, b->state);
    open_lane(1, false);
    assert_takes(1, MR_WIRE_PREDICT, b); /* with its memfd: it can be sent twice */
    assert_takes(1, MR_WIRE_PREDICT, c);
    assert_null(calls.first);
    assert_null(calls.last);
}

/* A call that a worker had not read when it ended was not begun. */
static void test_close_unread(void **state) {
    (void)state;
    open_lane(0, false);
    struct mr_call *a = ask(10);
    lanes[0].has_unread = true;
    struct mr_ended ended = {0};
    close_lane(0, &ended);
    assert_null(ended.first);
    open_lane(0, false);
    assert_takes(0, MR_WIRE_PREDICT, a);
    mr_calls_pause(&calls, a->state, true); /* it may be that which was not read */
    lanes[0].has_unread = true;
    close_lane(0, &ended);
    assert_ended(&ended, a, MR_E_UNAVAILABLE, "the worker died");
}

static void test_async(void **state) {
    (void)state;
    open_lane(0, true);
    open_lane(1, true);
    struct mr_call *asked[2 * MR_CALLS_MAX_ASYNC];
    for (int i = 0; i < 2 * MR_CALLS_MAX_ASYNC; i++) asked[i] = ask(10);
    struct mr_call *more = ask(10);
    assert_int_equal(lanes[0].n_slots, MR_CALLS_MAX_ASYNC);
    assert_int_equal(lanes[1].n_slots, MR_CALLS_MAX_ASYNC);
    assert_ptr_equal(calls.first, more->state);
    assert_takes(0, MR_WIRE_PREDICT, asked[0]);
    assert_takes(1, MR_WIRE_PREDICT, asked[1]);
    assert_ptr_equal(answer(1, id_of(asked[3])), asked[3]); /* in any order */
    assert_null(calls.first);
    struct mr_ended ended = {0};
    close_lane(1, &ended); /* any of them may be what it died of */
    int n = 0;
    for (; ended.first; ended.first = ended.first->next) n++;
    assert_int_equal(n, MR_CALLS_MAX_ASYNC);
    assert_null(calls.first);
}

static void test_deadline_in_queue(void **state) {
    (void)state;
    int64_t start = now;
    struct mr_call *a = ask(10);
    now += S;
    struct mr_call *b = ask(10);
    assert_int_equal(calls.next_us, start + TIMEOUT_US);
    struct mr_ended ended = expire(start + TIMEOUT_US - 1);
    assert_null(ended.first);
    ended = expire(start + TIMEOUT_US);
    assert_ended(&ended, a, MR_E_DEADLINE,
                 "no answer within 10 s: the request waited in the queue");
    assert_null(ended.first);
    assert_int_equal(calls.next_us, start + S + TIMEOUT_US);
    assert_true(withdraw(b));
    ended = expire(start + S + TIMEOUT_US);
    assert_null(ended.first);
    assert_true(calls.next_us == MR_NEVER_US);
}

/* A worker that does not end a call in time has a second to do so. */
static void test_deadline_in_flight(void **state) {
    (void)state;
    int64_t start = now;
    struct mr_call *a = ask(10);
    now += 2 * S;
    open_lane(0, false);
    assert_takes(0, MR_WIRE_PREDICT, a);
    struct mr_ended ended = expire(start + TIMEOUT_US);
    assert_ended(&ended, a, MR_E_DEADLINE, "the model was still working");
    assert_non_null(strstr(a->err.message, "waited 2.000 s in the queue"));
    assert_takes(0, MR_WIRE_CANCEL, a);
    assert_int_equal(calls.next_us, now + MR_CALLS_GRACE_US);
    struct mr_call *b = ask(10);
    assert_takes_nothing(0); /* it is not free yet */
    assert_null(answer(0, id_of(a)));
    assert_takes(0, MR_WIRE_PREDICT, b);
    ended = expire(now + MR_CALLS_GRACE_US);
    assert_false(lanes[0].is_hung);
    ended = expire(start + 2 * TIMEOUT_US);
    assert_ended(&ended, b, MR_E_DEADLINE, "the model was still working");
    ended = expire(now + MR_CALLS_GRACE_US - 1);
    assert_false(lanes[0].is_hung);
    ended = expire(now + 1);
    assert_true(lanes[0].is_hung);
    assert_null(ended.first);
    ask(10);
    assert_takes(0, MR_WIRE_CANCEL, b);
    assert_takes_nothing(0); /* nothing for one that is given up */
}

/* A worker must end what its caller has withdrawn, too: else it would hang unseen. */
static void test_deadline_of_withdrawn(void **state) {
    (void)state;
    open_lane(0, false);
    struct mr_call *a = ask(10);
    assert_true(withdraw(a));
    struct mr_ended ended = expire(now + TIMEOUT_US);
    assert_null(ended.first);
    expire(now + MR_CALLS_GRACE_US);
    assert_true(lanes[0].is_hung);
}

/* A call that was sent ahead and is too late is not what the worker hangs in, until it is first. */
static void test_deadline_of_one_ahead(void **state) {
    (void)state;
    open_lane(0, false);
    learn_short_calls(0);
    int64_t start = now;
    struct mr_call *a = ask(10), *b = ask(10);
    struct mr_ended ended = expire(start + TIMEOUT_US);
    assert_ended(&ended, a, MR_E_DEADLINE, "the model was still working");
    assert_ended(&ended, b, MR_E_DEADLINE, "the request waited in the queue");
    now += S / 2;
    assert_null(answer(0, id_of(a)));
    assert_int_equal(calls.next_us, start + TIMEOUT_US + MR_CALLS_GRACE_US);
    expire(calls.next_us);
    assert_false(lanes[0].is_hung);
    assert_int_equal(calls.next_us, start + TIMEOUT_US + S / 2 + MR_CALLS_GRACE_US);
    expire(calls.next_us);
    assert_true(lanes[0].is_hung);
}

/* An asynchronous worker that still answers others is not given up for one. */
static void test_deadline_of_async(void **state) {
    (void)state;
    open_lane(0, true);
    int64_t start = now;
    struct mr_call *stuck = ask(10);
    now += 5 * S;
    struct mr_call *other = ask(10);
    struct mr_ended ended = expire(start + TIMEOUT_US);
    assert_ended(&ended, stuck, MR_E_DEADLINE, "the model was still working");
    now += S / 2;
    assert_ptr_equal(answer(0, id_of(other)), other);
    expire(start + TIMEOUT_US + MR_CALLS_GRACE_US);
    assert_false(lanes[0].is_hung);
    expire(start + TIMEOUT_US + S / 2 + MR_CALLS_GRACE_US);
    assert_true(lanes[0].is_hung);
}

/* Each part of an answer has the time of a whole one. */
static void test_deadline_of_stream(void **state) {
    (void)state;
    open_lane(0, false);
    int64_t start = now;
    struct mr_call *call = ask(10);
    now += 9 * S;
    mr_calls_progress(&calls, mr_calls_heard(&lanes[0], id_of(call), now), now);
    struct mr_ended ended = expire(start + TIMEOUT_US);
    assert_null(ended.first);
    assert_int_equal(calls.next_us, start + 9 * S + TIMEOUT_US);
    ended = expire(calls.next_us);
    assert_ended(&ended, call, MR_E_DEADLINE, "the model was still working");
}

static void test_no_timeout(void **state) {
    (void)state;
    options.timeout_us = MR_NEVER_US;
    init_calls();
    ask(10);
    assert_true(calls.next_us == MR_NEVER_US);
    struct mr_ended ended = expire(now + 1000 * (int64_t)S);
    assert_null(ended.first);
    assert_non_null(calls.first);
}

/* What does not fit the socket waits: calls in the queue, cancellations and resumptions beside. */
static void test_full_socket(void **state) {
    (void)state;
    open_lane(0, true);
    struct mr_call *asked[MR_CALLS_MAX_ASYNC] = {0};
    int n = 0;
    while (!lanes[0].needs_room) asked[n++] = ask(60000);
    assert_int_equal(n_room_wanted, 1);
    assert_int_equal(lanes[0].n_slots, n - 1);
    assert_true(withdraw(asked[0]));
    mr_calls_pause(&calls, asked[1]->state, true);
    mr_calls_pause(&calls, asked[1]->state, false);
    for (int i = 0; i < n - 1; i++) assert_takes(0, MR_WIRE_PREDICT, asked[i]);
    assert_takes_nothing(0);
    mr_calls_make_room(&calls, &lanes[0], now);
    assert_int_equal(n_room_wanted, 0);
    assert_takes(0, MR_WIRE_CANCEL, asked[0]);
    assert_takes(0, MR_WIRE_RESUME, asked[1]);
    assert_takes(0, MR_WIRE_PREDICT, asked[n - 1]);
}

/* A worker that has closed its socket gets nothing more; its calls are there for the next one. */
static void test_closed_socket(void **state) {
    (void)state;
    open_lane(0, false);
    close(theirs[0]);
    theirs[0] = dup(lanes[0].socket); /* something to close */
    struct mr_call *a = ask(10);
    assert_true(lanes[0].is_broken);
    assert_ptr_equal(calls.first, a->state);
    open_lane(1, false);
    assert_takes(1, MR_WIRE_PREDICT, a);
}

static void test_fail_queue(void **state) {
    (void)state;
    struct mr_call *a = ask(10), *b = ask(100000);
    struct mr_error err = {0};
    struct mr_ended ended = {0};
    mr_fail(&err, MR_E_UNAVAILABLE, "stopping");
    mr_calls_fail_queue(&calls, &err, &ended);
    assert_null(calls.first);
    n_done = 0;
    mr_ended_tell(&ended);
    assert_int_equal(n_done, 2);
    assert_int_equal(a->status, MR_E_UNAVAILABLE);
    assert_string_equal(b->err.message, "stopping");
}

static struct mr_engine_stats stats(void) {
    struct mr_engine_stats stats;
    mr_calls_stats(&calls, &stats);
    return stats;
}

static void test_stats(void **state) {
    (void)state;
    struct mr_call *a = ask(10), *b = ask(1000), *c = ask(20);
    assert_int_equal(stats().n_workers, N_LANES);
    assert_int_equal(stats().n_alive, 0);
    assert_int_equal(stats().n_waiting, 3);
    assert_int_equal(stats().n_waiting_rows, 3); /* a raw one counts as one */
    assert_true(stats().waiting_bytes >= 1030);
    assert_int_equal(a->started_ns, 0);
    open_lane(0, false);
    assert_int_equal(a->started_ns, (uint64_t)now * 1000);
    assert_int_equal(stats().n_alive, 1);
    assert_int_equal(stats().n_waiting, 2);
    assert_int_equal(stats().n_under_way, 1);
    assert_int_equal(stats().n_sent_of_size[0], 1);
    assert_true(withdraw(b));
    struct mr_ended ended = expire(now + TIMEOUT_US);
    assert_ptr_equal(ended.first->call, a);
    assert_ptr_equal(ended.last->call, c);
    assert_int_equal(stats().n_waiting, 0);
    assert_int_equal(stats().n_waiting_rows, 0);
    assert_int_equal(stats().waiting_bytes, 0);
    assert_int_equal(stats().n_under_way, 0);
    assert_int_equal(stats().n_sent_calls, 1);
    assert_int_equal(stats().n_sent_rows, 1);
}

static void test_cannot_carry(void **state) {
    (void)state;
    struct mr_column column = {.dtype = MR_OBJECT};
    struct mr_input input = {.kind = MR_INPUT_TABLE, .table = {.n_cols = 1, .columns = &column}};
    struct mr_call call = {.input = &input, .arena = arena};
    struct mr_error err = {0};
    assert_int_equal(mr_calls_prepare(&calls, &call, &err), MR_E_UNSUPPORTED);
    assert_null(call.state);
}

/* --- calls that go together ------------------------------------------------------------------- */

/* A table of one column x of n rows, whose values tell the call. */
static struct mr_call *new_table_call(int64_t n_rows, double value) {
    struct mr_input *input = mr_arena_zalloc(arena, sizeof(*input));
    struct mr_call *call = mr_arena_zalloc(arena, sizeof(*call));
    struct mr_column *column = mr_arena_zalloc(arena, sizeof(*column));
    double *values = mr_arena_array(arena, (size_t)n_rows, sizeof(*values));
    for (int64_t i = 0; i < n_rows; i++) values[i] = value;
    *column = (struct mr_column){.name = mr_str_from("x"),
                                 .is_named = true,
                                 .dtype = MR_FLOAT64,
                                 .n_rows = n_rows,
                                 .values = values};
    *input = (struct mr_input){.kind = MR_INPUT_TABLE,
                               .table = {.n_rows = n_rows, .n_cols = 1, .columns = column}};
    *call = (struct mr_call){.input = input, .arena = arena, .done = done};
    return call;
}

static mr_status check_room(const struct mr_call *call, struct mr_error *err) {
    const struct mr_ticket *ticket = call->state;
    return mr_calls_check_room(&calls, ticket->n_rows, ticket->size, err);
}

static struct mr_call *ask_table(int64_t n_rows, double value) {
    struct mr_call *call = new_table_call(n_rows, value);
    struct mr_error err = {0};
    assert_int_equal(mr_calls_prepare(&calls, call, &err), MR_OK);
    assert_int_equal(check_room(call, &err), MR_OK);
    mr_calls_ask(&calls, call->state, now);
    return call;
}

static void allow_batches(unsigned max_rows) {
    options.queue.max_batch_rows = max_rows;
    init_calls();
    atomic_store(&calls.may_batch, true);
}

/* Worker i gets a message with these values, and nothing more. Returns its id. */
static uint64_t assert_takes_values(int i, const double *values, size_t n) {
    char datagram[MR_WIRE_MAX_DATAGRAM_BYTES];
    ssize_t size = recv(theirs[i], datagram, sizeof(datagram), MSG_DONTWAIT);
    assert_true(size > 32 + 48 + 64);
    uint64_t id, n_rows, values_offset;
    memcpy(&id, datagram + 8, sizeof(id));
    memcpy(&n_rows, datagram + 32 + 16, sizeof(n_rows));
    memcpy(&values_offset, datagram + 32 + 48 + 32, sizeof(values_offset));
    assert_int_equal(n_rows, n);
    assert_memory_equal(datagram + 32 + values_offset, values, n * sizeof(*values));
    assert_takes_nothing(i);
    return id;
}

#define ASSERT_TAKES(i, ...)                                                                       \
    assert_takes_values(i, (const double[]){__VA_ARGS__},                                          \
                        sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

/* The worker ends a slot, after a while: its calls, in their order. */
static struct mr_ticket *answer_all(int i, uint64_t id) {
    now += 50000;
    struct mr_slot *slot = mr_calls_heard(&lanes[i], id, now);
    assert_non_null(slot);
    struct mr_ticket *tickets = mr_calls_take(slot);
    mr_calls_free_slot(&calls, &lanes[i], slot, now);
    return tickets;
}

static void test_batch(void **state) {
    (void)state;
    allow_batches(6);
    open_lane(0, false);
    ask_table(1, 1);
    uint64_t first = ASSERT_TAKES(0, 1); /* a lone call does not wait */
    struct mr_call *b = ask_table(2, 2), *c = ask_table(1, 3);
    struct mr_call *raw = ask(10);
    ask_table(2, 4);
    ask_table(2, 5); /* one more than fits */
    ask_table(1, 6); /* it would, but it came later */
    assert_takes_nothing(0);
    answer_all(0, first);
    uint64_t second = ASSERT_TAKES(0, 2, 2, 3, 4, 4);
    assert_int_equal(((struct mr_ticket *)c->state)->first_row, 2);
    assert_int_equal(((struct mr_ticket *)c->state)->i_part, 1);
    assert_true(b->started_ns && b->started_ns == c->started_ns);
    assert_int_equal(stats().n_under_way, 3);
    assert_int_equal(stats().n_sent_of_size[3], 1); /* up to 8 rows */
    struct mr_ticket *tickets = answer_all(0, second);
    assert_ptr_equal(tickets->call, b);
    assert_ptr_equal(tickets->next->call, c);
    assert_takes(0, MR_WIRE_PREDICT, raw);
    answer_all(0, id_of(raw));
    ASSERT_TAKES(0, 5, 5, 6);
    assert_int_equal(stats().n_waiting, 0);
    assert_int_equal(stats().n_waiting_rows, 0);
    assert_int_equal(stats().waiting_bytes, 0);
}

static void test_batch_share(void **state) {
    (void)state;
    allow_batches(100);
    open_lane(0, false);
    open_lane(1, false);
    ask_table(1, 0);
    ask_table(1, 1);
    uint64_t first = ASSERT_TAKES(0, 0), other = ASSERT_TAKES(1, 1);
    for (int i = 2; i < 6; i++) ask_table(1, i);
    answer_all(0, first);
    ASSERT_TAKES(0, 2, 3); /* the other worker will want some, too */
    answer_all(1, other);
    ASSERT_TAKES(1, 4);
}

static void test_batch_again(void **state) {
    (void)state;
    allow_batches(10);
    open_lane(0, false);
    ask_table(1, 1);
    uint64_t id = ASSERT_TAKES(0, 1);
    ask_table(1, 2);
    struct mr_call *gone = ask_table(1, 3);
    ask_table(1, 4);
    answer_all(0, id);
    id = ASSERT_TAKES(0, 2, 3, 4);
    assert_true(withdraw(gone));
    assert_takes_nothing(0); /* others wait for it still */
    ask_table(1, 5);
    struct mr_slot *slot = mr_calls_heard(&lanes[0], id, now);
    mr_calls_again(&calls, mr_calls_take(slot));
    mr_calls_free_slot(&calls, &lanes[0], slot, now);
    answer_all(0, ASSERT_TAKES(0, 2)); /* each alone, and before what came later */
    answer_all(0, ASSERT_TAKES(0, 4));
    ASSERT_TAKES(0, 5);
    assert_int_equal(stats().n_rerun, 2);
}

/* Of a batch nobody knows what the worker died of: each call is tried alone, and only once. */
static void test_batch_of_a_dead_worker(void **state) {
    (void)state;
    allow_batches(10);
    open_lane(0, false);
    ask_table(1, 1);
    uint64_t id = ASSERT_TAKES(0, 1);
    struct mr_call *bad = ask_table(1, 2);
    ask_table(1, 3);
    answer_all(0, id);
    ASSERT_TAKES(0, 2, 3);
    struct mr_ended ended = {0};
    close_lane(0, &ended);
    assert_null(ended.first);
    assert_int_equal(bad->started_ns, 0);
    open_lane(0, false);
    ASSERT_TAKES(0, 2);
    close_lane(0, &ended);
    assert_ended(&ended, bad, MR_E_UNAVAILABLE, "the worker died");
    assert_null(ended.first);
    open_lane(0, false);
    ASSERT_TAKES(0, 3);
}

static void test_batch_cancelled(void **state) {
    (void)state;
    allow_batches(10);
    open_lane(0, false);
    ask_table(1, 1);
    uint64_t id = ASSERT_TAKES(0, 1);
    struct mr_call *a = ask_table(1, 2), *b = ask_table(1, 3);
    answer_all(0, id);
    ASSERT_TAKES(0, 2, 3);
    assert_true(withdraw(b));
    assert_takes_nothing(0);
    assert_true(withdraw(a)); /* the last one that waited for it */
    assert_takes(0, MR_WIRE_CANCEL, a);
}

static void test_window(void **state) {
    (void)state;
    options.queue.max_batch_delay_us = 5000;
    allow_batches(10);
    open_lane(0, false);
    ask_table(1, 1);
    uint64_t id = ASSERT_TAKES(0, 1); /* alone, at once */
    ask_table(1, 2);
    ask_table(1, 3);
    ask_table(1, 4);
    answer_all(0, id);
    id = ASSERT_TAKES(0, 2, 3, 4);
    now += 100;
    answer_all(0, id);
    int64_t start = now;
    ask_table(1, 5);
    now += 1000;
    ask_table(1, 6);
    assert_takes_nothing(0);
    assert_int_equal(calls.next_us, start + 5000); /* from the first one on */
    expire(start + 4999);
    assert_takes_nothing(0);
    expire(start + 5000);
    id = ASSERT_TAKES(0, 5, 6);
    answer_all(0, id);
    ask_table(1, 7);
    assert_takes_nothing(0);
    ask_table(1, 8); /* as many as last time: the window closes */
    ASSERT_TAKES(0, 7, 8);
}

static void test_large_calls_leave_a_worker(void **state) {
    (void)state;
    allow_batches(4);
    open_lane(0, false);
    open_lane(1, false);
    ask_table(5, 1);
    uint64_t id = ASSERT_TAKES(0, 1, 1, 1, 1, 1);
    ask_table(1, 3);
    uint64_t other = ASSERT_TAKES(1, 3);
    struct mr_call *large = ask_table(6, 2);
    answer_all(1, other);
    assert_takes_nothing(1);
    assert_int_equal(large->started_ns, 0);
    answer_all(0, id);
    id = ASSERT_TAKES(0, 2, 2, 2, 2, 2, 2);
    large = ask_table(7, 4);
    assert_takes_nothing(1);
    assert_true(calls.next_us < now + MR_CALLS_SMALL_US);
    expire(calls.next_us); /* no small one has come for a while */
    ASSERT_TAKES(1, 4, 4, 4, 4, 4, 4, 4);
}

/* The expected wait is what waits by what rows took; there is one for each worker in any case. */
static void test_delay(void **state) {
    (void)state;
    options.queue.max_delay_us = 105000;
    options.queue.batch = MR_BATCH_NEVER;
    init_calls();
    struct mr_error err = {0};
    open_lane(0, false);
    for (int i = 0; i < 20; i++) {
        ask_table(5, 1);
        answer_all(0, ASSERT_TAKES(0, 1, 1, 1, 1, 1)); /* after 50 ms */
    }
    ask_table(1, 0);               /* is worked on */
    for (int i = 0; i < 10; i++) { /* rows that take 10 ms each */
        assert_int_equal(mr_calls_check_room(&calls, 1, 0, &err), MR_OK);
        ask_table(1, i);
    }
    ask_table(4, 0);
    assert_int_equal(mr_calls_check_room(&calls, 1, 0, &err), MR_E_BUSY);
    assert_non_null(strstr(err.message, "would wait 0.140 s for the model"));
    assert_int_equal(stats().n_refused, 1);
    open_lane(1, false);
    assert_int_equal(mr_calls_check_room(&calls, 1, 0, &err), MR_OK);
}

static void test_full_queue(void **state) {
    (void)state;
    options.queue.max_calls = 3;
    options.queue.max_rows = 10;
    init_calls();
    struct mr_error err = {0};
    struct mr_call *huge = ask_table(50, 1); /* alone it is let in */
    struct mr_call *more = new_table_call(1, 2);
    assert_int_equal(mr_calls_prepare(&calls, more, &err), MR_OK);
    assert_int_equal(check_room(more, &err), MR_E_BUSY);
    assert_non_null(strstr(err.message, "too many rows"));
    assert_true(withdraw(huge));
    for (int i = 0; i < 3; i++) ask_table(1, i);
    assert_int_equal(check_room(more, &err), MR_E_BUSY);
    assert_non_null(strstr(err.message, "too many requests"));
    assert_int_equal(stats().n_refused, 2);
    mr_calls_drop(more->state);
}

/* The client's own limit ends a call, not the worker. */
static void test_client_deadline(void **state) {
    (void)state;
    open_lane(0, false);
    struct mr_call *a = new_table_call(1, 1), *b = new_table_call(1, 2);
    struct mr_call *both[] = {a, b};
    int64_t start = now;
    for (int i = 0; i < 2; i++) {
        both[i]->deadline_ns = (uint64_t)(start + S + i) * 1000;
        assert_int_equal(mr_calls_prepare(&calls, both[i], NULL), MR_OK);
        mr_calls_ask(&calls, both[i]->state, now);
    }
    assert_takes(0, MR_WIRE_PREDICT, a);
    assert_int_equal(calls.next_us, start + S);
    struct mr_ended ended = expire(start + S + 1);
    assert_ended(&ended, a, MR_E_DEADLINE, "within 1 s: the model was still working");
    assert_ended(&ended, b, MR_E_DEADLINE, "within 1 s: the request waited in the queue");
    assert_takes(0, MR_WIRE_CANCEL, a);
    expire(start + TIMEOUT_US - 1);
    assert_false(lanes[0].is_hung);
    expire(start + TIMEOUT_US);
    expire(start + TIMEOUT_US + MR_CALLS_GRACE_US);
    assert_true(lanes[0].is_hung);
}

/* What is too late when a worker becomes free is not sent, though nobody has looked yet. */
static void test_too_late_to_be_sent(void **state) {
    (void)state;
    struct mr_call *late = ask(10);
    now += TIMEOUT_US - 1;
    struct mr_call *good = ask(10);
    now++;
    open_lane(0, false);
    assert_takes(0, MR_WIRE_PREDICT, good);
    assert_int_equal(late->started_ns, 0);
    struct mr_ended ended = expire(now);
    assert_ended(&ended, late, MR_E_DEADLINE, "waited in the queue");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_one_ahead),
        TEST(test_none_behind_a_long_call),
        TEST(test_withdraw),
        TEST(test_pause),
        TEST(test_close),
        TEST(test_close_unread),
        TEST(test_async),
        TEST(test_deadline_in_queue),
        TEST(test_deadline_in_flight),
        TEST(test_deadline_of_withdrawn),
        TEST(test_deadline_of_one_ahead),
        TEST(test_deadline_of_async),
        TEST(test_deadline_of_stream),
        TEST(test_no_timeout),
        TEST(test_full_socket),
        TEST(test_closed_socket),
        TEST(test_fail_queue),
        TEST(test_stats),
        TEST(test_cannot_carry),
        TEST(test_batch),
        TEST(test_batch_share),
        TEST(test_batch_again),
        TEST(test_batch_of_a_dead_worker),
        TEST(test_batch_cancelled),
        TEST(test_window),
        TEST(test_large_calls_leave_a_worker),
        TEST(test_full_queue),
        TEST(test_delay),
        TEST(test_client_deadline),
        TEST(test_too_late_to_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
