/* Inside of a forest. docs/internals/tree-kernels.md tells why it is as it is.
 *
 * Ranks. The thresholds that all nodes compare one feature with are sorted into a table, in the
 * form "x <= t" (x < t is x <= the next number below t). A value's rank is how many of them it is
 * not less than or equal to; then x <= t[i] exactly when rank <= i. So a node needs no threshold,
 * only i, and an evaluation ranks each value once.
 *   Values that are missing take a node's default direction: those with rank 0 go left everywhere,
 * those with the greatest rank go right everywhere. A table that nodes of both directions use has
 * its ranks written twice, into a slot for each direction. A split by categories has a slot of its
 * own, with rank 0 for left and 1 for right. So every split is: right when rank[slot] > limit.
 *   Slots come in two widths, narrow ones of a byte and wide ones of two. A table with more
 * thresholds than fit has several slots, each with the ranks of its own stretch of the table,
 * clamped to 0 and the greatest.
 *
 * Layouts of trees:
 *   walk   wide ranks; any tree. Paths are followed from split to split.
 *   sweep  narrow ranks; trees of at most MR_TREE_SWEEP_LEAVES leaves. All splits are compared, for
 *          many rows or many trees side by side in the bytes of a register.
 *   direct no ranks; few small trees, for single rows. Values are compared themselves.
 * A forest has one of them, or two where single rows and blocks want different ones. */
#ifndef MR_ENGINE_TREE_FOREST_INT_H
#define MR_ENGINE_TREE_FOREST_INT_H

#include "engine/tree/forest.h"

/* Ranks ------------------------------------------------------------------------------------- */

/* Thresholds that fit one slot; also the greatest rank. */
#define MR_TREE_NARROW_RANKS ((uint32_t)UINT8_MAX)
#define MR_TREE_WIDE_RANKS ((uint32_t)UINT16_MAX)

#define MR_TREE_NO_SLOT UINT32_MAX

/* Items of a level of a table that one step of a search goes through. */
#define MR_TREE_FAN ((size_t)16)
#define MR_TREE_MAX_LEVELS 8

/* Thresholds of one feature, for one meaning of missing. */
struct mr_tree_table {
    uint32_t column; /* index into the shape's columns */
    uint8_t missing; /* mr_tree_missing */
    uint32_t n;
    /* Float or double. levels[0]: the thresholds, ascending; one that nothing is less than or equal
     * to is NaN, in front. levels[i + 1]: every MR_TREE_FAN-th of levels[i], from the
     * MR_TREE_FAN-th on; the last level has MR_TREE_FAN items. Each is filled up with infinities,
     * one at least, to a multiple of MR_TREE_FAN. */
    uint32_t n_levels;
    const void *levels[MR_TREE_MAX_LEVELS];
    /* First slot for nodes whose default is left [0] and right [1]. */
    uint32_t narrow[2], wide[2];
};

/* Splits by one set of categories with one default direction. */
struct mr_tree_choice {
    uint32_t column;
    struct mr_tree_set set;
    bool is_default_left;
    uint32_t narrow, wide; /* slots */
};

struct mr_tree_ranking {
    size_t n_tables, n_choices;
    const struct mr_tree_table *tables;
    const struct mr_tree_choice *choices;
    uint32_t n_narrow, n_wide; /* slots */
};

/* Walks ------------------------------------------------------------------------------------- */

/* next: where a path goes to the left and to the right. MR_TREE_WALK_LEAF and above, to a leaf of
 * the tree; else to the split that many nodes behind this one. Splits that follow each other often
 * share a cache line. */
struct mr_tree_walk_node {
    uint16_t slot, limit;
    uint16_t next[2];
};

/* The same for forests with trees that have more splits. */
struct mr_tree_walk_large_node {
    uint16_t slot, limit;
    uint32_t next[2];
};

#define MR_TREE_WALK_LEAF ((uint32_t)1 << 15)
#define MR_TREE_WALK_LARGE_LEAF ((uint32_t)1 << 31)

struct mr_tree_walk_tree {
    uint32_t root; /* a tree without splits has one whose ways end at its leaf */
    uint32_t output;
    size_t first_leaf;
};

struct mr_tree_walk {
    const struct mr_tree_walk_tree *trees;       /* NULL: not built */
    const struct mr_tree_walk_node *nodes;       /* NULL: there are large ones */
    const struct mr_tree_walk_large_node *large; /* or NULL */
    const void *values;                          /* float or double as the sums */
};

/* Paths that are listed before they are followed, more than MR_TREE_BLOCK_ROWS; and others that a
 * kernel may begin but not finish. */
#define MR_TREE_WALK_PATHS ((size_t)512)
#define MR_TREE_WALK_PADDING ((size_t)16)

/* Wide ranks of one row that kernels keep in registers: as many are readable, if meaningless. */
#define MR_TREE_WALK_RANKS ((size_t)256)

/* Ways of rows through trees. */
struct mr_tree_paths {
    uint32_t n;            /* MR_TREE_WALK_PADDING more are readable */
    const uint32_t *roots; /* nodes where they begin */
    const uint32_t *rows;  /* where the ranks of their rows begin */
};

/* Tops -------------------------------------------------------------------------------------- */

/* Of trees that are walked, the splits that most paths go through are swept: a forest of their own,
 * in which tree t adds to output t % MR_TREE_TOP_TREES the node where a path goes on, counted from
 * the root of the tree: a number below 2^24, which a float holds. */
struct mr_tree_top {
    const struct mr_tree_forest *forest; /* NULL: paths begin at the roots */
    const uint32_t *columns;             /* of each of its columns: which one of the whole forest */
};

#define MR_TREE_TOP_LEAVES ((uint32_t)64)
#define MR_TREE_TOP_TREES ((size_t)128) /* whose starts are kept at once */

/* Sweeps ------------------------------------------------------------------------------------ */

/* Leaves of a tree are numbered from left to right. Between leaf v and the next one is split v, the
 * lowest above both. When it leads to the right, the row is in none of the leaves `first` .. v,
 * those left of the split; what other splits say of them does not matter. A row's leaf is the first
 * that no split excludes. Going through the splits from left to right finds it: leaf = 0;  for each
 * v:  if (rank[slot] > limit && leaf >= first) leaf = v + 1 QuickScorer (Lucchese and others, 2015)
 * excludes leaves in the same way, in sets of bits. */
#define MR_TREE_SWEEP_LEAVES ((uint32_t)256)

/* Narrow slots that blocks are swept with, at most: more would not stay in the cache. */
#define MR_TREE_SWEEP_SLOTS ((uint32_t)1024)

/* Trees side by side where one row is evaluated. */
#define MR_TREE_SWEEP_TREES ((size_t)64)

struct mr_tree_sweep_split {
    uint16_t slot;
    uint8_t limit, first;
};

struct mr_tree_sweep_tree {
    size_t first_split, first_leaf;
    uint32_t n_splits, output;
};

struct mr_tree_sweep {
    const struct mr_tree_sweep_tree *trees;   /* NULL: not built */
    const struct mr_tree_sweep_split *splits; /* for blocks of rows */
    /* Leaves of each tree from left to right; MR_TREE_SWEEP_PADDING more are readable. */
    const void *values;
    /* For single rows, NULL when those walk: trees are in groups of MR_TREE_SWEEP_TREES, the last
     * filled up with trees of one leaf. A group has for each v three registers: slots, limits and
     * `first`s of its trees. Splits that a tree lacks never lead right. */
    const uint8_t *rows;
    const size_t *row_starts; /* n_groups + 1: offsets in rows */
};

#define MR_TREE_SWEEP_PADDING ((size_t)64)

/* Direct ------------------------------------------------------------------------------------ */

/* To rank a row takes longer than a few small trees do. Their nodes compare its values, all by one
 * `<=` that NaN does not fulfil, as doubles, which every float is: NaN goes left by default where
 * the negated value is compared with the negated threshold, right where it is not fulfilled.
 * Several trees are followed together, all for as many steps as the deepest of them has; a path
 * that ends goes on in circles. */
struct mr_tree_direct_node {
    double limit;
    uint16_t slot;    /* from n_slots on: of the negated values */
    uint16_t next[2]; /* where a path goes on when the value is above the limit or missing, when
                         not; of a leaf, the node itself */
    uint16_t leaf;    /* of a leaf: its number in the forest */
};

struct mr_tree_direct_tree {
    uint16_t root, depth;
    uint32_t output;
};

struct mr_tree_direct {
    const struct mr_tree_direct_tree *trees; /* NULL: not built */
    const struct mr_tree_direct_node *nodes;
    const void *values; /* of leaves: float or double as the sums */
    /* The values of all columns, then those of tables with another meaning of missing than NaN, in
     * the order of the tables: NaN for what they take for missing, else a number. */
    uint32_t n_slots;
};

#define MR_TREE_DIRECT_SPLITS ((size_t)4096) /* at most; slots, nodes and leaves fit 16 bits */
#define MR_TREE_DIRECT_PATHS ((size_t)8)     /* that are followed together */

/* Forest ------------------------------------------------------------------------------------ */

struct mr_tree_forest {
    struct mr_tree_shape shape;
    const struct mr_tree_kernel *kernel;
    uint32_t width;   /* values of a leaf: 1, or n_outputs for vectors */
    const void *base; /* n_outputs, float or double as the sums */
    struct mr_tree_ranking ranking;
    struct mr_tree_walk walk;
    struct mr_tree_top top;
    struct mr_tree_sweep sweep;
    struct mr_tree_direct direct;
};

/* What a processor's instructions evaluate. */
struct mr_tree_kernel {
    const char *name;
    bool (*is_supported)(void);
    /* Rank n_rows rows. Narrow: slot s of row r at ranks[s * scratch->stride + r], and with a
     * stride of MR_TREE_BLOCK_ROWS whatever for the rows behind n_rows. Wide: at ranks[r * n_wide +
     * s]. */
    void (*rank_narrow)(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                        size_t n_rows, uint8_t *ranks);
    void (*rank_wide)(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                      size_t n_rows, uint16_t *ranks);
    /* Add the leaves of trees first .. end to the sums of a block. NULL: the kernel only walks. */
    void (*sweep_rows)(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                       size_t n_rows, size_t first, size_t end);
    /* The same for one row, with stride 1 and at most max_row_slots slots, of which as many are
     * readable. 0: single rows walk. */
    void (*sweep_row)(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t first, size_t end);
    uint32_t max_row_slots;
    /* Find the leaf, counted in its tree, that each path of one row ends at, in a forest without
     * large nodes and with at most MR_TREE_WALK_RANKS wide slots. NULL: as on any processor. */
    void (*follow_row)(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                       const struct mr_tree_paths *paths, uint32_t *leaves);
    /* The same for many rows, which may have any number of slots. */
    void (*follow_rows)(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                        const struct mr_tree_paths *paths, uint32_t *leaves);
};

extern const struct mr_tree_kernel mr_tree_scalar, mr_tree_avx2, mr_tree_avx512;

/* Building ---------------------------------------------------------------------------------- */

/* What the layouts are built from. Nodes of all trees are numbered one tree after the other. */
struct mr_tree_build {
    const struct mr_tree_ensemble *ensemble;
    struct mr_arena *arena, *scratch; /* the forest's; temporary data */
    struct mr_error *err;
    struct mr_tree_forest *forest;
    const size_t *first_nodes; /* n_trees: number of the root of each tree */
    size_t n_nodes;            /* of all trees */
    uint8_t *is_reachable;     /* of each node: whether a path leads there */
    uint32_t *codes;           /* of each split: its rank in its table, or its choice; of each leaf,
                                  where they are shared: its number among the different ones */
    uint32_t *n_leaves;        /* of each tree */
    uint32_t most_leaves;      /* of a tree */
    uint32_t (*table_of)[MR_TREE_MISSING_NONE + 1]; /* of each column and meaning of missing */
    uint32_t *column_of;                            /* of each feature */
};

/* As mr_tree_ensemble_validate.
 * is_reachable  set to an array in scratch: of each node of all trees, one tree after the other,
 *               whether a path from the root leads there. Nodes where none does are unchecked. */
MR_MUST_CHECK mr_status mr_tree_ensemble_check(const struct mr_tree_ensemble *ensemble,
                                               struct mr_arena *scratch, uint8_t **is_reachable,
                                               struct mr_error *err);

/* Make the tables and choices that the splits need. Sets the ranking and the columns of the forest,
 * and the codes of the build.
 * returns  MR_OK; MR_E_UNSUPPORTED for too many slots; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tree_ranking_build(struct mr_tree_build *b);

/* Fill a layout of the forest. has_rows: a sweep is for single rows, too.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tree_walk_build(struct mr_tree_build *b);
MR_MUST_CHECK mr_status mr_tree_sweep_build(struct mr_tree_build *b, bool has_rows);

MR_MUST_CHECK mr_status mr_tree_direct_build(struct mr_tree_build *b);

/* Whether single rows are to be swept, or compared directly. */
bool mr_tree_sweep_fits_rows(const struct mr_tree_build *b);
bool mr_tree_direct_fits(const struct mr_tree_build *b);

/* Tops of the trees that are walked, added one after the other while that layout is built. begin:
 * *out is NULL where they would not pay. n_largest: nodes of the largest tree. weights: of each
 * node of the tree, the leaves below it. start: the node where a path goes on from node i, which is
 * no split of the top. */
struct mr_tree_top_builder;
typedef uint32_t mr_tree_top_start(void *ctx, uint32_t i);
MR_MUST_CHECK mr_status mr_tree_top_begin(struct mr_tree_build *b, uint32_t n_largest,
                                          struct mr_tree_top_builder **out);
void mr_tree_top_add(struct mr_tree_top_builder *top, size_t t, const uint32_t *weights,
                     mr_tree_top_start *start, void *ctx);
MR_MUST_CHECK mr_status mr_tree_top_build(struct mr_tree_top_builder *top);

/* Slot and limit of node i of a tree, a split, in the narrow or the wide ranks. */
void mr_tree_split_code(const struct mr_tree_build *b, size_t tree, uint32_t i, bool is_wide,
                        uint32_t *slot, uint32_t *limit);

/* An array of the forest's own, in its arena, which counts as memory of the shape. NULL: out of
 * memory. */
void *mr_tree_new_array(const struct mr_tree_build *b, size_t n, size_t item_bytes);

/* Room for the values of n leaves in the type of the sums. NULL: out of memory. */
void *mr_tree_new_values(const struct mr_tree_build *b, size_t n);

/* Where most leaves of all trees have the same values as others, as in forests of classes that are
 * grown out: make an array of the different ones, less than MR_TREE_WALK_LEAF, and number them in
 * the codes. *values: NULL where not.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tree_leaves_share(struct mr_tree_build *b, void **values);

/* Copy the values of a leaf of the ensemble to leaf number `at` of such an array. */
void mr_tree_copy_leaf(const struct mr_tree_build *b, const struct mr_tree_node *leaf, void *values,
                       size_t at);

/* Evaluating -------------------------------------------------------------------------------- */

/* Add the leaves of trees first .. end to scratch->sums. */
void mr_tree_walk_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t n_rows, size_t first, size_t end);

/* Give the tops the values of n_rows rows. */
void mr_tree_top_take(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t n_rows);

/* Where paths through trees first .. end go on, at most MR_TREE_TOP_TREES: of row r and tree t at
 * [t % MR_TREE_TOP_TREES * scratch->stride + r]. Valid until the next call. */
const float *mr_tree_top_starts(const struct mr_tree_forest *forest,
                                struct mr_tree_scratch *scratch, size_t n_rows, size_t first,
                                size_t end);

/* As mr_tree_walk_sum for one row, with stride 1. */
void mr_tree_direct_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                        size_t first, size_t end);

/* Add the values of a leaf to the sums of one row. */
static inline void mr_tree_add_leaf(const struct mr_tree_forest *forest,
                                    struct mr_tree_scratch *scratch, const void *values,
                                    size_t leaf, uint32_t output, size_t row) {
    size_t width = forest->width, first = width > 1 ? 0 : output;
    for (size_t k = 0; k < width; k++) {
        size_t to = (first + k) * scratch->stride + row;
        if (forest->shape.has_double_sums) {
            ((double *)scratch->sums)[to] += ((const double *)values)[leaf * width + k];
        } else {
            ((float *)scratch->sums)[to] += ((const float *)values)[leaf * width + k];
        }
    }
}

#endif
