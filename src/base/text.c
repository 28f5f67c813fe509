#include "base/text.h"

#include "base/utf8.h"

void mr_text_uint(struct mr_text *text, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    mr_text_put(text, digits + at, sizeof(digits) - at);
}

/* Bytes of the UTF-8 character at the front; 0: there is none. */
static size_t character_size(struct mr_str value) {
    if ((unsigned char)value.data[0] < 0x80) return 1;
    size_t size = 0;
    if (mr_utf8_check(value.data, value.size < 4 ? value.size : 4)) {
        mr_utf8_next(value.data, value.size, &size);
    }
    return size;
}

void mr_text_json(struct mr_text *text, struct mr_str value) {
    while (value.size && !text->is_full && text->capacity - text->size >= 6) {
        size_t size = character_size(value);
        unsigned char c = (unsigned char)value.data[0];
        if (size == 0) {
            MR_TEXT_PUT(text, "\\ufffd");
            size = 1;
        } else if (c < 0x20) {
            char escape[6] = {
                '\\', 'u', '0', '0', (char)('0' + c / 16), "0123456789abcdef"[c % 16]};
            mr_text_put(text, escape, sizeof(escape));
        } else {
            if (c == '"' || c == '\\') MR_TEXT_PUT(text, "\\");
            mr_text_put(text, value.data, size);
        }
        value.data += size;
        value.size -= size;
    }
}
