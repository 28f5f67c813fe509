/* Universal Binary JSON. */
#include "loader/ubjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    static const char *const unread[] = {"unread", NULL};
    const struct mr_object *root;
    if (arena) {
        mr_status status = mr_ubjson_parse((struct mr_str){(const char *)data, size}, unread, arena,
                                           &root, NULL);
        (void)status;
    }
    mr_arena_free(arena);
    return 0;
}
