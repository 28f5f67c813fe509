#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"

void mr_buf_init(struct mr_buf *buf, struct mr_arena *arena) {
    *buf = (struct mr_buf){.arena = arena};
}

char *mr_buf_reserve(struct mr_buf *buf, size_t more) {
    if (buf->is_failed) return NULL;
    if (buf->capacity - buf->size < more) {
        size_t wanted = buf->capacity ? buf->capacity * 2 : 256;
        if (wanted < buf->size + more) wanted = buf->size + more;
        char *data = mr_arena_realloc(buf->arena, buf->data, buf->size, wanted);
        if (!data) {
            buf->is_failed = true;
            return NULL;
        }
        buf->data = data;
        buf->capacity = wanted;
    }
    return buf->data + buf->size;
}

void mr_buf_append(struct mr_buf *buf, const void *data, size_t size) {
    char *at = size ? mr_buf_reserve(buf, size) : NULL;
    if (!at) return;
    memcpy(at, data, size);
    buf->size += size;
}

void mr_buf_text(struct mr_buf *buf, const char *text) {
    mr_buf_append(buf, text, strlen(text));
}

void mr_buf_char(struct mr_buf *buf, char c) {
    mr_buf_append(buf, &c, 1);
}

void mr_buf_format(struct mr_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return;
    char *at = mr_buf_reserve(buf, (size_t)length + 1);
    if (!at) return;
    va_start(args, format);
    vsnprintf(at, (size_t)length + 1, format, args);
    va_end(args);
    buf->size += (size_t)length;
}

void mr_buf_int(struct mr_buf *buf, int64_t value) {
    char *at = mr_buf_reserve(buf, MR_INT_CHARS);
    if (at) buf->size += mr_int_write(value, at);
}

void mr_buf_double(struct mr_buf *buf, double value) {
    char *at = mr_buf_reserve(buf, MR_DOUBLE_CHARS);
    if (at) buf->size += mr_double_write(value, at);
}

mr_status mr_buf_status(const struct mr_buf *buf, struct mr_error *err) {
    return buf->is_failed ? mr_arena_fail(buf->arena, err) : MR_OK;
}
