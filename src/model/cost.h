/* What a row costs to answer: learnt from requests, since it depends on the model, the engine and
 * the processor.
 *
 * The estimate is a minimum that decays: what other programs, cold caches or the first touch of
 * memory add to a measurement does not stay. Measured is the processor time of the thread. Asking
 * for it takes as long as answering a row of a small model, so only one request in many is
 * measured. All functions are for any thread. */
#ifndef MR_MODEL_COST_H
#define MR_MODEL_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of one model; zeroed at first. */
struct mr_cost {
    atomic_uint_fast64_t ps_per_row; /* picoseconds; 0: not yet known */
};

/* Nanoseconds that n_rows will take, evaluated and encoded. */
uint64_t mr_cost_estimate(const struct mr_cost *cost, int64_t n_rows);

/* Whether it is time to measure a request of n_rows. */
bool mr_cost_is_due(const struct mr_cost *cost, int64_t n_rows);

/* So many rows took so long. */
void mr_cost_learn(struct mr_cost *cost, int64_t n_rows, uint64_t ns);

/* Processor time of the calling thread. */
uint64_t mr_cost_now_ns(void);

#endif
