#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/compute.h"

/* What happened, in order; and gates that hold threads up until a test opens them. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char events[64]; /* a letter for each piece that ran, '.' for the end of a job */
    size_t n_events;
} history = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct gate {
    bool is_open;
    unsigned n_inside;
};

struct job {
    struct mr_compute_job base;
    char name;         /* '\0': is not in the history */
    struct gate *gate; /* each piece passes it; NULL: none */
    bool is_slow;      /* each piece takes until its deadline */
    size_t n_more;     /* stages after the first, of one piece more each */
    struct mr_compute *compute;
    struct job *cancels; /* when it is done */
    struct job *submits; /* from each piece; NULL: none */
    atomic_size_t n_run, n_done, n_cancelled, n_late;
    atomic_int *pieces; /* how often each one ran; NULL: not counted */
};

static void note(char event) {
    pthread_mutex_lock(&history.lock);
    assert_true(history.n_events + 1 < sizeof(history.events));
    history.events[history.n_events++] = event;
    history.events[history.n_events] = '\0';
    pthread_cond_broadcast(&history.changed);
    pthread_mutex_unlock(&history.lock);
}

static void pass(struct gate *gate) {
    pthread_mutex_lock(&history.lock);
    gate->n_inside++;
    pthread_cond_broadcast(&history.changed);
    while (!gate->is_open) pthread_cond_wait(&history.changed, &history.lock);
    gate->n_inside--;
    pthread_mutex_unlock(&history.lock);
}

static void open_gate(struct gate *gate) {
    pthread_mutex_lock(&history.lock);
    gate->is_open = true;
    pthread_cond_broadcast(&history.changed);
    pthread_mutex_unlock(&history.lock);
}

static void wait_until_inside(const struct gate *gate, unsigned n) {
    pthread_mutex_lock(&history.lock);
    while (gate->n_inside < n) pthread_cond_wait(&history.changed, &history.lock);
    pthread_mutex_unlock(&history.lock);
}

static void wait_for_events(size_t n) {
    pthread_mutex_lock(&history.lock);
    while (history.n_events < n) pthread_cond_wait(&history.changed, &history.lock);
    pthread_mutex_unlock(&history.lock);
}

static void run(struct mr_compute_job *base, size_t piece) {
    struct job *job = (struct job *)base;
    if (job->gate) pass(job->gate);
    while (job->is_slow && mr_clock_ns() < base->deadline_ns) continue;
    if (job->name) note(job->name);
    if (job->submits) mr_compute_submit(job->compute, &job->submits[piece].base);
    if (job->pieces) atomic_fetch_add(&job->pieces[piece], 1);
    atomic_fetch_add(&job->n_run, 1);
}

static bool done(struct mr_compute_job *base, mr_compute_end end) {
    struct job *job = (struct job *)base;
    if (job->cancels) assert_false(mr_compute_cancel(job->compute, &job->cancels->base));
    if (end == MR_COMPUTE_CANCELLED) atomic_fetch_add(&job->n_cancelled, 1);
    if (end == MR_COMPUTE_LATE) atomic_fetch_add(&job->n_late, 1);
    if (end == MR_COMPUTE_RAN && job->n_more) {
        job->n_more--;
        job->base.n_pieces++;
        return true;
    }
    atomic_fetch_add(&job->n_done, 1);
    if (job->name) note('.');
    return false;
}

static struct job new_job(char name, size_t n_pieces) {
    return (struct job){.base = {.run = run, .done = done, .n_pieces = n_pieces}, .name = name};
}

static struct mr_compute *new_pool(unsigned n_processors) {
    struct mr_compute *compute = NULL;
    struct mr_error err = {0};
    assert_int_equal(mr_compute_new(n_processors, 3, &compute, &err), MR_OK);
    history.n_events = 0;
    return compute;
}

static void every_piece_runs_once(void **state) {
    (void)state;
    enum { N_JOBS = 200, MAX_PIECES = 37 };
    static struct job jobs[N_JOBS];
    static atomic_int pieces[N_JOBS][MAX_PIECES];
    struct mr_compute *compute = new_pool(3);
    for (size_t i = 0; i < N_JOBS; i++) {
        jobs[i] = new_job('\0', 1 + i % MAX_PIECES);
        jobs[i].base.is_large = i % 3 == 0;
        jobs[i].pieces = pieces[i];
        mr_compute_submit(compute, &jobs[i].base);
    }
    mr_compute_free(compute);
    for (size_t i = 0; i < N_JOBS; i++) {
        assert_int_equal(jobs[i].n_done, 1);
        assert_int_equal(jobs[i].n_run, 1 + i % MAX_PIECES);
        for (size_t k = 0; k <= i % MAX_PIECES; k++) assert_int_equal(pieces[i][k], 1);
    }
}

static void jobs_go_on_and_submit_others(void **state) {
    (void)state;
    struct mr_compute *compute = new_pool(2);
    struct job inner[4], outer = new_job('\0', 4), stages = new_job('\0', 2);
    for (size_t i = 0; i < 4; i++) inner[i] = new_job('\0', 3);
    outer.compute = compute;
    outer.submits = inner;
    stages.n_more = 3;
    stages.base.is_large = true;
    mr_compute_submit(compute, &outer.base);
    mr_compute_submit(compute, &stages.base);
    mr_compute_free(compute);
    assert_int_equal(outer.n_done, 1);
    for (size_t i = 0; i < 4; i++) assert_int_equal(inner[i].n_run, 3);
    assert_int_equal(stages.n_run, 2 + 3 + 4 + 5);
    assert_int_equal(stages.n_done, 1);
}

/* A pool with one thread that works: the other one is held by the blocker until its gate opens. */
static struct mr_compute *new_single(struct job *blocker, struct gate *gate, struct job *first,
                                     struct gate *first_gate) {
    struct mr_compute *compute = new_pool(1);
    *blocker = new_job('\0', 1);
    blocker->gate = gate;
    *first = new_job('\0', 1);
    first->gate = first_gate;
    mr_compute_submit(compute, &blocker->base);
    mr_compute_submit(compute, &first->base);
    wait_until_inside(gate, 1);
    wait_until_inside(first_gate, 1);
    return compute;
}

static void pieces_are_taken_in_turns(void **state) {
    (void)state;
    struct gate gate = {0}, first_gate = {0};
    struct job blocker, first, a = new_job('a', 8), b = new_job('b', 1), c = new_job('c', 3);
    struct mr_compute *compute = new_single(&blocker, &gate, &first, &first_gate);
    a.base.is_large = true;
    mr_compute_submit(compute, &a.base);
    mr_compute_submit(compute, &b.base);
    mr_compute_submit(compute, &c.base);
    open_gate(&first_gate);
    wait_for_events(15);
    assert_string_equal(history.events, "ab.cacac.aaaaa.");
    open_gate(&gate);
    mr_compute_free(compute);
}

/* One group with many jobs, of which some are large, and two with few. */
static void groups_have_their_turns(void **state) {
    (void)state;
    struct gate gate = {0}, first_gate = {0};
    struct job blocker, first, many[4], few = new_job('f', 2), last = new_job('l', 1), large[3];
    struct mr_compute *compute = new_single(&blocker, &gate, &first, &first_gate);
    for (size_t i = 0; i < 4; i++) {
        many[i] = new_job('m', 2);
        mr_compute_submit(compute, &many[i].base);
    }
    for (size_t i = 0; i < 3; i++) {
        large[i] = new_job((char)('A' + i), 1);
        large[i].base.is_large = true;
        large[i].base.group = i == 2; /* comes last, and is the second to begin */
        mr_compute_submit(compute, &large[i].base);
    }
    few.base.group = 1;
    last.base.group = 2;
    mr_compute_submit(compute, &few.base);
    mr_compute_submit(compute, &last.base);
    open_gate(&first_gate);
    wait_for_events(23);
    assert_string_equal(history.events, "fl.mf.mmmA.C.m.m.m.m.B.");
    open_gate(&gate);
    mr_compute_free(compute);
}

static void large_jobs_leave_a_thread_to_others(void **state) {
    (void)state;
    struct gate gate = {0};
    struct job a = new_job('a', 2), b = new_job('b', 1), c = new_job('c', 1), s = new_job('s', 3);
    struct mr_compute *compute = new_pool(1);
    a.base.is_large = b.base.is_large = c.base.is_large = true;
    a.base.n_pieces = 1;
    a.gate = &gate;
    mr_compute_submit(compute, &a.base);
    wait_until_inside(&gate, 1);
    mr_compute_submit(compute, &b.base);
    mr_compute_submit(compute, &c.base);
    mr_compute_submit(compute, &s.base);
    wait_for_events(4);
    assert_string_equal(history.events, "sss.");
    open_gate(&gate);
    mr_compute_free(compute);
    assert_string_equal(history.events, "sss.a.b.c.");
}

static void what_waits_can_be_dropped(void **state) {
    (void)state;
    struct gate gate = {0}, first_gate = {0};
    struct job blocker, first, a = new_job('a', 3), b = new_job('b', 1), large = new_job('l', 1),
                               larger = new_job('m', 1);
    struct mr_compute *compute = new_single(&blocker, &gate, &first, &first_gate);
    large.base.is_large = larger.base.is_large = true;
    mr_compute_submit(compute, &a.base);
    mr_compute_submit(compute, &large.base);
    mr_compute_submit(compute, &larger.base);
    mr_compute_submit(compute, &b.base);
    assert_true(mr_compute_cancel(compute, &a.base));
    assert_true(mr_compute_cancel(compute, &large.base)); /* so that the larger one may begin */
    open_gate(&first_gate);
    wait_for_events(4);
    open_gate(&gate);
    mr_compute_free(compute);
    assert_string_equal(history.events, "b.m.");
    assert_int_equal(a.n_run + a.n_done + large.n_run + large.n_done, 0);
}

static void large_job_that_waits_can_be_dropped(void **state) {
    (void)state;
    struct gate gate = {0};
    struct job a = new_job('a', 1), b = new_job('b', 1), c = new_job('c', 1);
    struct mr_compute *compute = new_pool(1);
    a.base.is_large = b.base.is_large = c.base.is_large = true;
    a.gate = &gate;
    mr_compute_submit(compute, &a.base);
    mr_compute_submit(compute, &b.base);
    mr_compute_submit(compute, &c.base);
    wait_until_inside(&gate, 1);
    assert_true(mr_compute_cancel(compute, &b.base));
    open_gate(&gate);
    mr_compute_free(compute);
    assert_string_equal(history.events, "a.c.");
}

static void what_runs_ends_early(void **state) {
    (void)state;
    struct gate gate = {0};
    struct job a = new_job('a', 50);
    struct mr_compute *compute = new_pool(1);
    a.base.is_large = true;
    a.gate = &gate;
    mr_compute_submit(compute, &a.base);
    wait_until_inside(&gate, 2);
    assert_false(mr_compute_cancel(compute, &a.base));
    open_gate(&gate);
    mr_compute_free(compute);
    assert_string_equal(history.events, "aa.");
    assert_int_equal(a.n_cancelled, 1);
}

static void cancelled_while_it_is_done(void **state) {
    (void)state;
    struct mr_compute *compute = new_pool(1);
    struct job a = new_job('a', 2);
    a.n_more = 1;
    a.compute = compute;
    a.cancels = &a;
    mr_compute_submit(compute, &a.base);
    mr_compute_free(compute);
    assert_string_equal(history.events, "aa.");
    assert_int_equal(a.n_cancelled, 1);
}

/* Whatever waits, however; once a thread looks for work. */
static void late_ones_do_not_begin(void **state) {
    (void)state;
    struct gate gate = {0}, first_gate = {0};
    struct job blocker, first, a = new_job('a', 3), b = new_job('b', 1), c = new_job('c', 2),
                               large = new_job('l', 1), larger = new_job('m', 1);
    struct mr_compute *compute = new_single(&blocker, &gate, &first, &first_gate);
    a.base.deadline_ns = c.base.deadline_ns = 1;
    b.base.deadline_ns = UINT64_MAX - 1;
    large.base.is_large = larger.base.is_large = true;
    larger.base.deadline_ns = 1; /* it waits for the other one */
    mr_compute_submit(compute, &a.base);
    mr_compute_submit(compute, &large.base);
    mr_compute_submit(compute, &larger.base);
    mr_compute_submit(compute, &b.base);
    mr_compute_submit(compute, &c.base);
    open_gate(&first_gate);
    wait_for_events(7);
    assert_string_equal(history.events, "...l.b.");
    open_gate(&gate);
    mr_compute_free(compute);
    assert_int_equal(a.n_late + c.n_late + larger.n_late, 3);
    assert_int_equal(a.n_run + c.n_run + larger.n_run + b.n_late + large.n_late, 0);
}

/* Its deadline passes after it has begun: the pieces that run are the last. */
static void what_becomes_late_ends_early(void **state) {
    (void)state;
    struct job a = new_job('\0', 50), b = new_job('b', 1);
    struct mr_compute *compute = new_pool(1);
    a.base.is_large = b.base.is_large = true;
    a.is_slow = true;
    a.base.deadline_ns = mr_clock_ns() + 5000000;
    mr_compute_submit(compute, &a.base);
    mr_compute_submit(compute, &b.base);
    mr_compute_free(compute);
    assert_string_equal(history.events, "b.");
    assert_int_equal(a.n_late, 1);
    assert_true(a.n_run <= 2);
}

/* Threads that submit, and cancel some of it, while the pool works. */
struct client {
    struct mr_compute *compute;
    struct job *jobs;
    size_t n_dropped;
};

enum { N_CLIENT_JOBS = 300 };

static void *submit_and_cancel(void *arg) {
    struct client *client = arg;
    for (size_t i = 0; i < N_CLIENT_JOBS; i++) {
        struct job *job = &client->jobs[i];
        *job = new_job('\0', 1 + i % 7);
        job->base.is_large = i % 4 == 0;
        job->n_more = i % 3;
        if (i % 8 == 0) job->base.deadline_ns = mr_clock_ns() + 1000 * i;
        mr_compute_submit(client->compute, &job->base);
        if (i % 5) continue;
        job = &client->jobs[i - i % 10];
        /* One that was dropped is the client's again: it is not in the pool any more. */
        if (job->name == '\0' && mr_compute_cancel(client->compute, &job->base)) {
            job->name = 'x';
            client->n_dropped++;
        }
    }
    return NULL;
}

static void many_submit_and_cancel(void **state) {
    (void)state;
    enum { N_CLIENTS = 4 };
    struct client clients[N_CLIENTS];
    pthread_t threads[N_CLIENTS];
    struct mr_compute *compute = new_pool(2);
    for (size_t i = 0; i < N_CLIENTS; i++) {
        struct job *jobs = calloc(N_CLIENT_JOBS, sizeof(*jobs));
        assert_non_null(jobs);
        clients[i] = (struct client){.compute = compute, .jobs = jobs};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_and_cancel, &clients[i]), 0);
    }
    for (size_t i = 0; i < N_CLIENTS; i++) pthread_join(threads[i], NULL);
    mr_compute_free(compute);
    for (size_t i = 0; i < N_CLIENTS; i++) {
        size_t n_done = 0;
        for (size_t k = 0; k < N_CLIENT_JOBS; k++) n_done += clients[i].jobs[k].n_done;
        assert_int_equal(n_done + clients[i].n_dropped, N_CLIENT_JOBS);
        free(clients[i].jobs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_runs_once),
        cmocka_unit_test(jobs_go_on_and_submit_others),
        cmocka_unit_test(pieces_are_taken_in_turns),
        cmocka_unit_test(groups_have_their_turns),
        cmocka_unit_test(large_jobs_leave_a_thread_to_others),
        cmocka_unit_test(what_waits_can_be_dropped),
        cmocka_unit_test(large_job_that_waits_can_be_dropped),
        cmocka_unit_test(what_runs_ends_early),
        cmocka_unit_test(cancelled_while_it_is_done),
        cmocka_unit_test(late_ones_do_not_begin),
        cmocka_unit_test(what_becomes_late_ends_early),
        cmocka_unit_test(many_submit_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
