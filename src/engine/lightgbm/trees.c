/* LightGBM: src/io/tree.cpp (Tree::Tree), include/LightGBM/tree.h (NumericalDecision,
 * CategoricalDecision, GetLeaf). */
#include <math.h>

#include "engine/lightgbm/lightgbm_int.h"

struct builder {
    struct mr_arena *arena;
    struct mr_error *err;
    struct mr_tree_set *sets;
    size_t n_sets; /* of the trees so far */
    double *values;
    size_t n_values;
};

static mr_status fail_split(const struct builder *b, size_t tree, size_t split, const char *what) {
    return mr_fail(b->err, MR_E_FORMAT, "tree %zu, split %zu: %s", tree, split, what);
}

/* Of a node's number: splits come first, then the leaves. */
static bool find_node(const struct mr_lgb_tree *tree, int32_t child, int32_t *out) {
    int64_t n_splits = (int64_t)tree->n_leaves - 1;
    int64_t node = child >= 0 ? child : n_splits + ~child;
    bool is_inside = child >= 0 ? node < n_splits : node < n_splits + tree->n_leaves;
    *out = (int32_t)node;
    return is_inside && node <= INT32_MAX;
}

/* The set of categories that go left. Others, NaN and what is below 0 when cut to an integer go
 * right. */
static mr_status read_set(const struct builder *b, const struct mr_lgb_tree *tree, size_t number,
                          size_t split, struct mr_tree_node *node) {
    double set = tree->thresholds[split];
    if (!(set > -1 && set < tree->n_sets)) {
        return fail_split(b, number, split, "its set of categories is not among those of the tree");
    }
    node->kind = MR_TREE_CATEGORY;
    node->index = (uint32_t)(b->n_sets + (size_t)set);
    node->is_default_left = false;
    return MR_OK;
}

static mr_status read_split(const struct builder *b, const struct mr_lgb_tree *tree, size_t number,
                            size_t i, struct mr_tree_node *node) {
    static const uint8_t missing[] = {MR_TREE_MISSING_NONE, MR_TREE_MISSING_ZERO,
                                      MR_TREE_MISSING_NAN, MR_TREE_MISSING_NONE};
    int32_t decision = tree->decisions[i];
    if (!find_node(tree, tree->left[i], &node->left) ||
        !find_node(tree, tree->right[i], &node->right)) {
        return fail_split(b, number, i, "a child is not in the tree");
    }
    if (tree->features[i] < 0) return fail_split(b, number, i, "it is on no feature");
    node->feature = (uint32_t)tree->features[i];
    if (tree->n_sets && decision & MR_LGB_CATEGORICAL) return read_set(b, tree, number, i, node);
    node->kind = MR_TREE_LESS_EQUAL;
    node->threshold = tree->thresholds[i];
    node->missing = missing[decision >> MR_LGB_MISSING_SHIFT & 3];
    node->is_default_left = decision & MR_LGB_DEFAULT_LEFT;
    return MR_OK;
}

static void add_sets(struct builder *b, const struct mr_lgb_tree *tree) {
    for (size_t i = 0; i < tree->n_sets; i++) {
        uint32_t n_words = (uint32_t)(tree->set_starts[i + 1] - tree->set_starts[i]);
        b->sets[b->n_sets++] = (struct mr_tree_set){
            .bits = tree->set_words + tree->set_starts[i],
            /* Values are cut to an int, so that bits from 2^31 on are never asked for. */
            .n_bits = n_words > (uint32_t)INT32_MAX / 32 ? INT32_MAX : n_words * 32,
        };
    }
}

static mr_status add_tree(struct builder *b, const struct mr_lgb_tree *tree, size_t number,
                          uint32_t output, struct mr_tree *out) {
    size_t n_splits = tree->n_leaves - 1, n_nodes = n_splits + tree->n_leaves;
    struct mr_tree_node *nodes = mr_arena_array(b->arena, n_nodes, sizeof(*nodes));
    if (!nodes) return mr_arena_fail(b->arena, b->err);
    memset(nodes, 0, n_nodes * sizeof(*nodes));
    for (size_t i = 0; i < n_splits; i++) MR_TRY(read_split(b, tree, number, i, &nodes[i]));
    for (size_t i = 0; i < tree->n_leaves; i++) {
        nodes[n_splits + i].kind = MR_TREE_LEAF;
        nodes[n_splits + i].index = (uint32_t)b->n_values;
        b->values[b->n_values++] = tree->leaves[i];
    }
    add_sets(b, tree);
    *out = (struct mr_tree){.nodes = nodes, .n_nodes = (uint32_t)n_nodes, .output = output};
    return MR_OK;
}

static mr_status make_room(struct builder *b, const struct mr_lgb_file *file, size_t n_trees) {
    size_t n_sets = 0, n_leaves = 0;
    for (size_t t = 0; t < n_trees; t++) {
        n_sets += file->trees[t].n_sets;
        n_leaves += file->trees[t].n_leaves;
    }
    if (n_sets > UINT32_MAX || n_leaves > MR_TREE_MAX_NODES / 2) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "trees with %zu leaves are not evaluated",
                       n_leaves);
    }
    b->sets = mr_arena_array(b->arena, n_sets, sizeof(*b->sets));
    b->values = mr_arena_array(b->arena, n_leaves, sizeof(*b->values));
    return b->sets && b->values ? MR_OK : mr_arena_fail(b->arena, b->err);
}

mr_status mr_lgb_trees_build(const struct mr_lgb_file *file, uint32_t n_rounds,
                             struct mr_arena *arena, struct mr_tree_ensemble *out,
                             struct mr_error *err) {
    size_t n_trees = (size_t)n_rounds * file->n_trees_per_round;
    struct builder b = {.arena = arena, .err = err};
    struct mr_tree *trees = mr_arena_array(arena, n_trees, sizeof(*trees));
    double *base = mr_arena_zalloc(arena, file->n_trees_per_round * sizeof(*base));
    if (!trees || !base) return mr_arena_fail(arena, err);
    MR_TRY(make_room(&b, file, n_trees));
    for (size_t t = 0; t < n_trees; t++) {
        uint32_t output = (uint32_t)(t % file->n_trees_per_round);
        MR_TRY(add_tree(&b, &file->trees[t], t, output, &trees[t]));
    }
    *out = (struct mr_tree_ensemble){.has_double_inputs = true,
                                     .has_double_sums = true,
                                     .n_features = file->n_features,
                                     .n_outputs = file->n_trees_per_round,
                                     .base = base,
                                     .n_trees = n_trees,
                                     .trees = trees,
                                     .n_sets = b.n_sets,
                                     .sets = b.sets,
                                     .n_values = b.n_values,
                                     .values = b.values};
    return MR_OK;
}
