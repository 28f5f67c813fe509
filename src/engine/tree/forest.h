/* Trees as they are evaluated: an ensemble, repacked for the processor at hand.
 *
 * Values of a row are first replaced by ranks among the thresholds of their feature, so that nodes
 * compare small integers whatever the library compared, but where the trees are few and small: see
 * forest_int.h. Answers are those of the ensemble to the last bit, from every kernel.
 * A forest is immutable and shared by all threads; each evaluation has a scratch of its own. */
#ifndef MR_ENGINE_TREE_FOREST_H
#define MR_ENGINE_TREE_FOREST_H

#include "base/buf.h"
#include "engine/tree/ensemble.h"

#define MR_TREE_BLOCK_ROWS ((size_t)64) /* most rows that are evaluated together */

struct mr_tree_forest;

/* What is known of a forest. */
struct mr_tree_shape {
    bool has_double_inputs, has_double_sums;
    size_t n_trees, n_outputs;
    size_t n_columns;        /* features that some node asks for */
    const uint32_t *columns; /* their numbers, ascending */
    size_t n_splits, n_leaves;
    size_t n_bytes;     /* of memory that the trees take as they are evaluated */
    const char *kernel; /* "scalar", "avx2", "avx512" */
};

/* Room for evaluating blocks of rows, one after the other. */
struct mr_tree_scratch {
    size_t stride; /* MR_TREE_BLOCK_ROWS, or 1 when it was made for single rows */
    void *x;    /* float or double: column i of row r at x[i * stride + r]; the caller fills it */
    void *sums; /* float or double: output k of row r at sums[k * stride + r] */
    /* Private. */
    void *ranks;
    struct mr_tree_scratch *row; /* for a few rows one after the other, or NULL */
    struct mr_tree_scratch *top; /* for the tops of trees, or NULL */
};

/* Validate an ensemble and pack it for this processor, or for the kernel that the environment
 * variable MLRACE_TREE_KERNEL names.
 * arena    holds the forest
 * scratch  temporary data
 * returns  MR_OK; the statuses of mr_tree_ensemble_validate; MR_E_UNSUPPORTED when the processor
 *          lacks that kernel, or there are more thresholds than ranks */
MR_MUST_CHECK mr_status mr_tree_forest_build(const struct mr_tree_ensemble *ensemble,
                                             struct mr_arena *arena, struct mr_arena *scratch,
                                             const struct mr_tree_forest **out,
                                             struct mr_error *err);

const struct mr_tree_shape *mr_tree_forest_shape(const struct mr_tree_forest *forest);

/* Append lines for `mlrace explain`: how many trees and leaves, the kernel, the memory. */
void mr_tree_forest_describe(const struct mr_tree_forest *forest, struct mr_buf *buf);

/* A scratch for at most n_rows rows at once. returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tree_scratch_new(const struct mr_tree_forest *forest, size_t n_rows,
                                            struct mr_arena *arena, struct mr_tree_scratch *out,
                                            struct mr_error *err);

/* Fill scratch->sums from scratch->x. n_rows: at most scratch->stride. */
void mr_tree_forest_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                        size_t n_rows);

/* The same for trees first .. end. */
void mr_tree_forest_sum_range(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                              size_t n_rows, size_t first, size_t end);

#endif
