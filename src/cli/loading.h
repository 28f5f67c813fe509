/* Waiting for engines that load their models on threads of their own. */
#ifndef MR_CLI_LOADING_H
#define MR_CLI_LOADING_H

#include <pthread.h>

#include "engine/engine.h"

struct mr_loading {
    int fd;               /* readable when a model has ended loading that nobody has waited for */
    size_t n_left;        /* models that are still waited for */
    pthread_mutex_t lock; /* protects: */
    struct mr_error err;  /* status is not MR_OK: how one of them failed */
};

/* n_models  to be waited for, one by one
 * returns   MR_OK, MR_E_IO */
MR_MUST_CHECK mr_status mr_loading_init(struct mr_loading *loading, size_t n_models,
                                        struct mr_error *err);
void mr_loading_deinit(struct mr_loading *loading); /* after the models were freed */

/* The `loaded` of struct mr_python_options, and of mr_version_load; ctx is a struct mr_loading. */
void mr_loading_told(void *ctx, const struct mr_error *err);

/* Wait for one of the models to end loading, if any is left. Returns how one of those failed that
 * have ended. */
MR_MUST_CHECK mr_status mr_loading_wait(struct mr_loading *loading, struct mr_error *err);

#endif
