/* What many threads count at a high rate is counted in shards: each thread adds to one of its own,
 * on a cache line that no other writes to, and whoever wants the sum adds them up. */
#ifndef MR_BASE_SHARD_H
#define MR_BASE_SHARD_H

/* Threads beyond that share shards. */
#define MR_N_SHARDS 32

/* The calling thread's, below MR_N_SHARDS; always the same. */
unsigned mr_shard_own(void);

#endif
