/* Inside the CSV reader: cutting text into records and cells, as pandas' tokenizer does with the
 * defaults of read_csv (pandas 3.1.1, pandas/_libs/src/parser/tokenizer.cpp: tokenize_bytes).
 *
 * - A record ends at \n, \r\n or \r, also at the end of the text.
 * - A cell that starts with a quote goes on to the next single quote; two quotes stand for one.
 *   What follows the closing quote up to the comma belongs to the cell. Any other quote is text.
 * - Blank lines, and lines of spaces and tabs, are no records.
 *
 * A scan cuts one block of text. Where the block is not the last one, a record that does not end
 * inside it is left alone, so that the caller can go on with its bytes before those of the next
 * block. Cells point into the text, or into scratch memory when they had to be put together; they
 * are valid until the next call. */
#ifndef MR_CODEC_CSV_SCAN_INT_H
#define MR_CODEC_CSV_SCAN_INT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct mr_csv_scan {
    const char *at; /* first byte not cut yet: the start of a line */
    const char *end;
    bool is_last;        /* nothing follows `end` */
    int64_t line;        /* number of the line at `at`, from 1, as an editor counts */
    int64_t record_line; /* of the record last looked at: where it starts; where the quotes open
                            that MR_CSV_CUT_UNCLOSED is about */

    /* private */
    struct mr_arena *arena;
    char *scratch;
    size_t scratch_size;
    size_t scratch_used;
};

/* How a call ended. */
typedef enum mr_csv_cut {
    MR_CSV_CUT_FULL,     /* as many records as asked for */
    MR_CSV_CUT_PARTIAL,  /* the rest of the block is no whole record, and the block is not the last
                          */
    MR_CSV_CUT_END,      /* no record is left */
    MR_CSV_CUT_TOO_WIDE, /* the next record has more than `width` cells */
    MR_CSV_CUT_UNCLOSED, /* the text ends inside quotes */
    MR_CSV_CUT_NO_MEMORY /* mr_arena_fail tells why */
} mr_csv_cut;

#define MR_CSV_NO_SLOT UINT32_MAX

/* Records of one width, column after column: cell s of record r is cells[s * max_rows + r]. Only
 * the cells that somebody wants have a slot. Short records are filled up with empty cells. */
struct mr_csv_batch {
    size_t width;          /* cells in a record */
    const uint32_t *slots; /* for each of them: its slot, or MR_CSV_NO_SLOT */
    size_t n_slots;
    const size_t *positions; /* of the slots, ascending: slots[positions[s]] == s */
    size_t max_rows;
    struct mr_str *cells;
    int64_t *lines; /* on which each record starts */
    size_t n_rows;
    size_t n_found; /* MR_CSV_CUT_TOO_WIDE: how many cells that record has */
};

/* Start with a block of well-formed UTF-8 whose first byte starts line `first_line`. A byte order
 * mark is the caller's matter. arena: for scratch memory. */
void mr_csv_scan_init(struct mr_csv_scan *scan, struct mr_str text, bool is_last,
                      int64_t first_line, struct mr_arena *arena);

/* Cut one record of any width. cells: room for max_cells, more are counted and dropped.
 * returns  MR_CSV_CUT_FULL and *n, or as above */
mr_csv_cut mr_csv_cut_record(struct mr_csv_scan *scan, struct mr_str *cells, size_t max_cells,
                             size_t *n);

/* Cut up to batch->max_rows records into batch->cells; sets n_rows whatever it returns. */
mr_csv_cut mr_csv_cut_batch(struct mr_csv_scan *scan, struct mr_csv_batch *batch);

/* Line ends in a text: \n, \r and \r\n. */
int64_t mr_csv_count_lines(const char *text, size_t size);

/* No fewer than the records that can be left in the block: its line ends and one. */
size_t mr_csv_max_rows(const struct mr_csv_scan *scan);

#endif
