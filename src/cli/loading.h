/* Waiting for an engine that loads its model on threads of its own. */
#ifndef MR_CLI_LOADING_H
#define MR_CLI_LOADING_H

#include "engine/engine.h"

struct mr_loading {
    int fd;              /* readable when loading has ended and nobody has waited yet */
    struct mr_error err; /* status is not MR_OK: how it failed */
};

/* Have `python` tell of its end; before the model is loaded. MR_E_IO */
MR_MUST_CHECK mr_status mr_loading_init(struct mr_loading *loading,
                                        struct mr_python_options *python, struct mr_error *err);
void mr_loading_deinit(struct mr_loading *loading); /* after the model was freed */

/* Wait until loading has ended, once; returns how. */
MR_MUST_CHECK mr_status mr_loading_wait(struct mr_loading *loading, struct mr_error *err);

#endif
