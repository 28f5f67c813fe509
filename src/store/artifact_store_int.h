/* The seam between downloading and the kinds of stores that files are downloaded from by HTTP. */
#ifndef MR_STORE_ARTIFACT_STORE_INT_H
#define MR_STORE_ARTIFACT_STORE_INT_H

#include "store/artifact_list.h"
#include "store/client.h"

struct mr_artifact_store;

struct mr_artifact_store_ops {
    /* List all files below the root, sorted. None is no error here.
     * client  made with store->client */
    mr_status (*list)(struct mr_artifact_store *store, struct mr_client *client,
                      struct mr_artifact_list *list, struct mr_error *err);
    /* Say how to ask for a file: fills url and headers. */
    mr_status (*locate)(const struct mr_artifact_store *store, const struct mr_artifact *artifact,
                        struct mr_arena *arena, struct mr_client_request *request,
                        struct mr_error *err);
    /* Make an error of an answer that is not the file. */
    mr_status (*fail)(const struct mr_artifact_store *store, const struct mr_client *client,
                      const struct mr_client_answer *answer, struct mr_error *err);
};

/* A root. Everything is in the arena of who opened it. Files may be asked for by several threads,
 * each with a client of its own. */
struct mr_artifact_store {
    const struct mr_artifact_store_ops *ops;
    struct mr_client_options client;
    /* URL, percent-encoded, without a slash at its end; may hold a credential: not for messages. */
    const char *root;
    const char *place; /* the same for messages, and to tell roots apart */
    /* What the listing is asked for: of S3 the prefix of all keys, which ends with a slash if there
     * is one; of a proxy the folder. */
    const char *listed;
    bool has_ranges; /* parts of a file can be asked for */
};

/* mlflow-artifacts: URIs, and http(s) URLs of the same service of a tracking server
 * (mlflow/store/artifact/mlflow_artifacts_repo.py, http_artifact_repo.py).
 * tracking_uri  of the server; NULL: none is known
 * returns       MR_OK; MR_E_INVALID_PARAMETER, MR_E_UNSUPPORTED with what to do, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_proxy_open(const char *uri, const char *tracking_uri,
                                      struct mr_arena *arena, struct mr_artifact_store *out,
                                      struct mr_error *err);

/* Read an answer of the proxy to GET ...?path=FOLDER: adds files to the list, and names of folders
 * to `folders`, an array of its arena that is as long as the answer says.
 * folder  below the root, "" for the root itself
 * returns MR_OK; MR_E_FORMAT; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
struct mr_proxy_folders {
    const char **paths;
    size_t n, capacity;
};
MR_MUST_CHECK mr_status mr_proxy_read_list(struct mr_str json, const char *folder,
                                           struct mr_artifact_list *list,
                                           struct mr_proxy_folders *folders, struct mr_error *err);

/* s3: URIs (mlflow/store/artifact/s3_artifact_repo.py).
 * is_cancelled  as in mr_client_options; credentials may be asked for on the network
 * returns       MR_OK; MR_E_INVALID_PARAMETER; MR_E_NOT_FOUND: no credential, with where it was
 *               looked for; MR_E_UNAVAILABLE, MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_s3_open(const char *uri, bool (*is_cancelled)(void *ctx), void *ctx,
                                   struct mr_arena *arena, struct mr_artifact_store *out,
                                   struct mr_error *err);

/* Read a page of ListObjectsV2, in which names are percent-encoded if it says so.
 * prefix  of all keys; what is left of a key is the path
 * next    token of the next page, in the list's arena; NULL: this is the last
 * returns MR_OK; MR_E_FORMAT; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_s3_read_list(struct mr_str xml, const char *prefix,
                                        struct mr_artifact_list *list, const char **next,
                                        struct mr_error *err);

/* The code and message of an error of S3, "AccessDenied: ..."; out: room for size bytes. Empty when
 * the text is none. */
void mr_s3_read_fault(struct mr_str xml, char *out, size_t size);

#endif
