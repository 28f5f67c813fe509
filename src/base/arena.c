#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_BLOCK_BYTES ((size_t)16 * 1024)
#define MAX_BLOCK_BYTES ((size_t)1024 * 1024)
#define LARGE_BYTES ((size_t)4096)

/* Of a large arena. */
#define MAX_LARGE_BLOCK_BYTES ((size_t)32 * 1024 * 1024)
#define HUGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)

struct block {
    struct block *previous;
    size_t size; /* whole block, header included */
};

struct mr_arena {
    struct mr_allocator allocator;
    struct block *last; /* newest first; bump allocation happens in `bump` only */
    struct block *bump;
    size_t used; /* bytes of `bump` in use, header included */
    size_t held; /* bytes in all blocks */
    size_t max_bytes;
    size_t max_block_bytes; /* of those for small allocations */
    bool is_over_cap;       /* why the last failure happened */
};

static void *libc_allocate(void *ctx, size_t size) {
    (void)ctx;
    return malloc(size);
}

static void libc_release(void *ctx, void *block, size_t size) {
    (void)ctx;
    (void)size;
    free(block);
}

struct mr_arena *mr_arena_new(size_t max_bytes, const struct mr_allocator *allocator) {
    struct mr_allocator chosen = allocator
                                     ? *allocator
                                     : (struct mr_allocator){libc_allocate, libc_release, NULL};
    struct mr_arena *arena = chosen.allocate(chosen.ctx, sizeof(*arena));
    if (!arena) return NULL;
    *arena = (struct mr_arena){
        .allocator = chosen, .max_bytes = max_bytes, .max_block_bytes = MAX_BLOCK_BYTES};
    return arena;
}

struct mr_arena *mr_arena_new_large(size_t max_bytes) {
    struct mr_arena *arena = mr_arena_new(max_bytes, NULL);
    if (arena) arena->max_block_bytes = MAX_LARGE_BLOCK_BYTES;
    return arena;
}

/* Only a hint, and only whole huge pages: memory that is not written to costs nothing. */
static void advise_huge_pages(const struct mr_arena *arena, void *block, size_t size) {
    if (arena->max_block_bytes == MAX_BLOCK_BYTES) return;
    uintptr_t from = ((uintptr_t)block + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)block + size) & ~(HUGE_PAGE_BYTES - 1);
    if (to > from) (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
}

static void release_blocks(struct mr_arena *arena, struct block *keep) {
    struct block *block = arena->last;
    while (block) {
        struct block *previous = block->previous;
        if (block != keep) arena->allocator.release(arena->allocator.ctx, block, block->size);
        block = previous;
    }
}

void mr_arena_free(struct mr_arena *arena) {
    if (!arena) return;
    release_blocks(arena, NULL);
    arena->allocator.release(arena->allocator.ctx, arena, sizeof(*arena));
}

void mr_arena_reset(struct mr_arena *arena) {
    struct block *keep = arena->bump;
    if (keep && keep->size > MAX_BLOCK_BYTES) keep = NULL;
    release_blocks(arena, keep);
    arena->last = arena->bump = keep;
    if (keep) keep->previous = NULL;
    arena->used = sizeof(struct block);
    arena->held = keep ? keep->size : 0;
    arena->is_over_cap = false;
}

void mr_arena_limit(struct mr_arena *arena, size_t max_bytes) {
    arena->max_bytes = max_bytes;
}

static struct block *add_block(struct mr_arena *arena, size_t size) {
    if (arena->max_bytes && (size > arena->max_bytes || arena->held > arena->max_bytes - size)) {
        arena->is_over_cap = true;
        return NULL;
    }
    struct block *block = arena->allocator.allocate(arena->allocator.ctx, size);
    if (!block) {
        arena->is_over_cap = false;
        return NULL;
    }
    advise_huge_pages(arena, block, size);
    block->previous = arena->last;
    block->size = size;
    arena->last = block;
    arena->held += size;
    return block;
}

static void *aligned_in(struct block *block, size_t alignment) {
    uintptr_t start = (uintptr_t)(block + 1);
    return (void *)((start + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

#ifdef MR_ARENA_DEBUG
static const bool each_is_a_block = true;
#else
static const bool each_is_a_block = false;
#endif

void *mr_arena_alloc(struct mr_arena *arena, size_t size) {
    if (size > PTRDIFF_MAX - 4096) {
        arena->is_over_cap = false;
        return NULL;
    }
    if (each_is_a_block || size >= LARGE_BYTES) {
        size_t alignment = size >= LARGE_BYTES ? 64 : 16;
        struct block *block = add_block(arena, sizeof(struct block) + alignment + size);
        return block ? aligned_in(block, alignment) : NULL;
    }
    size_t rounded = size ? (size + 15) & ~(size_t)15 : 16;
    if (!arena->bump || arena->bump->size - arena->used < rounded) {
        size_t wanted = arena->bump ? arena->bump->size * 2 : FIRST_BLOCK_BYTES;
        if (wanted > arena->max_block_bytes) wanted = arena->max_block_bytes;
        struct block *block = add_block(arena, wanted);
        if (!block) return NULL;
        arena->bump = block;
        arena->used = sizeof(struct block);
    }
    void *result = (char *)arena->bump + arena->used;
    arena->used += rounded;
    return result;
}

void *mr_arena_zalloc(struct mr_arena *arena, size_t size) {
    void *result = mr_arena_alloc(arena, size);
    if (result) memset(result, 0, size);
    return result;
}

void *mr_arena_array(struct mr_arena *arena, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        arena->is_over_cap = false;
        return NULL;
    }
    return mr_arena_alloc(arena, bytes);
}

/* The newest block, with room for size bytes after its header; NULL leaves it as it is. */
static struct block *resize_last(struct mr_arena *arena, size_t size) {
    struct block *old = arena->last, *block;
    size_t others = arena->held - old->size;
    arena->is_over_cap = arena->max_bytes &&
                         (size > arena->max_bytes || others > arena->max_bytes - size);
    if (arena->is_over_cap) return NULL;
    if (arena->allocator.allocate == libc_allocate) {
        block = realloc(old, size); /* the kernel remaps large blocks instead of copying them */
        if (!block) return NULL;
        advise_huge_pages(arena, block, size);
    } else {
        block = arena->allocator.allocate(arena->allocator.ctx, size);
        if (!block) return NULL;
        memcpy(block, old, old->size < size ? old->size : size);
        arena->allocator.release(arena->allocator.ctx, old, old->size);
    }
    block->size = size;
    arena->last = block;
    arena->held = others + size;
    return block;
}

void *mr_arena_realloc(struct mr_arena *arena, void *old, size_t old_size, size_t new_size) {
    if (old && new_size <= old_size) return old;
    if (new_size > PTRDIFF_MAX - 4096) {
        arena->is_over_cap = false;
        return NULL;
    }
    bool has_own_block = each_is_a_block || old_size >= LARGE_BYTES;
    size_t old_alignment = old_size >= LARGE_BYTES ? 64 : 16;
    if (old && has_own_block && old == aligned_in(arena->last, old_alignment)) {
        size_t alignment = new_size >= LARGE_BYTES ? 64 : 16;
        size_t offset = (size_t)((char *)old - (char *)arena->last);
        struct block *block = resize_last(arena, sizeof(struct block) + alignment + new_size);
        if (!block) return NULL;
        void *result = aligned_in(block, alignment);
        char *kept = (char *)block + offset;
        if (result != kept) memmove(result, kept, old_size); /* the same place is usual */
        return result;
    }
    void *result = mr_arena_alloc(arena, new_size);
    if (result && old) memcpy(result, old, old_size);
    return result;
}

void mr_arena_discard(const struct mr_arena *arena, void *start, size_t size) {
    if (arena->allocator.allocate != libc_allocate) return; /* who knows what memory it is */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)start + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)start + size) / page * page;
    if (to > from) (void)madvise((void *)from, to - from, MADV_DONTNEED); /* only a hint */
}

void mr_arena_discard_others(const struct mr_arena *arena, const void *kept) {
    for (struct block *block = arena->last; block; block = block->previous) {
        /* Larger than any that several allocations share. */
        bool is_large = block->size > MAX_BLOCK_BYTES;
        uintptr_t at = (uintptr_t)kept - (uintptr_t)block;
        if (!is_large || at < block->size) continue;
        mr_arena_discard(arena, block + 1, block->size - sizeof(*block));
    }
}

char *mr_arena_strdup(struct mr_arena *arena, struct mr_str text) {
    char *copy = mr_arena_alloc(arena, text.size + 1);
    if (!copy) return NULL;
    if (text.size) memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

mr_status mr_arena_fail(const struct mr_arena *arena, struct mr_error *err) {
    if (arena->is_over_cap) {
        return mr_fail(err, MR_E_TOO_LARGE, "the request needs more than %zu bytes of memory",
                       arena->max_bytes);
    }
    return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
}

size_t mr_arena_bytes(const struct mr_arena *arena) {
    return arena->held;
}

size_t mr_arena_room(const struct mr_arena *arena) {
    if (!arena->max_bytes) return SIZE_MAX;
    return arena->max_bytes > arena->held ? arena->max_bytes - arena->held : 0;
}
