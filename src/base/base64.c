#include "base/base64.h"

#include <stdint.h>

/* The six bits a character stands for; 64 and more when it is not of the alphabet. */
static unsigned digit_of(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26u;
    if (c >= '0' && c <= '9') return c - '0' + 52u;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return 64;
}

/* As binascii.a2b_base64 (Modules/binascii.c): a '=' counts only from the third place of a group
 * on, and ends the data when it fills the group; one that comes too early is skipped. */
size_t mr_base64_decode(struct mr_str text, char *out) {
    size_t n = 0;
    unsigned place = 0, pads = 0, left = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '=') {
            if (place >= 2 && place + ++pads >= 4) return n;
            continue;
        }
        unsigned digit = digit_of(c);
        if (digit >= 64) continue;
        pads = 0;
        if (place > 0) out[n++] = (char)(left << (2 * place) | digit >> (6 - 2 * place));
        left = digit & (0x3Fu >> (2 * place));
        place = (place + 1) % 4;
    }
    return place ? MR_BASE64_ERROR : n;
}
