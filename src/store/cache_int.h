/* Files and folders of the cache. */
#ifndef MR_STORE_CACHE_INT_H
#define MR_STORE_CACHE_INT_H

#include "store/cache.h"

/* folder/name, in the arena; NULL: no memory. */
const char *mr_cache_path(struct mr_arena *arena, const char *folder, const char *name);

/* Make a folder and those above it. false: errno tells why not. */
bool mr_cache_make_folders(const char *path);

/* Remove a file or a folder and what is in it, never what a link points to. false: something is
 * left. */
bool mr_cache_remove_tree(const char *path);

/* Bytes that the files below a folder have on the disk; 0 when there is none. */
uint64_t mr_cache_tree_bytes(const char *path);

/* Write a file as a whole, by another name first. false: errno tells why not. */
bool mr_cache_write_file(const char *path, struct mr_str text);

/* Try to lock an entry. kind: LOCK_SH or LOCK_EX. Returns the descriptor; -1 with errno,
 * EWOULDBLOCK when another holds it. */
int mr_cache_try_lock(const char *path, int kind);

#endif
