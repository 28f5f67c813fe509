/* Model files that are JSON texts, to the same objects that other loaders yield.
 *
 * Objects become dicts, arrays become lists, and arrays that hold numbers only become arrays of one
 * dimension: of MR_INT64 when all of them are integers that fit, else of MR_FLOAT64. */
#ifndef MR_LOADER_JSON_H
#define MR_LOADER_JSON_H

#include "base/arena.h"
#include "base/status.h"
#include "loader/object.h"

/* Parse a whole document. Also reads the literals NaN and Infinity.
 *
 * Numbers are the double nearest to the text, but for one case: where that double lies midway
 * between two floats and the text does not, it is moved by a unit toward the text, so that rounding
 * it to float gives what reading the text as float would.
 * file     copied; need not live as long as *out. A NUL or the end of a line must follow it
 * unread   keys whose arrays of numbers nobody reads, and a NULL behind them: such arrays are
 *          checked, but become MR_OBJECT_NONE. NULL: none
 * arena    holds *out; give it a cap when the file is not trusted
 * returns  MR_OK; MR_E_FORMAT with the offset and what is wrong; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_json_object_parse(struct mr_str file, const char *const *unread,
                                             struct mr_arena *arena, const struct mr_object **out,
                                             struct mr_error *err);

#endif
