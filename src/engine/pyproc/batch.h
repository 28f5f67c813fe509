/* Which calls that wait may be sent to a worker as one, and how many of them.
 *
 * Pure functions. Calls go together when one question with the rows of all is what each asks for
 * its own rows: the same kind, columns, dtypes and params, and nothing that says more of a row than
 * its values. Whether a model then answers each row as if it were alone is the model's matter: see
 * mr_queue_options. */
#ifndef MR_ENGINE_PYPROC_BATCH_H
#define MR_ENGINE_PYPROC_BATCH_H

#include "engine/engine.h"

/* Whether a call may be sent together with others at all: a table with labels 0, 1, 2, ..., or
 * tensors that all have rows, as many each; with a row at least. Not what comes as raw body, wants
 * chunks, or has texts in arrays, whose dtype depends on the longest.
 * has_rows  the first size of the model's tensors is the number of rows: its signature says so */
bool mr_batch_allows(const struct mr_call *call, bool has_rows);

/* Whether two inputs that are allowed go together. */
bool mr_batch_matches(const struct mr_input *a, const struct mr_input *b);

/* What waits, and for whom. */
struct mr_batch_state {
    uint64_t n_waiting, n_waiting_rows;
    unsigned n_workers;    /* that live */
    uint64_t n_last_calls; /* that were last answered together */
    int64_t waited_us;     /* by the first of them */
};

/* Whether the window of max_batch_delay_us is still open: a worker that is free leaves what waits
 * alone. It closes early when as many calls wait as were last answered together; a lone call, where
 * the last one was alone, never waits. */
bool mr_batch_is_open(const struct mr_queue_options *options, const struct mr_batch_state *state);

/* How many rows a worker takes, at most: its share of what waits, and max_batch_rows. A call with
 * more goes alone. */
uint64_t mr_batch_share(const struct mr_queue_options *options, const struct mr_batch_state *state);

#endif
