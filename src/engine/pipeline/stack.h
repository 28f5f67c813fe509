/* Results side by side: numpy.hstack, and scipy.sparse.hstack. */
#ifndef MR_ENGINE_PIPELINE_STACK_H
#define MR_ENGINE_PIPELINE_STACK_H

#include "engine/pipeline/pipeline_int.h"

/* One X of n X's of equal rows: FRAMEs whose columns are numbers (mr_pipe_is_number), and SPARSE.
 * n_cols   their sum
 * gives    MR_PIPE_FRAME or MR_PIPE_SPARSE
 * returns  MR_OK; MR_E_BAD_REQUEST: one of them is none of those; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_stack(const struct mr_pipe_x *parts, size_t n, size_t n_cols,
                                      mr_pipe_kind gives, struct mr_arena *arena,
                                      struct mr_pipe_x *out, struct mr_error *err);

/* Some columns of a FRAME of numbers as one ndarray, of the dtype that check_array with dtype=None
 * makes of all its columns.
 * columns  their numbers, n of them
 * returns  MR_OK; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pipe_gather(const struct mr_pipe_x *x, const uint32_t *columns, size_t n,
                                       struct mr_arena *arena, struct mr_pipe_x *out,
                                       struct mr_error *err);

/* The dtype that check_array with dtype=None gives a FRAME of numbers: numpy.result_type of its
 * columns, since booleans are converted before they would make Python objects of the others
 * (sklearn/utils/validation.py, versions 1.1.3 to 1.9.1: _pandas_dtype_needs_early_conversion).
 * MR_BOOL when there are no columns. */
mr_dtype mr_pipe_result_type(const struct mr_pipe_x *x);

#endif
