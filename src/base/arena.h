/* Bump allocation for everything that lives as long as one request (or one model load).
 *
 * Nothing is freed singly: `mr_arena_reset` or `mr_arena_free` drops all of it. An arena has one
 * owner at a time and is not thread-safe. A cap on its total size turns a hostile payload into an
 * error instead of a dead process. In builds with MR_ARENA_DEBUG every allocation is a block of
 * its own, so that AddressSanitizer sees overruns between neighbours. */
#ifndef MR_BASE_ARENA_H
#define MR_BASE_ARENA_H

#include <stddef.h>

#include "base/status.h"
#include "base/str.h"

struct mr_arena;

/* Where an arena's blocks come from; tests pass one that fails on purpose. */
struct mr_allocator {
    void *(*allocate)(void *ctx, size_t size_bytes);
    void (*release)(void *ctx, void *block, size_t size_bytes);
    void *ctx;
};

/* A new, empty arena. max_bytes: cap on the sum of its blocks, 0 = none. allocator: NULL = malloc.
 * Returns NULL when out of memory. */
struct mr_arena *mr_arena_new(size_t max_bytes, const struct mr_allocator *allocator);
/* An arena for the many megabytes that reading a model takes: made of large blocks in huge pages,
 * since asking the system for memory page by page takes as long as filling it. */
struct mr_arena *mr_arena_new_large(size_t max_bytes);

void mr_arena_free(struct mr_arena *arena); /* NULL is allowed */

/* Forget everything allocated; keeps the newest block of small allocations for the next use. */
void mr_arena_reset(struct mr_arena *arena);

/* Another cap from now on. What is held already stays, even above it. */
void mr_arena_limit(struct mr_arena *arena, size_t max_bytes);

/* `size` bytes, uninitialised, 16-byte aligned (64 for 4096 bytes and more, as Arrow asks of its
 * buffers). size 0 gives a valid pointer. NULL: over the cap or out of memory. */
void *mr_arena_alloc(struct mr_arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));
void *mr_arena_zalloc(struct mr_arena *arena, size_t size); /* the same, zeroed */

/* An array of n elements; NULL also when n * size overflows. */
void *mr_arena_array(struct mr_arena *arena, size_t n, size_t size);

/* Grow or shrink an allocation (old may be NULL). A large one that was the last made grows without
 * a second copy of it in memory; others are copied. On NULL the old block is untouched. */
void *mr_arena_realloc(struct mr_arena *arena, void *old, size_t old_size, size_t new_size);

/* Say that a part of an allocation will not be read again, so that its pages can go back to the
 * system before the arena does. Pays for megabytes; the allocation stays counted. */
void mr_arena_discard(const struct mr_arena *arena, void *start, size_t size);

/* The same of all large allocations but the one that `kept` points into: what is left to free for
 * the thread that resets the arena is little. Of small ones nothing is lost. */
void mr_arena_discard_others(const struct mr_arena *arena, const void *kept);

/* A NUL-terminated copy; `mr_arena_strdup` of size bytes. NULL as for alloc. */
char *mr_arena_strdup(struct mr_arena *arena, struct mr_str text);

/* Record why the last allocation returned NULL: MR_E_TOO_LARGE (cap) or MR_E_NO_MEMORY. */
mr_status mr_arena_fail(const struct mr_arena *arena, struct mr_error *err);

/* Bytes held in blocks now, and how many more may be; SIZE_MAX without a cap. */
size_t mr_arena_bytes(const struct mr_arena *arena);
size_t mr_arena_room(const struct mr_arena *arena);

#endif
