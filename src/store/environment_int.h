/* Variables of the environment, as MLflow reads them. */
#ifndef MR_STORE_ENVIRONMENT_INT_H
#define MR_STORE_ENVIRONMENT_INT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

/* A variable's value; NULL when it is not set, or empty. */
const char *mr_environment_get(const char *name);

/* Read a variable that is true, false, 1 or 0, in any case; *out stays when it is not set. Anything
 * else is MR_E_INVALID_PARAMETER. */
MR_MUST_CHECK mr_status mr_environment_flag(const char *name, bool *out, struct mr_error *err);

/* The path of a file below the user's home.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_environment_home(const char *name, struct mr_arena *arena,
                                            const char **out, struct mr_error *err);

#endif
