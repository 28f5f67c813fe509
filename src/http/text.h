/* Small helpers to write and read header text. */
#ifndef MR_HTTP_TEXT_H
#define MR_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

/* Writes into a fixed buffer. What does not fit is left out and remembered, so that a writer checks
 * once at the end. */
struct mr_http_text {
    char *data;
    size_t size;
    size_t capacity;
    bool is_full;
};

static inline void mr_http_put(struct mr_http_text *text, const char *data, size_t size) {
    if (text->is_full || size > text->capacity - text->size) {
        text->is_full = true;
        return;
    }
    if (size) memcpy(text->data + text->size, data, size);
    text->size += size;
}

/* `literal` is a string literal. */
#define MR_HTTP_PUT(text, literal) mr_http_put((text), (literal), sizeof(literal) - 1)

/* 0 to 15, or -1 when c is no hexadecimal digit. */
static inline int mr_http_hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

#endif
