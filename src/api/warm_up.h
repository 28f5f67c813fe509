/* Having a model answer the input example that was saved with it, before requests get to it: what
 * is done for the first time takes longer, and a model that cannot do it is no model to go live. */
#ifndef MR_API_WARM_UP_H
#define MR_API_WARM_UP_H

#include "api/served.h"

/* For the first version, when its engine is native: Python's workers warm themselves up. An example
 * that the model refuses is logged, and let pass.
 * returns  MR_OK; else an error of the server's kind (5xx)
 * threads  any but an I/O thread */
MR_MUST_CHECK mr_status mr_warm_up_first(const struct mr_served *served, struct mr_error *err);

/* The `warm_up` of struct mr_keeper_options; ctx is a struct mr_served. What Python has answered
 * when it was loaded it is not asked again. A version that refuses its
 * own example, as no version answers that throws, must not become current; unless the one that is
 * was seen to refuse its own, too: then examples tell nothing.
 * returns  MR_OK, or why not */
MR_MUST_CHECK mr_status mr_warm_up_next(void *ctx, struct mr_version *version,
                                        struct mr_error *err);

#endif
