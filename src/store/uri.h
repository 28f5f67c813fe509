/* The grammar of model URIs. */
#ifndef MR_STORE_URI_H
#define MR_STORE_URI_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

/* The scheme of a URI, empty for a path. One letter before a colon is no scheme. */
struct mr_str mr_uri_scheme(const char *uri);

/* The path that a path or a file: URI names, in the arena, without slashes at its end.
 * returns  MR_OK; MR_E_INVALID_PARAMETER: it is empty; MR_E_UNSUPPORTED: another scheme;
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_uri_local_path(const char *uri, struct mr_arena *arena, const char **out,
                                          struct mr_error *err);

#endif
