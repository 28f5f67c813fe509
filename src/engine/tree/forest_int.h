/* Inside of a forest.
 *
 * Ranks. The thresholds that all nodes compare one feature with are sorted into a table, in the
 * form "x <= t" (x < t is x <= the next number below t). A value's rank is how many of them it is
 * not less than or equal to; then x <= t[i] exactly when rank <= i. So a node needs no threshold,
 * only i, and an evaluation ranks each value once.
 *   Values that are missing take a node's default direction: those with rank 0 go left everywhere,
 * those with the greatest rank go right everywhere. A table that nodes of both directions use has
 * its ranks written twice, into a slot for each direction. A split by categories has a slot of its
 * own, with rank 0 for left and 1 for right. So every split is: right when rank[slot] > limit.
 *   Slots come in two widths. A table with more thresholds than fit has several slots, each with
 * the ranks of its own stretch of the table, clamped to 0 and the greatest.
 *
 * Layouts. Consecutive trees with one layout are a run:
 *   walk      nodes of 8 bytes, wide ranks; any tree */
#ifndef MR_ENGINE_TREE_FOREST_INT_H
#define MR_ENGINE_TREE_FOREST_INT_H

#include "engine/tree/forest.h"

/* Ranks ------------------------------------------------------------------------------------- */

/* Thresholds that fit one slot, and the greatest rank. */
#define MR_TREE_WIDE_RANKS ((uint32_t)UINT16_MAX)

#define MR_TREE_NO_SLOT UINT32_MAX

/* Thresholds of one feature, for one meaning of missing. */
struct mr_tree_table {
    uint32_t column; /* index into the shape's columns */
    uint8_t missing; /* mr_tree_missing */
    uint32_t n;
    /* float or double, ascending; one that nothing is less than or equal to is NaN, in front. */
    const void *thresholds;
    /* First slot for nodes whose default is left [0] and right [1]. */
    uint32_t wide[2];
};

/* Splits by one set of categories with one default direction. */
struct mr_tree_choice {
    uint32_t column;
    struct mr_tree_set set;
    bool is_default_left;
    uint32_t wide; /* slot */
};

struct mr_tree_ranking {
    size_t n_tables, n_choices;
    const struct mr_tree_table *tables;
    const struct mr_tree_choice *choices;
    uint32_t n_wide; /* slots */
};

/* Layouts ----------------------------------------------------------------------------------- */

/* Children are neighbours: the next node is child + (rank[slot] > limit). A leaf is its own child
 * and has a limit that no rank exceeds. */
struct mr_tree_walk_node {
    uint32_t child;
    uint16_t slot;
    uint16_t limit;
};

struct mr_tree_walk_tree {
    uint32_t root;
    uint32_t depth; /* steps from the root to the lowest leaf */
    uint32_t output;
};

struct mr_tree_walk {
    const struct mr_tree_walk_node *nodes;
    const uint32_t *leaves; /* of each node: its first value; unused for splits */
    const struct mr_tree_walk_tree *trees;
};

struct mr_tree_forest {
    struct mr_tree_shape shape;
    bool has_vector_leaves;
    const void *base;   /* n_outputs, float or double as the sums */
    const void *values; /* of leaves, float or double as the sums */
    struct mr_tree_ranking ranking;
    struct mr_tree_walk walk;
};

/* Building ---------------------------------------------------------------------------------- */

/* A node on its way into a layout. Trees one after the other, each in breadth-first order. */
struct mr_tree_flat_node {
    const struct mr_tree_node *source;
    uint32_t child; /* splits: its left child among the flat nodes; the right one follows */
    uint32_t table; /* splits: number of its table, or of its choice */
    uint32_t rank;  /* splits: limit among all thresholds of the table */
};

struct mr_tree_flat {
    size_t n_nodes;
    struct mr_tree_flat_node *nodes;
    const uint32_t *roots;  /* n_trees + 1: first node of each tree, then n_nodes */
    const uint32_t *depths; /* n_trees */
};

/* Make the tables and choices that the splits need, and fill table and rank of each.
 * columns, n_columns  set, in the arena
 * returns  MR_OK; MR_E_UNSUPPORTED for too many slots; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tree_ranking_build(const struct mr_tree_ensemble *ensemble,
                                              struct mr_tree_flat *flat, struct mr_arena *arena,
                                              struct mr_arena *scratch, struct mr_tree_shape *shape,
                                              struct mr_tree_ranking *out, struct mr_error *err);

MR_MUST_CHECK mr_status mr_tree_walk_build(const struct mr_tree_ensemble *ensemble,
                                           const struct mr_tree_flat *flat,
                                           const struct mr_tree_ranking *ranking,
                                           struct mr_arena *arena, struct mr_tree_walk *out,
                                           struct mr_error *err);

/* Evaluating -------------------------------------------------------------------------------- */

/* ranks: slot s of row r at ranks[s * stride + r]. */
void mr_tree_rank_wide(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                       size_t n_rows, uint16_t *ranks);

/* Add the leaves of trees first .. end to scratch->sums. */
void mr_tree_walk_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t n_rows, const uint16_t *ranks, size_t first, size_t end);

#endif
