/* The files below an artifact root, as a store lists them. A listing is untrusted: its names become
 * paths on this machine, and it can be of any length. */
#ifndef MR_STORE_ARTIFACT_LIST_H
#define MR_STORE_ARTIFACT_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define MR_ARTIFACT_MAX_FILES 100000
#define MR_ARTIFACT_MAX_DEPTH 32
#define MR_ARTIFACT_SIZE_UNKNOWN UINT64_MAX

struct mr_artifact {
    const char *path; /* below the root, with '/' between its parts */
    const char *etag; /* of the content, as the store writes it; "" when it tells none */
    uint64_t size_bytes;
};

struct mr_artifact_list {
    struct mr_arena *arena; /* holds everything */
    struct mr_artifact *items;
    size_t n, capacity;
    uint64_t total_bytes; /* of those whose size is known */
};

void mr_artifact_list_init(struct mr_artifact_list *list, struct mr_arena *arena);

/* Whether a name can only mean a file below the folder that it is put in: relative, no part of it
 * empty, "." or "..", no NUL or other control character, UTF-8, at most 1024 bytes, 255 a part and
 * MR_ARTIFACT_MAX_DEPTH parts. */
bool mr_artifact_is_safe(struct mr_str path);

/* Add a file; path and etag are copied.
 * returns  MR_OK; MR_E_FORMAT: its name is not safe, its size absurd; MR_E_TOO_LARGE: too many
 *          files, or the arena's cap; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_artifact_list_add(struct mr_artifact_list *list, struct mr_str path,
                                             uint64_t size_bytes, struct mr_str etag,
                                             struct mr_error *err);

/* Sort by path.
 * returns  MR_OK; MR_E_FORMAT: a name is there twice, or is that of a file and of a folder */
MR_MUST_CHECK mr_status mr_artifact_list_sort(struct mr_artifact_list *list, struct mr_error *err);

/* The file with a path; NULL: there is none. The list is sorted. */
const struct mr_artifact *mr_artifact_list_find(const struct mr_artifact_list *list,
                                                const char *path);

#endif
