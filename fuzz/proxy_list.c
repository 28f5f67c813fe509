/* Listings of a tracking server's artifacts. */
#include <stdint.h>

#include "store/artifact_store_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    if (arena) {
        struct mr_artifact_list list;
        struct mr_proxy_folders folders = {0};
        mr_artifact_list_init(&list, arena);
        mr_status status = mr_proxy_read_list((struct mr_str){(const char *)data, size}, "a/b",
                                              &list, &folders, NULL);
        if (status == MR_OK) status = mr_artifact_list_sort(&list, NULL);
        for (size_t i = 0; i < list.n; i++) {
            if (!mr_artifact_is_safe(mr_str_from(list.items[i].path))) __builtin_trap();
        }
        for (size_t i = 0; i < folders.n; i++) {
            if (!mr_artifact_is_safe(mr_str_from(folders.paths[i]))) __builtin_trap();
        }
    }
    mr_arena_free(arena);
    return 0;
}
