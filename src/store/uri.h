/* The grammar of model URIs, as MLflow 3.17 reads them. Nothing is looked up.
 *
 *   path, file:...                        a folder on this machine
 *   runs:/<run_id>/<path>                 RunsArtifactRepository.parse_runs_uri
 *   models:/<model_id>                    a logged model; these are mlflow/store/artifact/utils/
 *   models:/<name>/<version>[/<path>]     models.py, _parse_model_uri, after split_models_uri of
 *   models:/<name>/latest[/<path>]        models_artifact_repo.py has taken the path away: behind
 *   models:/<name>/<stage>[/<path>]       a model id there is none, it would be a stage
 *   models:/<name>@<alias>[/<path>]
 *   <scheme>:...                          whatever else: where artifacts are
 */
#ifndef MR_STORE_URI_H
#define MR_STORE_URI_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

typedef enum mr_uri_kind {
    MR_URI_FOLDER,
    MR_URI_RUN,
    MR_URI_LOGGED_MODEL,
    MR_URI_VERSION,
    MR_URI_LATEST,
    MR_URI_STAGE,
    MR_URI_ALIAS,
    MR_URI_ARTIFACTS,
} mr_uri_kind;

struct mr_uri {
    mr_uri_kind kind;
    const char *id;       /* of a run or a logged model */
    const char *name;     /* of a registered model */
    const char *selector; /* VERSION: digits; STAGE, ALIAS: its name */
    const char *path; /* FOLDER: the path; else what is meant below the artifact, often "": inside
                         of it (base/path.h) */
};

/* The scheme of a URI, empty for a path. One letter before a colon is no scheme. */
struct mr_str mr_uri_scheme(const char *uri);

/* Whether a URI has this scheme, in any case. */
bool mr_uri_has_scheme(const char *uri, const char *scheme);

/* Take a URI apart.
 * arena    gets the texts
 * returns  MR_OK; MR_E_INVALID_PARAMETER: MLflow would refuse it, too; MR_E_UNSUPPORTED:
 * Databricks; MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_uri_parse(const char *uri, struct mr_arena *arena, struct mr_uri *out,
                                     struct mr_error *err);

/* The path that a path or a file: URI names, in the arena, without slashes at its end. As in
 * local_file_uri_to_path (mlflow/utils/file_utils.py): host, query and fragment are dropped.
 * returns  MR_OK; MR_E_INVALID_PARAMETER: it is empty; MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_uri_local_path(const char *uri, struct mr_arena *arena, const char **out,
                                          struct mr_error *err);

/* Decode percent-escapes, but that of NUL. to: room for as much as `from`, or the same. */
void mr_uri_unescape(const char *from, char *to);

/* Put a path below that of a URI, before its query and fragment (append_to_uri_path in
 * mlflow/utils/uri.py).
 * path     "": the same URI comes out
 * returns  MR_OK; MR_E_INVALID_PARAMETER: the query has ".."; MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_uri_append(const char *uri, const char *path, struct mr_arena *arena,
                                      const char **out, struct mr_error *err);

/* The same of a path, in which no character has a meaning. */
MR_MUST_CHECK mr_status mr_uri_join(const char *folder, const char *path, struct mr_arena *arena,
                                    const char **out, struct mr_error *err);

#endif
