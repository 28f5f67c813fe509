/* Inside the CSV reader: what one cell is, by the rules of pandas' C parser.
 *
 * Cited are pandas 3.1.1: pandas/_libs/src/parser/tokenizer.cpp (str_to_int64, str_to_uint64,
 * precise_xstrtod_with_end, parse_special_float, to_boolean), fast_float_wrappers.cpp
 * (try_parse_plain_double) and pandas/_libs/parsers.pyx (STR_NA_VALUES, _try_pylong). A cell may
 * hold any bytes, NUL included, and is not NUL-terminated. Nothing here allocates. */
#ifndef MR_CODEC_CSV_NUMBER_INT_H
#define MR_CODEC_CSV_NUMBER_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Why a cell is no integer; pandas' inference goes different ways from here. */
typedef enum mr_csv_int {
    MR_CSV_INT_OK,
    MR_CSV_INT_NO_DIGITS, /* does not start as an integer */
    MR_CSV_INT_OVERFLOW,  /* an integer and nothing else, but beyond 64 bits */
    MR_CSV_INT_INVALID    /* starts as one, goes on as something else */
} mr_csv_int;

/* A sign, decimal digits, white space around. *out is set on MR_CSV_INT_OK only. */
mr_csv_int mr_csv_int64(struct mr_str cell, int64_t *out);

/* The same for uint64, but what starts with a minus is MR_CSV_INT_OK whatever follows: it sets
 * *is_negative and *out to 0. */
mr_csv_int mr_csv_uint64(struct mr_str cell, uint64_t *out, bool *is_negative);

/* What int(text) of Python makes an integer of, of ASCII: underscores between digits, and at most
 * 4300 digits (PyLong_FromString, sys.int_info.default_max_str_digits). */
bool mr_csv_is_python_int(struct mr_str cell);

/* mr_csv_double for what is not as simple as mr_csv_short_double takes it. */
bool mr_csv_long_double(struct mr_str cell, double *out);

/* At most nine characters: a minus sign, digits, a point, digits. Both operands of the division are
 * exact, so it rounds once and correctly. Returns false for anything else. */
static inline bool mr_csv_short_double(struct mr_str cell, double *out) {
    static const double pow10[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    const char *p = cell.data, *end = p + cell.size;
    if (cell.size == 0 || cell.size > 9) return false;
    bool is_negative = *p == '-';
    const char *first = p += is_negative;
    unsigned digits = 0;
    for (unsigned d; p < end && (d = (unsigned char)(*p - '0')) < 10; p++) digits = digits * 10 + d;
    if (p == first) return false;
    double value = digits;
    if (p < end) {
        if (*p != '.') return false;
        const char *fraction = ++p;
        for (unsigned d; p < end && (d = (unsigned char)(*p - '0')) < 10; p++) {
            digits = digits * 10 + d;
        }
        if (p < end) return false;
        value = digits / pow10[p - fraction];
    }
    *out = is_negative ? -value : value;
    return true;
}

/* A decimal number with white space around, or inf and infinity of any case without; never NaN.
 * The double is the one pandas has, to the bit: correctly rounded (fast_float), except for a plus
 * sign together with white space, which takes pandas through an older, less exact algorithm. */
static inline bool mr_csv_double(struct mr_str cell, double *out) {
    return mr_csv_short_double(cell, out) || mr_csv_long_double(cell, out);
}

/* "true" and "false" of any case. */
bool mr_csv_bool(struct mr_str cell, bool *out);

/* Whether a cell is a missing value: empty, NA, NULL, null, NaN, None, ... Never true of a cell
 * that one of the functions above accepts, so it can be asked last. */
bool mr_csv_is_missing(struct mr_str cell);

#endif
