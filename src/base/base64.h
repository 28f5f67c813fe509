/* Base64 as Python's base64.decodebytes reads it, foreign characters being skipped
 * (binascii.a2b_base64, non-strict mode). */
#ifndef MR_BASE_BASE64_H
#define MR_BASE_BASE64_H

#include <stddef.h>

#include "base/str.h"

#define MR_BASE64_ERROR ((size_t)-1)

/* Decode into out, which has room for text.size bytes. Returns the bytes written, or
 * MR_BASE64_ERROR where Python raises binascii.Error (wrong padding, 1 left-over character). */
size_t mr_base64_decode(struct mr_str text, char *out);

#endif
