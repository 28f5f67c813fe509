/* From names to their index, for tables with many columns. Lives in an arena.
 *
 * Names come from requests, so the hash is keyed with random bytes of this process (SipHash-1-3):
 * nobody outside can choose names that collide. Small maps are searched without hashing. */
#ifndef MR_BASE_NAME_MAP_H
#define MR_BASE_NAME_MAP_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define MR_NAME_NONE ((size_t)-1)

struct mr_name_slot {
    uint32_t hash;
    uint32_t place; /* index + 1 into names; 0: free */
};

struct mr_name_map {
    struct mr_arena *arena;
    struct mr_str *names; /* in the order they were added; their bytes are borrowed */
    size_t n;
    size_t capacity;
    struct mr_name_slot *slots; /* NULL while the map is small */
    size_t n_slots;             /* a power of two, at least twice n */
};

/* An empty map; allocates nothing yet. */
void mr_name_map_init(struct mr_name_map *map, struct mr_arena *arena);

/* Make room for n names in all, for a map of known size.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_name_map_reserve(struct mr_name_map *map, size_t n,
                                            struct mr_error *err);

/* Add a name that may be there already. *index: its place in `names`; *is_new tells which.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_name_map_add(struct mr_name_map *map, struct mr_str name, size_t *index,
                                        bool *is_new, struct mr_error *err);

/* The index of a name; MR_NAME_NONE when it was not added. */
size_t mr_name_map_find(const struct mr_name_map *map, struct mr_str name);

#endif
