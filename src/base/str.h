/* A borrowed run of bytes: not NUL-terminated, never owned. */
#ifndef MR_BASE_STR_H
#define MR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct mr_str {
    const char *data; /* may be NULL only when size is 0 */
    size_t size;      /* bytes */
};

/* Arguments for printf's "%.*s"; what is longer than 200 bytes is cut, for messages. */
#define MR_STR_ARGS(s) (int)((s).size > 200 ? 200 : (s).size), ((s).data ? (s).data : "")

static inline struct mr_str mr_str_from(const char *text) {
    return (struct mr_str){text, text ? strlen(text) : 0};
}

static inline bool mr_str_equal(struct mr_str a, struct mr_str b) {
    return a.size == b.size &&
           (a.size == 0 || a.data == b.data || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool mr_str_is(struct mr_str a, const char *text) {
    return mr_str_equal(a, mr_str_from(text));
}

static inline bool mr_is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without the white space of ASCII at both ends. */
static inline struct mr_str mr_str_trim(struct mr_str text) {
    while (text.size && mr_is_space(text.data[0])) text.data++, text.size--;
    while (text.size && mr_is_space(text.data[text.size - 1])) text.size--;
    return text;
}

#endif
