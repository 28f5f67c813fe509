#include "engine/tree/forest.h"

#include <stdlib.h>

#include "engine/tree/forest_int.h"

/* Building ---------------------------------------------------------------------------------- */

struct builder {
    const struct mr_tree_ensemble *ensemble;
    struct mr_arena *arena, *scratch;
    struct mr_error *err;
    struct mr_tree_forest *forest;
};

/* Appends a tree, level by level, so that the children of a node are neighbours. */
static void flatten_tree(const struct mr_tree *tree, struct mr_tree_flat *flat, uint32_t *depth) {
    size_t level_end = flat->n_nodes + 1;
    size_t i = flat->n_nodes;
    flat->nodes[flat->n_nodes++].source = &tree->nodes[0];
    *depth = 0;
    for (; i < flat->n_nodes; i++) {
        if (i == level_end) {
            level_end = flat->n_nodes;
            ++*depth;
        }
        const struct mr_tree_node *source = flat->nodes[i].source;
        if (source->kind == MR_TREE_LEAF) continue;
        flat->nodes[i].child = (uint32_t)flat->n_nodes;
        flat->nodes[flat->n_nodes++].source = &tree->nodes[source->left];
        flat->nodes[flat->n_nodes++].source = &tree->nodes[source->right];
    }
}

static mr_status flatten(struct builder *b, struct mr_tree_flat *out) {
    const struct mr_tree_ensemble *ensemble = b->ensemble;
    size_t n_nodes = 0;
    for (size_t t = 0; t < ensemble->n_trees; t++) n_nodes += ensemble->trees[t].n_nodes;
    out->nodes = mr_arena_array(b->scratch, n_nodes, sizeof(*out->nodes));
    uint32_t *roots = mr_arena_array(b->scratch, ensemble->n_trees + 1, sizeof(*roots));
    uint32_t *depths = mr_arena_array(b->scratch, ensemble->n_trees, sizeof(*depths));
    if (!out->nodes || !roots || !depths) return mr_arena_fail(b->scratch, b->err);
    out->n_nodes = 0;
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        roots[t] = (uint32_t)out->n_nodes;
        flatten_tree(&ensemble->trees[t], out, &depths[t]);
    }
    roots[ensemble->n_trees] = (uint32_t)out->n_nodes;
    out->roots = roots;
    out->depths = depths;
    return MR_OK;
}

/* A copy in the type of the sums. */
static mr_status copy_values(struct builder *b, const double *from, size_t n, const void **out) {
    if (b->ensemble->has_double_sums) {
        double *to = mr_arena_array(b->arena, n, sizeof(*to));
        if (!to) return mr_arena_fail(b->arena, b->err);
        if (n) memcpy(to, from, n * sizeof(*to));
        *out = to;
        return MR_OK;
    }
    float *to = mr_arena_array(b->arena, n, sizeof(*to));
    if (!to) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i];
    *out = to;
    return MR_OK;
}

static mr_status choose_kernel(struct builder *b) {
    const char *forced = getenv("MLRACE_TREE_KERNEL");
    if (forced && strcmp(forced, "scalar") != 0) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "MLRACE_TREE_KERNEL is \"%.100s\": no such kernel",
                       forced);
    }
    b->forest->shape.kernel = "scalar";
    return MR_OK;
}

static mr_status build(struct builder *b) {
    const struct mr_tree_ensemble *ensemble = b->ensemble;
    struct mr_tree_forest *forest = b->forest;
    struct mr_tree_flat flat;
    MR_TRY(mr_tree_ensemble_validate(ensemble, b->scratch, b->err));
    MR_TRY(choose_kernel(b));
    MR_TRY(flatten(b, &flat));
    forest->shape.has_double_inputs = ensemble->has_double_inputs;
    forest->shape.has_double_sums = ensemble->has_double_sums;
    forest->shape.n_trees = ensemble->n_trees;
    forest->shape.n_outputs = ensemble->n_outputs;
    for (size_t i = 0; i < flat.n_nodes; i++) {
        bool is_leaf = flat.nodes[i].source->kind == MR_TREE_LEAF;
        forest->shape.n_leaves += is_leaf;
        forest->shape.n_splits += !is_leaf;
    }
    forest->has_vector_leaves = ensemble->has_vector_leaves;
    MR_TRY(copy_values(b, ensemble->base, ensemble->n_outputs, &forest->base));
    MR_TRY(copy_values(b, ensemble->values, ensemble->n_values, &forest->values));
    MR_TRY(mr_tree_ranking_build(ensemble, &flat, b->arena, b->scratch, &forest->shape,
                                 &forest->ranking, b->err));
    return mr_tree_walk_build(ensemble, &flat, &forest->ranking, b->arena, &forest->walk, b->err);
}

mr_status mr_tree_forest_build(const struct mr_tree_ensemble *ensemble, bool has_ranges,
                               struct mr_arena *arena, struct mr_arena *scratch,
                               const struct mr_tree_forest **out, struct mr_error *err) {
    (void)has_ranges;
    struct mr_tree_forest *forest = mr_arena_zalloc(arena, sizeof(*forest));
    if (!forest) return mr_arena_fail(arena, err);
    struct builder builder = {
        .ensemble = ensemble, .arena = arena, .scratch = scratch, .err = err, .forest = forest};
    MR_TRY(build(&builder));
    *out = forest;
    return MR_OK;
}

/* Evaluating -------------------------------------------------------------------------------- */

const struct mr_tree_shape *mr_tree_forest_shape(const struct mr_tree_forest *forest) {
    return &forest->shape;
}

mr_status mr_tree_scratch_new(const struct mr_tree_forest *forest, size_t n_rows,
                              struct mr_arena *arena, struct mr_tree_scratch *out,
                              struct mr_error *err) {
    const struct mr_tree_shape *shape = &forest->shape;
    size_t stride = n_rows == 1 ? 1 : MR_TREE_BLOCK_ROWS;
    size_t input_bytes = shape->has_double_inputs ? sizeof(double) : sizeof(float);
    size_t sum_bytes = shape->has_double_sums ? sizeof(double) : sizeof(float);
    out->stride = stride;
    out->x = mr_arena_array(arena, shape->n_columns * stride, input_bytes);
    out->sums = mr_arena_array(arena, shape->n_outputs * stride, sum_bytes);
    out->ranks = mr_arena_array(arena, (size_t)forest->ranking.n_wide * stride, sizeof(uint16_t));
    return out->x && out->sums && out->ranks ? MR_OK : mr_arena_fail(arena, err);
}

/* Sums begin with the base. */
static void start_sums(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                       size_t n_rows) {
    for (size_t k = 0; k < forest->shape.n_outputs; k++) {
        size_t first = k * scratch->stride;
        if (forest->shape.has_double_sums) {
            double base = ((const double *)forest->base)[k];
            for (size_t r = 0; r < n_rows; r++) ((double *)scratch->sums)[first + r] = base;
        } else {
            float base = ((const float *)forest->base)[k];
            for (size_t r = 0; r < n_rows; r++) ((float *)scratch->sums)[first + r] = base;
        }
    }
}

void mr_tree_forest_sum_range(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                              size_t n_rows, size_t first, size_t end) {
    start_sums(forest, scratch, n_rows);
    mr_tree_rank_wide(forest, scratch, n_rows, scratch->ranks);
    mr_tree_walk_sum(forest, scratch, n_rows, scratch->ranks, first, end);
}

void mr_tree_forest_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                        size_t n_rows) {
    mr_tree_forest_sum_range(forest, scratch, n_rows, 0, forest->shape.n_trees);
}
