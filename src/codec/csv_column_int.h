/* Inside the CSV reader: from the cells of a column to its type and its values, as pandas'
 * TextReader does (pandas 3.1.1, pandas/_libs/parsers.pyx: _convert_tokens, _convert_with_dtype).
 *
 * A column whose dtype is not given gets the first type that holds all its cells (mr_csv_infer,
 * mr_csv_kind_of). A column whose dtype is given is tried as that; where a cell does not fit,
 * pandas infers the type as for any other column and then casts, when the cast changes nothing. */
#ifndef MR_CODEC_CSV_COLUMN_INT_H
#define MR_CODEC_CSV_COLUMN_INT_H

#include "base/arena.h"
#include "codec/csv_number_int.h"
#include "schema/table.h"

/* What pandas' inference makes of a column. */
typedef enum mr_csv_kind {
    MR_CSV_INT64,
    MR_CSV_INT64_OR_NULL, /* float64, by way of int64 */
    MR_CSV_UINT64,
    MR_CSV_FLOAT64,
    MR_CSV_BOOL,
    MR_CSV_BOOL_OR_NULL, /* Python objects: True, False and NaN */
    MR_CSV_PYTHON_INT,   /* Python objects: integers beyond 64 bits among them, and NaN */
    MR_CSV_TEXT,
    MR_CSV_TEXT_ALL /* text where missing values stay as they are written */
} mr_csv_kind;

/* What is known of a column's cells so far. Zeroed, it stands for no cells. */
struct mr_csv_facts {
    mr_csv_int int_fault;  /* of the first present cell that is no int64 */
    mr_csv_int uint_fault; /* of the first one that is no uint64 either */
    bool has_null;
    bool has_minus;                                  /* an integer with a minus sign */
    bool has_large;                                  /* an integer above INT64_MAX */
    bool is_no_double, is_no_bool, is_no_python_int; /* a present cell is not such a value */
};

/* Take n cells more into account. */
void mr_csv_infer(struct mr_csv_facts *facts, const struct mr_str *cells, size_t n);

/* Take the cells of `next` into account, which come after those of `facts`. */
void mr_csv_merge(struct mr_csv_facts *facts, const struct mr_csv_facts *next);

mr_csv_kind mr_csv_kind_of(const struct mr_csv_facts *facts);

/* A column in the making. */
struct mr_csv_builder {
    struct mr_arena *arena;
    mr_dtype dtype;
    size_t max_rows;
    size_t n_rows;
    size_t n_nulls;
    void *values; /* room for max_rows of the dtype; texts: their n_rows + 1 offsets */
    uint8_t *validity;
    char *bytes;
    size_t bytes_size;
    bool is_out_of_memory;
};

/* Writes n cells behind the column's n_rows, which the caller then raises. Returns how many it
 * took: less than n when the next one does not fit the dtype, or when memory ran out, then
 * is_out_of_memory is set. */
typedef size_t mr_csv_convert(struct mr_csv_builder *builder, const struct mr_str *cells, size_t n);

/* How to convert, and into what. */
struct mr_csv_recipe {
    mr_dtype dtype;
    mr_csv_convert *convert; /* NULL: pandas cannot */
};

/* For a column of that kind whose dtype was not given. */
struct mr_csv_recipe mr_csv_recipe_of_kind(mr_csv_kind kind);

/* For a column that read_csv is told to be a bool, int32, int64, float32, float64 or, for texts,
 * object: the first try. */
struct mr_csv_recipe mr_csv_recipe_of_dtype(mr_dtype dtype);

/* The second try, for a column of that kind. */
struct mr_csv_recipe mr_csv_recipe_of_cast(mr_csv_kind kind, mr_dtype dtype);

/* For a column that no cast brings to its dtype: stops at the cell that is to blame, if it is one
 * cell alone. */
struct mr_csv_recipe mr_csv_recipe_for_fault(mr_dtype dtype);

/* Make room for max_rows. MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY. */
MR_MUST_CHECK mr_status mr_csv_builder_init(struct mr_csv_builder *builder, mr_dtype dtype,
                                            size_t max_rows, struct mr_arena *arena,
                                            struct mr_error *err);

/* Start over with another dtype; the room is kept. */
void mr_csv_builder_reset(struct mr_csv_builder *builder, mr_dtype dtype);

/* The finished column. name is borrowed. A column of texts without a single one present becomes
 * MR_OBJECT, as does one without a row. */
void mr_csv_builder_finish(struct mr_csv_builder *builder, struct mr_str name,
                           struct mr_column *out);

#endif
