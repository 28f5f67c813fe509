/* Rows of an input as an input of their own, and the answers to such slices as one. */
#ifndef MR_SCHEMA_SLICE_H
#define MR_SCHEMA_SLICE_H

#include "schema/table.h"

/* A slice begins at a multiple of this, so that it shares the validity bitmaps. */
#define MR_SLICE_ROWS 8

/* Rows of a table or of the one tensor; -1: it has none that could be told apart. */
int64_t mr_input_n_rows(const struct mr_input *input);

/* Rows first .. end of an input with rows. Values are shared, descriptions are copied; n_nulls of a
 * column stays that of all rows.
 * first    a multiple of MR_SLICE_ROWS, at most end
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_input_slice(const struct mr_input *input, int64_t first, int64_t end,
                                       struct mr_arena *arena, struct mr_input *out,
                                       struct mr_error *err);

/* Room for the answers to n_rows rows that are like those to a slice: a tensor of that dtype, whose
 * shape differs in the first dimension only.
 * returns  MR_OK; MR_E_UNSUPPORTED: the slice's answer is no list of rows; MR_E_TOO_LARGE,
 * MR_E_NO_MEMORY
 */
MR_MUST_CHECK mr_status mr_output_like(const struct mr_output *slice, int64_t n_rows,
                                       struct mr_arena *arena, struct mr_output *out,
                                       struct mr_error *err);

/* Copy the answers to n rows into that room, from row `first` on. What texts point to is shared.
 * returns  false: they are not n, or not like the others
 * threads  any, at once for rows that differ */
bool mr_output_put(const struct mr_output *slice, int64_t first, int64_t n, struct mr_output *out);

#endif
