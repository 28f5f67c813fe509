/* What a host says when it has loaded the model, or that it could not. */
#ifndef MR_ENGINE_PYPROC_LOADED_H
#define MR_ENGINE_PYPROC_LOADED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"
#include "engine/engine.h"

/* Texts are NUL-terminated UTF-8, cut where they do not fit. */
struct mr_loaded {
    char python[32]; /* versions */
    char mlflow[32];
    bool can_fork;
    char reason[256];  /* why it can fork or not */
    char warm_up[256]; /* what was replayed, or why nothing */
    mr_warm_up warm_up_end;
    bool is_async;
    bool is_stream;
    bool is_rowwise; /* known to answer each row exactly as if it were alone */
    uint64_t load_ms;
};

/* Read the payload of LOADED.
 * returns  MR_OK; MR_E_FORMAT with what is wrong; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_loaded_read(struct mr_str json, struct mr_loaded *out,
                                       struct mr_error *err);

/* Read the payload of FAILED: *err gets MR_E_UNSUPPORTED and its message. */
mr_status mr_loaded_read_failure(struct mr_str json, struct mr_error *err);

#endif
