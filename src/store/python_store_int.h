/* Artifacts that only MLflow's own client can fetch (python/mlrace/artifacts.py). */
#ifndef MR_STORE_PYTHON_STORE_INT_H
#define MR_STORE_PYTHON_STORE_INT_H

#include "store/artifacts.h"

/* mr_artifacts_open for such a URI: Python downloads it, and what came is named by its content.
 * returns  as that; MR_E_UNSUPPORTED: no Python, or none with MLflow, with what to do */
MR_MUST_CHECK mr_status mr_python_store_open(const struct mr_artifacts_source *source,
                                             const struct mr_cache *cache, struct mr_arena *arena,
                                             struct mr_cache_entry *out, struct mr_error *err);

#endif
