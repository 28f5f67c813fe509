#include "store/artifact_list.h"

#include <stdlib.h>

#include "base/utf8.h"

#define MAX_PATH_BYTES 1024
#define MAX_PART_BYTES 255
#define MAX_ETAG_BYTES 256
#define MAX_SIZE_BYTES ((uint64_t)1 << 46) /* 64 TiB: sums of sizes stay below 2^64 */

void mr_artifact_list_init(struct mr_artifact_list *list, struct mr_arena *arena) {
    *list = (struct mr_artifact_list){.arena = arena};
}

static bool has_control(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f) return true;
    }
    return false;
}

static bool is_safe_part(const char *part, size_t size) {
    if (size == 0 || size > MAX_PART_BYTES) return false;
    return !(part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.')));
}

bool mr_artifact_is_safe(struct mr_str path) {
    if (path.size > MAX_PATH_BYTES || mr_utf8_check(path.data, path.size) != path.size ||
        has_control(path)) {
        return false;
    }
    size_t start = 0, depth = 1;
    for (size_t i = 0; i < path.size; i++) {
        if (path.data[i] != '/') continue;
        if (!is_safe_part(path.data + start, i - start)) return false;
        start = i + 1;
        depth++;
    }
    return depth <= MR_ARTIFACT_MAX_DEPTH && is_safe_part(path.data + start, path.size - start);
}

mr_status mr_artifact_list_add(struct mr_artifact_list *list, struct mr_str path,
                               uint64_t size_bytes, struct mr_str etag, struct mr_error *err) {
    if (!mr_artifact_is_safe(path)) {
        return mr_fail(err, MR_E_FORMAT,
                       "the store lists '%.*s', which is no name of a file below its folder",
                       MR_STR_ARGS(path));
    }
    if (size_bytes != MR_ARTIFACT_SIZE_UNKNOWN && size_bytes > MAX_SIZE_BYTES) {
        return mr_fail(err, MR_E_FORMAT, "the store lists '%.*s' with an impossible size",
                       MR_STR_ARGS(path));
    }
    if (list->n == MR_ARTIFACT_MAX_FILES) {
        return mr_fail(err, MR_E_TOO_LARGE, "the store lists more than %d files",
                       MR_ARTIFACT_MAX_FILES);
    }
    if (list->n == list->capacity) {
        size_t size = sizeof(*list->items), capacity = list->capacity ? list->capacity * 2 : 64;
        void *items = mr_arena_realloc(list->arena, list->items, list->n * size, capacity * size);
        if (!items) return mr_arena_fail(list->arena, err);
        list->items = items;
        list->capacity = capacity;
    }
    /* It becomes a part of a header. */
    if (has_control(etag) || etag.size > MAX_ETAG_BYTES) etag = (struct mr_str){"", 0};
    struct mr_artifact item = {.path = mr_arena_strdup(list->arena, path),
                               .etag = mr_arena_strdup(list->arena, etag),
                               .size_bytes = size_bytes};
    if (!item.path || !item.etag) return mr_arena_fail(list->arena, err);
    list->items[list->n++] = item;
    if (size_bytes != MR_ARTIFACT_SIZE_UNKNOWN) list->total_bytes += size_bytes;
    return MR_OK;
}

/* By the bytes of the path, '/' first: what is in a folder follows what has the folder's name. */
static int compare_paths(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    unsigned char left = *a == '/' ? 1 : (unsigned char)*a;
    unsigned char right = *b == '/' ? 1 : (unsigned char)*b;
    return (left > right) - (left < right);
}

static int compare(const void *a, const void *b) {
    const struct mr_artifact *left = a, *right = b;
    return compare_paths(left->path, right->path);
}

mr_status mr_artifact_list_sort(struct mr_artifact_list *list, struct mr_error *err) {
    if (list->n) qsort(list->items, list->n, sizeof(*list->items), compare);
    for (size_t i = 1; i < list->n; i++) {
        const char *path = list->items[i].path, *previous = list->items[i - 1].path;
        size_t size = strlen(previous);
        if (strncmp(path, previous, size) == 0 && (path[size] == '\0' || path[size] == '/')) {
            return mr_fail(err, MR_E_FORMAT, "the store lists '%.200s' %s", previous,
                           path[size] ? "as a file and as a folder" : "twice");
        }
    }
    return MR_OK;
}

const struct mr_artifact *mr_artifact_list_find(const struct mr_artifact_list *list,
                                                const char *path) {
    const struct mr_artifact wanted = {.path = path};
    return list->n ? bsearch(&wanted, list->items, list->n, sizeof(*list->items), compare) : NULL;
}
