/* Writing text into a fixed buffer, for what must not allocate: heads of responses, lines of logs.
 * What does not fit is left out and remembered, so that a writer checks once at the end. */
#ifndef MR_BASE_TEXT_H
#define MR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct mr_text {
    char *data;
    size_t size;
    size_t capacity;
    bool is_full;
};

static inline void mr_text_put(struct mr_text *text, const char *data, size_t size) {
    if (text->is_full || size > text->capacity - text->size) {
        text->is_full = true;
        return;
    }
    if (size) memcpy(text->data + text->size, data, size);
    text->size += size;
}

/* `literal` is a string literal. */
#define MR_TEXT_PUT(text, literal) mr_text_put((text), (literal), sizeof(literal) - 1)

/* A number in decimal. */
void mr_text_uint(struct mr_text *text, uint64_t value);

/* As the inside of a JSON string; bytes that are not UTF-8 become U+FFFD. As much as fits, and what
 * does not fit leaves no mark: for logs. */
void mr_text_json(struct mr_text *text, struct mr_str value);

#endif
