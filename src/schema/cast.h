/* From JSON cells to typed columns, by the rules of pandas 3 and numpy 2.
 *
 * These functions answer the question "what would pandas make of this list of Python values?"
 * without making any Python value. A cell is a `yyjson_val`; numbers beyond 64 bits or beyond a
 * double are YYJSON_TYPE_RAW (codec/json_int.h says how values are read). */
#ifndef MR_SCHEMA_CAST_H
#define MR_SCHEMA_CAST_H

#include <yyjson.h>

#include "schema/datetime.h"
#include "schema/signature.h"
#include "schema/table.h"

/* Subtype bits of a string that holds a lone surrogate, which Python's json accepts and pandas'
 * str type refuses. Its bytes are WTF-8. */
#define MR_SUBTYPE_SURROGATE ((uint8_t)(3 << 3))

/* The cells of a column, or of a block of its rows: evenly spaced in the parsed document, which
 * needs no memory, or listed one by one. */
struct mr_cells {
    int64_t n;
    yyjson_val *const *items; /* NULL: evenly spaced; an item is NULL where a record lacks the key:
                                 pandas fills NaN in */
    yyjson_val *first;        /* evenly spaced: cell i is first[i * stride] */
    size_t stride;
};

static inline yyjson_val *mr_cell(const struct mr_cells *cells, int64_t i) {
    return cells->items ? cells->items[i] : cells->first + (size_t)i * cells->stride;
}

/* The cells of n rows from a row on. */
static inline struct mr_cells mr_cells_slice(const struct mr_cells *cells, int64_t row, int64_t n) {
    struct mr_cells slice = *cells;
    slice.n = n;
    if (slice.items) {
        slice.items += row;
    } else if (slice.first) {
        slice.first += (size_t)row * slice.stride;
    }
    return slice;
}

/* A column on its way from cells to values: init, then scan all rows in any blocks, begin, then
 * convert all rows in any blocks in order, end. Blocks keep the cells of a wide table in the cache
 * while one column after the other is read from them. */
struct mr_cast {
    struct mr_column *column; /* its name is used in messages; the rest is filled */
    bool is_raw;              /* after begin or convert: only Python can tell what MLflow would make
                                 of the cells; the column is of no use */
    bool needs_scan;          /* false: scan need not be called */

    enum { MR_CAST_INFER, MR_CAST_TYPE, MR_CAST_DTYPE } aim;
    mr_col_type type; /* MR_CAST_TYPE */
    mr_dtype dtype;   /* what the column is to become */
    mr_dtype source;  /* what pandas infers from the cells */
    unsigned seen;    /* kinds of cells */
    size_t text_bytes;
    struct mr_arena *arena;
    mr_status (*convert)(struct mr_cast *cast, const struct mr_cells *cells, int64_t row,
                         struct mr_error *err);
    const char *expected; /* the target's name, for messages */
    void *values;
    int64_t *offsets;
    char *bytes;
    uint8_t *validity;
    size_t bytes_used;
    int64_t first_date_row; /* -1: none yet */
    struct mr_date first_date;
};

/* Infer a column as `pandas.DataFrame(...)` does: bool, int64, uint64, float64, str, or MR_OBJECT
 * for everything that pandas keeps as Python objects. */
void mr_cast_init_infer(struct mr_cast *cast, struct mr_column *column);

/* Infer, then cast to a signature's type as cast_df_types_according_to_schema does
 * (mlflow/utils/proto_json_utils.py): 2.7 -> 2 for integers, "12" -> 12, base64 for binary, ... */
void mr_cast_init_type(struct mr_cast *cast, struct mr_column *column, mr_col_type type);

/* The same for a tensor's dtype: `astype(dtype)`; where the first cell is a list the column is
 * left as inferred, MR_OBJECT. */
void mr_cast_init_dtype(struct mr_cast *cast, struct mr_column *column, mr_dtype dtype);

/* Look at a block of rows. */
void mr_cast_scan(struct mr_cast *cast, const struct mr_cells *cells);

/* Decide how to convert, and make room.
 * n_rows      of the whole column
 * first_cell  NULL when there are no rows
 * is_object   there are no rows, and pandas has a column of Python objects, not of float64
 * returns     MR_OK; MR_E_BAD_REQUEST where pandas or MLflow fail while decoding;
 *             MR_E_INVALID_PARAMETER where enforcement will; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_cast_begin(struct mr_cast *cast, int64_t n_rows, yyjson_val *first_cell,
                                      bool is_object, struct mr_arena *arena, struct mr_error *err);

/* Convert a block of rows that starts at a row. Nothing is done once is_raw is set.
 * returns  MR_OK; MR_E_BAD_REQUEST naming column, row, expected and received type */
MR_MUST_CHECK mr_status mr_cast_convert(struct mr_cast *cast, const struct mr_cells *cells,
                                        int64_t row, struct mr_error *err);

/* returns  MR_OK; MR_E_INVALID_PARAMETER for dates with a zone, which enforcement refuses */
MR_MUST_CHECK mr_status mr_cast_end(struct mr_cast *cast, struct mr_error *err);

/* All steps at once for a column whose cells are at hand. */
MR_MUST_CHECK mr_status mr_cast_all(struct mr_cast *cast, const struct mr_cells *cells,
                                    bool is_object, struct mr_arena *arena, struct mr_error *err);

#endif
