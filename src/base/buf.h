/* A growing byte buffer in an arena: what encoders write into.
 *
 * Failure is sticky: after an allocation fails every append does nothing, and `mr_buf_status`
 * tells. So a writer appends freely and checks once at the end. */
#ifndef MR_BASE_BUF_H
#define MR_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mr_buf {
    struct mr_arena *arena; /* where data lives; borrowed */
    char *data;
    size_t size;
    size_t capacity;
    bool is_failed;
};

/* Start an empty buffer; allocates nothing yet. */
void mr_buf_init(struct mr_buf *buf, struct mr_arena *arena);

/* Make room for `more` bytes and return where to write them, NULL on failure. The writer then adds
 * what it wrote to buf->size. */
char *mr_buf_reserve(struct mr_buf *buf, size_t more);

void mr_buf_append(struct mr_buf *buf, const void *data, size_t size);
void mr_buf_text(struct mr_buf *buf, const char *text);
void mr_buf_char(struct mr_buf *buf, char c);
void mr_buf_format(struct mr_buf *buf, const char *format, ...) MR_PRINTF(2, 3);
void mr_buf_int(struct mr_buf *buf, int64_t value);   /* decimal */
void mr_buf_double(struct mr_buf *buf, double value); /* as Python's repr(float) */

/* MR_OK, or why an append failed. */
mr_status mr_buf_status(const struct mr_buf *buf, struct mr_error *err);

/* What was written; valid until the arena is reset. */
static inline struct mr_str mr_buf_str(const struct mr_buf *buf) {
    return (struct mr_str){buf->data, buf->size};
}

#endif
