/* Dates as numpy reads them from text: np.datetime64(text).
 *
 * "Almost ISO 8601" (NpyDatetime_ParseISO8601Datetime, numpy/_core/src/multiarray/
 * datetime_strings.c): years of any length and sign, a 'T' or a space before the time, up to 18
 * digits of a second, a zone offset that is applied and then forgotten, "NaT", "today", "now".
 * Values that do not fit 64 bits wrap around, as they do there. Allocates nothing. */
#ifndef MR_SCHEMA_NUMPY_DATETIME_H
#define MR_SCHEMA_NUMPY_DATETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define MR_NAT INT64_MIN      /* "not a time" */
#define MR_NUMPY_ISO_CHARS 32 /* room that mr_numpy_datetime_iso may use */

/* np.datetime64(text, 'ns') as an integer.
 * fault    set to a constant phrase when the result is false, such as "month out of range" */
bool mr_numpy_datetime_ns(struct mr_str text, int64_t *out, const char **fault);

/* np.datetime64(text).item().isoformat(): "2020-01-31" for a text without a time, else
 * "2020-01-31T12:00:00[.ffffff]"; size 0 for NaT, whose item is None.
 * Returns false, with a phrase, when the text is no date or when .item() is an integer: finer than
 * a microsecond, or a year that Python's datetime does not have. */
bool mr_numpy_datetime_iso(struct mr_str text, char out[MR_NUMPY_ISO_CHARS], size_t *size,
                           const char **fault);

#endif
