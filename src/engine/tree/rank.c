#include <math.h>

#include "engine/tree/forest_int.h"

/* LightGBM's kZeroThreshold (include/LightGBM/meta.h). */
#define ZERO_THRESHOLD 1e-35F

/* How many thresholds the value is not less than or equal to. */
#define DEFINE_FIND_RANK(name, type)                                                               \
    static uint32_t name(const type *thresholds, uint32_t n, type value) {                         \
        const type *from = thresholds;                                                             \
        while (n > 1) {                                                                            \
            uint32_t half = n / 2;                                                                 \
            from += !(value <= from[half - 1]) ? half : 0;                                         \
            n -= half;                                                                             \
        }                                                                                          \
        return (uint32_t)(from - thresholds) + !(value <= *from);                                  \
    }

DEFINE_FIND_RANK(find_rank_float, float)
DEFINE_FIND_RANK(find_rank_double, double)

static bool is_missing(const struct mr_tree_table *table, double value) {
    if (table->missing == MR_TREE_MISSING_NONE) return false;
    if (isnan(value)) return true;
    return table->missing == MR_TREE_MISSING_ZERO && fabs(value) <= (double)ZERO_THRESHOLD;
}

static bool goes_left(const struct mr_tree_choice *choice, double value) {
    const struct mr_tree_set *set = &choice->set;
    if (isnan(value)) return choice->is_default_left;
    if (value <= -1 || (value < 0 && set->is_fraction_negative)) return set->is_negative_left;
    if (value >= (double)set->n_bits) return set->is_above_left;
    uint32_t category = value < 0 ? 0 : (uint32_t)value;
    return category < set->n_bits ? set->bits[category / 32] >> category % 32 & 1
                                  : set->is_above_left;
}

static double read_value(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                         uint32_t column, size_t row) {
    size_t i = column * scratch->stride + row;
    return forest->shape.has_double_inputs ? ((const double *)scratch->x)[i]
                                           : (double)((const float *)scratch->x)[i];
}

static uint32_t find_rank(const struct mr_tree_forest *forest, const struct mr_tree_table *table,
                          double value) {
    if (isnan(value) && table->missing == MR_TREE_MISSING_NONE) value = 0;
    return forest->shape.has_double_inputs
               ? find_rank_double(table->thresholds, table->n, value)
               : find_rank_float(table->thresholds, table->n, (float)value);
}

static void write_wide(const struct mr_tree_table *table, uint32_t rank, bool is_value_missing,
                       uint16_t *ranks, size_t stride) {
    uint32_t n_slots = (table->n + MR_TREE_WIDE_RANKS - 1) / MR_TREE_WIDE_RANKS;
    for (int direction = 0; direction < 2; direction++) {
        if (table->wide[direction] == MR_TREE_NO_SLOT) continue;
        uint32_t rest = rank;
        if (is_value_missing) rest = direction == 0 ? 0 : UINT32_MAX;
        uint16_t *slot = ranks + table->wide[direction] * stride;
        for (uint32_t i = 0; i < n_slots; i++, slot += stride) {
            uint32_t here = rest < MR_TREE_WIDE_RANKS ? rest : MR_TREE_WIDE_RANKS;
            *slot = (uint16_t)here;
            rest -= is_value_missing ? 0 : here;
        }
    }
}

void mr_tree_rank_wide(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                       size_t n_rows, uint16_t *ranks) {
    const struct mr_tree_ranking *ranking = &forest->ranking;
    for (size_t t = 0; t < ranking->n_tables; t++) {
        const struct mr_tree_table *table = &ranking->tables[t];
        for (size_t r = 0; r < n_rows; r++) {
            double value = read_value(forest, scratch, table->column, r);
            write_wide(table, find_rank(forest, table, value), is_missing(table, value), ranks + r,
                       scratch->stride);
        }
    }
    for (size_t i = 0; i < ranking->n_choices; i++) {
        const struct mr_tree_choice *choice = &ranking->choices[i];
        for (size_t r = 0; r < n_rows; r++) {
            double value = read_value(forest, scratch, choice->column, r);
            ranks[choice->wide * scratch->stride + r] = !goes_left(choice, value);
        }
    }
}
