#include "loader/items_int.h"

struct mr_object *mr_items_add(struct mr_items *items, struct mr_arena *arena) {
    if (items->n == items->capacity) {
        size_t capacity = items->capacity ? items->capacity * 2 : 8;
        void *grown = mr_arena_realloc(arena, items->data, items->n * sizeof(*items->data),
                                       capacity * sizeof(*items->data));
        if (!grown) return NULL;
        items->data = grown;
        items->capacity = capacity;
    }
    struct mr_object *object = mr_arena_zalloc(arena, sizeof(*object));
    if (object) items->data[items->n++] = object;
    return object;
}

bool mr_key_is_listed(const char *const *names, struct mr_str key) {
    for (; names && *names; names++) {
        if (mr_str_is(key, *names)) return true;
    }
    return false;
}
