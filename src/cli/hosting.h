/* The models of a server: loaded, kept up to date, freed. */
#ifndef MR_CLI_HOSTING_H
#define MR_CLI_HOSTING_H

#include "api/endpoints.h"
#include "cli/loading.h"
#include "cli/serve_options.h"

/* Load all models, and have endpoints->models be them. Those that Python evaluates go on loading:
 * `loading` is told, of each.
 * arena    holds the array
 * returns  MR_OK; what the first had that cannot be loaded. mr_hosting_unload in any case */
MR_MUST_CHECK mr_status mr_hosting_load(const struct mr_serve_config *config,
                                        struct mr_endpoints *endpoints, struct mr_loading *loading,
                                        struct mr_arena *arena, struct mr_error *err);

/* Have those warm up that C evaluates, and start to look after new versions, and the shadow, if
 * that is wanted. returns  MR_OK; MR_E_IO, MR_E_NO_MEMORY; what a model had that does not answer */
MR_MUST_CHECK mr_status mr_hosting_start(const struct mr_serve_config *config,
                                         struct mr_endpoints *endpoints, struct mr_error *err);

/* The server was told to end: it is not ready any more, and no model gets a new version. */
void mr_hosting_cancel(struct mr_endpoints *endpoints);

/* The same, and free the models. No request may be under way. */
void mr_hosting_unload(struct mr_endpoints *endpoints);

/* Whether all models can be asked, or could before their workers died; and whether Python evaluates
 * any of them. */
bool mr_hosting_is_loaded(const struct mr_endpoints *endpoints);
bool mr_hosting_has_python(const struct mr_endpoints *endpoints);

#endif
