/* Numbers <-> text, as Python writes and reads them. Allocates nothing, ignores the locale. */
#ifndef MR_BASE_NUMBER_H
#define MR_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define MR_INT_CHARS 20    /* room that mr_int_write may use */
#define MR_DOUBLE_CHARS 32 /* room that mr_double_write may use */

/* Write a decimal integer; returns the number of characters. No NUL is written. */
size_t mr_int_write(int64_t value, char out[MR_INT_CHARS]);

/* Write a double as Python's repr(float) does: the shortest digits that read back as the same
 * value, `1.0`, `1e-07`, `1e+16`, `nan`, `inf`, `-inf` (Python/pystrtod.c, format code 'r').
 * Returns the number of characters. No NUL is written. */
size_t mr_double_write(double value, char out[MR_DOUBLE_CHARS]);

/* The shortest decimal digits of a finite positive double, and its power of ten:
 * value = digits * 10^exponent, with no trailing zero in digits. */
void mr_double_shortest(double value, uint64_t *digits, int *exponent);

/* Read what Python's float(str) accepts: surrounding white space, underscores between digits,
 * inf, infinity, nan with any case and sign, no hexadecimal. Correctly rounded.
 * Returns false when the text is not such a number. */
bool mr_float_parse(struct mr_str text, double *out);

/* Read what Python's int(str) accepts, base 10. Returns false when it is not an integer;
 * sets *is_big and leaves *out alone when it does not fit int64. */
bool mr_int_parse(struct mr_str text, int64_t *out, bool *is_big);

/* Read a number of bytes: 1048576, 512K, 20G, 1TB, powers of 1024, in either case. Returns false
 * for anything else, and for 0. */
bool mr_bytes_parse(struct mr_str text, uint64_t *out);

#endif
