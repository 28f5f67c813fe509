/* CSV as MLflow's scoring server reads it, pandas.read_csv with its defaults, whole or in blocks.
 *
 * mr_csv_decode (codec/decode.h) reads a whole body. A file too large for that is read in blocks:
 * mr_csv_open reads the header, mr_csv_whole_size says where a block can end, and the blocks after
 * it can be read in any order and on any thread. Where the signature does not give every column's
 * dtype the whole file is gone through once before, to learn what pandas would infer.
 *
 * Rules and sources: csv_scan_int.h (text to cells), csv_column_int.h (cells to values),
 * csv_header.c (names). Differences on purpose: a first line that is data (docs/decisions.md). */
#ifndef MR_CODEC_CSV_H
#define MR_CODEC_CSV_H

#include "schema/signature.h"
#include "schema/table.h"

/* What the header and the signature fix for all lines. Lives in the arena it was opened with;
 * immutable but for mr_csv_settle, so that threads may share it. */
struct mr_csv_layout;

/* What is known of the columns whose dtype the signature does not give: an array. */
struct mr_csv_facts;

/* Read the header, and look at the line after it.
 * text       UTF-8, the start of the file; need not stay readable
 * is_last    text is all of the file
 * signature  kind MR_SCHEMA_NONE: pandas infers all dtypes
 * out        NULL: the text ends too early, come back with more of it
 * n_used     bytes of the header: data starts behind them, on line `first_line`
 * returns    MR_OK; MR_E_BAD_REQUEST where MLflow refuses the file; MR_E_TOO_LARGE,
 *            MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_csv_open(struct mr_str text, bool is_last,
                                    const struct mr_signature *signature, struct mr_arena *arena,
                                    struct mr_csv_layout **out, size_t *n_used, int64_t *first_line,
                                    struct mr_error *err);

/* The size of the longest start of text that is whole records, and the line ends in it. The file
 * goes on behind text. arena: scratch memory. MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_csv_whole_size(struct mr_str text, struct mr_arena *arena, size_t *size,
                                          int64_t *n_lines, struct mr_error *err);

/* How many columns need facts; 0: the file can be read at once. */
size_t mr_csv_n_unknown(const struct mr_csv_layout *layout);

/* Facts about no rows, for mr_csv_n_unknown columns; NULL: mr_arena_fail tells why. */
struct mr_csv_facts *mr_csv_facts_new(const struct mr_csv_layout *layout, struct mr_arena *arena);

/* Take a block of whole records into account. Statuses as for mr_csv_read. */
MR_MUST_CHECK mr_status mr_csv_learn(const struct mr_csv_layout *layout, struct mr_str text,
                                     int64_t first_line, struct mr_arena *arena,
                                     struct mr_csv_facts *facts, struct mr_error *err);

/* Put the facts of two neighbouring stretches together; `next` comes after `facts`. */
void mr_csv_facts_merge(const struct mr_csv_layout *layout, struct mr_csv_facts *facts,
                        const struct mr_csv_facts *next);

/* Fix the dtypes by what was learnt. */
void mr_csv_settle(struct mr_csv_layout *layout, const struct mr_csv_facts *facts);

/* Read a block of whole records into a table. Without mr_csv_settle the block must be the whole
 * file: what the columns are is learnt from it.
 *
 * text        as given by mr_csv_whole_size, or the end of the file
 * first_line  the number of its first line, for messages
 * returns     MR_OK; MR_E_BAD_REQUEST with line, column, expected and received; MR_E_TOO_LARGE,
 *             MR_E_NO_MEMORY
 * threads     any */
MR_MUST_CHECK mr_status mr_csv_read(const struct mr_csv_layout *layout, struct mr_str text,
                                    int64_t first_line, struct mr_arena *arena,
                                    struct mr_table *out, struct mr_error *err);

#endif
