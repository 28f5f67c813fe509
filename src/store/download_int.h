/* What the files of store/download_*.c share: one download, and a file of it. */
#ifndef MR_STORE_DOWNLOAD_INT_H
#define MR_STORE_DOWNLOAD_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/download.h"

#define MR_DOWNLOAD_PART_BYTES ((uint64_t)8 << 20) /* of a file that comes in parts */
#define MR_DOWNLOAD_MAX_TAG 256

/* A file on its way. Under the download's lock, but for what is written to fd. */
struct mr_download_file {
    const struct mr_artifact *artifact;
    size_t number;                 /* in the list */
    size_t n_parts;                /* at least 1 */
    size_t next_part;              /* to be given to a thread */
    size_t n_left;                 /* that are not here */
    unsigned char *is_here;        /* of each part; NULL while no part of it was looked at */
    int fd;                        /* partial/<number>; -1: not open */
    char tag[MR_DOWNLOAD_MAX_TAG]; /* ETag of the content that parts are of; "": none known */
    uint64_t here_bytes;           /* of a file of one part: where to go on from */
    bool is_noted;                 /* the tag, on the disk */
    bool has_md5;                  /* the tag is the content's MD5 */
    bool is_done;                  /* at its place */
};

struct mr_download {
    const struct mr_artifact_store *store;
    const struct mr_artifact_list *list;
    const struct mr_download_options *options;
    const char *folder;
    pthread_mutex_t lock;
    pthread_cond_t ended; /* a thread has */
    struct mr_download_file *files;
    size_t next_file;
    unsigned n_running;
    atomic_uint_fast64_t done_bytes;
    atomic_bool is_stopped; /* by an error */
    mr_status status;       /* the first error */
    struct mr_error err;
};

/* --- download_files.c: what is on the disk. Called under the lock unless it says otherwise. --- */

/* Look for what is here of a file: sets is_done, or parts, tag and here_bytes, and opens it.
 * returns  MR_OK; MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_download_open_file(struct mr_download *download,
                                              struct mr_download_file *file, struct mr_error *err);

/* Note the tag of the content that is being written. */
MR_MUST_CHECK mr_status mr_download_note_tag(struct mr_download *download,
                                             struct mr_download_file *file, struct mr_str tag,
                                             struct mr_error *err);

/* Note that a part is here. */
MR_MUST_CHECK mr_status mr_download_note_part(struct mr_download *download,
                                              struct mr_download_file *file, size_t part,
                                              struct mr_error *err);

/* Check a whole file and move it to its place; without the lock, on the thread that wrote the last
 * part. A content that is wrong is removed. MR_E_FORMAT: it is not what was listed; MR_E_IO */
MR_MUST_CHECK mr_status mr_download_finish_file(struct mr_download *download,
                                                struct mr_download_file *file,
                                                struct mr_error *err);

/* Forget what is here of a file. */
void mr_download_drop_file(struct mr_download *download, struct mr_download_file *file);
void mr_download_close_file(struct mr_download_file *file);

/* Make the folders, and drop what another run of the machine has left. */
MR_MUST_CHECK mr_status mr_download_prepare(const char *folder, struct mr_error *err);

/* --- download_part.c
 * ----------------------------------------------------------------------------*/

/* Fetch a part of an open file and note it, with tries; without the lock.
 * arena    for requests; reset by the caller */
MR_MUST_CHECK mr_status mr_download_fetch(struct mr_download *download,
                                          struct mr_download_file *file, size_t part,
                                          struct mr_client *client, struct mr_arena *arena,
                                          struct mr_error *err);

#endif
