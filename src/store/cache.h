/* Models that were downloaded, kept by what is in them.
 *
 * FOLDER/<key>/ is an entry, FOLDER being ${MLRACE_HOME or XDG_CACHE_HOME/mlrace or
 * ~/.cache/mlrace}/models. The key is a hash of all that identifies the content: the place it comes
 * from, the names and sizes of the files, and what the store says of their content (download.h). An
 * entry's files are in files/; it counts from the moment its entry.json is there, which is written
 * last, after everything has reached the disk. What an interrupted download has left is in
 * partial/, and the next one goes on from it.
 *
 * FOLDER/<key>.lock is locked (flock) by whoever uses the entry, shared, or fills or removes it,
 * alone: so entries in use are never removed, two processes do not download the same, and what a
 * killed process held is free at once. FOLDER/refs/<hash of a name> holds the key of the content
 * that a name stood for when it was last downloaded.
 *
 * An entry may be used without asking the network when the name is of something that cannot change
 * (a registered version of a certain time, a logged model); otherwise the store is asked for its
 * listing first, and a ref only helps when it cannot be reached. That is the caller's to decide.
 *
 * Threads: any, each with locks of its own. */
#ifndef MR_STORE_CACHE_H
#define MR_STORE_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

#define MR_CACHE_KEY_CHARS 32
#define MR_CACHE_MAX_NOTE 16384 /* bytes */
#define MR_CACHE_DEFAULT_BYTES ((uint64_t)10 << 30)

struct mr_cache {
    const char *folder;
    uint64_t max_bytes;              /* of all entries; those in use are kept even above it */
    bool (*is_cancelled)(void *ctx); /* NULL: never; ends waiting for others */
    void *ctx;
};

/* Find the cache; creates nothing.
 * max_bytes  0: MLRACE_CACHE_SIZE (1048576, 512M, 20G), else MR_CACHE_DEFAULT_BYTES
 * arena      holds the folder's name
 * returns    MR_OK; MR_E_INVALID_PARAMETER: the variable is no size; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cache_init(struct mr_cache *cache, uint64_t max_bytes,
                                      struct mr_arena *arena, struct mr_error *err);

/* The key of a text that identifies a content: 32 hexadecimal digits of its SHA-256. */
void mr_cache_key(struct mr_str identity, char out[MR_CACHE_KEY_CHARS + 1]);

/* An entry that is locked by us. */
struct mr_cache_entry {
    char key[MR_CACHE_KEY_CHARS + 1];
    const char *folder; /* of the entry; in the arena */
    const char *files;  /* the model's folder in it */
    int lock;           /* descriptor; -1: nothing is held */
    bool is_complete;   /* else it is ours alone, to be filled */
};

/* Lock an entry: shared when it is complete, which also counts as its last use, else alone. Waits
 * for a process that fills it.
 * out      mr_cache_release gives it back; after an error nothing is held
 * returns  MR_OK; MR_E_IO: with the folder's name; MR_E_UNAVAILABLE: cancelled; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cache_take(const struct mr_cache *cache, const char *key,
                                      struct mr_arena *arena, struct mr_cache_entry *out,
                                      struct mr_error *err);
void mr_cache_release(struct mr_cache_entry *entry); /* twice is allowed */

/* What is said of an entry; texts are fit for messages. */
struct mr_cache_about {
    const char *uri;    /* as the user gave it */
    const char *source; /* where the files come from */
    uint64_t bytes, n_files;
};

/* An entry that was ours alone to fill is whole: from now on it counts, and is shared.
 * returns  MR_OK; MR_E_IO, and it still is to be filled */
MR_MUST_CHECK mr_status mr_cache_commit(struct mr_cache_entry *entry,
                                        const struct mr_cache_about *about, struct mr_error *err);

/* The key that a name stood for, and what was noted with it. false: none, or its entry is gone.
 * note  room for size bytes, NUL-terminated; NULL: not wanted */
bool mr_cache_recall(const struct mr_cache *cache, struct mr_str name,
                     char key[MR_CACHE_KEY_CHARS + 1], char *note, size_t size);
/* Note it; that it cannot be written is no fault. */
void mr_cache_remember(const struct mr_cache *cache, struct mr_str name, const char *key,
                       struct mr_str note);

/* One entry as `mlrace cache ls` shows it. */
struct mr_cache_item {
    char key[MR_CACHE_KEY_CHARS + 1];
    struct mr_cache_about about; /* of an incomplete one only bytes, and those that are here */
    time_t last_use;
    bool is_complete, is_in_use;
};

/* All entries, the least recently used first.
 * arena    holds *out
 * returns  MR_OK, also when there is no cache yet; MR_E_IO, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cache_list(const struct mr_cache *cache, struct mr_arena *arena,
                                      struct mr_cache_item **out, size_t *n, struct mr_error *err);

/* Remove an entry that nobody uses; false: somebody does, or it cannot be removed. */
bool mr_cache_remove(const struct mr_cache *cache, const char *key);

/* Which entries to remove: those that one of these names, and nobody uses. */
struct mr_cache_prune {
    bool takes_all;
    bool takes_incomplete;
    time_t used_before; /* not used since then; 0: no entry */
    uint64_t max_bytes; /* the least recently used, until the rest is as large; UINT64_MAX: none */
    void (*removed)(void *ctx, const struct mr_cache_item *item); /* told of each */
    void *ctx;
};

/* What is left. */
struct mr_cache_left {
    size_t n_removed, n_kept; /* kept: named, but in use or not removable */
    uint64_t removed_bytes, left_bytes;
};

/* returns  as mr_cache_list */
MR_MUST_CHECK mr_status mr_cache_prune(const struct mr_cache *cache,
                                       const struct mr_cache_prune *prune,
                                       struct mr_cache_left *left, struct mr_error *err);

/* Remove what was not used for the longest time until all entries and `more_bytes` stay below the
 * cap, and the disk has room for more_bytes. Incomplete ones go first.
 * kept     the key of an entry to keep; NULL: none
 * returns  MR_OK also when entries in use are above the cap; MR_E_IO: the disk has no room, with
 *          how much there is; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cache_make_room(const struct mr_cache *cache, uint64_t more_bytes,
                                           const char *kept, struct mr_error *err);

#endif
