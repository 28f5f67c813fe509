/* LightGBM: include/LightGBM/tree.h (Tree::Predict). */
#include "engine/lightgbm/linear.h"

#include <math.h>

/* A tree. Its nodes are those of the ensemble: splits, then leaves. */
struct linear_tree {
    const struct mr_tree_node *nodes;
    uint32_t n_splits, output;
    const double *leaves;
    bool is_linear;
    const double *constants;     /* of each leaf */
    const uint32_t *term_starts; /* of each leaf, and the end */
    const uint32_t *term_features;
    const double *coefficients;
};

struct mr_lgb_linear {
    uint32_t n_outputs;
    size_t n_trees, n_leaves;
    const struct linear_tree *trees;
    const struct mr_tree_set *sets;
};

/* Building ---------------------------------------------------------------------------------- */

struct builder {
    struct mr_arena *arena;
    struct mr_error *err;
};

static mr_status copy(const struct builder *b, const void *from, size_t n, size_t item_bytes,
                      const void **out) {
    void *to = mr_arena_array(b->arena, n, item_bytes);
    if (!to) return mr_arena_fail(b->arena, b->err);
    if (n) memcpy(to, from, n * item_bytes);
    *out = to;
    return MR_OK;
}

static mr_status copy_terms(const struct builder *b, const struct mr_lgb_tree *tree,
                            uint32_t n_features, size_t number, struct linear_tree *out) {
    size_t n_terms = 0;
    uint32_t *starts = mr_arena_array(b->arena, (size_t)tree->n_leaves + 1, sizeof(*starts));
    if (!starts) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < tree->n_leaves; i++) {
        starts[i] = (uint32_t)n_terms;
        n_terms += tree->n_terms[i];
    }
    if (n_terms > UINT32_MAX) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "linear trees with %zu terms are not evaluated",
                       n_terms);
    }
    starts[tree->n_leaves] = (uint32_t)n_terms;
    for (size_t i = 0; i < n_terms; i++) {
        if (tree->term_features[i] >= 0 && (uint32_t)tree->term_features[i] < n_features) continue;
        return mr_fail(b->err, MR_E_FORMAT,
                       "tree %zu: a leaf has a term of feature %d, but there are %u", number,
                       tree->term_features[i], n_features);
    }
    out->is_linear = true;
    out->term_starts = starts;
    MR_TRY(
        copy(b, tree->constants, tree->n_leaves, sizeof(double), (const void **)&out->constants));
    MR_TRY(copy(b, tree->term_features, n_terms, sizeof(uint32_t),
                (const void **)&out->term_features));
    return copy(b, tree->coefficients, n_terms, sizeof(double), (const void **)&out->coefficients);
}

static mr_status copy_tree(const struct builder *b, const struct mr_tree *from,
                           const struct mr_lgb_tree *tree, uint32_t n_features, size_t number,
                           struct linear_tree *out) {
    *out = (struct linear_tree){.n_splits = tree->n_leaves - 1, .output = from->output};
    MR_TRY(copy(b, from->nodes, from->n_nodes, sizeof(*from->nodes), (const void **)&out->nodes));
    MR_TRY(copy(b, tree->leaves, tree->n_leaves, sizeof(double), (const void **)&out->leaves));
    return tree->is_linear ? copy_terms(b, tree, n_features, number, out) : MR_OK;
}

static mr_status copy_sets(const struct builder *b, const struct mr_tree_ensemble *ensemble,
                           struct mr_lgb_linear *out) {
    struct mr_tree_set *sets = mr_arena_array(b->arena, ensemble->n_sets, sizeof(*sets));
    if (!sets) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < ensemble->n_sets; i++) {
        sets[i] = ensemble->sets[i];
        MR_TRY(copy(b, sets[i].bits, ((size_t)sets[i].n_bits + 31) / 32, sizeof(*sets[i].bits),
                    (const void **)&sets[i].bits));
    }
    out->sets = sets;
    return MR_OK;
}

mr_status mr_lgb_linear_build(const struct mr_lgb_file *file,
                              const struct mr_tree_ensemble *ensemble, struct mr_arena *arena,
                              struct mr_arena *scratch, const struct mr_lgb_linear **out,
                              struct mr_error *err) {
    struct builder b = {.arena = arena, .err = err};
    MR_TRY(mr_tree_ensemble_validate(ensemble, scratch, err));
    struct mr_lgb_linear *linear = mr_arena_zalloc(arena, sizeof(*linear));
    struct linear_tree *trees = mr_arena_array(arena, ensemble->n_trees, sizeof(*trees));
    if (!linear || !trees) return mr_arena_fail(arena, err);
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        MR_TRY(copy_tree(&b, &ensemble->trees[t], &file->trees[t], ensemble->n_features, t,
                         &trees[t]));
        linear->n_leaves += file->trees[t].n_leaves;
    }
    MR_TRY(copy_sets(&b, ensemble, linear));
    linear->n_outputs = ensemble->n_outputs;
    linear->n_trees = ensemble->n_trees;
    linear->trees = trees;
    *out = linear;
    return MR_OK;
}

size_t mr_lgb_linear_n_trees(const struct mr_lgb_linear *linear) {
    return linear->n_trees;
}

size_t mr_lgb_linear_n_leaves(const struct mr_lgb_linear *linear) {
    return linear->n_leaves;
}

/* Evaluating -------------------------------------------------------------------------------- */

static bool goes_left(const struct mr_lgb_linear *linear, const struct mr_tree_node *node,
                      double value) {
    if (node->kind == MR_TREE_CATEGORY) {
        const struct mr_tree_set *set = &linear->sets[node->index];
        if (!(value > -1 && value < set->n_bits)) return false;
        uint32_t category = (uint32_t)value;
        return set->bits[category / 32] >> category % 32 & 1;
    }
    if (isnan(value) && node->missing != MR_TREE_MISSING_NAN) value = 0;
    bool is_missing = node->missing == MR_TREE_MISSING_NAN
                          ? isnan(value)
                          : node->missing == MR_TREE_MISSING_ZERO && value == 0;
    return is_missing ? node->is_default_left : value <= node->threshold;
}

static double predict_tree(const struct mr_lgb_linear *linear, const struct linear_tree *tree,
                           const double *x, size_t stride) {
    int32_t at = 0;
    while ((uint32_t)at < tree->n_splits) {
        const struct mr_tree_node *node = &tree->nodes[at];
        at = goes_left(linear, node, x[node->feature * stride]) ? node->left : node->right;
    }
    uint32_t leaf = (uint32_t)at - tree->n_splits;
    if (!tree->is_linear) return tree->leaves[leaf];
    double sum = tree->constants[leaf];
    for (uint32_t i = tree->term_starts[leaf]; i < tree->term_starts[leaf + 1]; i++) {
        double value = x[tree->term_features[i] * stride];
        if (isnan(value)) return tree->leaves[leaf];
        sum += tree->coefficients[i] * value;
    }
    return sum;
}

void mr_lgb_linear_sum(const struct mr_lgb_linear *linear, const double *x, size_t stride,
                       size_t n_rows, double *sums) {
    memset(sums, 0, n_rows * linear->n_outputs * sizeof(*sums));
    for (size_t t = 0; t < linear->n_trees; t++) {
        const struct linear_tree *tree = &linear->trees[t];
        for (size_t r = 0; r < n_rows; r++) {
            sums[r * linear->n_outputs + tree->output] += predict_tree(linear, tree, x + r, stride);
        }
    }
}
