/* Model URIs, taken apart and put together again. */
#include <stdint.h>

#include "base/path.h"
#include "store/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void touch(const char *text) {
    sink += text ? strlen(text) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)16 << 20, NULL);
    char *text = arena ? mr_arena_strdup(arena, (struct mr_str){(const char *)data, size}) : NULL;
    struct mr_uri uri;
    if (text && mr_uri_parse(text, arena, &uri, NULL) == MR_OK) {
        touch(uri.id);
        touch(uri.name);
        touch(uri.selector);
        touch(uri.path);
        bool is_inside = uri.kind == MR_URI_FOLDER || mr_path_is_inside(mr_str_from(uri.path));
        if (!is_inside) __builtin_trap();
        const char *longer;
        if (mr_uri_append(text, uri.path, arena, &longer, NULL) == MR_OK) touch(longer);
        if (mr_uri_local_path(text, arena, &longer, NULL) == MR_OK) touch(longer);
    }
    mr_arena_free(arena);
    return 0;
}
