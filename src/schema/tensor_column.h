/* Columns out of arrays: what pandas.DataFrame makes of a numpy array, a column of it at a time. */
#ifndef MR_SCHEMA_TENSOR_COLUMN_H
#define MR_SCHEMA_TENSOR_COLUMN_H

#include "schema/signature.h"
#include "schema/table.h"

/* Which elements of an array, in C order, make a column. */
struct mr_tensor_slice {
    const struct mr_tensor *tensor;
    int64_t start, stride;
    int64_t n;
    /* Where rows have no value: bit i set, row i has one. The array holds the present values only,
     * start is 0 and stride 1. NULL: all rows have one. */
    const uint8_t *present;
};

/* A column of those elements. Rows without a value are NaN, NaT or null, which turns integers and
 * float32 into float64, as in pandas; booleans must all be there. Shares the array's memory where
 * it can.
 * column   name and is_named are left alone; a text that pandas' str type refuses (a lone
 *          surrogate) is MR_E_INVALID_PARAMETER
 * returns  MR_OK, MR_E_INVALID_PARAMETER, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tensor_column(const struct mr_tensor_slice *slice,
                                         struct mr_arena *arena, struct mr_column *column,
                                         struct mr_error *err);

/* Whether a column of Python objects, lists or arrays among them, passes for a signature's type as
 * it is: text, boolean and binary do (_enforce_mlflow_datatype in mlflow/models/utils.py). */
bool mr_column_takes_objects(mr_col_type type);

#endif
