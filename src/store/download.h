/* Files of a store into a folder: several at once, large ones in parts, and going on from what an
 * earlier download has left.
 *
 * A file is written to partial/<number in the list> and, when it is whole, moved to its name below
 * files/: what is there is never a part. Parts of a large file that are here are noted in
 * partial/<number>.parts, and the content's tag in partial/<number>.etag, so that the rest is only
 * taken of the same content. What was written before the machine last started does not count.
 *
 * Checked are the length of each answer and of each file, the range that was asked for, the ETag
 * where the listing has one, and the content's MD5 where S3's ETag is that. */
#ifndef MR_STORE_DOWNLOAD_H
#define MR_STORE_DOWNLOAD_H

#include "store/artifact_store_int.h"

struct mr_download_options {
    bool has_progress;               /* draw a bar on standard error, if it is a terminal */
    bool (*is_cancelled)(void *ctx); /* NULL: never. Several threads may ask at once */
    void *ctx;
};

/* Bring all files of a sorted list to folder/files, which need not exist; the caller has the folder
 * for itself. What is left after an error is gone on from by the next call with the same list.
 *
 * returns  MR_OK; MR_E_UNAVAILABLE: the store did not answer, or cancelled; MR_E_FORMAT: what it
 *          sent is not what it listed; MR_E_NOT_FOUND, MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_download(const struct mr_artifact_store *store,
                                    const struct mr_artifact_list *list, const char *folder,
                                    const struct mr_download_options *options,
                                    struct mr_error *err);

#endif
