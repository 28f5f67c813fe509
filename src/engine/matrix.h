/* The numbers of a request, whatever it brought them in: a table's columns or one array of rows and
 * columns. How they are read is the same for every library that takes numbers only. */
#ifndef MR_ENGINE_MATRIX_H
#define MR_ENGINE_MATRIX_H

#include "base/status.h"
#include "schema/table.h"

/* Points into the request's input. */
struct mr_matrix {
    int64_t n_rows;
    uint32_t n_cols;
    const struct mr_column *columns; /* a table; else NULL */
    const struct mr_tensor *tensor;  /* an array of n_cols columns; else NULL */
    const char *library;             /* that takes numbers only, for messages */
};

/* Rows row .. row + n of one column, each value rounded once. Missing values are NaN.
 * returns  MR_OK; MR_E_BAD_REQUEST for a cell that is no number */
MR_MUST_CHECK mr_status mr_matrix_floats(const struct mr_matrix *matrix, uint32_t column,
                                         int64_t row, size_t n, float *out, struct mr_error *err);
MR_MUST_CHECK mr_status mr_matrix_doubles(const struct mr_matrix *matrix, uint32_t column,
                                          int64_t row, size_t n, double *out, struct mr_error *err);

/* The same of one row, for n columns. */
MR_MUST_CHECK mr_status mr_matrix_float_row(const struct mr_matrix *matrix, const uint32_t *columns,
                                            size_t n, int64_t row, float *out,
                                            struct mr_error *err);
MR_MUST_CHECK mr_status mr_matrix_double_row(const struct mr_matrix *matrix,
                                             const uint32_t *columns, size_t n, int64_t row,
                                             double *out, struct mr_error *err);

#endif
