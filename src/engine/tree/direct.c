#include <math.h>

#include "engine/tree/forest_int.h"
#include "engine/tree/rank_int.h"

/* Building ---------------------------------------------------------------------------------- */

struct builder {
    struct mr_tree_build *b;
    size_t tree;
    const uint32_t *slots; /* of each table */
    uint32_t n_slots;
    struct mr_tree_direct_node *nodes;
    void *values;
    uint32_t n_nodes, n_leaves; /* so far, of all trees */
    uint32_t depth;             /* of the tree, so far */
};

/* Whether what compares with the table's thresholds can be turned around, as MR_TREE_DIRECT asks:
 * the first is the least, maybe NaN, and the last the greatest. */
static bool are_finite(const struct mr_tree_table *table, bool is_double) {
    const void *items = table->levels[0];
    uint32_t last = table->n - 1;
    if (is_double)
        return isfinite(((const double *)items)[0]) && isfinite(((const double *)items)[last]);
    return isfinite(((const float *)items)[0]) && isfinite(((const float *)items)[last]);
}

/* Splits on the longest path of a tree. 0 for one leaf. */
static uint32_t depth_of(const struct mr_tree *tree, uint32_t i) {
    const struct mr_tree_node *node = &tree->nodes[i];
    if (node->kind == MR_TREE_LEAF) return 0;
    uint32_t left = depth_of(tree, (uint32_t)node->left);
    uint32_t right = depth_of(tree, (uint32_t)node->right);
    return 1 + (left > right ? left : right);
}

bool mr_tree_direct_fits(const struct mr_tree_build *b) {
    const struct mr_tree_forest *forest = b->forest;
    const struct mr_tree_ranking *ranking = &forest->ranking;
    size_t n_steps = 0;
    if (ranking->n_choices || forest->shape.n_splits > MR_TREE_DIRECT_SPLITS) return false;
    for (size_t t = 0; t < ranking->n_tables; t++) {
        if (!are_finite(&ranking->tables[t], forest->shape.has_double_inputs)) return false;
    }
    for (size_t t = 0; t < b->ensemble->n_trees; t += MR_TREE_DIRECT_PATHS) {
        uint32_t most = 0;
        for (size_t i = t; i < t + MR_TREE_DIRECT_PATHS && i < b->ensemble->n_trees; i++) {
            uint32_t depth = depth_of(&b->ensemble->trees[i], 0);
            if (depth > most) most = depth;
        }
        n_steps += most;
    }
    return 2 * n_steps <= ranking->n_tables + 10;
}

/* Slots of the tables: the values as they are for those with the usual meaning of missing, in the
 * order of the columns; others have slots of their own behind them. */
static mr_status number_slots(struct builder *c) {
    const struct mr_tree_build *b = c->b;
    const struct mr_tree_ranking *ranking = &b->forest->ranking;
    uint32_t *slots = mr_arena_array(b->scratch, ranking->n_tables, sizeof(*slots));
    if (!slots) return mr_arena_fail(b->scratch, b->err);
    struct mr_tree_direct *out = &b->forest->direct;
    c->n_slots = (uint32_t)b->forest->shape.n_columns;
    for (size_t t = 0; t < ranking->n_tables; t++) {
        const struct mr_tree_table *table = &ranking->tables[t];
        slots[t] = table->missing == MR_TREE_MISSING_NAN ? table->column : c->n_slots++;
    }
    c->slots = slots;
    out->n_slots = c->n_slots;
    return MR_OK;
}

static double threshold_of(const struct mr_tree_build *b, uint32_t table, uint32_t code) {
    const void *items = b->forest->ranking.tables[table].levels[0];
    return b->forest->shape.has_double_inputs ? ((const double *)items)[code]
                                              : (double)((const float *)items)[code];
}

static uint16_t put(struct builder *c, uint32_t i, uint32_t depth) {
    const struct mr_tree_build *b = c->b;
    const struct mr_tree_node *from = &b->ensemble->trees[c->tree].nodes[i];
    uint16_t at = (uint16_t)c->n_nodes++;
    struct mr_tree_direct_node *node = &c->nodes[at];
    if (depth > c->depth) c->depth = depth;
    if (from->kind == MR_TREE_LEAF) {
        mr_tree_copy_leaf(b, from, c->values, c->n_leaves);
        *node = (struct mr_tree_direct_node){.next = {at, at}, .leaf = (uint16_t)c->n_leaves++};
        return at;
    }
    uint16_t left = put(c, (uint32_t)from->left, depth + 1);
    uint16_t right = put(c, (uint32_t)from->right, depth + 1);
    uint32_t table = b->table_of[b->column_of[from->feature]][from->missing];
    double threshold = threshold_of(b, table, b->codes[b->first_nodes[c->tree] + i]);
    uint16_t slot = (uint16_t)c->slots[table];
    if (from->is_default_left) {
        *node = (struct mr_tree_direct_node){.limit = nextafter(-threshold, -INFINITY),
                                             .slot = (uint16_t)(slot + c->n_slots),
                                             .next = {left, right}};
    } else {
        *node = (struct mr_tree_direct_node){
            .limit = threshold, .slot = slot, .next = {right, left}};
    }
    return at;
}

mr_status mr_tree_direct_build(struct mr_tree_build *b) {
    struct builder c = {.b = b};
    struct mr_tree_direct *out = &b->forest->direct;
    size_t n_trees = b->ensemble->n_trees;
    size_t n_nodes = b->forest->shape.n_splits + b->forest->shape.n_leaves;
    MR_TRY(number_slots(&c));
    struct mr_tree_direct_tree *trees = mr_tree_new_array(b, n_trees, sizeof(*trees));
    c.nodes = mr_tree_new_array(b, n_nodes, sizeof(*c.nodes));
    c.values = mr_tree_new_values(b, b->forest->shape.n_leaves * b->forest->width);
    if (!trees || !c.nodes || !c.values) return mr_arena_fail(b->arena, b->err);
    for (; c.tree < n_trees; c.tree++) {
        c.depth = 0;
        uint16_t root = put(&c, 0, 0);
        trees[c.tree] = (struct mr_tree_direct_tree){root, (uint16_t)c.depth,
                                                     b->ensemble->trees[c.tree].output};
    }
    out->trees = trees;
    out->nodes = c.nodes;
    out->values = c.values;
    return MR_OK;
}

/* Evaluating -------------------------------------------------------------------------------- */

/* The values of a row, as they are and negated. */
static void take_values(const struct mr_tree_forest *forest, const struct mr_tree_scratch *scratch,
                        double *values) {
    const struct mr_tree_ranking *ranking = &forest->ranking;
    size_t n_columns = forest->shape.n_columns, n_slots = forest->direct.n_slots;
    for (size_t i = 0; i < n_columns; i++) {
        values[i] = forest->shape.has_double_inputs ? ((const double *)scratch->x)[i]
                                                    : (double)((const float *)scratch->x)[i];
    }
    size_t slot = n_columns;
    for (size_t t = 0; slot < n_slots; t++) {
        const struct mr_tree_table *table = &ranking->tables[t];
        if (table->missing == MR_TREE_MISSING_NAN) continue;
        double value = values[table->column];
        if (mr_tree_is_missing(table, value)) {
            value = NAN;
        } else if (isnan(value)) {
            value = 0;
        }
        values[slot++] = value;
    }
    for (size_t i = 0; i < n_slots; i++) values[n_slots + i] = -values[i];
}

#define UNROLLED _Pragma("GCC unroll 8") /* MR_TREE_DIRECT_PATHS */

/* The leaves of MR_TREE_DIRECT_PATHS trees; those that end early stay where they are. */
static inline void follow(const struct mr_tree_direct *direct, const double *values,
                          const struct mr_tree_direct_tree *trees, size_t n_trees,
                          uint32_t *leaves) {
    const struct mr_tree_direct_node *nodes = direct->nodes;
    size_t at[MR_TREE_DIRECT_PATHS];
    uint16_t depth = 0;
    UNROLLED for (size_t i = 0; i < MR_TREE_DIRECT_PATHS; i++) {
        const struct mr_tree_direct_tree *tree = &trees[i < n_trees ? i : 0];
        at[i] = tree->root;
        if (tree->depth > depth) depth = tree->depth;
    }
    for (; depth > 0; depth--) {
        UNROLLED for (size_t i = 0; i < MR_TREE_DIRECT_PATHS; i++) {
            const struct mr_tree_direct_node *node = &nodes[at[i]];
            at[i] = node->next[values[node->slot] <= node->limit];
        }
    }
    UNROLLED for (size_t i = 0; i < MR_TREE_DIRECT_PATHS; i++) leaves[i] = nodes[at[i]].leaf;
}

void mr_tree_direct_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                        size_t first, size_t end) {
    const struct mr_tree_direct *direct = &forest->direct;
    double *values = scratch->ranks;
    uint32_t leaves[MR_TREE_DIRECT_PATHS];
    take_values(forest, scratch, values);
    for (size_t t = first; t < end; t += MR_TREE_DIRECT_PATHS) {
        const struct mr_tree_direct_tree *trees = direct->trees + t;
        size_t n = end - t < MR_TREE_DIRECT_PATHS ? end - t : MR_TREE_DIRECT_PATHS;
        follow(direct, values, trees, n, leaves);
        for (size_t i = 0; i < n; i++) {
            mr_tree_add_leaf(forest, scratch, direct->values, leaves[i], trees[i].output, 0);
        }
    }
}
