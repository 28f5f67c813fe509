#include "engine/tree/forest_int.h"

/* Building ---------------------------------------------------------------------------------- */

struct mr_tree_top_builder {
    struct mr_tree_build *b;
    uint8_t *is_in; /* of each node of the largest tree: whether it is a split of the top */
    struct mr_tree *trees;
    struct mr_tree_node *nodes;
    double *values;
    size_t n_nodes, n_values; /* so far, of all trees */
};

/* Paths that are followed one by one gain nothing by being shorter: their ends are what takes
 * time. The tops of trees of few leaves are all of them. */
static bool is_worthwhile(const struct mr_tree_build *b) {
    return b->forest->kernel->follow_rows && b->most_leaves > 2 * MR_TREE_TOP_LEAVES &&
           b->most_leaves < MR_TREE_WALK_LEAF;
}

mr_status mr_tree_top_begin(struct mr_tree_build *b, uint32_t n_largest,
                            struct mr_tree_top_builder **out) {
    size_t n_trees = b->ensemble->n_trees, n_leaves = n_trees * MR_TREE_TOP_LEAVES;
    *out = NULL;
    if (!is_worthwhile(b)) return MR_OK;
    struct mr_tree_top_builder *top = mr_arena_zalloc(b->scratch, sizeof(*top));
    if (!top) return mr_arena_fail(b->scratch, b->err);
    top->b = b;
    top->is_in = mr_arena_zalloc(b->scratch, n_largest);
    top->trees = mr_arena_array(b->scratch, n_trees, sizeof(*top->trees));
    top->nodes = mr_arena_array(b->scratch, 2 * n_leaves, sizeof(*top->nodes));
    top->values = mr_arena_array(b->scratch, n_leaves, sizeof(*top->values));
    if (!top->is_in || !top->trees || !top->nodes || !top->values) {
        return mr_arena_fail(b->scratch, b->err);
    }
    *out = top;
    return MR_OK;
}

/* Chooses the splits that most paths are likely to go through. Returns how many, listed. */
static uint32_t choose_splits(const struct mr_tree *tree, const uint32_t *weights,
                              uint32_t splits[MR_TREE_TOP_LEAVES]) {
    uint32_t waiting[MR_TREE_TOP_LEAVES + 1] = {0};
    uint32_t n_waiting = 1, n_splits = 0;
    while (n_splits < MR_TREE_TOP_LEAVES - 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n_waiting; i++) {
            if (weights[waiting[i]] > weights[waiting[best]]) best = i;
        }
        const struct mr_tree_node *node = &tree->nodes[waiting[best]];
        if (node->kind == MR_TREE_LEAF) break;
        splits[n_splits++] = waiting[best];
        waiting[best] = (uint32_t)node->left;
        waiting[n_waiting++] = (uint32_t)node->right;
    }
    return n_splits;
}

/* Copies a node and what is of the top below it: at most MR_TREE_TOP_LEAVES deep. Returns its
 * number in the tree that begins at node `first`. */
static int32_t put(struct mr_tree_top_builder *top, const struct mr_tree *tree, size_t first,
                   uint32_t i, mr_tree_top_start *start, void *ctx) {
    size_t at = top->n_nodes++;
    if (!top->is_in[i]) {
        top->nodes[at] = (struct mr_tree_node){.kind = MR_TREE_LEAF,
                                               .index = (uint32_t)top->n_values};
        top->values[top->n_values++] = (double)start(ctx, i);
    } else {
        struct mr_tree_node node = tree->nodes[i];
        node.left = put(top, tree, first, (uint32_t)node.left, start, ctx);
        node.right = put(top, tree, first, (uint32_t)node.right, start, ctx);
        top->nodes[at] = node;
    }
    return (int32_t)(at - first);
}

void mr_tree_top_add(struct mr_tree_top_builder *top, size_t t, const uint32_t *weights,
                     mr_tree_top_start *start, void *ctx) {
    const struct mr_tree *tree = &top->b->ensemble->trees[t];
    uint32_t splits[MR_TREE_TOP_LEAVES];
    uint32_t n_splits = choose_splits(tree, weights, splits);
    size_t first = top->n_nodes;
    for (uint32_t i = 0; i < n_splits; i++) top->is_in[splits[i]] = 1;
    put(top, tree, first, 0, start, ctx);
    for (uint32_t i = 0; i < n_splits; i++) top->is_in[splits[i]] = 0;
    top->trees[t] = (struct mr_tree){.nodes = top->nodes + first,
                                     .n_nodes = (uint32_t)(top->n_nodes - first),
                                     .output = (uint32_t)(t % MR_TREE_TOP_TREES)};
}

mr_status mr_tree_top_build(struct mr_tree_top_builder *top) {
    struct mr_tree_build *b = top->b;
    struct mr_tree_top *out = &b->forest->top;
    size_t n_trees = b->ensemble->n_trees;
    uint32_t n_outputs = (uint32_t)(n_trees < MR_TREE_TOP_TREES ? n_trees : MR_TREE_TOP_TREES);
    double *base = mr_arena_zalloc(b->scratch, n_outputs * sizeof(*base));
    if (!base) return mr_arena_fail(b->scratch, b->err);
    const struct mr_tree_ensemble ensemble = {.has_double_inputs = b->ensemble->has_double_inputs,
                                              .n_features = b->ensemble->n_features,
                                              .n_outputs = n_outputs,
                                              .base = base,
                                              .n_trees = n_trees,
                                              .trees = top->trees,
                                              .n_sets = b->ensemble->n_sets,
                                              .sets = b->ensemble->sets,
                                              .n_values = top->n_values,
                                              .values = top->values};
    MR_TRY(mr_tree_forest_build(&ensemble, b->arena, b->scratch, &out->forest, b->err));
    const struct mr_tree_shape *shape = mr_tree_forest_shape(out->forest);
    uint32_t *columns = mr_tree_new_array(b, shape->n_columns, sizeof(*columns));
    if (!columns) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < shape->n_columns; i++) columns[i] = b->column_of[shape->columns[i]];
    out->columns = columns;
    b->forest->shape.n_bytes += shape->n_bytes;
    return MR_OK;
}

/* Evaluating -------------------------------------------------------------------------------- */

void mr_tree_top_take(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t n_rows) {
    const struct mr_tree_top *top = &forest->top;
    const struct mr_tree_shape *shape = mr_tree_forest_shape(top->forest);
    size_t stride = scratch->stride;
    size_t item_bytes = shape->has_double_inputs ? sizeof(double) : sizeof(float);
    const char *from = scratch->x;
    char *to = scratch->top->x;
    for (size_t i = 0; i < shape->n_columns; i++, to += stride * item_bytes) {
        memcpy(to, from + top->columns[i] * stride * item_bytes, n_rows * item_bytes);
    }
}

const float *mr_tree_top_starts(const struct mr_tree_forest *forest,
                                struct mr_tree_scratch *scratch, size_t n_rows, size_t first,
                                size_t end) {
    mr_tree_forest_sum_range(forest->top.forest, scratch->top, n_rows, first, end);
    return scratch->top->sums;
}
