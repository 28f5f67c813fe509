/* What loaders of documents share: lists of objects that are made item by item, and keys that
 * nobody reads. */
#ifndef MR_LOADER_ITEMS_INT_H
#define MR_LOADER_ITEMS_INT_H

#include "base/arena.h"
#include "loader/object.h"

struct mr_items {
    const struct mr_object **data; /* NULL: none yet */
    size_t n, capacity;
};

/* Append a new object, zeroed: MR_OBJECT_NONE. Returns it; NULL: the arena has no room. */
struct mr_object *mr_items_add(struct mr_items *items, struct mr_arena *arena);

/* Whether a key is among names that a NULL ends; NULL: there are none. */
bool mr_key_is_listed(const char *const *names, struct mr_str key);

#endif
