#include "base/half.h"

#include <math.h>
#include <string.h>

/* As numpy's npy_doublebits_to_halfbits: rounded once, from the double. */
uint16_t mr_half_from_double(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    int exponent = (int)(bits >> 52 & 0x7FF) - 1023;
    uint64_t fraction = bits & 0xFFFFFFFFFFFFFu;
    if (exponent == 1024) { /* inf and NaN; a NaN's payload must not become an infinity */
        uint16_t payload = (uint16_t)(fraction >> 42);
        return (uint16_t)(sign | 0x7C00 | (fraction && !payload ? 1 : payload));
    }
    if (exponent > 15) return sign | 0x7C00;
    if (exponent < -25) return sign;
    int shift = exponent < -14 ? 42 + (-14 - exponent) : 42;
    uint64_t mantissa = fraction | (exponent < -14 ? (uint64_t)1 << 52 : 0);
    uint64_t half = (uint64_t)1 << (shift - 1);
    uint64_t kept = mantissa >> shift, rest = mantissa & ((half << 1) - 1);
    if (exponent >= -14) kept += (uint64_t)(exponent + 15) << 10;
    if (rest > half || (rest == half && kept & 1)) kept++; /* may carry into the exponent */
    return (uint16_t)(sign | kept);
}

double mr_half_to_double(uint16_t half) {
    int exponent = half >> 10 & 31;
    double fraction = half & 1023;
    double magnitude = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(fraction + 1024, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}
