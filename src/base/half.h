/* IEEE 754 binary16, numpy's float16, which C17 has no type for. */
#ifndef MR_BASE_HALF_H
#define MR_BASE_HALF_H

#include <stdint.h>

/* The nearest binary16 of a double, ties to even. */
uint16_t mr_half_from_double(double value);

/* Exact. */
double mr_half_to_double(uint16_t half);

#endif
