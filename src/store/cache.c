#include "store/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/number.h"
#include "store/cache_int.h"
#include "store/environment_int.h"

#define MARKER "entry.json"

static mr_status default_folder(struct mr_arena *arena, const char **out, struct mr_error *err) {
    const char *home = mr_environment_get("MLRACE_HOME"),
               *cache = mr_environment_get("XDG_CACHE_HOME");
    if (!home && cache) home = mr_cache_path(arena, cache, "mlrace");
    if (!home) MR_TRY(mr_environment_home(".cache/mlrace", arena, &home, err));
    *out = mr_cache_path(arena, home, "models");
    return *out ? MR_OK : mr_arena_fail(arena, err);
}

mr_status mr_cache_init(struct mr_cache *cache, uint64_t max_bytes, struct mr_arena *arena,
                        struct mr_error *err) {
    *cache = (struct mr_cache){.max_bytes = max_bytes};
    MR_TRY(default_folder(arena, &cache->folder, err));
    if (max_bytes) return MR_OK;
    const char *size = mr_environment_get("MLRACE_CACHE_SIZE");
    cache->max_bytes = MR_CACHE_DEFAULT_BYTES;
    if (!size || mr_bytes_parse(mr_str_from(size), &cache->max_bytes)) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "MLRACE_CACHE_SIZE: expected bytes such as 1048576, 512M or 20G, received '%s'",
                   size);
}

void mr_cache_key(struct mr_str identity, char out[MR_CACHE_KEY_CHARS + 1]) {
    char text[SHA256_DIGEST_STRING_LENGTH];
    SHA256Data((const uint8_t *)identity.data, identity.size, text);
    memcpy(out, text, MR_CACHE_KEY_CHARS);
    out[MR_CACHE_KEY_CHARS] = '\0';
}

static bool is_key(const char *text, size_t size) {
    return size == MR_CACHE_KEY_CHARS && strspn(text, "0123456789abcdef") >= size;
}

/* --- an entry --------------------------------------------------------------------------------- */

static mr_status fail_io(const struct mr_cache *cache, struct mr_error *err) {
    return mr_fail(err, MR_E_IO, "the cache %s: %s; MLRACE_HOME can name another folder for models",
                   cache->folder, strerror(errno));
}

static bool is_complete(const struct mr_cache_entry *entry) {
    char marker[PATH_MAX];
    int n = snprintf(marker, sizeof(marker), "%s/" MARKER, entry->folder);
    return n < PATH_MAX && access(marker, F_OK) == 0;
}

/* The time of the last use is that of the marker. */
static void note_use(const struct mr_cache_entry *entry) {
    char marker[PATH_MAX];
    int n = snprintf(marker, sizeof(marker), "%s/" MARKER, entry->folder);
    if (n < PATH_MAX) utimensat(AT_FDCWD, marker, NULL, 0); /* or it is of an earlier use */
}

/* What lies on a disk that is only read, such as that of an image, nobody can remove. */
static int hold_unlocked(struct mr_cache_entry *entry) {
    entry->is_complete = true;
    return open(entry->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Take the lock that the entry's state asks for; -1 with EWOULDBLOCK: to be waited for. */
static int lock_entry(const char *path, struct mr_cache_entry *entry) {
    int kind = is_complete(entry) ? LOCK_SH : LOCK_EX;
    int fd = mr_cache_try_lock(path, kind);
    if (fd < 0 && errno == EROFS && kind == LOCK_SH) return hold_unlocked(entry);
    if (fd < 0) return -1;
    entry->is_complete = is_complete(entry);
    if (entry->is_complete == (kind == LOCK_SH)) return fd;
    close(fd); /* it was filled, or removed, just now */
    errno = EWOULDBLOCK;
    return -1;
}

mr_status mr_cache_take(const struct mr_cache *cache, const char *key, struct mr_arena *arena,
                        struct mr_cache_entry *out, struct mr_error *err) {
    struct mr_cache_entry entry = {.lock = -1};
    snprintf(entry.key, sizeof(entry.key), "%s", key);
    entry.folder = mr_cache_path(arena, cache->folder, entry.key);
    char lock[PATH_MAX];
    if (entry.folder) entry.files = mr_cache_path(arena, entry.folder, "files");
    if (!entry.files) return mr_arena_fail(arena, err);
    if (!mr_cache_make_folders(cache->folder)) return fail_io(cache, err);
    snprintf(lock, sizeof(lock), "%s.lock", entry.folder);
    for (int n_waits = 0; (entry.lock = lock_entry(lock, &entry)) < 0; n_waits++) {
        if (errno != EWOULDBLOCK) return fail_io(cache, err);
        if (cache->is_cancelled && cache->is_cancelled(cache->ctx)) {
            return mr_fail(err, MR_E_UNAVAILABLE, "interrupted");
        }
        if (n_waits == 5) mr_log_info("another process downloads this model: waiting for it");
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    if (entry.is_complete) note_use(&entry);
    *out = entry;
    return MR_OK;
}

void mr_cache_release(struct mr_cache_entry *entry) {
    if (entry->lock >= 0) close(entry->lock);
    entry->lock = -1;
}

static mr_status write_marker(const char *path, const struct mr_cache_about *about,
                              struct mr_error *err) {
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (root) yyjson_mut_doc_set_root(doc, root);
    bool is_good = root && yyjson_mut_obj_add_str(doc, root, "uri", about->uri) &&
                   yyjson_mut_obj_add_str(doc, root, "source", about->source) &&
                   yyjson_mut_obj_add_uint(doc, root, "bytes", about->bytes) &&
                   yyjson_mut_obj_add_uint(doc, root, "files", about->n_files);
    size_t size = 0;
    char *text = is_good ? yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, &size) : NULL;
    mr_status status = MR_OK;
    if (!text) {
        status = mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    } else if (!mr_cache_write_file(path, (struct mr_str){text, size})) {
        status = mr_fail(err, MR_E_IO, "%s: %s", path, strerror(errno));
    }
    free(text);
    yyjson_mut_doc_free(doc);
    return status;
}

mr_status mr_cache_commit(struct mr_cache_entry *entry, const struct mr_cache_about *about,
                          struct mr_error *err) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/partial", entry->folder) >= PATH_MAX - 16) {
        return mr_fail(err, MR_E_IO, "%s: %s", entry->folder, strerror(ENAMETOOLONG));
    }
    mr_cache_remove_tree(path);
    /* After a power cut there must be no entry whose files are not there. */
    int fd = open(entry->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && syncfs(fd) == 0;
    int fault = errno;
    if (fd >= 0) close(fd);
    if (!is_synced) return mr_fail(err, MR_E_IO, "%s: %s", entry->folder, strerror(fault));
    snprintf(path, sizeof(path), "%s/" MARKER, entry->folder);
    MR_TRY(write_marker(path, about, err));
    entry->is_complete = true;
    /* Others may come in between, to use it or even to remove it. */
    if (flock(entry->lock, LOCK_SH) != 0 || !is_complete(entry)) {
        return mr_fail(err, MR_E_IO, "%s was removed while it was locked", entry->folder);
    }
    return MR_OK;
}

/* --- names ------------------------------------------------------------------------------------ */

static void ref_path(const struct mr_cache *cache, struct mr_str name, char out[PATH_MAX]) {
    char key[MR_CACHE_KEY_CHARS + 1];
    mr_cache_key(name, key);
    if (snprintf(out, PATH_MAX, "%s/refs/%s", cache->folder, key) >= PATH_MAX) out[0] = '\0';
}

/* A ref is a line with the key, and the note. */
static bool read_ref(const char *path, char key[MR_CACHE_KEY_CHARS + 1], char *note, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    char line[MR_CACHE_KEY_CHARS + 2] = "";
    bool is_good = fgets(line, sizeof(line), file) && is_key(line, strcspn(line, "\n"));
    size_t n = is_good && note ? fread(note, 1, size, file) : 0;
    fclose(file);
    if (!is_good || (note && n == size)) return false;
    if (note) note[n] = '\0';
    memcpy(key, line, MR_CACHE_KEY_CHARS);
    key[MR_CACHE_KEY_CHARS] = '\0';
    return true;
}

bool mr_cache_recall(const struct mr_cache *cache, struct mr_str name,
                     char key[MR_CACHE_KEY_CHARS + 1], char *note, size_t size) {
    char path[PATH_MAX], marker[PATH_MAX];
    ref_path(cache, name, path);
    if (!read_ref(path, key, note, size)) return false;
    int n = snprintf(marker, sizeof(marker), "%s/%s/" MARKER, cache->folder, key);
    return n < PATH_MAX && access(marker, F_OK) == 0;
}

void mr_cache_remember(const struct mr_cache *cache, struct mr_str name, const char *key,
                       struct mr_str note) {
    char path[PATH_MAX], folder[PATH_MAX], text[MR_CACHE_MAX_NOTE + MR_CACHE_KEY_CHARS + 2];
    ref_path(cache, name, path);
    int n = snprintf(folder, sizeof(folder), "%s/refs", cache->folder);
    int size = snprintf(text, sizeof(text), "%s\n%.*s", key, (int)note.size,
                        note.data ? note.data : "");
    if (n >= PATH_MAX || size >= (int)sizeof(text) || !mr_cache_make_folders(folder)) return;
    bool is_written = mr_cache_write_file(path, (struct mr_str){text, (size_t)size});
    (void)is_written; /* the next start asks the store again */
}
