/* Finding the rows in a JSON document too large to be parsed at once.
 *
 * A first pass over the bytes finds where the rows stand: the list under dataframe_split's data,
 * under dataframe_records, instances or inputs, or a bare list of records. The rest of the document
 * is kept: what stands before the rows and what stands after them, so that `before + some rows +
 * after` is a document of the same kind that mr_json_decode reads. The pass looks at brackets,
 * quotes and commas only; whether the document is well-formed is for the decoder to say, which
 * gets to see all of it. Labels of rows (dataframe_split's index) are counted and left out. */
#ifndef MR_CODEC_JSON_ROWS_H
#define MR_CODEC_JSON_ROWS_H

#include "base/buf.h"

/* Some rows: bytes [offset, offset + size) of the document. */
struct mr_json_block {
    uint64_t offset;
    uint64_t size;
    int64_t first_row; /* from 0 */
};

struct mr_json_rows {
    struct mr_str before, after;
    struct mr_json_block *blocks;
    size_t n_blocks; /* 0: the document must be decoded whole */
    bool has_index;
    bool is_of_arrays; /* instances or inputs: their shape comes from all rows together */
};

struct mr_json_scan;

/* A scan that makes blocks of about block_size bytes. NULL: mr_arena_fail tells why. */
struct mr_json_scan *mr_json_scan_new(size_t block_size, struct mr_arena *arena);

/* Look at the next bytes of the document. MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_json_scan_feed(struct mr_json_scan *scan, struct mr_str text,
                                          struct mr_error *err);

/* The document is at its end.
 * returns  MR_OK; MR_E_BAD_REQUEST when it ends too early, or when there are more or fewer labels
 *          than rows; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_json_scan_end(struct mr_json_scan *scan, struct mr_json_rows *out,
                                         struct mr_error *err);

#endif
