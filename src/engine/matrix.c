#include "engine/matrix.h"

#include "engine/cell.h"

static mr_status fail_cell(const struct mr_matrix *matrix, uint32_t column, int64_t row,
                           struct mr_error *err) {
    return mr_fail(err, MR_E_BAD_REQUEST, "row %lld, column %u: %s takes numbers only",
                   (long long)row, column, matrix->library);
}

#define CONVERT(from_type, to_type)                                                                \
    do {                                                                                           \
        const from_type *from = (const from_type *)values + start;                                 \
        for (size_t i = 0; i < n; i++) out[i] = (to_type)from[i * stride];                         \
        return true;                                                                               \
    } while (0)

/* Strided numbers; false for dtypes that are read one by one. */
#define DEFINE_CONVERT(name, type)                                                                 \
    static bool name(mr_dtype dtype, const void *values, size_t start, size_t stride, size_t n,    \
                     type *out) {                                                                  \
        switch (dtype) {                                                                           \
        case MR_FLOAT64: CONVERT(double, type);                                                    \
        case MR_FLOAT32: CONVERT(float, type);                                                     \
        case MR_INT64:                                                                             \
        case MR_DATETIME: CONVERT(int64_t, type);                                                  \
        case MR_INT32: CONVERT(int32_t, type);                                                     \
        case MR_BOOL:                                                                              \
        case MR_UINT8: CONVERT(uint8_t, type);                                                     \
        case MR_INT8: CONVERT(int8_t, type);                                                       \
        case MR_INT16: CONVERT(int16_t, type);                                                     \
        case MR_UINT16: CONVERT(uint16_t, type);                                                   \
        case MR_UINT32: CONVERT(uint32_t, type);                                                   \
        case MR_UINT64: CONVERT(uint64_t, type);                                                   \
        default: return false;                                                                     \
        }                                                                                          \
    }

#define DEFINE_READ(name, type, convert)                                                           \
    mr_status name(const struct mr_matrix *matrix, uint32_t column, int64_t row, size_t n,         \
                   type *out, struct mr_error *err) {                                              \
        const struct mr_column *from = matrix->columns ? &matrix->columns[column] : NULL;          \
        const struct mr_tensor *tensor = matrix->tensor;                                           \
        size_t start = from ? (size_t)row : (size_t)row * matrix->n_cols + column;                 \
        size_t stride = from ? 1 : matrix->n_cols;                                                 \
        const void *values = from ? from->values : tensor->values;                                 \
        mr_dtype dtype = from ? from->dtype : tensor->dtype;                                       \
        bool has_all = !from || !from->validity;                                                   \
        if (has_all && convert(dtype, values, start, stride, n, out)) return MR_OK;                \
        for (size_t i = 0; i < n; i++) {                                                           \
            double value;                                                                          \
            int64_t at = (int64_t)(start + i * stride);                                            \
            if (!(from ? mr_cell_of_column(from, at, &value)                                       \
                       : mr_cell_of_array(dtype, values, at, &value))) {                           \
                return fail_cell(matrix, column, row + (int64_t)i, err);                           \
            }                                                                                      \
            out[i] = (type)value;                                                                  \
        }                                                                                          \
        return MR_OK;                                                                              \
    }

/* Doubles, which most requests bring, are read here and now. */
#define DEFINE_READ_ROW(name, type, read)                                                          \
    mr_status name(const struct mr_matrix *matrix, const uint32_t *columns, size_t n, int64_t row, \
                   type *out, struct mr_error *err) {                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const struct mr_column *from = matrix->columns ? &matrix->columns[columns[i]] : NULL;  \
            if (from && from->dtype == MR_FLOAT64 && !from->validity) {                            \
                out[i] = (type)((const double *)from->values)[row];                                \
            } else {                                                                               \
                MR_TRY(read(matrix, columns[i], row, 1, &out[i], err));                            \
            }                                                                                      \
        }                                                                                          \
        return MR_OK;                                                                              \
    }

DEFINE_CONVERT(convert_floats, float)
DEFINE_CONVERT(convert_doubles, double)
DEFINE_READ(mr_matrix_floats, float, convert_floats)
DEFINE_READ(mr_matrix_doubles, double, convert_doubles)
DEFINE_READ_ROW(mr_matrix_float_row, float, mr_matrix_floats)
DEFINE_READ_ROW(mr_matrix_double_row, double, mr_matrix_doubles)
