/* Arrays out of DataFrames, for signatures of tensors: _reshape_and_cast_pandas_column_values and
 * the rest of _enforce_tensor_schema (mlflow/models/utils.py) that concerns DataFrames. */
#ifndef MR_SCHEMA_TABLE_TO_TENSOR_H
#define MR_SCHEMA_TABLE_TO_TENSOR_H

#include "schema/signature.h"
#include "schema/table.h"

/* A column of a table: single values, shape (-1,) or (-1, 1), or lists, one for each row, which
 * are brought into the shape and dtype of the spec.
 * out         all but the name
 * raw_reason  set, and *out not filled, when only numpy knows the result; else left alone
 * returns     MR_OK; MR_E_INVALID_PARAMETER; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_column_to_tensor(const struct mr_table *table,
                                            const struct mr_column *column,
                                            const struct mr_tensor_spec *spec,
                                            struct mr_arena *arena, struct mr_tensor *out,
                                            const char **raw_reason, struct mr_error *err);

/* A whole DataFrame: its only column as above, or all columns side by side, which is an array of
 * shape (rows, columns). Arguments and statuses as above. */
MR_MUST_CHECK mr_status mr_table_to_tensor(const struct mr_table *table,
                                           const struct mr_tensor_spec *spec,
                                           struct mr_arena *arena, struct mr_tensor *out,
                                           const char **raw_reason, struct mr_error *err);

#endif
