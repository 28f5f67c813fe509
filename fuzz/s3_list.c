/* The XML of S3: listings and errors. The first byte says how long the prefix is. */
#include <stdint.h>

#include "store/artifact_store_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    if (arena && size) {
        struct mr_str xml = {(const char *)data + 1, size - 1};
        struct mr_artifact_list list;
        const char *next;
        char fault[64];
        mr_artifact_list_init(&list, arena);
        mr_status status = mr_s3_read_list(xml, data[0] % 2 ? "m/" : "", &list, &next, NULL);
        if (status == MR_OK) status = mr_artifact_list_sort(&list, NULL);
        for (size_t i = 0; i < list.n; i++) {
            if (!mr_artifact_is_safe(mr_str_from(list.items[i].path))) __builtin_trap();
        }
        mr_s3_read_fault(xml, fault, sizeof(fault));
    }
    mr_arena_free(arena);
    return 0;
}
