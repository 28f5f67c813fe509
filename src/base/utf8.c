#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* Length of the well-formed sequence that starts at data, 0 when there is none (RFC 3629, 4). */
static size_t sequence(const unsigned char *data, size_t size) {
    unsigned char first = data[0];
    if (first < 0x80) return 1;
    if (first < 0xC2 || first > 0xF4) return 0;
    size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (size < length) return 0;
    unsigned char low = 0x80, high = 0xBF;
    if (first == 0xE0) low = 0xA0;  /* overlong */
    if (first == 0xED) high = 0x9F; /* surrogates */
    if (first == 0xF0) low = 0x90;  /* overlong */
    if (first == 0xF4) high = 0x8F; /* above U+10FFFF */
    if (data[1] < low || data[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((data[i] & 0xC0) != 0x80) return 0;
    }
    return length;
}

size_t mr_utf8_check(const char *data, size_t size) {
    const unsigned char *bytes = (const unsigned char *)data;
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof(eight)) {
            memcpy(&eight, bytes + at, sizeof(eight));
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof(eight);
                continue;
            }
        }
        size_t length = sequence(bytes + at, size - at);
        if (!length) return at;
        at += length;
    }
    return size;
}

static bool is_surrogate(const char *data, size_t size) {
    const unsigned char *bytes = (const unsigned char *)data;
    return size >= 3 && bytes[0] == 0xED && bytes[1] >= 0xA0 && bytes[1] <= 0xBF &&
           (bytes[2] & 0xC0) == 0x80;
}

size_t mr_wtf8_check(const char *data, size_t size, bool *has_surrogates) {
    size_t at = 0;
    for (;;) {
        at += mr_utf8_check(data + at, size - at);
        if (at == size || !is_surrogate(data + at, size - at)) return at;
        *has_surrogates = true;
        at += 3;
    }
}

size_t mr_utf8_floor(const char *data, size_t size) {
    size_t at = size;
    while (at > 0 && size - at < 3 && ((unsigned char)data[at - 1] & 0xC0) == 0x80) at--;
    if (at == 0) return 0;
    unsigned char first = (unsigned char)data[at - 1];
    if (first < 0x80) return size;
    size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return at - 1 + length <= size ? size : at - 1;
}

unsigned mr_utf8_next(const char *data, size_t size, size_t *at) {
    const unsigned char *bytes = (const unsigned char *)data + *at;
    size_t left = size - *at;
    unsigned char first = bytes[0];
    if (first < 0x80 || left < 2) {
        *at += 1;
        return first;
    }
    size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (length > left) length = left;
    unsigned code = first & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) code = code << 6 | (bytes[i] & 0x3F);
    *at += length;
    return code;
}

size_t mr_utf8_encode(unsigned code_point, char out[4]) {
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}
