#include "engine/pipeline/text/unicode.h"

#include <pthread.h>
#include <stdint.h>

#include "base/utf8.h"
#include "engine/pipeline/text/unicode_runs.h"

#define N_CODE_POINTS 0x110000
#define N_RUNS (sizeof(unicode_runs) / sizeof(*unicode_runs))

/* Flags of unicode_records. */
#define WORD 1
#define CASED 2
#define IGNORABLE 4
#define UNSURE 8

#define DOTTED_CAPITAL_I 0x130
#define CAPITAL_SIGMA 0x3A3
#define SMALL_SIGMA 0x3C3
#define FINAL_SIGMA 0x3C2

#define ONES UINT64_C(0x0101010101010101)
#define HIGH_BITS (ONES * 0x80)

/* The number of each code point's record. Written once, and where it is not 0 only: most of its
 * pages stay zeros that take no memory. */
static uint8_t record_numbers[N_CODE_POINTS];

static void fill_record_numbers(void) {
    for (size_t i = 0; i < N_RUNS; i++) {
        uint32_t start = unicode_runs[i] >> 8;
        uint32_t end = i + 1 < N_RUNS ? unicode_runs[i + 1] >> 8 : N_CODE_POINTS;
        uint8_t number = unicode_runs[i] & 0xFF;
        if (number) memset(record_numbers + start, number, end - start);
    }
}

void mr_text_unicode_prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_record_numbers);
}

static uint8_t flags_of(unsigned code_point) {
    return unicode_records[record_numbers[code_point]].flags;
}

static uint64_t load_8(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

bool mr_text_is_sure(struct mr_str text) {
    size_t at = 0;
    while (at < text.size) {
        if (text.size - at >= 8 && !(load_8(text.data + at) & HIGH_BITS)) {
            at += 8;
            continue;
        }
        unsigned code_point = mr_utf8_next(text.data, text.size, &at);
        bool is_surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
        if (is_surrogate || flags_of(code_point) & UNSURE) return false;
    }
    return true;
}

bool mr_text_is_word(unsigned code_point) {
    return flags_of(code_point) & WORD;
}

bool mr_text_is_space(unsigned code_point) {
    if (code_point < 0x80) {
        return code_point == ' ' || (code_point >= '\t' && code_point <= '\r') ||
               (code_point >= 0x1C && code_point <= 0x1F);
    }
    switch (code_point) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000: return true;
    default: return code_point >= 0x2000 && code_point <= 0x200A;
    }
}

/* Lower case ----------------------------------------------------------------------------------- */

/* Whether the last code point of `text` that is not case-ignorable is cased. */
static bool ends_cased(struct mr_str text) {
    size_t end = text.size;
    while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && ((unsigned char)text.data[start] & 0xC0) == 0x80) start--;
        size_t at = start;
        uint8_t flags = flags_of(mr_utf8_next(text.data, end, &at));
        if (!(flags & IGNORABLE)) return flags & CASED;
        end = start;
    }
    return false;
}

/* The same of the first one from text.data[at] on. */
static bool begins_cased(struct mr_str text, size_t at) {
    while (at < text.size) {
        uint8_t flags = flags_of(mr_utf8_next(text.data, text.size, &at));
        if (!(flags & IGNORABLE)) return flags & CASED;
    }
    return false;
}

/* Appends the lower case of the code point that is text.data[start .. end]. Only this one's becomes
 * two code points, and only that one's depends on its neighbours (lower_ucs4 of CPython's
 * Objects/unicodeobject.c). */
static size_t lower_one(struct mr_str text, size_t start, size_t end, unsigned code_point,
                        char *out) {
    if (code_point == DOTTED_CAPITAL_I) {
        memcpy(out, "i\xCC\x87", 3);
        return 3;
    }
    if (code_point == CAPITAL_SIGMA) {
        bool is_final = ends_cased((struct mr_str){text.data, start}) && !begins_cased(text, end);
        return mr_utf8_encode(is_final ? FINAL_SIGMA : SMALL_SIGMA, out);
    }
    int32_t distance = unicode_records[record_numbers[code_point]].lower;
    return mr_utf8_encode((unsigned)((int32_t)code_point + distance), out);
}

/* The lower case of eight bytes of ASCII. */
static uint64_t lower_8(uint64_t word) {
    uint64_t from_a = word + ONES * (0x80 - 'A');
    uint64_t above_z = word + ONES * (0x80 - 'Z' - 1);
    return word | (from_a & ~above_z & HIGH_BITS) >> 2;
}

size_t mr_text_lower(struct mr_str text, char *out) {
    size_t at = 0, n = 0;
    while (at < text.size) {
        uint64_t word = text.size - at >= 8 ? load_8(text.data + at) : HIGH_BITS;
        if (!(word & HIGH_BITS)) {
            word = lower_8(word);
            memcpy(out + n, &word, sizeof(word));
            at += 8;
            n += 8;
            continue;
        }
        size_t start = at;
        unsigned code_point = mr_utf8_next(text.data, text.size, &at);
        if (code_point < 0x80) {
            out[n++] = (char)(code_point + (code_point >= 'A' && code_point <= 'Z' ? 32 : 0));
        } else {
            char lower[4];
            size_t size = lower_one(text, start, at, code_point, lower);
            memcpy(out + n, lower, size);
            n += size;
        }
    }
    return n;
}
