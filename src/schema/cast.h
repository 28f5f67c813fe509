/* From JSON cells to typed columns, by the rules of pandas 3 and numpy 2.
 *
 * These functions answer the question "what would pandas make of this list of Python values?"
 * without making any Python value. A cell is a `yyjson_val`; numbers beyond 64 bits or beyond a
 * double are YYJSON_TYPE_RAW (codec/json_int.h says how values are read). */
#ifndef MR_SCHEMA_CAST_H
#define MR_SCHEMA_CAST_H

#include <yyjson.h>

#include "schema/signature.h"
#include "schema/table.h"

/* Subtype bits of a string that holds a lone surrogate, which Python's json accepts and pandas'
 * str type refuses. Its bytes are WTF-8. */
#define MR_SUBTYPE_SURROGATE ((uint8_t)(3 << 3))

/* The cells of one column: evenly spaced in the parsed document, which needs no memory, or listed
 * one by one. */
struct mr_cells {
    int64_t n;
    yyjson_val *const *items; /* NULL: evenly spaced; an item is NULL where a record lacks the key:
                                 pandas fills NaN in */
    yyjson_val *first;        /* evenly spaced: cell i is first[i * stride] */
    size_t stride;
    bool is_object; /* n is 0 and pandas has a column of Python objects, not of float64 */
};

static inline yyjson_val *mr_cell(const struct mr_cells *cells, int64_t i) {
    return cells->items ? cells->items[i] : cells->first + (size_t)i * cells->stride;
}

/* Infer a column as `pandas.DataFrame(...)` does: bool, int64, uint64, float64, str, or MR_OBJECT
 * for everything that pandas keeps as Python objects.
 * column   its name is used in messages; the rest is filled
 * returns  MR_OK; MR_E_BAD_REQUEST where pandas fails (a lone surrogate); MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cast_infer(const struct mr_cells *cells, struct mr_arena *arena,
                                      struct mr_column *column, struct mr_error *err);

/* Infer, then cast to a signature's type as cast_df_types_according_to_schema does
 * (mlflow/utils/proto_json_utils.py): 2.7 -> 2 for integers, "12" -> 12, base64 for binary, ...
 * column   its name is used in messages; dtype is MR_OBJECT where only Python can tell what MLflow
 *          would make of the cells (a string column of other things, a date in words): the request
 *          is for the raw lane then, unless all cells are null
 * returns  MR_OK; MR_E_BAD_REQUEST naming column, row, expected and received type;
 *          MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cast_to(const struct mr_cells *cells, mr_col_type type,
                                   struct mr_arena *arena, struct mr_column *column,
                                   struct mr_error *err);

/* The same for a tensor's dtype: `astype(dtype)`; where the first cell is a list the column is
 * left as inferred, MR_OBJECT. */
MR_MUST_CHECK mr_status mr_cast_to_dtype(const struct mr_cells *cells, mr_dtype dtype,
                                         struct mr_arena *arena, struct mr_column *column,
                                         struct mr_error *err);

#endif
