#include "engine/tree/forest_int.h"

/* Building ---------------------------------------------------------------------------------- */

static void pack_node(const struct mr_tree_flat_node *from, uint32_t self,
                      const struct mr_tree_ranking *ranking, struct mr_tree_walk_node *node,
                      uint32_t *leaf) {
    const struct mr_tree_node *source = from->source;
    if (source->kind == MR_TREE_LEAF) {
        *node = (struct mr_tree_walk_node){self, 0, UINT16_MAX};
        *leaf = source->index;
        return;
    }
    *leaf = 0;
    uint32_t slot;
    if (source->kind == MR_TREE_CATEGORY) {
        slot = ranking->choices[from->table].wide;
    } else {
        slot = ranking->tables[from->table].wide[!source->is_default_left] +
               from->rank / MR_TREE_WIDE_RANKS;
    }
    *node = (struct mr_tree_walk_node){from->child, (uint16_t)slot,
                                       (uint16_t)(from->rank % MR_TREE_WIDE_RANKS)};
}

mr_status mr_tree_walk_build(const struct mr_tree_ensemble *ensemble,
                             const struct mr_tree_flat *flat, const struct mr_tree_ranking *ranking,
                             struct mr_arena *arena, struct mr_tree_walk *out,
                             struct mr_error *err) {
    struct mr_tree_walk_node *nodes = mr_arena_array(arena, flat->n_nodes, sizeof(*nodes));
    uint32_t *leaves = mr_arena_array(arena, flat->n_nodes, sizeof(*leaves));
    struct mr_tree_walk_tree *trees = mr_arena_array(arena, ensemble->n_trees, sizeof(*trees));
    if (!nodes || !leaves || !trees) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < flat->n_nodes; i++) {
        pack_node(&flat->nodes[i], (uint32_t)i, ranking, &nodes[i], &leaves[i]);
    }
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        trees[t] = (struct mr_tree_walk_tree){
            .root = flat->roots[t], .depth = flat->depths[t], .output = ensemble->trees[t].output};
    }
    *out = (struct mr_tree_walk){nodes, leaves, trees};
    return MR_OK;
}

/* Evaluating -------------------------------------------------------------------------------- */

/* Paths that are followed together: one waits for memory while others go on. */
#define N_PATHS 8

/* Steps after which it is worth looking whether all paths have ended. */
#define N_STEPS 4

/* Where N_PATHS paths stand, and the row that each reads. */
struct paths {
    uint32_t node[N_PATHS];
    const uint16_t *ranks[N_PATHS];
};

static inline uint32_t next_node(const struct mr_tree_walk_node *nodes, uint32_t i,
                                 const uint16_t *ranks, size_t stride) {
    struct mr_tree_walk_node node = nodes[i];
    return node.child + (ranks[node.slot * stride] > node.limit);
}

/* Follows all paths to their leaves. */
static inline void follow(const struct mr_tree_walk_node *nodes, struct paths *paths,
                          uint32_t depth, size_t stride) {
    for (uint32_t done = 0; done < depth; done += N_STEPS) {
        for (uint32_t step = 0; step < N_STEPS; step++) {
            for (int i = 0; i < N_PATHS; i++) {
                paths->node[i] = next_node(nodes, paths->node[i], paths->ranks[i], stride);
            }
        }
        if (depth - done <= N_STEPS) break;
        bool is_at_leaves = true;
        for (int i = 0; i < N_PATHS; i++) {
            is_at_leaves &= nodes[paths->node[i]].child == paths->node[i];
        }
        if (is_at_leaves) break;
    }
}

/* Adds a leaf's values to the sums of one row. */
static inline void add_leaf(const struct mr_tree_forest *forest, uint32_t leaf, uint32_t output,
                            struct mr_tree_scratch *scratch, size_t row) {
    size_t n_values = forest->has_vector_leaves ? forest->shape.n_outputs : 1;
    size_t first = forest->has_vector_leaves ? 0 : output;
    for (size_t k = 0; k < n_values; k++) {
        size_t i = (first + k) * scratch->stride + row;
        if (forest->shape.has_double_sums) {
            ((double *)scratch->sums)[i] += ((const double *)forest->values)[leaf + k];
        } else {
            ((float *)scratch->sums)[i] += ((const float *)forest->values)[leaf + k];
        }
    }
}

/* One row, several trees at once. */
static void sum_row(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                    size_t row, const uint16_t *ranks, size_t first, size_t end) {
    const struct mr_tree_walk *walk = &forest->walk;
    for (size_t t = first; t < end; t += N_PATHS) {
        size_t n = end - t < N_PATHS ? end - t : N_PATHS;
        struct paths paths;
        uint32_t depth = 0;
        for (size_t i = 0; i < N_PATHS; i++) {
            const struct mr_tree_walk_tree *tree = &walk->trees[t + (i < n ? i : 0)];
            paths.node[i] = tree->root;
            paths.ranks[i] = ranks + row;
            if (tree->depth > depth) depth = tree->depth;
        }
        follow(walk->nodes, &paths, depth, scratch->stride);
        for (size_t i = 0; i < n; i++) {
            add_leaf(forest, walk->leaves[paths.node[i]], walk->trees[t + i].output, scratch, row);
        }
    }
}

/* One tree after the other, several rows at once. */
static void sum_rows(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                     size_t n_rows, const uint16_t *ranks, size_t first, size_t end) {
    const struct mr_tree_walk *walk = &forest->walk;
    for (size_t t = first; t < end; t++) {
        const struct mr_tree_walk_tree *tree = &walk->trees[t];
        for (size_t r = 0; r < n_rows; r += N_PATHS) {
            size_t n = n_rows - r < N_PATHS ? n_rows - r : N_PATHS;
            struct paths paths;
            for (size_t i = 0; i < N_PATHS; i++) {
                paths.node[i] = tree->root;
                paths.ranks[i] = ranks + r + (i < n ? i : 0);
            }
            follow(walk->nodes, &paths, tree->depth, scratch->stride);
            for (size_t i = 0; i < n; i++) {
                add_leaf(forest, walk->leaves[paths.node[i]], tree->output, scratch, r + i);
            }
        }
    }
}

void mr_tree_walk_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t n_rows, const uint16_t *ranks, size_t first, size_t end) {
    if (n_rows < N_PATHS) {
        for (size_t r = 0; r < n_rows; r++) sum_row(forest, scratch, r, ranks, first, end);
    } else {
        sum_rows(forest, scratch, n_rows, ranks, first, end);
    }
}
