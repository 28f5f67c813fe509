/* Folders on this machine: which one a store means, and noticing that its files have changed. */
#ifndef MR_STORE_FOLDER_H
#define MR_STORE_FOLDER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* The path on this machine that a path or a file: URI of a store means. MLflow decodes percent
 * escapes in paths, too (local_file_uri_to_path in mlflow/utils/file_utils.py); here that is done
 * only where the path as it stands is not there.
 * returns  MR_OK; MR_E_INVALID_PARAMETER: it is empty; MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_folder_find(const char *uri, struct mr_arena *arena, const char **out,
                                       struct mr_error *err);

/* A number that stands for the names, sizes and modification times of the files below a folder, but
 * those that loading a model leaves there, whatever the order in which the system lists them. Links
 * are followed. What vanishes meanwhile is left out; of a folder that cannot be read, and behind
 * 10000 entries or 16 levels, nothing counts.
 * Threads: any. */
uint64_t mr_folder_fingerprint(const char *path);

/* The same of one file in a folder; 0: it is not there. */
uint64_t mr_folder_fingerprint_of(const char *path, const char *name);

#endif
