/* Noticing that a folder's files have changed, without reading them. */
#ifndef MR_STORE_FOLDER_H
#define MR_STORE_FOLDER_H

#include <stdint.h>

/* A number that stands for the names, sizes and modification times of the files below a folder, but
 * those that loading a model leaves there, whatever the order in which the system lists them. Links
 * are followed. What vanishes meanwhile is left out; of a folder that cannot be read, and behind
 * 10000 entries or 16 levels, nothing counts.
 * Threads: any. */
uint64_t mr_folder_fingerprint(const char *path);

#endif
