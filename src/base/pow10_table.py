#!/usr/bin/env python3
"""Writes pow10_table.h: 128-bit powers of ten for shortest double printing.

    python3 src/base/pow10_table.py > src/base/pow10_table.h

Entry k is ceil(10^k * 2^(127 - floor(log2(10^k)))), so in [2^127, 2^128); the range of k is the one
Schubfach needs for binary64 (R. Giulietti, "The Schubfach way to render doubles", 2020, section 9).
"""

from fractions import Fraction

K_MIN, K_MAX = -292, 324


def entry(k):
    power = Fraction(10) ** k
    exponent = power.numerator.bit_length() - power.denominator.bit_length()
    if Fraction(2) ** exponent > power:
        exponent -= 1
    scaled = power * Fraction(2) ** (127 - exponent)
    return -(-scaled.numerator // scaled.denominator)


print("/* Made by pow10_table.py; do not edit. */")
print("#ifndef MR_BASE_POW10_TABLE_H\n#define MR_BASE_POW10_TABLE_H\n\n#include <stdint.h>\n")
print(f"#define POW10_MIN ({K_MIN})\n")
print("/* 10^(POW10_MIN + i), scaled to [2^127, 2^128) and rounded up: high and low halves. */")
print(f"static const uint64_t pow10_table[{K_MAX - K_MIN + 1}][2] = {{")
for k in range(K_MIN, K_MAX + 1):
    value = entry(k)
    print(f"    {{0x{value >> 64:016x}u, 0x{value & (1 << 64) - 1:016x}u}},")
print("};\n\n#endif")
