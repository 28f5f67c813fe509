/* What MLflow's tracking stores and model registries know: where the artifacts of a run, a logged
 * model or a registered version are.
 *
 * A backend is opened for one question after another on one thread, and closed soon: nothing is
 * remembered but the version that an alias was answered with. What it answers is untrusted text.
 * Names given to it have passed mr_uri_parse. */
#ifndef MR_STORE_BACKEND_H
#define MR_STORE_BACKEND_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "store/store.h"

/* No text of a store is longer than this; columns of MLflow's databases hold at most 8000. */
#define MR_BACKEND_MAX_TEXT ((size_t)64 << 10)

struct mr_run {
    const char *experiment_id;
    const char *artifact_uri; /* the root of its artifacts */
};

struct mr_logged_model {
    const char *id;
    const char *artifact_uri;
    const char *run_id; /* that logged it; NULL: none */
};

struct mr_version {
    int64_t version;
    const char *source;       /* where it was registered from */
    const char *artifact_uri; /* where to read it: get_model_version_download_uri */
    const char *run_id;       /* NULL: none */
    int64_t created_ms;       /* when it was registered, since 1970; 0: not known */
};

struct mr_backend;

/* One kind of store. Texts go to the backend's arena. All return MR_E_NOT_FOUND, with what was
 * looked for, when it is not there; MR_E_UNSUPPORTED and MR_E_FORMAT when the store is not as
 * MLflow makes it; MR_E_IO, MR_E_UNAVAILABLE, MR_E_NO_MEMORY. */
struct mr_backend_ops {
    /* A run, deleted or not: MLflow's stores tell of both. */
    mr_status (*find_run)(struct mr_backend *backend, const char *run_id, struct mr_run *out,
                          struct mr_error *err);
    /* A logged model that is not deleted. */
    mr_status (*find_model)(struct mr_backend *backend, const char *model_id,
                            struct mr_logged_model *out, struct mr_error *err);
    /* The newest of those with this name that a run has logged: the first that
     * _get_logged_model_artifact_repo in runs_artifact_repo.py meets. MR_OK and *out all zero when
     * there is none. */
    mr_status (*find_run_model)(struct mr_backend *backend, const char *run_id,
                                const struct mr_run *run, const char *name,
                                struct mr_logged_model *out, struct mr_error *err);
    /* A version that is not deleted. */
    mr_status (*find_version)(struct mr_backend *backend, const char *name, int64_t version,
                              struct mr_version *out, struct mr_error *err);
    /* The highest number of a version in a stage.
     * stage  as MLflow spells it; NULL: in any */
    mr_status (*find_latest)(struct mr_backend *backend, const char *name, const char *stage,
                             int64_t *out, struct mr_error *err);
    /* The number of the version that an alias names. */
    mr_status (*find_alias)(struct mr_backend *backend, const char *name, const char *alias,
                            int64_t *out, struct mr_error *err);
    void (*close)(struct mr_backend *backend);
};

struct mr_backend {
    const struct mr_backend_ops *ops;
    struct mr_arena *arena;                 /* borrowed */
    const struct mr_store_options *options; /* borrowed: who may cancel */
    const char *uri;                        /* fit for messages: without a password */
    void *state;                            /* the kind's own */
};

/* The URI of the tracking store: MLFLOW_TRACKING_URI, else ./mlruns if there are experiments in
 * it, else sqlite:///mlflow.db (get_tracking_uri in mlflow/tracking/_tracking_service/utils.py).
 * Both texts may be NULL. A text that is given is returned. */
const char *mr_backend_tracking_uri(const char *given);
/* That of the model registry: MLFLOW_REGISTRY_URI, else the tracking store's. */
const char *mr_backend_registry_uri(const char *given, const char *given_tracking);

/* Open the store at a URI: sqlite:///PATH, a path or file: URI, http: or https:.
 *
 * options  must outlive the backend; what they say of URIs does not count here
 * arena    gets all that the store answers
 * out      closed with mr_backend_close
 * returns  MR_OK; MR_E_UNSUPPORTED: another kind of store, with what to do; MR_E_NOT_FOUND,
 *          MR_E_IO, MR_E_INVALID_PARAMETER, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_backend_open(const char *uri, const struct mr_store_options *options,
                                        struct mr_arena *arena, struct mr_backend *out,
                                        struct mr_error *err);
void mr_backend_close(struct mr_backend *backend);

/* Ask as in mr_backend_ops, and refuse texts that no MLflow writes.
 * name, in mr_backend_find_run_model: MR_OK and nothing when no logged model can have it
 * stage, in mr_backend_find_latest: in any case; NULL: any stage. MR_E_INVALID_PARAMETER: MLflow
 * has no such stage */
MR_MUST_CHECK mr_status mr_backend_find_run(struct mr_backend *backend, const char *run_id,
                                            struct mr_run *out, struct mr_error *err);
MR_MUST_CHECK mr_status mr_backend_find_model(struct mr_backend *backend, const char *model_id,
                                              struct mr_logged_model *out, struct mr_error *err);
MR_MUST_CHECK mr_status mr_backend_find_run_model(struct mr_backend *backend, const char *run_id,
                                                  const struct mr_run *run, const char *name,
                                                  struct mr_logged_model *out,
                                                  struct mr_error *err);
MR_MUST_CHECK mr_status mr_backend_find_version(struct mr_backend *backend, const char *name,
                                                int64_t version, struct mr_version *out,
                                                struct mr_error *err);
MR_MUST_CHECK mr_status mr_backend_find_latest(struct mr_backend *backend, const char *name,
                                               const char *stage, int64_t *out,
                                               struct mr_error *err);
MR_MUST_CHECK mr_status mr_backend_find_alias(struct mr_backend *backend, const char *name,
                                              const char *alias, int64_t *out,
                                              struct mr_error *err);

/* Of the kinds, for mr_backend_open. */
MR_MUST_CHECK mr_status mr_sqlite_store_open(const char *uri, struct mr_backend *backend,
                                             struct mr_error *err);
MR_MUST_CHECK mr_status mr_file_store_open(const char *uri, struct mr_backend *backend,
                                           struct mr_error *err);
MR_MUST_CHECK mr_status mr_rest_store_open(const char *uri, struct mr_backend *backend,
                                           struct mr_error *err);
/* MR_E_NOT_FOUND, where a store is not there at all. */
mr_status mr_backend_fail_absent(const struct mr_backend *backend, struct mr_error *err);

#endif
