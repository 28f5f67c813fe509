#include "model/cost.h"

#include <time.h>

/* Before anything is known: as much as a hundred trees take. */
#define FIRST_GUESS_PS ((uint64_t)5 * 1000 * 1000)

/* A thread measures when it has answered so many rows since it did. */
#define ROWS_UNTIL_DUE 1024

static uint64_t ps_per_row(const struct mr_cost *cost) {
    return atomic_load_explicit(&cost->ps_per_row, memory_order_relaxed);
}

uint64_t mr_cost_estimate(const struct mr_cost *cost, int64_t n_rows) {
    uint64_t ps = ps_per_row(cost);
    if (ps == 0) ps = FIRST_GUESS_PS;
    return n_rows > 0 ? (uint64_t)((double)ps * (double)n_rows / 1000) : 0;
}

bool mr_cost_is_due(const struct mr_cost *cost, int64_t n_rows) {
    static _Thread_local int64_t n_since;
    n_since += n_rows;
    if (n_since < ROWS_UNTIL_DUE && ps_per_row(cost)) return false;
    n_since = 0;
    return true;
}

void mr_cost_learn(struct mr_cost *cost, int64_t n_rows, uint64_t ns) {
    if (n_rows <= 0) return;
    uint64_t ps = (uint64_t)((double)ns * 1000 / (double)n_rows) + 1;
    uint64_t before = ps_per_row(cost);
    /* What another thread learns between is lost, which is no harm. */
    if (before && ps > before + before / 8) ps = before + before / 8 + 1;
    atomic_store_explicit(&cost->ps_per_row, ps, memory_order_relaxed);
}

uint64_t mr_cost_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
