/* An allocator that fails once, at a chosen call: for tests that let each allocation fail in turn.
 */
#ifndef MR_TESTS_FAILING_ALLOCATOR_H
#define MR_TESTS_FAILING_ALLOCATOR_H

#include <stdlib.h>

#include "base/arena.h"

struct failing_allocator {
    size_t n_calls;
    size_t fail_at; /* 0: the first call; SIZE_MAX: never */
};

static inline void *failing_allocate(void *ctx, size_t size) {
    struct failing_allocator *allocator = ctx;
    return allocator->n_calls++ == allocator->fail_at ? NULL : malloc(size);
}

static inline void failing_release(void *ctx, void *block, size_t size) {
    (void)ctx;
    (void)size;
    free(block);
}

static inline struct mr_arena *failing_arena(struct failing_allocator *allocator) {
    const struct mr_allocator hooks = {failing_allocate, failing_release, allocator};
    return mr_arena_new(0, &hooks);
}

#endif
