/* Files below an artifact URI, brought to a folder on this machine: listed, looked for in the
 * cache, downloaded if they are not there.
 *
 * Stores: mlflow-artifacts:/ and http(s)://.../mlflow-artifacts/artifacts/ of a tracking server,
 * s3://, and by an installed Python with MLflow whatever else that knows (gs, wasbs, abfss, dbfs,
 * hdfs, ftp, sftp and those of plug-ins).
 *
 * When a cached entry is used:
 * - An URI of something that never changes, such as a version of a registered model, is given with
 *   an identity. Once its files are here no network is needed for them.
 * - Otherwise the store lists its files first. The entry must have the same names, sizes and
 *   ETags; a tracking server tells no ETags, so there the content of the file MLmodel counts, in
 *   which MLflow writes a new id and time for each model that is saved. When the store cannot be
 *   reached, what it had the last time is used, and a line of the log says so.
 * - What Python downloads is downloaded each time, unless there is an identity. */
#ifndef MR_STORE_ARTIFACTS_H
#define MR_STORE_ARTIFACTS_H

#include "store/cache.h"
#include "store/store.h"

struct mr_artifacts_source {
    const char *uri;          /* as the user gave it: for messages and the cache's list */
    const char *artifact_uri; /* where the files are */
    const char *tracking_uri; /* of the server that mlflow-artifacts: is of; NULL: not known */
    const char *identity;     /* tells this apart from all else and never means another content,
                                 such as the registry's URI, name, version and the time when
                                 that was registered; NULL: it can change */
};

/* Have the files here.
 * options  of which those of the cache, of progress and of cancelling count here
 * arena    holds the entry's texts
 * out      complete, and locked until mr_cache_release; out->files is the folder. After an error
 *          nothing is held; what was downloaded stays for the next time
 * returns  MR_OK; MR_E_NOT_FOUND: no files, or none called MLmodel; MR_E_INVALID_PARAMETER,
 *          MR_E_UNSUPPORTED: the URI or a variable, with what to do; MR_E_UNAVAILABLE, MR_E_IO,
 *          MR_E_FORMAT: of the store; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_artifacts_open(const struct mr_artifacts_source *source,
                                          const struct mr_store_options *options,
                                          struct mr_arena *arena, struct mr_cache_entry *out,
                                          struct mr_error *err);

#endif
