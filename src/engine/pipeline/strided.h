/* Single values of columns of numbers (mr_pipe_is_number), wherever they lie. */
#ifndef MR_ENGINE_PIPELINE_STRIDED_H
#define MR_ENGINE_PIPELINE_STRIDED_H

#include "engine/pipeline/pipeline_int.h"

/* A column of numbers. */
struct mr_pipe_strided {
    mr_dtype dtype;
    const char *values;
    size_t stride; /* bytes from row to row */
};

/* Column c of a FRAME. */
struct mr_pipe_strided mr_pipe_strided_of(const struct mr_pipe_x *x, size_t c);

/* Row r as a double. */
static inline double mr_pipe_read_double(const struct mr_pipe_strided *from, size_t r) {
    const void *value = from->values + r * from->stride;
    switch (from->dtype) {
    case MR_BOOL:
    case MR_UINT8: return *(const uint8_t *)value;
    case MR_INT8: return *(const int8_t *)value;
    case MR_INT16: return *(const int16_t *)value;
    case MR_UINT16: return *(const uint16_t *)value;
    case MR_INT32: return *(const int32_t *)value;
    case MR_UINT32: return *(const uint32_t *)value;
    case MR_INT64: return (double)*(const int64_t *)value;
    case MR_FLOAT32: return (double)*(const float *)value;
    default: return *(const double *)value;
    }
}

/* Row r as it is, of booleans and integers. */
static inline int64_t mr_pipe_read_integer(const struct mr_pipe_strided *from, size_t r) {
    if (from->dtype == MR_INT64) return *(const int64_t *)(from->values + r * from->stride);
    return (int64_t)mr_pipe_read_double(from, r);
}

/* Writes a value of a boolean or integer dtype, which it fits. */
static inline void mr_pipe_write_integer(mr_dtype dtype, void *to, int64_t value) {
    switch (dtype) {
    case MR_BOOL:
    case MR_UINT8:
    case MR_INT8: *(uint8_t *)to = (uint8_t)value; break;
    case MR_INT16:
    case MR_UINT16: *(uint16_t *)to = (uint16_t)value; break;
    case MR_INT32:
    case MR_UINT32: *(uint32_t *)to = (uint32_t)value; break;
    default: *(int64_t *)to = value; break;
    }
}

#endif
