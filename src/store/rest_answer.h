/* What a tracking server answers, in JSON (mlflow/protos/service.proto, model_registry.proto).
 * Untrusted; reads what is needed and lets all else pass. Texts are copied into the arena.
 *
 * All return MR_OK; MR_E_FORMAT: it is no JSON, or has not what it should have; MR_E_NO_MEMORY,
 * MR_E_TOO_LARGE. */
#ifndef MR_STORE_REST_ANSWER_H
#define MR_STORE_REST_ANSWER_H

#include "store/backend.h"

/* Of runs/get. */
MR_MUST_CHECK mr_status mr_rest_read_run(struct mr_str body, struct mr_arena *arena,
                                         struct mr_run *out, struct mr_error *err);

/* Of logged-models/<model_id>. */
MR_MUST_CHECK mr_status mr_rest_read_model(struct mr_str body, struct mr_arena *arena,
                                           struct mr_logged_model *out, struct mr_error *err);

/* Of logged-models/search: the first that this run has logged, all zero when none of the page was.
 * next_page  a token, NULL: this is the last page */
MR_MUST_CHECK mr_status mr_rest_read_models(struct mr_str body, const char *run_id,
                                            struct mr_arena *arena, struct mr_logged_model *out,
                                            const char **next_page, struct mr_error *err);

/* Of model-versions/get and registered-models/alias; but not artifact_uri. */
MR_MUST_CHECK mr_status mr_rest_read_version(struct mr_str body, struct mr_arena *arena,
                                             struct mr_version *out, struct mr_error *err);

/* Of model-versions/get-download-uri. */
MR_MUST_CHECK mr_status mr_rest_read_download_uri(struct mr_str body, struct mr_arena *arena,
                                                  const char **out, struct mr_error *err);

/* Of registered-models/get-latest-versions: the highest version, 0 when there is none. */
MR_MUST_CHECK mr_status mr_rest_read_latest(struct mr_str body, int64_t *out, struct mr_error *err);

/* Whether an error's body has this error_code. */
bool mr_rest_is_error(struct mr_str body, const char *code);

#endif
