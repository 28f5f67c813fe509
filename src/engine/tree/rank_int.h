/* What the kernels share: ranking by stretches of a table, and adding leaves. */
#ifndef MR_ENGINE_TREE_RANK_INT_H
#define MR_ENGINE_TREE_RANK_INT_H

#include <math.h>

#include "engine/tree/forest_int.h"

/* Values ------------------------------------------------------------------------------------ */

/* LightGBM's kZeroThreshold (include/LightGBM/meta.h). */
#define MR_TREE_ZERO 1e-35F

static inline bool mr_tree_is_missing(const struct mr_tree_table *table, double value) {
    if (table->missing == MR_TREE_MISSING_NONE) return false;
    if (isnan(value)) return true;
    return table->missing == MR_TREE_MISSING_ZERO && fabs(value) <= (double)MR_TREE_ZERO;
}

static inline bool mr_tree_goes_left(const struct mr_tree_choice *choice, double value) {
    const struct mr_tree_set *set = &choice->set;
    if (isnan(value)) return choice->is_default_left;
    if (value <= -1 || (value < 0 && set->is_fraction_negative)) return set->is_negative_left;
    if (value >= (double)set->n_bits) return set->is_above_left;
    uint32_t category = value < 0 ? 0 : (uint32_t)value;
    return category < set->n_bits ? set->bits[category / 32] >> category % 32 & 1
                                  : set->is_above_left;
}

static inline double mr_tree_input(const struct mr_tree_forest *forest,
                                   const struct mr_tree_scratch *scratch, uint32_t column,
                                   size_t row) {
    size_t i = column * scratch->stride + row;
    return forest->shape.has_double_inputs ? ((const double *)scratch->x)[i]
                                           : (double)((const float *)scratch->x)[i];
}

/* Ranks ------------------------------------------------------------------------------------- */

/* Write the rank of one row's value to the slots of its table, each stride apart. */
#define MR_TREE_DEFINE_WRITE_RANK(name, type, n_ranks, slots)                                      \
    static inline void name(const struct mr_tree_table *table, uint32_t rank, bool is_missing,     \
                            type *ranks, size_t stride) {                                          \
        uint32_t n_slots = (table->n + n_ranks - 1) / n_ranks;                                     \
        for (int direction = 0; direction < 2; direction++) {                                      \
            if (table->slots[direction] == MR_TREE_NO_SLOT) continue;                              \
            uint32_t rest = rank;                                                                  \
            if (is_missing) rest = direction == 0 ? 0 : UINT32_MAX;                                \
            type *slot = ranks + table->slots[direction] * stride;                                 \
            for (uint32_t i = 0; i < n_slots; i++, slot += stride) {                               \
                uint32_t here = rest < n_ranks ? rest : n_ranks;                                   \
                *slot = (type)here;                                                                \
                rest -= is_missing ? 0 : here;                                                     \
            }                                                                                      \
        }                                                                                          \
    }

MR_TREE_DEFINE_WRITE_RANK(mr_tree_write_narrow, uint8_t, MR_TREE_NARROW_RANKS, narrow)
MR_TREE_DEFINE_WRITE_RANK(mr_tree_write_wide, uint16_t, MR_TREE_WIDE_RANKS, wide)

/* Defines find_rank_float and find_rank_double, the rank of a value that is not NaN, and find_rank
 * for any value, out of what counts the items of a stretch, of MR_TREE_FAN, that a value is not
 * less than or equal to. */
#define MR_TREE_DEFINE_FIND_RANKS(count_floats, count_doubles)                                     \
    MR_TREE_DEFINE_FIND_RANK(find_rank_float, float, count_floats)                                 \
    MR_TREE_DEFINE_FIND_RANK(find_rank_double, double, count_doubles)                              \
    static inline uint32_t find_rank(const struct mr_tree_forest *forest,                          \
                                     const struct mr_tree_table *table, double value) {            \
        if (isnan(value)) value = 0; /* the rank of what is missing does not count */              \
        return forest->shape.has_double_inputs ? find_rank_double(table, value)                    \
                                               : find_rank_float(table, (float)value);             \
    }

/* Each level tells where to go on in the one below. */
#define MR_TREE_DEFINE_FIND_RANK(name, type, count)                                                \
    static inline uint32_t name(const struct mr_tree_table *table, type value) {                   \
        size_t at = 0;                                                                             \
        for (uint32_t level = table->n_levels; level-- > 0;) {                                     \
            at *= MR_TREE_FAN;                                                                     \
            at += count((const type *)table->levels[level] + at, value);                           \
        }                                                                                          \
        return (uint32_t)at;                                                                       \
    }

#define MR_TREE_DEFINE_RANK(name, type, write, slots, row_stride, slot_stride)                     \
    static void name(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,   \
                     size_t n_rows, type *ranks) {                                                 \
        const struct mr_tree_ranking *ranking = &forest->ranking;                                  \
        for (size_t t = 0; t < ranking->n_tables; t++) {                                           \
            const struct mr_tree_table *table = &ranking->tables[t];                               \
            for (size_t r = 0; r < n_rows; r++) {                                                  \
                double value = mr_tree_input(forest, scratch, table->column, r);                   \
                write(table, find_rank(forest, table, value), mr_tree_is_missing(table, value),    \
                      ranks + r * (row_stride), slot_stride);                                      \
            }                                                                                      \
        }                                                                                          \
        for (size_t i = 0; i < ranking->n_choices; i++) {                                          \
            const struct mr_tree_choice *choice = &ranking->choices[i];                            \
            type *slot = ranks + choice->slots * (size_t)(slot_stride);                            \
            for (size_t r = 0; r < n_rows; r++) {                                                  \
                double value = mr_tree_input(forest, scratch, choice->column, r);                  \
                slot[r * (row_stride)] = !mr_tree_goes_left(choice, value);                        \
            }                                                                                      \
        }                                                                                          \
    }

/* Narrow ranks of one row, most often of tables that fit a slot. */
#define MR_TREE_DEFINE_RANK_ROW_OF(name, value_type, find)                                         \
    static void name(const struct mr_tree_ranking *ranking, const value_type *x, uint8_t *ranks) { \
        for (size_t t = 0; t < ranking->n_tables; t++) {                                           \
            const struct mr_tree_table *table = &ranking->tables[t];                               \
            value_type value = x[table->column];                                                   \
            bool is_missing = mr_tree_is_missing(table, (double)value);                            \
            uint32_t rank = find(table, isnan(value) ? 0 : value);                                 \
            if (table->n > MR_TREE_NARROW_RANKS) {                                                 \
                mr_tree_write_narrow(table, rank, is_missing, ranks, 1);                           \
                continue;                                                                          \
            }                                                                                      \
            uint32_t left = table->narrow[0], right = table->narrow[1];                            \
            if (left != MR_TREE_NO_SLOT) ranks[left] = is_missing ? 0 : (uint8_t)rank;             \
            if (right != MR_TREE_NO_SLOT) ranks[right] = is_missing ? UINT8_MAX : (uint8_t)rank;   \
        }                                                                                          \
    }

#define MR_TREE_DEFINE_RANK_ROW                                                                    \
    MR_TREE_DEFINE_RANK_ROW_OF(rank_floats_of_row, float, find_rank_float)                         \
    MR_TREE_DEFINE_RANK_ROW_OF(rank_doubles_of_row, double, find_rank_double)                      \
    static void rank_row(const struct mr_tree_forest *forest,                                      \
                         const struct mr_tree_scratch *scratch, uint8_t *ranks) {                  \
        const struct mr_tree_ranking *ranking = &forest->ranking;                                  \
        if (forest->shape.has_double_inputs) {                                                     \
            rank_doubles_of_row(ranking, scratch->x, ranks);                                       \
        } else {                                                                                   \
            rank_floats_of_row(ranking, scratch->x, ranks);                                        \
        }                                                                                          \
        for (size_t i = 0; i < ranking->n_choices; i++) {                                          \
            const struct mr_tree_choice *choice = &ranking->choices[i];                            \
            double value = mr_tree_input(forest, scratch, choice->column, 0);                      \
            ranks[choice->narrow] = !mr_tree_goes_left(choice, value);                             \
        }                                                                                          \
    }

/* Of a kernel: one value at a time. */
#define MR_TREE_DEFINE_RANK_NARROW                                                                 \
    MR_TREE_DEFINE_RANK(rank_narrow, uint8_t, mr_tree_write_narrow, narrow, 1, scratch->stride)
#define MR_TREE_DEFINE_RANK_WIDE                                                                   \
    MR_TREE_DEFINE_RANK(rank_wide, uint16_t, mr_tree_write_wide, wide, forest->ranking.n_wide, 1)

/* Leaves ------------------------------------------------------------------------------------ */

/* Add to the sums of each row of a block the values of its leaf, counted from first_leaf on. */
static inline void mr_tree_add_rows(const struct mr_tree_forest *forest,
                                    struct mr_tree_scratch *scratch, size_t n_rows,
                                    size_t first_leaf, uint32_t output, const uint8_t *leaves) {
    size_t width = forest->width, first = width > 1 ? 0 : output;
    for (size_t k = 0; k < width; k++) {
        size_t to = (first + k) * MR_TREE_BLOCK_ROWS, from = first_leaf * width + k;
        if (forest->shape.has_double_sums) {
            const double *values = (const double *)forest->sweep.values + from;
            double *sums = (double *)scratch->sums + to;
            for (size_t r = 0; r < n_rows; r++) sums[r] += values[leaves[r] * width];
        } else {
            const float *values = (const float *)forest->sweep.values + from;
            float *sums = (float *)scratch->sums + to;
            for (size_t r = 0; r < n_rows; r++) sums[r] += values[leaves[r] * width];
        }
    }
}

/* Leaves of trees tree .. end for one row, on their way into its sums. */
struct mr_tree_leaves {
    const struct mr_tree_forest *forest;
    struct mr_tree_scratch *scratch;
    const uint8_t *leaf; /* of `tree` */
    size_t tree, end;
    bool is_float, is_double; /* the only sum is in one of these meanwhile */
    float float_sum;
    double double_sum;
};

static inline struct mr_tree_leaves mr_tree_begin_leaves(const struct mr_tree_forest *forest,
                                                         struct mr_tree_scratch *scratch) {
    struct mr_tree_leaves leaves = {.forest = forest, .scratch = scratch};
    bool is_one = forest->shape.n_outputs == 1;
    leaves.is_double = is_one && forest->shape.has_double_sums;
    leaves.is_float = is_one && !forest->shape.has_double_sums;
    if (leaves.is_double) leaves.double_sum = *(const double *)scratch->sums;
    if (leaves.is_float) leaves.float_sum = *(const float *)scratch->sums;
    return leaves;
}

/* Add the next n leaves, or fewer when there are not so many. */
static inline void mr_tree_add_leaves(struct mr_tree_leaves *leaves, size_t n) {
    const struct mr_tree_sweep *sweep = &leaves->forest->sweep;
    size_t end = leaves->end - leaves->tree <= n ? leaves->end : leaves->tree + n;
    for (; leaves->tree < end; leaves->tree++, leaves->leaf++) {
        const struct mr_tree_sweep_tree *tree = &sweep->trees[leaves->tree];
        size_t leaf = tree->first_leaf + *leaves->leaf;
        if (leaves->is_float) {
            leaves->float_sum += ((const float *)sweep->values)[leaf];
        } else if (leaves->is_double) {
            leaves->double_sum += ((const double *)sweep->values)[leaf];
        } else {
            mr_tree_add_leaf(leaves->forest, leaves->scratch, sweep->values, leaf, tree->output, 0);
        }
    }
}

/* Take leaves of other trees, when none are left. */
static inline void mr_tree_next_leaves(struct mr_tree_leaves *leaves, const uint8_t *leaf,
                                       size_t tree, size_t end) {
    leaves->leaf = leaf;
    leaves->tree = tree;
    leaves->end = end;
}

/* Add all that is left. */
static inline void mr_tree_end_leaves(struct mr_tree_leaves *leaves) {
    mr_tree_add_leaves(leaves, SIZE_MAX);
    if (leaves->is_double) *(double *)leaves->scratch->sums = leaves->double_sum;
    if (leaves->is_float) *(float *)leaves->scratch->sums = leaves->float_sum;
}

#endif
