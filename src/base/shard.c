#include "base/shard.h"

#include <stdatomic.h>

unsigned mr_shard_own(void) {
    static atomic_uint n_threads;
    static _Thread_local unsigned number; /* from 1 */
    if (!number) number = atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed) + 1;
    return number % MR_N_SHARDS;
}
