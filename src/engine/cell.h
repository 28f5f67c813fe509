/* Single values of columns and arrays of any dtype, as the number that Python's float() makes of
 * them. For the dtypes that whole loops do not read. */
#ifndef MR_ENGINE_CELL_H
#define MR_ENGINE_CELL_H

#include "schema/table.h"

/* Value i of an array, laid out as in struct mr_tensor. Missing values of MR_OBJECT are NaN.
 * returns  false: float() would raise */
bool mr_cell_of_array(mr_dtype dtype, const void *values, int64_t i, double *out);

/* Row i of a column; a missing value is NaN. returns  as above */
bool mr_cell_of_column(const struct mr_column *column, int64_t i, double *out);

#endif
