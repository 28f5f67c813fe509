#include "api/backlog.h"

static mr_status refuse(struct mr_backlog *backlog, uint64_t ns) {
    mr_backlog_leave(backlog, ns);
    return MR_E_BUSY;
}

mr_status mr_backlog_enter(struct mr_backlog *backlog, uint64_t ns, struct mr_error *err) {
    const struct mr_queue_options *limits = backlog->limits;
    uint64_t n_before = atomic_fetch_add(&backlog->n, 1);
    uint64_t ns_before = atomic_fetch_add(&backlog->ns, ns);
    if (n_before < backlog->n_threads) return MR_OK;
    if (limits->max_calls && n_before - backlog->n_threads >= limits->max_calls) {
        (void)mr_fail(err, MR_E_BUSY,
                      "too many requests wait for a thread already: try again later");
        return refuse(backlog, ns);
    }
    uint64_t wait_ns = ns_before / backlog->n_threads;
    if (!limits->max_delay_us || wait_ns <= (uint64_t)limits->max_delay_us * 1000) return MR_OK;
    (void)mr_fail(err, MR_E_BUSY, "the request would wait %.3f s for a thread: try again later",
                  (double)wait_ns * 1e-9);
    return refuse(backlog, ns);
}

void mr_backlog_leave(struct mr_backlog *backlog, uint64_t ns) {
    atomic_fetch_sub(&backlog->n, 1);
    atomic_fetch_sub(&backlog->ns, ns);
}
