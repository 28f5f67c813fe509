/* What `pandas.DataFrame(data, index, columns)` makes of JSON values: its shape, its labels, and
 * the cells of each column, without making a table yet (pandas/core/internals/construction.py).
 *
 * Even data, where every row has the same keys or the same number of scalars, is only looked at:
 * its cells lie at equal distances in yyjson's document. Uneven data is listed. */
#ifndef MR_CODEC_FRAME_H
#define MR_CODEC_FRAME_H

#include <yyjson.h>

#include "base/name_map.h"
#include "schema/cast.h"

typedef enum mr_label_kind {
    MR_LABEL_TEXT,
    MR_LABEL_INT, /* name is the decimal number */
    MR_LABEL_ODD  /* null, a boolean or a float: equal to no name in a signature */
} mr_label_kind;

struct mr_label {
    struct mr_str name;
    mr_label_kind kind;
};

typedef enum mr_frame_form {
    MR_FRAME_EMPTY,   /* no rows: [] or null */
    MR_FRAME_LIST,    /* a list of scalars: one column */
    MR_FRAME_ROWS,    /* a list of lists */
    MR_FRAME_RECORDS, /* a list of objects */
    MR_FRAME_COLUMNS  /* an object of lists */
} mr_frame_form;

struct mr_frame_entry {
    int64_t row;
    yyjson_val *cell;
};

struct mr_frame {
    struct mr_arena *arena;
    mr_frame_form form;
    int64_t n_rows;
    size_t n_cols;
    size_t n_values;               /* of a list: all JSON values in it */
    const struct mr_label *labels; /* n_cols of them; NULL: 0, 1, 2, ... */
    bool may_repeat;        /* labels are a record's keys: of two equal ones the last counts */
    bool has_surrogates;    /* some text of the body has a lone surrogate */
    const char *raw_reason; /* not NULL: pandas would make something of it that C cannot */

    /* How cells are found. */
    yyjson_val *first;    /* ROWS, RECORDS: the first row */
    size_t stride;        /* values from row to row; 0: uneven */
    const size_t *slots;  /* RECORDS, even: column -> place in the record; NULL: same */
    yyjson_val **values;  /* COLUMNS, LIST: the list behind each column */
    bool is_shared;       /* COLUMNS: one list may stand behind several columns */
    yyjson_val **cursors; /* uneven ROWS: the cell of column `at` in each row */
    yyjson_val **ends;    /* ragged ROWS: where each row ends */
    size_t *open_rows;    /* ragged ROWS: those that have column `at` */
    size_t n_open_rows;
    size_t at;                      /* uneven ROWS */
    yyjson_val **scratch;           /* n_rows cells, reused */
    const size_t *starts;           /* uneven RECORDS: column -> its first entry; n_cols + 1 */
    struct mr_frame_entry *entries; /* uneven RECORDS */
};

/* Read "data" with "columns" and "index" (both NULL or null when not given).
 * frame    all zero but arena and has_surrogates; check raw_reason before anything else
 * wanted   a signature with names: columns that it does not name may be left out; NULL: all count
 * returns  MR_OK; MR_E_BAD_REQUEST where pandas raises; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_frame_read(struct mr_frame *frame, yyjson_val *data, yyjson_val *columns,
                                      yyjson_val *index, const struct mr_signature *wanted,
                                      struct mr_error *err);

/* The cells of a column. In an even frame (stride is not 0) they stay valid, and those of row i of
 * all columns lie between first[i * stride] and first[(i + 1) * stride]; else they are valid until
 * the next call, and columns are asked for in ascending order. Cells that lie side by side may be
 * discarded after use, unless is_shared. */
MR_MUST_CHECK mr_status mr_frame_cells(struct mr_frame *frame, size_t column,
                                       struct mr_cells *cells, struct mr_error *err);

#endif
