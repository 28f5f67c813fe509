/* --split and --shadow: which of several models get the requests of /invocations. */
#ifndef MR_CLI_TRAFFIC_OPTIONS_H
#define MR_CLI_TRAFFIC_OPTIONS_H

#include "cli/serve_options.h"

/* Read what both were given, once the models are known: "champion=90,challenger=10", whatever the
 * sum is, and a name. Sets the shares, in the arena of config->models.
 * returns  MR_OK; MR_E_INVALID_PARAMETER; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_traffic_read(struct mr_serve_config *config, struct mr_error *err);

#endif
