/* Base64 as Python's base64.decodebytes / encodebytes: foreign characters are skipped on the way
 * in, lines end after 76 characters on the way out (binascii.a2b_base64, non-strict mode). */
#ifndef MR_BASE_BASE64_H
#define MR_BASE_BASE64_H

#include <stddef.h>

#include "base/str.h"

#define MR_BASE64_ERROR ((size_t)-1)

/* Decode into out, which has room for text.size bytes. Returns the bytes written, or
 * MR_BASE64_ERROR where Python raises binascii.Error (wrong padding, 1 left-over character). */
size_t mr_base64_decode(struct mr_str text, char *out);

/* Room needed by mr_base64_encode for size bytes. */
size_t mr_base64_encoded_size(size_t size);

/* Encode with a newline after every 76 characters and at the end; returns the bytes written. */
size_t mr_base64_encode(const void *data, size_t size, char *out);

#endif
