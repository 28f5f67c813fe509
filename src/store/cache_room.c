/* What is in the cache, and removing it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/log.h"
#include "store/cache_int.h"

#define MAX_ENTRIES 100000
#define MAX_LIST_BYTES ((size_t)256 << 20)
#define DISK_RESERVE_BYTES ((uint64_t)64 << 20) /* what others may need meanwhile */

/* --- listing ---------------------------------------------------------------------------------- */

static const char *copy_text(yyjson_val *value, struct mr_arena *arena) {
    const char *text = yyjson_get_str(value);
    const char *copied = mr_arena_strdup(arena, mr_str_from(text));
    return copied ? copied : "";
}

static void read_marker(const char *path, struct mr_arena *arena, struct mr_cache_about *about) {
    *about = (struct mr_cache_about){.uri = "", .source = ""};
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (root) {
        about->uri = copy_text(yyjson_obj_get(root, "uri"), arena);
        about->source = copy_text(yyjson_obj_get(root, "source"), arena);
        about->bytes = yyjson_get_uint(yyjson_obj_get(root, "bytes"));
        about->n_files = yyjson_get_uint(yyjson_obj_get(root, "files"));
    }
    yyjson_doc_free(doc);
}

static bool is_in_use(const struct mr_cache *cache, const char *key) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s.lock", cache->folder, key) >= PATH_MAX) return false;
    int fd = access(path, F_OK) == 0 ? mr_cache_try_lock(path, LOCK_EX) : -1;
    bool is_held = fd < 0 && errno == EWOULDBLOCK;
    if (fd >= 0) close(fd);
    return is_held;
}

static bool read_item(const struct mr_cache *cache, const char *name, struct mr_arena *arena,
                      struct mr_cache_item *item) {
    char folder[PATH_MAX], marker[PATH_MAX + 16];
    struct stat info;
    if (strlen(name) != MR_CACHE_KEY_CHARS || strspn(name, "0123456789abcdef") != strlen(name) ||
        snprintf(folder, sizeof(folder), "%s/%s", cache->folder, name) >= PATH_MAX) {
        return false;
    }
    memset(item, 0, sizeof(*item));
    memcpy(item->key, name, sizeof(item->key));
    snprintf(marker, sizeof(marker), "%s/entry.json", folder);
    item->is_complete = stat(marker, &info) == 0;
    if (item->is_complete) {
        read_marker(marker, arena, &item->about);
    } else {
        item->about = (struct mr_cache_about){
            .uri = "", .source = "", .bytes = mr_cache_tree_bytes(folder)};
        if (stat(folder, &info) != 0) return false;
    }
    item->last_use = info.st_mtime;
    item->is_in_use = is_in_use(cache, name);
    return true;
}

static int compare(const void *a, const void *b) {
    const struct mr_cache_item *left = a, *right = b;
    int order = (left->last_use > right->last_use) - (left->last_use < right->last_use);
    return order ? order : strcmp(left->key, right->key);
}

mr_status mr_cache_list(const struct mr_cache *cache, struct mr_arena *arena,
                        struct mr_cache_item **out, size_t *n, struct mr_error *err) {
    *out = NULL;
    *n = 0;
    DIR *folder = opendir(cache->folder);
    if (!folder && errno == ENOENT) return MR_OK;
    if (!folder) return mr_fail(err, MR_E_IO, "%s: %s", cache->folder, strerror(errno));
    size_t capacity = 0;
    mr_status status = MR_OK;
    for (struct dirent *entry; status == MR_OK && (entry = readdir(folder));) {
        struct mr_cache_item item;
        if (!read_item(cache, entry->d_name, arena, &item)) continue;
        if (*n == capacity) {
            size_t more = capacity ? capacity * 2 : 64;
            void *items = *n < MAX_ENTRIES ? mr_arena_realloc(arena, *out, *n * sizeof(item),
                                                              more * sizeof(item))
                                           : NULL;
            if (!items) {
                status = mr_arena_fail(arena, err);
                break;
            }
            *out = items;
            capacity = more;
        }
        (*out)[(*n)++] = item;
    }
    closedir(folder);
    if (status == MR_OK && *n) qsort(*out, *n, sizeof(**out), compare);
    return status;
}

/* --- removing --------------------------------------------------------------------------------- */

bool mr_cache_remove(const struct mr_cache *cache, const char *key) {
    char folder[PATH_MAX], path[PATH_MAX + 16];
    if (snprintf(folder, sizeof(folder), "%s/%s", cache->folder, key) >= PATH_MAX) return false;
    snprintf(path, sizeof(path), "%s.lock", folder);
    int lock = mr_cache_try_lock(path, LOCK_EX);
    if (lock < 0) return false;
    /* First what makes it count. */
    snprintf(path, sizeof(path), "%s/entry.json", folder);
    bool is_gone = (unlink(path) == 0 || errno == ENOENT) && mr_cache_remove_tree(folder);
    snprintf(path, sizeof(path), "%s.lock", folder);
    if (is_gone) unlink(path);
    close(lock);
    return is_gone;
}

/* Removes names whose entries are gone, so that they do not pile up. */
static void remove_stale_refs(const struct mr_cache *cache) {
    char folder[PATH_MAX], path[2 * PATH_MAX];
    if (snprintf(folder, sizeof(folder), "%s/refs", cache->folder) >= PATH_MAX) return;
    DIR *refs = opendir(folder);
    for (struct dirent *entry; refs && (entry = readdir(refs));) {
        char key[MR_CACHE_KEY_CHARS + 1] = "", marker[PATH_MAX + 64];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
        if (!file) continue;
        size_t n = fread(key, 1, MR_CACHE_KEY_CHARS, file);
        fclose(file);
        snprintf(marker, sizeof(marker), "%s/%s/entry.json", cache->folder, key);
        if (n != MR_CACHE_KEY_CHARS || access(marker, F_OK) != 0) unlink(path);
    }
    if (refs) closedir(refs);
}

static bool is_named(const struct mr_cache_prune *prune, const struct mr_cache_item *item,
                     uint64_t left_bytes) {
    return prune->takes_all || (prune->takes_incomplete && !item->is_complete) ||
           item->last_use < prune->used_before || left_bytes > prune->max_bytes;
}

static mr_status prune_all(const struct mr_cache *cache, const struct mr_cache_prune *prune,
                           struct mr_arena *arena, struct mr_cache_left *left,
                           struct mr_error *err) {
    struct mr_cache_item *items;
    size_t n;
    *left = (struct mr_cache_left){0};
    MR_TRY(mr_cache_list(cache, arena, &items, &n, err));
    for (size_t i = 0; i < n; i++) left->left_bytes += items[i].about.bytes;
    for (size_t i = 0; i < n; i++) {
        if (!is_named(prune, &items[i], left->left_bytes)) continue;
        if (!mr_cache_remove(cache, items[i].key)) {
            left->n_kept++;
            continue;
        }
        left->n_removed++;
        left->removed_bytes += items[i].about.bytes;
        left->left_bytes -= items[i].about.bytes;
        prune->removed(prune->ctx, &items[i]);
    }
    remove_stale_refs(cache);
    return MR_OK;
}

mr_status mr_cache_prune(const struct mr_cache *cache, const struct mr_cache_prune *prune,
                         struct mr_cache_left *left, struct mr_error *err) {
    struct mr_arena *arena = mr_arena_new(MAX_LIST_BYTES, NULL);
    if (!arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = prune_all(cache, prune, arena, left, err);
    mr_arena_free(arena);
    return status;
}

/* --- room for more ---------------------------------------------------------------------------- */

static uint64_t free_bytes(const struct mr_cache *cache) {
    struct statvfs disk;
    if (statvfs(cache->folder, &disk) != 0) return UINT64_MAX >> 1;
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* What is needed: of the cap, and of the disk, where a part of it may be already. */
struct need {
    uint64_t bytes, disk_bytes;
};

static bool has_room(const struct mr_cache *cache, uint64_t used, const struct need *need) {
    bool is_too_large = need->bytes > cache->max_bytes; /* no removing helps */
    bool is_below = used <= cache->max_bytes && need->bytes <= cache->max_bytes - used;
    bool is_enough = need->disk_bytes == 0 ||
                     free_bytes(cache) >= need->disk_bytes + DISK_RESERVE_BYTES;
    return (is_below || is_too_large) && is_enough;
}

static struct need find_need(const struct mr_cache *cache, uint64_t bytes, const char *kept) {
    char folder[PATH_MAX];
    struct need need = {bytes, bytes};
    if (kept && snprintf(folder, sizeof(folder), "%s/%s", cache->folder, kept) < PATH_MAX) {
        uint64_t here = mr_cache_tree_bytes(folder);
        need.disk_bytes -= here < bytes ? here : bytes;
    }
    return need;
}

static mr_status make_room(const struct mr_cache *cache, uint64_t more_bytes, const char *kept,
                           struct mr_arena *arena, struct mr_error *err) {
    struct mr_cache_item *items;
    size_t n;
    bool has_removed = false;
    uint64_t used = 0, removable = 0;
    struct need need = find_need(cache, more_bytes, kept);
    MR_TRY(mr_cache_list(cache, arena, &items, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (kept && strcmp(items[i].key, kept) == 0) continue;
        used += items[i].about.bytes;
        if (!items[i].is_in_use) removable += items[i].about.bytes;
    }
    bool can_help = free_bytes(cache) + removable >= need.disk_bytes;
    for (int takes_complete = 0; can_help && takes_complete < 2; takes_complete++) {
        for (size_t i = 0; i < n && !has_room(cache, used, &need); i++) {
            bool is_kept = kept && strcmp(items[i].key, kept) == 0;
            if (is_kept || items[i].is_complete != (takes_complete == 1)) continue;
            if (!mr_cache_remove(cache, items[i].key)) continue;
            used -= items[i].about.bytes;
            has_removed = true;
            if (takes_complete) mr_log_info("removed from the cache: %s", items[i].about.uri);
        }
    }
    if (has_removed) remove_stale_refs(cache);
    uint64_t left = free_bytes(cache);
    if (left >= need.disk_bytes) return MR_OK;
    return mr_fail(
        err, MR_E_IO,
        "the model needs %llu MB more, but the disk of the cache %s has room for %llu MB; "
        "MLRACE_HOME can name another folder for models",
        (unsigned long long)(need.disk_bytes / 1000000), cache->folder,
        (unsigned long long)(left / 1000000));
}

mr_status mr_cache_make_room(const struct mr_cache *cache, uint64_t more_bytes, const char *kept,
                             struct mr_error *err) {
    struct mr_arena *arena = mr_arena_new(MAX_LIST_BYTES, NULL);
    if (!arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = make_room(cache, more_bytes, kept, arena, err);
    mr_arena_free(arena);
    return status;
}
