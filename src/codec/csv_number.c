#include <limits.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"
#include "codec/csv_number_int.h"

static bool is_digit(char c) {
    return (unsigned char)(c - '0') < 10;
}

/* isspace_ascii of pandas/portable.h. */
static bool is_space(char c) {
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

static const char *skip_spaces(const char *p, const char *end) {
    while (p < end && is_space(*p)) p++;
    return p;
}

static const char *skip_digits(const char *p, const char *end) {
    while (p < end && is_digit(*p)) p++;
    return p;
}

static bool is_word(struct mr_str text, const char *lower) {
    return text.size == strlen(lower) && strncasecmp(text.data, lower, text.size) == 0;
}

/* --- digits, eight at a time ------------------------------------------------------------------ */

static uint64_t read_eight(const char *p) {
    uint64_t block;
    memcpy(&block, p, sizeof(block));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    block = __builtin_bswap64(block);
#endif
    return block;
}

static bool is_eight_digits(uint64_t block) {
    const uint64_t zeros = 0x3030303030303030u, high = 0x8080808080808080u;
    /* A byte below '0' borrows in the first term, one above '9' carries in the second. */
    return (((block - zeros) | (block + 0x4646464646464646u)) & high) == 0;
}

/* The number that eight ASCII digits spell: pairs, then fours, then all eight. */
static uint64_t eight_digits(uint64_t block) {
    block = (block & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
    block = (block & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    return (block & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
}

/* Appends the digits at p to *value, modulo 2^64; returns where they end. */
static inline const char *read_digits(const char *p, const char *end, uint64_t *value) {
    uint64_t sum = *value;
    while (end - p >= 8) {
        uint64_t block = read_eight(p);
        if (!is_eight_digits(block)) break;
        sum = sum * 100000000 + eight_digits(block);
        p += 8;
    }
    while (p < end && is_digit(*p)) sum = sum * 10 + (uint64_t)(*p++ - '0');
    *value = sum;
    return p;
}

/* --- integers --------------------------------------------------------------------------------- */

/* An unsigned number that starts at p, and white space to the end of the cell. */
static mr_csv_int read_uint(const char *p, const char *end, uint64_t max, uint64_t *out) {
    if (p == end || !is_digit(*p)) return MR_CSV_INT_NO_DIGITS;
    while (end - p > 1 && *p == '0' && is_digit(p[1])) p++;
    uint64_t value = 0;
    const char *stop = read_digits(p, end, &value);
    /* 20 digits may fit 64 bits or not; then the sum has wrapped when it is below its first 19
     * digits' worth, which is at least 10^19. */
    bool is_over = stop - p > 20 || (stop - p == 20 && (*p > '1' || value < 10000000000000000000u));
    if (is_over || value > max) return stop == end ? MR_CSV_INT_OVERFLOW : MR_CSV_INT_INVALID;
    if (skip_spaces(stop, end) != end) return MR_CSV_INT_INVALID;
    *out = value;
    return MR_CSV_INT_OK;
}

mr_csv_int mr_csv_int64(struct mr_str cell, int64_t *out) {
    const char *p = cell.data, *end = p + cell.size;
    p = skip_spaces(p, end);
    bool is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    uint64_t magnitude;
    mr_csv_int result = read_uint(p, end, (uint64_t)INT64_MAX + is_negative, &magnitude);
    if (result == MR_CSV_INT_OK) *out = (int64_t)(is_negative ? -magnitude : magnitude);
    return result;
}

mr_csv_int mr_csv_uint64(struct mr_str cell, uint64_t *out, bool *is_negative) {
    const char *p = cell.data, *end = p + cell.size;
    p = skip_spaces(p, end);
    *is_negative = p < end && *p == '-';
    if (*is_negative) {
        *out = 0;
        return MR_CSV_INT_OK;
    }
    if (p < end && *p == '+') p++;
    return read_uint(p, end, UINT64_MAX, out);
}

bool mr_csv_is_python_int(struct mr_str cell) {
    const char *p = cell.data, *end = p + cell.size;
    p = skip_spaces(p, end);
    if (p < end && (*p == '-' || *p == '+')) p++;
    size_t n_digits = 0;
    for (;; p++) {
        const char *stop = skip_digits(p, end);
        if (stop == p) return false;
        n_digits += (size_t)(stop - p);
        p = stop;
        if (p == end || *p != '_') break;
    }
    return n_digits <= 4300 && skip_spaces(p, end) == end;
}

/* --- correctly rounded doubles ---------------------------------------------------------------- */

/* A number as written: digits * 10^exponent. */
struct decimal {
    bool is_negative;
    bool is_exact; /* false: more than 19 digits, so `digits` has wrapped */
    uint64_t digits;
    int64_t exponent;
};

/* Reads [+-] digits [. digits] [e [+-] digits], a digit on at least one side of the point; returns
 * where it ends, NULL when there is no number (fast_float: parse_number_string). */
static inline const char *read_decimal(const char *p, const char *end, struct decimal *out) {
    out->is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    const char *first = p;
    uint64_t digits = 0;
    p = read_digits(p, end, &digits);
    int64_t n_digits = p - first, exponent = 0;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = read_digits(p, end, &digits);
        exponent = fraction - p;
        n_digits -= exponent;
    }
    if (n_digits == 0) return NULL;
    if (n_digits > 19) {
        for (; first < p && (*first == '0' || *first == '.'); first++) n_digits -= *first == '0';
    }
    out->is_exact = n_digits <= 19;
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *q = p + 1;
        bool is_minus = q < end && *q == '-';
        if (q < end && (*q == '-' || *q == '+')) q++;
        if (q < end && is_digit(*q)) { /* else the e is no part of the number */
            int64_t power = 0;
            for (; q < end && is_digit(*q); q++) {
                if (power < 0x10000000) power = power * 10 + (*q - '0');
            }
            exponent += is_minus ? -power : power;
            p = q;
        }
    }
    out->digits = digits;
    out->exponent = exponent;
    return p;
}

static const double small_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define MAX_POW5 27
/* clang-format off */
static const uint64_t pow5[MAX_POW5 + 1] = {
    1u, 5u, 25u, 125u, 625u, 3125u, 15625u, 78125u, 390625u, 1953125u, 9765625u, 48828125u,
    244140625u, 1220703125u, 6103515625u, 30517578125u, 152587890625u, 762939453125u,
    3814697265625u, 19073486328125u, 95367431640625u, 476837158203125u, 2384185791015625u,
    11920928955078125u, 59604644775390625u, 298023223876953125u, 1490116119384765625u,
    7450580596923828125u,
};
/* clang-format on */

/* The double nearest to significand * 2^exponent, ties to even; the top bit of significand is set,
 * is_inexact says that the true value is a little larger. For results in the normal range. */
static double round_to_double(uint64_t significand, bool is_inexact, int exponent) {
    uint64_t kept = significand >> 11, cut = significand & 0x7FF;
    bool is_up = cut > 0x400 || (cut == 0x400 && (is_inexact || kept % 2 == 1));
    /* kept has 53 bits, the top one is implied; a carry out of it moves on into the exponent. */
    uint64_t bits = kept + is_up + ((uint64_t)(exponent + 11 + 1074) << 52);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* digits * 10^exponent, exactly rounded by integer arithmetic: 10^n = 5^n * 2^n, and digits * 5^n
 * as well as digits / 5^n with its remainder fit 128 bits. digits > 0, |exponent| <= MAX_POW5. */
static double from_small_power(uint64_t digits, int exponent) {
    int shift = __builtin_clzll(digits);
    uint64_t normal = digits << shift;
    if (exponent >= 0) {
        unsigned __int128 product = (unsigned __int128)normal * pow5[exponent];
        uint64_t high = (uint64_t)(product >> 64);
        int n_high = high ? 64 - __builtin_clzll(high) : 0;
        product <<= 64 - n_high;
        return round_to_double((uint64_t)(product >> 64), (uint64_t)product != 0,
                               exponent - shift + n_high);
    }
    int divisor_shift = __builtin_clzll(pow5[-exponent]);
    uint64_t divisor = pow5[-exponent] << divisor_shift;
    /* Halved when needed, so that the quotient is below 2^64; it is at least 2^63 either way. */
    int half = normal >= divisor;
    unsigned __int128 dividend = (unsigned __int128)normal << (64 - half);
    uint64_t quotient = (uint64_t)(dividend / divisor);
    bool has_rest = (uint64_t)dividend != quotient * divisor;
    return round_to_double(quotient, has_rest, exponent - shift + divisor_shift - 64 + half);
}

/* The double nearest to a decimal by long arithmetic; text is how it was written. */
static __attribute__((noinline)) double nearest_by_text(struct mr_str text) {
    double value;
    return mr_float_parse(text, &value) ? value : NAN; /* read_decimal has checked the text */
}

/* The double nearest to a decimal. */
static inline double nearest_double(const struct decimal *decimal, struct mr_str text) {
    double value = (double)decimal->digits;
    int64_t exponent = decimal->exponent;
    if (!decimal->is_exact || exponent < -MAX_POW5 || exponent > MAX_POW5) {
        return nearest_by_text(text);
    }
    if (decimal->digits <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
        /* Both factors are exact, so one operation rounds once (Clinger 1990). */
        value = exponent < 0 ? value / small_pow10[-exponent] : value * small_pow10[exponent];
    } else if (decimal->digits) {
        value = from_small_power(decimal->digits, (int)exponent);
    }
    return decimal->is_negative ? -value : value;
}

/* --- pandas' older algorithm ------------------------------------------------------------------ */

/* As strtol(p, stop, 10) of C, which skips white space first: the exponent. */
static long read_long(const char *p, const char *end, const char **stop, bool *is_over) {
    const char *start = p;
    p = skip_spaces(p, end);
    bool is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    *stop = start;
    *is_over = false;
    long value = 0;
    for (; p < end && is_digit(*p); p++) {
        *is_over |= __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_sub_overflow(value, *p - '0', &value); /* negative: LONG_MIN fits */
        *stop = p + 1;
    }
    if (!is_negative && !*is_over) *is_over = __builtin_sub_overflow(0, value, &value);
    if (*is_over) return is_negative ? LONG_MIN : LONG_MAX;
    return value;
}

/* 10^n as the compiler's constants of pandas' table, for 0 <= n <= 308. */
static double pow10_constant(long n) {
    char text[2 + MR_INT_CHARS] = "1e";
    double value = 0;
    if (!mr_float_parse((struct mr_str){text, 2 + mr_int_write(n, text + 2)}, &value)) return NAN;
    return value;
}

static double scale_old(double number, long exponent) {
    if (exponent > 308) return number == 0 ? 0 : number < 0 ? -INFINITY : INFINITY;
    if (exponent >= 0) return number * pow10_constant(exponent);
    if (exponent >= -308) return number / pow10_constant(-exponent);
    if (exponent < -616) return 0;
    return number / pow10_constant(-308 - exponent) / pow10_constant(308);
}

/* precise_xstrtod_with_end from its label `fallback` on: 17 digits as an integer, then one or two
 * roundings more. p is behind leading white space; returns whether the cell ends after the number
 * and white space. */
static bool double_by_old_rules(const char *p, const char *end, double *out) {
    enum { MAX_DIGITS = 17 };
    bool is_negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    uint64_t mantissa = 0;
    long exponent = 0, n_digits = 0;
    bool has_digit = p < end && *p == '0';
    while (p < end && *p == '0') p++;
    for (; p < end && is_digit(*p); p++) {
        if (n_digits < MAX_DIGITS) {
            mantissa = mantissa * 10 + (uint64_t)(*p - '0');
            n_digits++;
        } else {
            exponent++;
        }
    }
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        if (n_digits == 0) {
            while (p < end && *p == '0') p++;
            has_digit |= p > fraction;
        }
        for (; p < end && is_digit(*p) && n_digits < MAX_DIGITS; p++, n_digits++) {
            mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        }
        exponent -= p - fraction;
        p = skip_digits(p, end);
    }
    if (n_digits == 0 && !has_digit) return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *stop;
        bool is_over;
        long power = read_long(p + 1, end, &stop, &is_over);
        if (stop == p + 1) return false;
        if (is_over || __builtin_add_overflow(exponent, power, &exponent)) exponent = power;
        p = stop;
    }
    *out = scale_old(is_negative ? -(double)mantissa : (double)mantissa, exponent);
    return skip_spaces(p, end) == end;
}

/* --- all doubles ------------------------------------------------------------------------------ */

/* What try_parse_plain_double leaves: white space, infinities, and what is no number. */
static bool double_by_other_rules(struct mr_str cell, double *out) {
    const char *end = cell.data + cell.size, *p = skip_spaces(cell.data, end);
    if (p == end) return false;
    bool has_sign = *p == '-' || *p == '+';
    const char *q = p + has_sign;
    if (q < end && (is_digit(*q) || (*q == '.' && end - q > 1 && is_digit(q[1])))) {
        if (*p == '+') return double_by_old_rules(p, end, out);
        struct decimal decimal;
        const char *stop = read_decimal(p, end, &decimal);
        if (!stop || skip_spaces(stop, end) != end) return false;
        *out = nearest_double(&decimal, (struct mr_str){p, (size_t)(stop - p)});
        return true;
    }
    struct mr_str word = {q, (size_t)(end - q)};
    if (p != cell.data || (!is_word(word, "inf") && !is_word(word, "infinity"))) return false;
    *out = *p == '-' ? -INFINITY : INFINITY;
    return true;
}

bool mr_csv_long_double(struct mr_str cell, double *out) {
    struct decimal decimal;
    const char *stop = read_decimal(cell.data, cell.data + cell.size, &decimal);
    if (!stop || stop != cell.data + cell.size) return double_by_other_rules(cell, out);
    *out = nearest_double(&decimal, cell);
    return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

bool mr_csv_bool(struct mr_str cell, bool *out) {
    *out = is_word(cell, "true");
    return *out || is_word(cell, "false");
}

bool mr_csv_is_missing(struct mr_str cell) {
    static const char *const tokens[] = {
        "NA",   "NaN",  "nan",  "null", "NULL",   "None",    "N/A",     "n/a",      "#N/A",
        "<NA>", "-nan", "-NaN", "#NA",  "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN", "#N/A N/A"};
    if (cell.size == 0) return true;
    if (cell.size > 8 || cell.size == 1) return false;
    switch (cell.data[0]) { /* most texts and numbers need no more than this */
    case 'N':
    case 'n':
    case '#':
    case '<':
    case '-':
    case '1': break;
    default: return false;
    }
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (mr_str_is(cell, tokens[i])) return true;
    }
    return false;
}
