#include "engine/tree/forest_int.h"

struct walk {
    const struct mr_tree_ensemble *ensemble;
    size_t tree;      /* number of the tree, for messages */
    uint8_t *is_seen; /* of the tree's nodes */
    uint32_t *stack;
    struct mr_error *err;
};

static mr_status check_leaf(const struct walk *walk, uint32_t i, const struct mr_tree_node *node) {
    const struct mr_tree_ensemble *ensemble = walk->ensemble;
    size_t n_values = ensemble->has_vector_leaves ? ensemble->n_outputs : 1;
    if (node->index < ensemble->n_values && ensemble->n_values - node->index >= n_values) {
        return MR_OK;
    }
    return mr_fail(walk->err, MR_E_FORMAT,
                   "tree %zu, node %u: %zu values of the leaf start at %u, but there are %zu",
                   walk->tree, i, n_values, node->index, ensemble->n_values);
}

static mr_status check_split(const struct walk *walk, uint32_t i, const struct mr_tree_node *node) {
    const struct mr_tree_ensemble *ensemble = walk->ensemble;
    uint32_t n_nodes = ensemble->trees[walk->tree].n_nodes;
    if (node->feature >= ensemble->n_features) {
        return mr_fail(walk->err, MR_E_FORMAT,
                       "tree %zu, node %u: splits on feature %u, but there are %u", walk->tree, i,
                       node->feature, ensemble->n_features);
    }
    if (node->kind == MR_TREE_CATEGORY && node->index >= ensemble->n_sets) {
        return mr_fail(walk->err, MR_E_FORMAT,
                       "tree %zu, node %u: its set of categories is %u, but there are %zu",
                       walk->tree, i, node->index, ensemble->n_sets);
    }
    for (int k = 0; k < 2; k++) {
        int32_t child = k ? node->right : node->left;
        if (child < 0 || (uint32_t)child >= n_nodes) {
            return mr_fail(walk->err, MR_E_FORMAT,
                           "tree %zu, node %u: its child is node %d, but there are %u", walk->tree,
                           i, child, n_nodes);
        }
        if (walk->is_seen[child]) {
            return mr_fail(walk->err, MR_E_FORMAT,
                           "tree %zu: node %d is the child of two nodes, %u among them", walk->tree,
                           child, i);
        }
        walk->is_seen[child] = 1;
    }
    return MR_OK;
}

static mr_status check_tree(const struct walk *walk) {
    const struct mr_tree *tree = &walk->ensemble->trees[walk->tree];
    walk->is_seen[0] = 1;
    walk->stack[0] = 0;
    for (size_t n = 1; n > 0;) {
        uint32_t i = walk->stack[--n];
        const struct mr_tree_node *node = &tree->nodes[i];
        if (node->kind == MR_TREE_LEAF) {
            MR_TRY(check_leaf(walk, i, node));
            continue;
        }
        if (node->kind > MR_TREE_CATEGORY || node->missing > MR_TREE_MISSING_NONE) {
            return mr_fail(walk->err, MR_E_FORMAT, "tree %zu, node %u: of no known kind",
                           walk->tree, i);
        }
        MR_TRY(check_split(walk, i, node));
        walk->stack[n++] = (uint32_t)node->right;
        walk->stack[n++] = (uint32_t)node->left;
    }
    return MR_OK;
}

static mr_status check_sizes(const struct mr_tree_ensemble *ensemble, size_t *n_nodes,
                             struct mr_error *err) {
    if (ensemble->n_outputs < 1 || ensemble->n_outputs > MR_TREE_MAX_OUTPUTS) {
        return mr_fail(err, MR_E_UNSUPPORTED, "trees with %u outputs are not evaluated, at most %u",
                       ensemble->n_outputs, MR_TREE_MAX_OUTPUTS);
    }
    if (ensemble->n_features > MR_TREE_MAX_FEATURES) {
        return mr_fail(err, MR_E_UNSUPPORTED, "trees of %u features are not evaluated, at most %u",
                       ensemble->n_features, MR_TREE_MAX_FEATURES);
    }
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        const struct mr_tree *tree = &ensemble->trees[t];
        if (tree->n_nodes < 1 || tree->n_nodes > INT32_MAX) {
            return mr_fail(err, MR_E_FORMAT, "tree %zu has %u nodes", t, tree->n_nodes);
        }
        if (!ensemble->has_vector_leaves && tree->output >= ensemble->n_outputs) {
            return mr_fail(err, MR_E_FORMAT, "tree %zu adds to output %u, but there are %u", t,
                           tree->output, ensemble->n_outputs);
        }
        *n_nodes += tree->n_nodes;
    }
    if (*n_nodes <= MR_TREE_MAX_NODES) return MR_OK;
    return mr_fail(err, MR_E_UNSUPPORTED, "%zu nodes are not evaluated, at most %zu", *n_nodes,
                   MR_TREE_MAX_NODES);
}

mr_status mr_tree_ensemble_check(const struct mr_tree_ensemble *ensemble, struct mr_arena *scratch,
                                 uint8_t **is_reachable, struct mr_error *err) {
    size_t n_nodes = 0;
    MR_TRY(check_sizes(ensemble, &n_nodes, err));
    uint32_t largest = 1;
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        if (ensemble->trees[t].n_nodes > largest) largest = ensemble->trees[t].n_nodes;
    }
    struct walk walk = {.ensemble = ensemble, .err = err};
    walk.is_seen = *is_reachable = mr_arena_zalloc(scratch, n_nodes);
    walk.stack = mr_arena_array(scratch, largest, sizeof(*walk.stack));
    if (!walk.is_seen || !walk.stack) return mr_arena_fail(scratch, err);
    for (; walk.tree < ensemble->n_trees; walk.tree++) {
        MR_TRY(check_tree(&walk));
        walk.is_seen += ensemble->trees[walk.tree].n_nodes;
    }
    return MR_OK;
}

mr_status mr_tree_ensemble_validate(const struct mr_tree_ensemble *ensemble,
                                    struct mr_arena *scratch, struct mr_error *err) {
    uint8_t *is_reachable;
    return mr_tree_ensemble_check(ensemble, scratch, &is_reachable, err);
}
