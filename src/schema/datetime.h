/* Dates as pandas.to_datetime reads them from texts, as far as they are written in the usual form:
 *
 *     YYYY-MM-DD  [T or space] HH:MM [:SS [.fraction]]  [Z, +HH, +HHMM, +HH:MM or -...]
 *
 * pandas guesses a format from the first text and wants all others in it
 * (guess_datetime_format in pandas/_libs/tslibs/parsing.pyx, array_strptime in strptime.pyx), so
 * that dates of different shapes do not mix. It reads many more forms: those are left to it. */
#ifndef MR_SCHEMA_DATETIME_H
#define MR_SCHEMA_DATETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef enum mr_date_result {
    MR_DATE_OK,
    MR_DATE_OUT_OF_RANGE, /* of the usual form, but there is no such day or hour, or it does not fit
                             64 bits of nanoseconds */
    MR_DATE_LEAP_SECOND,  /* second 60 or 61: pandas takes it in all but the first text */
    MR_DATE_OTHER         /* of another form, or no date at all */
} mr_date_result;

struct mr_date {
    int64_t ns;      /* since 1970-01-01T00:00 UTC; without a zone, as if it were UTC */
    unsigned format; /* equal for two texts exactly when pandas guesses the same format */
    bool has_zone;   /* then ns counts from UTC */
    int zone_offset_minutes;
};

mr_date_result mr_date_parse(struct mr_str text, struct mr_date *out);

/* What pandas takes for a missing date: an empty text, "NaT", "nan" (nat_strings in nattype.pyx).
 */
bool mr_date_is_missing(struct mr_str text);

/* Days from 1970-01-01 to a day of the proleptic Gregorian calendar. month: 1 .. 12. */
int64_t mr_date_days(int64_t year, int month, int day);

#endif
