/* Inside the CSV reader: from the first lines and the signature to the columns to be read. */
#ifndef MR_CODEC_CSV_HEADER_INT_H
#define MR_CODEC_CSV_HEADER_INT_H

#include "codec/csv.h"
#include "codec/csv_column_int.h"
#include "codec/csv_scan_int.h"

/* One column that is read. */
struct mr_csv_column {
    struct mr_str name;
    size_t position; /* of its cell in a record */
    bool has_dtype;  /* read_csv is told one */
    mr_col_type type;
    bool is_numbered; /* the name is a number, not a text */
    bool is_hidden;   /* it must be of its dtype, or the read fails, but is not in the table */
    bool is_index;    /* it holds the row labels; is_hidden too */
    bool is_object; /* texts stay Python objects: read_csv was told so by the column's name. By its
                       place it is told in vain: DataFrame makes its own text dtype of them */
    mr_csv_kind kind; /* without dtype: what was inferred */
};

struct mr_csv_layout {
    size_t width; /* cells in a record */
    size_t n_columns;
    struct mr_csv_column *columns; /* by position */
    size_t n_visible;
    size_t n_unknown; /* columns without dtype */
    size_t n_index;   /* cells of a record before those that have a name: row labels */
    bool is_settled;  /* their kinds are known */
    uint32_t *slots;  /* for each cell of a record: its place in columns, or MR_CSV_NO_SLOT */
    size_t *positions;
};

/* Lay out a file whose header has these names, all of them text as it stands in the file; NULL: it
 * has no header, and a column for each of the signature's.
 * n_first  cells of the first line after the header, 0 when there is none */
MR_MUST_CHECK mr_status mr_csv_lay_out(const struct mr_str *names, size_t n_names, size_t n_first,
                                       const struct mr_signature *signature, struct mr_arena *arena,
                                       struct mr_csv_layout **out, struct mr_error *err);

/* Whether a first line is data, not names: none of its cells names a column of the signature,
 * there is one for each column, and each is a value of its column's type. Since every text is a
 * value of a string column, at least one cell must be a number or a boolean. */
bool mr_csv_is_data(const struct mr_str *cells, size_t n, const struct mr_signature *signature);

/* The names that pandas gives the columns: "Unnamed: 3" for empty ones, ".1" and so on behind those
 * that came before. names: replaced in place. origins: for each, the name as it stood in the file
 * or became by being empty. MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_csv_mangle(struct mr_str *names, struct mr_str *origins, size_t n,
                                      struct mr_arena *arena, struct mr_error *err);

#endif
