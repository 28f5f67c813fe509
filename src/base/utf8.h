/* UTF-8: checking and cutting. Knows bytes only; never allocates. */
#ifndef MR_BASE_UTF8_H
#define MR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Offset of the first byte that is not part of a well-formed UTF-8 sequence (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF); `size` when all of it is well formed. */
size_t mr_utf8_check(const char *data, size_t size);

/* The same for WTF-8, where surrogates pass: what Python decodes with "surrogatepass".
 * has_surrogates  set to true when there is one, else left alone */
size_t mr_wtf8_check(const char *data, size_t size, bool *has_surrogates);

/* The largest length <= size that does not cut a character of well-formed UTF-8 in two. */
size_t mr_utf8_floor(const char *data, size_t size);

/* Decode the character at data[*at] of well-formed UTF-8 and move *at behind it. */
unsigned mr_utf8_next(const char *data, size_t size, size_t *at);

/* Encode one code point (surrogates allowed, as WTF-8) into out[4]; returns the length. */
size_t mr_utf8_encode(unsigned code_point, char out[4]);

#endif
