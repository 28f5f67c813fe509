#include "base/number.h"

#include <math.h>
#include <stdlib.h>

#include "base/pow10_table.h"
#include "base/utf8.h"

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

/* Write value's decimal digits so that they end at `end`; returns their start. */
static char *digits_before(uint64_t value, char *end) {
    while (value >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + value * 2, 2);
    } else {
        *--end = (char)('0' + value);
    }
    return end;
}

size_t mr_int_write(int64_t value, char out[MR_INT_CHARS]) {
    char text[MR_INT_CHARS];
    char *end = text + sizeof(text);
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char *start = digits_before(magnitude, end);
    if (value < 0) *--start = '-';
    size_t size = (size_t)(end - start);
    memcpy(out, start, size);
    return size;
}

/* --- shortest digits: Schubfach -------------------------------------------------------------- */

/* floor(log10(2^e)), floor(log10(3/4 * 2^e)) and floor(log2(10^e)) over the range of binary64
 * (Giulietti 2020, section 9.1). */
static int floor_log10_pow2(int e) {
    return (int)(((int64_t)e * 1262611) >> 22);
}

static int floor_log10_three_quarters_pow2(int e) {
    return (int)(((int64_t)e * 1262611 - 524031) >> 22);
}

static int floor_log2_pow10(int e) {
    return (int)(((int64_t)e * 1741647) >> 19);
}

/* floor(g * factor / 2^128), its last bit set when anything was cut off (round to odd). */
static uint64_t multiply_to_odd(const uint64_t g[2], uint64_t factor) {
    unsigned __int128 low = (unsigned __int128)g[1] * factor;
    unsigned __int128 high = (unsigned __int128)g[0] * factor + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* R. Giulietti, "The Schubfach way to render doubles", 2020: of the shortest decimals inside the
 * rounding interval of value, the one closest to it. */
void mr_double_shortest(double value, uint64_t *digits, int *exponent) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7FF);
    uint64_t c = biased ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;

    bool is_even = c % 2 == 0;
    bool is_lower_closer = fraction == 0 && biased > 1;
    int k = is_lower_closer ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    const uint64_t *g = pow10_table[-k - POW10_MIN];
    uint64_t lower = multiply_to_odd(g, (4 * c - 2 + is_lower_closer) << h) + !is_even;
    uint64_t middle = multiply_to_odd(g, (4 * c) << h);
    uint64_t upper = multiply_to_odd(g, (4 * c + 2) << h) - !is_even;

    uint64_t s = middle / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool is_down_inside = lower <= 40 * tens;
        bool is_up_inside = 40 * tens + 40 <= upper;
        if (is_down_inside != is_up_inside) {
            *digits = tens + is_up_inside;
            *exponent = k + 1;
            goto strip;
        }
    }
    bool is_down_inside = lower <= 4 * s;
    bool is_up_inside = 4 * s + 4 <= upper;
    bool is_rounded_up = is_up_inside;
    if (is_down_inside == is_up_inside) {
        uint64_t half = 4 * s + 2;
        is_rounded_up = middle > half || (middle == half && s % 2 == 1);
    }
    *digits = s + is_rounded_up;
    *exponent = k;
strip:
    while (*digits % 10 == 0) {
        *digits /= 10;
        *exponent += 1;
    }
}

/* Lay out digits and the position of the decimal point as Python's repr does: fixed notation when
 * -4 <= exponent < 16 (float_repr_style 'short', Python/pystrtod.c: format_float_short). */
static size_t layout(const char *digits, int n, int point, char *out) {
    char *at = out;
    if (point > 16 || point < -3) {
        *at++ = digits[0];
        if (n > 1) {
            *at++ = '.';
            memcpy(at, digits + 1, (size_t)n - 1);
            at += n - 1;
        }
        int exponent = point - 1;
        *at++ = 'e';
        *at++ = exponent < 0 ? '-' : '+';
        exponent = abs(exponent);
        if (exponent < 10) *at++ = '0';
        at += mr_int_write(exponent, at);
        return (size_t)(at - out);
    }
    if (point <= 0) {
        memcpy(at, "0.000", 5);
        at += 2 - point;
        memcpy(at, digits, (size_t)n);
        return (size_t)(at + n - out);
    }
    int whole = n < point ? n : point;
    memcpy(at, digits, (size_t)whole);
    at += whole;
    for (int i = n; i < point; i++) *at++ = '0';
    *at++ = '.';
    if (n <= point) {
        *at++ = '0';
    } else {
        memcpy(at, digits + point, (size_t)(n - point));
        at += n - point;
    }
    return (size_t)(at - out);
}

size_t mr_double_write(double value, char out[MR_DOUBLE_CHARS]) {
    char *at = out;
    if (isnan(value)) {
        memcpy(out, "nan", 3);
        return 3;
    }
    if (signbit(value)) *at++ = '-';
    if (isinf(value)) {
        memcpy(at, "inf", 3);
        return (size_t)(at + 3 - out);
    }
    if (value == 0) {
        memcpy(at, "0.0", 3);
        return (size_t)(at + 3 - out);
    }
    uint64_t digits;
    int exponent;
    mr_double_shortest(fabs(value), &digits, &exponent);
    char text[MR_INT_CHARS];
    char *start = digits_before(digits, text + sizeof(text));
    int n = (int)(text + sizeof(text) - start);
    return (size_t)(at - out) + layout(start, n, n + exponent, at);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Code points of every decimal zero outside ASCII: Unicode category Nd, in blocks of ten. */
static const unsigned decimal_zeros[] = {
    0x660,   0x6F0,   0x7C0,   0x966,   0x9E6,   0xA66,   0xAE6,   0xB66,   0xBE6,   0xC66,
    0xCE6,   0xD66,   0xDE6,   0xE50,   0xED0,   0xF20,   0x1040,  0x1090,  0x17E0,  0x1810,
    0x1946,  0x19D0,  0x1A80,  0x1A90,  0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,
    0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,  0x104A0, 0x10D30, 0x11066, 0x110F0,
    0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC,
    0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0};

static bool is_space(unsigned c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

/* The ASCII character that a character counts as: digits of all scripts as 0-9, white space as ' ',
 * '?' for what has no meaning in a number (Python's _PyUnicode_TransformDecimalAndSpaceToASCII). */
static char as_ascii(unsigned c) {
    if (is_space(c)) return ' ';
    if (c < 0x80) return (char)c;
    for (size_t i = 0; i < sizeof(decimal_zeros) / sizeof(decimal_zeros[0]); i++) {
        if (c >= decimal_zeros[i] && c < decimal_zeros[i] + 10) {
            return (char)('0' + (c - decimal_zeros[i]));
        }
    }
    return '?';
}

/* Reads a number's text character by character, white space at both ends already left out. */
struct reader {
    struct mr_str text;
    size_t at;
};

static char peek(const struct reader *reader) {
    if (reader->at >= reader->text.size) return '\0';
    size_t at = reader->at;
    char c = as_ascii(mr_utf8_next(reader->text.data, reader->text.size, &at));
    return c ? c : '?';
}

static void advance(struct reader *reader) {
    mr_utf8_next(reader->text.data, reader->text.size, &reader->at);
}

static struct mr_str strip(struct mr_str text) {
    size_t start = 0, end = 0;
    for (size_t at = 0; at < text.size;) {
        size_t before = at;
        bool is_blank = is_space(mr_utf8_next(text.data, text.size, &at));
        if (is_blank && end == 0) start = at;
        if (!is_blank) end = at;
        if (at <= before) break;
    }
    return end > start ? (struct mr_str){text.data + start, end - start} : mr_str_from("");
}

static bool skip_sign(struct reader *reader) {
    char c = peek(reader);
    if (c == '+' || c == '-') advance(reader);
    return c == '-';
}

/* More significant digits than decide the rounding of a binary64 (767, plus one that says whether
 * anything follows). */
#define MAX_DIGITS 800

struct decimal {
    char digits[MAX_DIGITS + 2];
    size_t n;
    bool has_more;    /* a digit other than 0 was left out */
    bool has_any;     /* a digit was read, be it a leading 0 */
    int64_t exponent; /* power of ten of the last digit kept */
};

static void add_digit(struct decimal *decimal, char digit, bool is_fraction) {
    decimal->has_any = true;
    if (decimal->n == MAX_DIGITS) {
        decimal->has_more |= digit != '0';
        if (!is_fraction) decimal->exponent++;
        return;
    }
    if (decimal->n || digit != '0') decimal->digits[decimal->n++] = digit;
    if (is_fraction) decimal->exponent--;
}

/* Digits with single underscores between them; false when an underscore stands elsewhere. */
static bool read_digits(struct reader *reader, struct decimal *decimal, bool is_fraction) {
    bool is_after_digit = false;
    for (char c = peek(reader); (c >= '0' && c <= '9') || c == '_'; c = peek(reader)) {
        if (c == '_') {
            if (!is_after_digit) return false;
            advance(reader);
            c = peek(reader);
            if (c < '0' || c > '9') return false;
        }
        add_digit(decimal, c, is_fraction);
        is_after_digit = true;
        advance(reader);
    }
    return true;
}

static bool read_exponent(struct reader *reader, int64_t *out) {
    bool is_negative = skip_sign(reader);
    struct decimal decimal = {.n = 0};
    if (!read_digits(reader, &decimal, false) || !decimal.has_any) return false;
    int64_t value = 0;
    for (size_t i = 0; i < decimal.n && value < 100000000; i++) {
        value = value * 10 + (decimal.digits[i] - '0');
    }
    *out = is_negative ? -value : value;
    return true;
}

static bool is_word(struct mr_str text, const char *word) {
    size_t size = strlen(word);
    if (text.size != size) return false;
    for (size_t i = 0; i < size; i++) {
        if ((text.data[i] | 0x20) != word[i]) return false;
    }
    return true;
}

static bool to_double(struct decimal *decimal, int64_t exponent, double *out) {
    if (decimal->n == 0) {
        *out = 0;
        return true;
    }
    int64_t power = decimal->exponent + exponent;
    if (decimal->has_more) {
        decimal->digits[decimal->n++] = '1';
        power--;
    }
    if (power > 100000) power = 100000;
    if (power < -100000) power = -100000;
    char text[MAX_DIGITS + 2 + 2 + MR_INT_CHARS];
    memcpy(text, decimal->digits, decimal->n);
    text[decimal->n] = 'e';
    size_t size = decimal->n + 1;
    size += mr_int_write(power, text + size);
    text[size] = '\0';
    *out = strtod(text, NULL);
    return true;
}

bool mr_float_parse(struct mr_str text, double *out) {
    struct reader reader = {strip(text), 0};
    if (reader.text.size == 0) return false; /* its data is NULL, to which not even 0 is added */
    bool is_negative = skip_sign(&reader);
    struct mr_str rest = {reader.text.data + reader.at, reader.text.size - reader.at};
    double value;
    if (is_word(rest, "inf") || is_word(rest, "infinity")) {
        value = INFINITY;
    } else if (is_word(rest, "nan")) {
        value = NAN;
    } else {
        struct decimal decimal = {.n = 0};
        int64_t exponent = 0;
        if (!read_digits(&reader, &decimal, false)) return false;
        if (peek(&reader) == '.') {
            advance(&reader);
            if (!read_digits(&reader, &decimal, true)) return false;
        }
        if (!decimal.has_any) return false;
        if ((peek(&reader) | 0x20) == 'e') {
            advance(&reader);
            if (!read_exponent(&reader, &exponent)) return false;
        }
        if (reader.at != reader.text.size || !to_double(&decimal, exponent, &value)) return false;
    }
    *out = is_negative ? -value : value;
    return true;
}

bool mr_int_parse(struct mr_str text, int64_t *out, bool *is_big) {
    struct reader reader = {strip(text), 0};
    bool is_negative = skip_sign(&reader);
    struct decimal decimal = {.n = 0};
    if (!read_digits(&reader, &decimal, false)) return false;
    if (!decimal.has_any || reader.at != reader.text.size) return false;
    *is_big = decimal.n > 19;
    uint64_t value = 0;
    for (size_t i = 0; i < decimal.n && !*is_big; i++) {
        value = value * 10 + (uint64_t)(decimal.digits[i] - '0');
    }
    if (value > (uint64_t)INT64_MAX + is_negative) *is_big = true;
    if (!*is_big) *out = (int64_t)(is_negative ? -value : value);
    return true;
}

bool mr_bytes_parse(struct mr_str text, uint64_t *out) {
    static const char units[] = "kmgt";
    size_t n = 0;
    while (n < text.size && text.data[n] >= '0' && text.data[n] <= '9') n++;
    int64_t number = 0;
    bool is_big = false;
    if (!mr_int_parse((struct mr_str){text.data, n}, &number, &is_big) || is_big || number < 1) {
        return false;
    }
    unsigned shift = 0;
    const char *unit = n < text.size ? memchr(units, text.data[n] | 0x20, 4) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        n++;
    }
    if (n < text.size && (text.data[n] | 0x20) == 'b') n++;
    if (n < text.size || (uint64_t)number > UINT64_MAX >> 1 >> shift) return false;
    *out = (uint64_t)number << shift;
    return true;
}
