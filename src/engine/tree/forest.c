#include "engine/tree/forest.h"

#include <stdlib.h>

#include "engine/tree/forest_int.h"

/* Building ---------------------------------------------------------------------------------- */

/* Numbers all nodes and counts splits and leaves. */
static mr_status count(struct mr_tree_build *b) {
    const struct mr_tree_ensemble *ensemble = b->ensemble;
    struct mr_tree_shape *shape = &b->forest->shape;
    size_t *first_nodes = mr_arena_array(b->scratch, ensemble->n_trees, sizeof(*first_nodes));
    b->n_leaves = mr_arena_array(b->scratch, ensemble->n_trees, sizeof(*b->n_leaves));
    if (!first_nodes || !b->n_leaves) return mr_arena_fail(b->scratch, b->err);
    size_t number = 0;
    for (size_t t = 0; t < ensemble->n_trees; t++) {
        const struct mr_tree *tree = &ensemble->trees[t];
        uint32_t n_leaves = 0;
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            n_leaves += b->is_reachable[number + i] && tree->nodes[i].kind == MR_TREE_LEAF;
        }
        first_nodes[t] = number;
        number += tree->n_nodes;
        b->n_leaves[t] = n_leaves;
        if (n_leaves > b->most_leaves) b->most_leaves = n_leaves;
        shape->n_leaves += n_leaves;
        shape->n_splits += n_leaves - 1; /* every split has two children */
    }
    b->first_nodes = first_nodes;
    b->codes = mr_arena_array(b->scratch, number, sizeof(*b->codes));
    return b->codes ? MR_OK : mr_arena_fail(b->scratch, b->err);
}

static void put_value(void *values, bool is_double, size_t i, double value) {
    if (is_double) {
        ((double *)values)[i] = value;
    } else {
        ((float *)values)[i] = (float)value;
    }
}

void *mr_tree_new_array(const struct mr_tree_build *b, size_t n, size_t item_bytes) {
    void *array = mr_arena_array(b->arena, n, item_bytes);
    if (array) b->forest->shape.n_bytes += n * item_bytes;
    return array;
}

void *mr_tree_new_values(const struct mr_tree_build *b, size_t n) {
    return mr_tree_new_array(b, n, b->ensemble->has_double_sums ? sizeof(double) : sizeof(float));
}

void mr_tree_copy_leaf(const struct mr_tree_build *b, const struct mr_tree_node *leaf, void *values,
                       size_t at) {
    uint32_t width = b->forest->width;
    for (uint32_t k = 0; k < width; k++) {
        put_value(values, b->ensemble->has_double_sums, at * width + k,
                  b->ensemble->values[leaf->index + k]);
    }
}

static mr_status copy_base(struct mr_tree_build *b) {
    void *base = mr_tree_new_values(b, b->ensemble->n_outputs);
    if (!base) return mr_arena_fail(b->arena, b->err);
    for (size_t k = 0; k < b->ensemble->n_outputs; k++) {
        put_value(base, b->ensemble->has_double_sums, k, b->ensemble->base[k]);
    }
    b->forest->base = base;
    return MR_OK;
}

/* The first that the processor supports, or the one that is asked for. */
static mr_status choose_kernel(struct mr_tree_build *b) {
    static const struct mr_tree_kernel *const kernels[] = {&mr_tree_avx512, &mr_tree_avx2,
                                                           &mr_tree_scalar};
    const char *forced = getenv("MLRACE_TREE_KERNEL");
    const char *problem = "the kernels are scalar, avx2 and avx512";
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
        if (forced && strcmp(forced, kernels[i]->name) != 0) continue;
        if (!kernels[i]->is_supported()) {
            problem = "this processor lacks its instructions";
            continue;
        }
        b->forest->kernel = kernels[i];
        b->forest->shape.kernel = kernels[i]->name;
        return MR_OK;
    }
    return mr_fail(b->err, MR_E_UNSUPPORTED, "MLRACE_TREE_KERNEL is \"%.100s\": %s",
                   forced ? forced : "", problem);
}

/* Walks serve where sweeps cannot. */
static mr_status build_layouts(struct mr_tree_build *b) {
    const struct mr_tree_forest *forest = b->forest;
    bool is_swept = forest->kernel->sweep_rows && b->most_leaves <= MR_TREE_SWEEP_LEAVES &&
                    forest->ranking.n_narrow <= MR_TREE_SWEEP_SLOTS;
    bool is_direct = mr_tree_direct_fits(b);
    bool has_rows = is_swept && !is_direct && mr_tree_sweep_fits_rows(b);
    if (is_direct) MR_TRY(mr_tree_direct_build(b));
    if (is_swept) MR_TRY(mr_tree_sweep_build(b, has_rows));
    return is_swept && (is_direct || has_rows) ? MR_OK : mr_tree_walk_build(b);
}

static mr_status build(struct mr_tree_build *b) {
    const struct mr_tree_ensemble *ensemble = b->ensemble;
    struct mr_tree_forest *forest = b->forest;
    MR_TRY(mr_tree_ensemble_check(ensemble, b->scratch, &b->is_reachable, b->err));
    forest->shape.has_double_inputs = ensemble->has_double_inputs;
    forest->shape.has_double_sums = ensemble->has_double_sums;
    forest->shape.n_trees = ensemble->n_trees;
    forest->shape.n_outputs = ensemble->n_outputs;
    forest->width = ensemble->has_vector_leaves ? ensemble->n_outputs : 1;
    MR_TRY(choose_kernel(b));
    MR_TRY(count(b));
    MR_TRY(copy_base(b));
    MR_TRY(mr_tree_ranking_build(b));
    return build_layouts(b);
}

mr_status mr_tree_forest_build(const struct mr_tree_ensemble *ensemble, struct mr_arena *arena,
                               struct mr_arena *scratch, const struct mr_tree_forest **out,
                               struct mr_error *err) {
    struct mr_tree_forest *forest = mr_arena_zalloc(arena, sizeof(*forest));
    if (!forest) return mr_arena_fail(arena, err);
    struct mr_tree_build b = {
        .ensemble = ensemble, .arena = arena, .scratch = scratch, .err = err, .forest = forest};
    MR_TRY(build(&b));
    *out = forest;
    return MR_OK;
}

/* Evaluating -------------------------------------------------------------------------------- */

const struct mr_tree_shape *mr_tree_forest_shape(const struct mr_tree_forest *forest) {
    return &forest->shape;
}

void mr_tree_forest_describe(const struct mr_tree_forest *forest, struct mr_buf *buf) {
    const struct mr_tree_shape *shape = &forest->shape;
    mr_buf_format(buf, "  %zu tree%s with %zu leaves; kernel %s; memory: %.1f MB\n", shape->n_trees,
                  shape->n_trees == 1 ? "" : "s", shape->n_leaves, shape->kernel,
                  (double)shape->n_bytes / 1e6);
}

/* Whether scratches of that stride are for comparing directly. */
static bool is_direct(const struct mr_tree_forest *forest, size_t stride) {
    return stride == 1 && forest->direct.trees;
}

/* Whether they are for sweeps; else for walks. */
static bool is_swept(const struct mr_tree_forest *forest, size_t stride) {
    return stride == 1 ? forest->sweep.rows != NULL : forest->sweep.trees != NULL;
}

/* Whether ranking takes less than sweeping: it has no need of blocks that are full. */
static bool is_sweep_most(const struct mr_tree_forest *forest) {
    return forest->shape.n_splits / 16 >= forest->shape.n_columns;
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
    size_t n_bytes = forest->ranking.n_narrow * stride, n_read = 0;
    if (is_direct(forest, stride)) {
        n_bytes = 2 * (size_t)forest->direct.n_slots * sizeof(double);
    } else if (!is_swept(forest, stride)) {
        n_bytes = (forest->ranking.n_wide * stride + 1) * sizeof(uint16_t);
        n_read = MR_TREE_WALK_RANKS * sizeof(uint16_t);
    } else if (stride == 1) {
        n_read = forest->kernel->max_row_slots;
    }
    out->ranks = mr_arena_alloc(arena, n_bytes > n_read ? n_bytes : n_read);
    if (!out->x || !out->sums || !out->ranks) return mr_arena_fail(arena, err);
    memset(out->ranks, 0, sizeof(uint16_t)); /* trees without splits compare it, too */
    out->row = out->top = NULL;
    if (forest->top.forest && !is_direct(forest, stride) && !is_swept(forest, stride)) {
        out->top = mr_arena_alloc(arena, sizeof(*out->top));
        if (!out->top) return mr_arena_fail(arena, err);
        MR_TRY(mr_tree_scratch_new(forest->top.forest, n_rows, arena, out->top, err));
    }
    bool can_go_singly = forest->direct.trees || (forest->sweep.rows && is_sweep_most(forest));
    if (stride == 1 || !can_go_singly) return MR_OK;
    out->row = mr_arena_alloc(arena, sizeof(*out->row));
    return out->row ? mr_tree_scratch_new(forest, 1, arena, out->row, err)
                    : mr_arena_fail(arena, err);
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

/* A sweep of a block takes as long for a few rows as for all, and longer than each on its own. */
#define FEW_ROWS 16

/* n floats or doubles, those of each array so far apart. */
static void copy_items(bool is_double, size_t n, void *to, size_t to_stride, const void *from,
                       size_t from_stride) {
    for (size_t i = 0; i < n; i++) {
        if (is_double) {
            ((double *)to)[i * to_stride] = ((const double *)from)[i * from_stride];
        } else {
            ((float *)to)[i * to_stride] = ((const float *)from)[i * from_stride];
        }
    }
}

static void sum_few_rows(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                         size_t n_rows, size_t first, size_t end) {
    const struct mr_tree_shape *shape = &forest->shape;
    bool is_double = shape->has_double_inputs, has_double_sums = shape->has_double_sums;
    size_t stride = scratch->stride;
    const char *x = scratch->x;
    char *sums = scratch->sums;
    for (size_t r = 0; r < n_rows; r++) {
        copy_items(is_double, shape->n_columns, scratch->row->x, 1, x, stride);
        mr_tree_forest_sum_range(forest, scratch->row, 1, first, end);
        copy_items(has_double_sums, shape->n_outputs, sums, stride, scratch->row->sums, 1);
        x += is_double ? sizeof(double) : sizeof(float);
        sums += has_double_sums ? sizeof(double) : sizeof(float);
    }
}

void mr_tree_forest_sum_range(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                              size_t n_rows, size_t first, size_t end) {
    const struct mr_tree_kernel *kernel = forest->kernel;
    if (scratch->row && n_rows <= FEW_ROWS) {
        sum_few_rows(forest, scratch, n_rows, first, end);
        return;
    }
    start_sums(forest, scratch, n_rows);
    if (is_direct(forest, scratch->stride)) {
        mr_tree_direct_sum(forest, scratch, first, end);
        return;
    }
    if (!is_swept(forest, scratch->stride)) {
        kernel->rank_wide(forest, scratch, n_rows, scratch->ranks);
        mr_tree_walk_sum(forest, scratch, n_rows, first, end);
        return;
    }
    kernel->rank_narrow(forest, scratch, n_rows, scratch->ranks);
    if (scratch->stride == 1) {
        kernel->sweep_row(forest, scratch, first, end);
    } else {
        kernel->sweep_rows(forest, scratch, n_rows, first, end);
    }
}

void mr_tree_forest_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                        size_t n_rows) {
    mr_tree_forest_sum_range(forest, scratch, n_rows, 0, forest->shape.n_trees);
}
