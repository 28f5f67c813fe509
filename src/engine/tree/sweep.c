#include "engine/tree/forest_int.h"

/* Groups that mix large and small trees are filled up to the largest: what is compared with may be
 * that many times the splits, and some that do not matter. */
#define MAX_PADDING 4
#define FEW_SPLITS 1000

struct builder {
    const struct mr_tree_build *build;
    size_t tree;
    struct mr_tree_sweep_split *splits; /* of the tree */
    void *values;
    size_t first_leaf; /* of the tree */
    uint32_t n_leaves; /* of the tree, so far */
};

/* Puts a subtree, from its leftmost leaf to its rightmost: at most MR_TREE_SWEEP_LEAVES deep. */
static void put(struct builder *c, uint32_t i) {
    const struct mr_tree_node *node = &c->build->ensemble->trees[c->tree].nodes[i];
    if (node->kind == MR_TREE_LEAF) {
        mr_tree_copy_leaf(c->build, node, c->values, c->first_leaf + c->n_leaves++);
        return;
    }
    uint32_t slot, limit, first = c->n_leaves;
    mr_tree_split_code(c->build, c->tree, i, false, &slot, &limit);
    put(c, (uint32_t)node->left);
    c->splits[c->n_leaves - 1] = (struct mr_tree_sweep_split){(uint16_t)slot, (uint8_t)limit,
                                                              (uint8_t)first};
    put(c, (uint32_t)node->right);
}

/* Bytes that the rows of a group take, where t is its first tree. */
static size_t group_bytes(const struct mr_tree_build *b, size_t t) {
    uint32_t most = 1;
    for (size_t i = t; i < t + MR_TREE_SWEEP_TREES && i < b->ensemble->n_trees; i++) {
        if (b->n_leaves[i] > most) most = b->n_leaves[i];
    }
    return (most - 1) * 3 * MR_TREE_SWEEP_TREES;
}

static mr_status build_rows(const struct mr_tree_build *b, struct mr_tree_sweep *out) {
    const size_t n_lanes = MR_TREE_SWEEP_TREES;
    size_t n_groups = (b->ensemble->n_trees + n_lanes - 1) / n_lanes, n_bytes = 0;
    size_t *starts = mr_tree_new_array(b, n_groups + 1, sizeof(*starts));
    if (!starts) return mr_arena_fail(b->arena, b->err);
    for (size_t g = 0; g <= n_groups; g++) {
        starts[g] = n_bytes;
        n_bytes += group_bytes(b, g * n_lanes);
    }
    uint8_t *rows = mr_tree_new_array(b, n_bytes, 1);
    if (!rows) return mr_arena_fail(b->arena, b->err);
    memset(rows, 0, n_bytes);
    for (size_t at = n_lanes; at < n_bytes; at += 3 * n_lanes) memset(rows + at, 255, n_lanes);
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        uint8_t *lane = rows + starts[t / n_lanes] + t % n_lanes;
        const struct mr_tree_sweep_split *split = out->splits + out->trees[t].first_split;
        for (uint32_t v = 0; v < out->trees[t].n_splits; v++, split++, lane += 3 * n_lanes) {
            lane[0] = (uint8_t)split->slot;
            lane[n_lanes] = split->limit;
            lane[2 * n_lanes] = split->first;
        }
    }
    out->rows = rows;
    out->row_starts = starts;
    return MR_OK;
}

bool mr_tree_sweep_fits_rows(const struct mr_tree_build *b) {
    const struct mr_tree_forest *forest = b->forest;
    if (forest->ranking.n_narrow > forest->kernel->max_row_slots) return false;
    size_t n_bytes = 0;
    for (size_t t = 0; t < b->ensemble->n_trees; t += MR_TREE_SWEEP_TREES) {
        n_bytes += group_bytes(b, t);
    }
    return n_bytes / 3 / MAX_PADDING <= forest->shape.n_splits + FEW_SPLITS;
}

mr_status mr_tree_sweep_build(struct mr_tree_build *b, bool has_rows) {
    struct mr_tree_sweep *out = &b->forest->sweep;
    size_t n_trees = b->ensemble->n_trees, n_splits = b->forest->shape.n_splits;
    size_t width = b->forest->width, n_leaves = b->forest->shape.n_leaves;
    struct mr_tree_sweep_tree *trees = mr_tree_new_array(b, n_trees, sizeof(*trees));
    struct builder c = {.build = b};
    struct mr_tree_sweep_split *splits = mr_tree_new_array(b, n_splits, sizeof(*splits));
    c.values = mr_tree_new_values(b, n_leaves * width + MR_TREE_SWEEP_PADDING);
    if (!trees || !splits || !c.values) return mr_arena_fail(b->arena, b->err);
    c.splits = splits;
    for (; c.tree < n_trees; c.tree++) {
        c.n_leaves = 0;
        put(&c, 0);
        trees[c.tree] = (struct mr_tree_sweep_tree){.first_split = (size_t)(c.splits - splits),
                                                    .first_leaf = c.first_leaf,
                                                    .n_splits = c.n_leaves - 1,
                                                    .output = b->ensemble->trees[c.tree].output};
        c.splits += c.n_leaves - 1;
        c.first_leaf += c.n_leaves;
    }
    out->trees = trees;
    out->splits = splits;
    out->values = c.values;
    return has_rows ? build_rows(b, out) : MR_OK;
}
