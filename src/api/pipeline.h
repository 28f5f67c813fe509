/* Blocks of a file through several threads, in order.
 *
 * Each thread takes the next block, works on it, and waits for its turn to finish it: blocks are
 * read in turn and finished in the order in which they were read. Memory is that of as many blocks
 * as there are threads. The first block (in that order) that fails ends it all; blocks before it
 * are finished, blocks after it are not. */
#ifndef MR_API_PIPELINE_H
#define MR_API_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* One thread's block; used again for the next one. */
struct mr_block {
    struct mr_arena *arena; /* emptied before each read */
    char *data;             /* the block's text; grown by mr_block_reserve */
    size_t size;
    size_t capacity;
    int64_t first; /* the line or row it starts with: the reader's matter */
    void *result;  /* from work to finish; in the arena */
};

struct mr_pipeline {
    /* Fetch the next block. *is_end: there was none. Never two calls at once. */
    mr_status (*read)(void *ctx, struct mr_block *block, bool *is_end, struct mr_error *err);
    /* On any thread, for any number of blocks at once. */
    mr_status (*work)(void *ctx, struct mr_block *block, struct mr_error *err);
    /* Never two calls at once, in the order of read. */
    mr_status (*finish)(void *ctx, struct mr_block *block, struct mr_error *err);
    void *ctx;
    /* About ten times a second on the caller's thread; NULL: not. */
    void (*tick)(void *tick_ctx);
    void *tick_ctx;
};

/* Run until the blocks are at an end or one fails; returns what failed, or MR_E_NO_MEMORY.
 * n_threads  at least 1; fewer are used when the system gives no more */
MR_MUST_CHECK mr_status mr_pipeline_run(const struct mr_pipeline *pipeline, unsigned n_threads,
                                        struct mr_error *err);

/* Make room for capacity bytes; keeps what is there. MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_block_reserve(struct mr_block *block, size_t capacity,
                                         struct mr_error *err);

#endif
