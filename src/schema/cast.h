/* From JSON cells to typed columns, by the rules of pandas 3 and numpy 2.
 *
 * A cell is a `yyjson_val *`; NULL stands for a key that a record lacks (pandas fills NaN in).
 * These functions answer the question "what would pandas make of this list of Python values?"
 * without making any Python value. */
#ifndef MR_SCHEMA_CAST_H
#define MR_SCHEMA_CAST_H

#include <yyjson.h>

#include "schema/signature.h"
#include "schema/table.h"

/* Infer a column as `pandas.DataFrame(...)` does: bool, int64, uint64, float64, str, or MR_OBJECT
 * for everything that pandas keeps as Python objects.
 * column   name is left alone; the rest is filled
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cast_infer(yyjson_val *const *cells, int64_t n, struct mr_arena *arena,
                                      struct mr_column *column, struct mr_error *err);

/* Infer, then cast to a signature's type as cast_df_types_according_to_schema does
 * (mlflow/utils/proto_json_utils.py): 2.7 -> 2 for integers, "12" -> 12, base64 for binary, ...
 * column   its name is used in messages
 * returns  MR_OK; MR_E_BAD_REQUEST naming column, row, expected and received type;
 *          MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cast_to(yyjson_val *const *cells, int64_t n, mr_col_type type,
                                   struct mr_arena *arena, struct mr_column *column,
                                   struct mr_error *err);

#endif
