/* Universal Binary JSON (ubjson.org, draft 12), as XGBoost writes it (src/common/json.cc: numbers
 * and arrays of numbers of fixed size, big-endian), to the values that a JSON text has.
 *
 * Objects become dicts, arrays become lists, and arrays of a declared number type become arrays of
 * one dimension. The bytes are untrusted: nesting, counts and sizes are checked. */
#ifndef MR_LOADER_UBJSON_H
#define MR_LOADER_UBJSON_H

#include "base/arena.h"
#include "base/status.h"
#include "loader/object.h"

/* Parse a whole document.
 * file     copied; need not live as long as *out
 * unread   keys whose arrays of a declared number type nobody reads, and a NULL behind them: such
 *          arrays become MR_OBJECT_NONE. NULL: none
 * arena    holds *out; give it a cap when the file is not trusted
 * returns  MR_OK; MR_E_FORMAT with the offset and what was expected; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_ubjson_parse(struct mr_str file, const char *const *unread,
                                        struct mr_arena *arena, const struct mr_object **out,
                                        struct mr_error *err);

#endif
