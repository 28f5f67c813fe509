/* numpy's .npy format. */
#include "loader/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    struct mr_ndarray array;
    if (arena) {
        mr_status status = mr_npy_read((struct mr_str){(const char *)data, size}, arena, &array,
                                       NULL);
        (void)status;
    }
    mr_arena_free(arena);
    return 0;
}
