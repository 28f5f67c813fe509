#include "engine/tree/forest_int.h"

/* Building ---------------------------------------------------------------------------------- */

/* Splits that are put side by side: a cache line of them. */
#define N_CLUSTER 8

struct builder {
    struct mr_tree_build *b;
    size_t tree;
    uint32_t *weights; /* of each node of the tree: leaves below it */
    uint32_t *order;   /* splits of the tree, as they are put */
    uint32_t
        *positions;  /* of each split of the tree: where it is in order; of each leaf: its next */
    uint32_t *queue; /* splits that clusters begin with */
    struct mr_tree_walk_node *nodes;
    struct mr_tree_walk_large_node *large;
    void *values;
    bool are_leaves_shared;          /* by all trees, which number them alike */
    size_t n_nodes, n_leaves;        /* so far, of all trees */
    struct mr_tree_top_builder *top; /* NULL: none */
    size_t root;                     /* node of the tree */
};

static const struct mr_tree_node *node_at(const struct builder *c, uint32_t i) {
    return &c->b->ensemble->trees[c->tree].nodes[i];
}

/* Counts the leaves below each node, without recursion: trees may be as deep as they are large. */
static void count_leaves(const struct builder *c) {
    uint32_t n = 1;
    c->order[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct mr_tree_node *node = node_at(c, c->order[i]);
        c->weights[c->order[i]] = 1;
        if (node->kind == MR_TREE_LEAF) continue;
        c->order[n++] = (uint32_t)node->left;
        c->order[n++] = (uint32_t)node->right;
    }
    while (n-- > 0) {
        const struct mr_tree_node *node = node_at(c, c->order[n]);
        if (node->kind == MR_TREE_LEAF) continue;
        c->weights[c->order[n]] = c->weights[node->left] + c->weights[node->right];
    }
}

/* Puts a cluster: a split and those below it that most paths are likely to come to next. What is
 * left over begins clusters of its own. */
static void put_cluster(struct builder *c, uint32_t root, uint32_t *n_ordered, uint32_t *n_queued) {
    uint32_t waiting[N_CLUSTER + 1] = {root};
    size_t n_waiting = 1;
    for (size_t n = 0; n < N_CLUSTER && n_waiting > 0; n++) {
        size_t best = 0;
        for (size_t i = 1; i < n_waiting; i++) {
            if (c->weights[waiting[i]] > c->weights[waiting[best]]) best = i;
        }
        uint32_t split = waiting[best];
        waiting[best] = waiting[--n_waiting];
        c->positions[split] = *n_ordered;
        c->order[(*n_ordered)++] = split;
        const struct mr_tree_node *node = node_at(c, split);
        if (c->weights[node->left] > 1) waiting[n_waiting++] = (uint32_t)node->left;
        if (c->weights[node->right] > 1) waiting[n_waiting++] = (uint32_t)node->right;
    }
    for (size_t i = 0; i < n_waiting; i++) c->queue[(*n_queued)++] = waiting[i];
}

/* Orders the splits of the tree: first the clusters that fill a line, so that each begins one,
 * then the others. Returns how many there are. */
static uint32_t order_splits(struct builder *c) {
    count_leaves(c);
    uint32_t n_ordered = 0, n_queued = 0, n_small = 0;
    if (c->weights[0] > 1) c->queue[n_queued++] = 0;
    for (uint32_t i = 0; i < n_queued; i++) {
        uint32_t root = c->queue[i];
        if (c->weights[root] > N_CLUSTER) {
            put_cluster(c, root, &n_ordered, &n_queued);
        } else {
            c->queue[n_small++] = root;
        }
    }
    for (uint32_t i = 0; i < n_small; i++) put_cluster(c, c->queue[i], &n_ordered, &n_queued);
    return n_ordered;
}

/* Where a path goes on from the split at a position: at a split behind it, or at a leaf, which is
 * put. */
static uint32_t put_next(struct builder *c, uint32_t at, uint32_t child, size_t first_leaf) {
    const struct mr_tree_node *node = node_at(c, child);
    if (node->kind != MR_TREE_LEAF) return c->positions[child] - at;
    uint32_t leaf;
    if (c->are_leaves_shared) {
        leaf = c->b->codes[c->b->first_nodes[c->tree] + child];
    } else {
        mr_tree_copy_leaf(c->b, node, c->values, c->n_leaves);
        leaf = (uint32_t)(c->n_leaves++ - first_leaf);
    }
    return c->positions[child] = leaf | (c->large ? MR_TREE_WALK_LARGE_LEAF : MR_TREE_WALK_LEAF);
}

/* Appends a node in the form that the forest has. */
static void put_node(struct builder *c, uint32_t slot, uint32_t limit, uint32_t left,
                     uint32_t right) {
    if (c->large) {
        c->large[c->n_nodes++] = (struct mr_tree_walk_large_node){
            (uint16_t)slot, (uint16_t)limit, {left, right}};
    } else {
        c->nodes[c->n_nodes++] = (struct mr_tree_walk_node){
            (uint16_t)slot, (uint16_t)limit, {(uint16_t)left, (uint16_t)right}};
    }
}

/* Where a path goes on behind the top of the tree; at a leaf, to a node whose ways end there. */
static uint32_t start_at(void *builder, uint32_t i) {
    struct builder *c = builder;
    if (node_at(c, i)->kind != MR_TREE_LEAF) return c->positions[i];
    put_node(c, 0, UINT16_MAX, c->positions[i], c->positions[i]);
    return (uint32_t)(c->n_nodes - 1 - c->root);
}

static void put_tree(struct builder *c, struct mr_tree_walk_tree *out) {
    uint32_t n_splits = order_splits(c);
    while (n_splits >= N_CLUSTER && c->n_nodes % N_CLUSTER != 0) put_node(c, 0, 0, 0, 0);
    c->root = c->n_nodes;
    *out = (struct mr_tree_walk_tree){.root = (uint32_t)c->n_nodes,
                                      .first_leaf = c->n_leaves,
                                      .output = c->b->ensemble->trees[c->tree].output};
    if (n_splits == 0) {
        uint32_t leaf = put_next(c, 0, 0, out->first_leaf);
        put_node(c, 0, UINT16_MAX, leaf, leaf);
    }
    for (uint32_t i = 0; i < n_splits; i++) {
        const struct mr_tree_node *node = node_at(c, c->order[i]);
        uint32_t slot, limit;
        mr_tree_split_code(c->b, c->tree, c->order[i], true, &slot, &limit);
        uint32_t left = put_next(c, i, (uint32_t)node->left, out->first_leaf);
        put_node(c, slot, limit, left, put_next(c, i, (uint32_t)node->right, out->first_leaf));
    }
    if (c->top) mr_tree_top_add(c->top, c->tree, c->weights, start_at, c);
}

static mr_status new_temporaries(struct builder *c) {
    const struct mr_tree_build *b = c->b;
    uint32_t largest = 1;
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        if (b->ensemble->trees[t].n_nodes > largest) largest = b->ensemble->trees[t].n_nodes;
    }
    c->weights = mr_arena_array(b->scratch, largest, sizeof(*c->weights));
    c->order = mr_arena_array(b->scratch, largest, sizeof(*c->order));
    c->positions = mr_arena_array(b->scratch, largest, sizeof(*c->positions));
    c->queue = mr_arena_array(b->scratch, largest, sizeof(*c->queue));
    if (!c->weights || !c->order || !c->positions || !c->queue) {
        return mr_arena_fail(b->scratch, b->err);
    }
    return mr_tree_top_begin(c->b, largest, &c->top);
}

mr_status mr_tree_walk_build(struct mr_tree_build *b) {
    size_t n_trees = b->ensemble->n_trees, n_nodes = 0;
    struct builder c = {.b = b};
    MR_TRY(new_temporaries(&c));
    for (size_t t = 0; t < n_trees; t++) n_nodes += b->n_leaves[t] + N_CLUSTER - 1;
    if (c.top) n_nodes += n_trees * MR_TREE_TOP_LEAVES;
    struct mr_tree_walk_tree *trees = mr_tree_new_array(b, n_trees, sizeof(*trees));
    bool is_large = b->most_leaves >= MR_TREE_WALK_LEAF;
    void *nodes = mr_tree_new_array(b, n_nodes, is_large ? sizeof(*c.large) : sizeof(*c.nodes));
    MR_TRY(mr_tree_leaves_share(b, &c.values));
    c.are_leaves_shared = c.values != NULL;
    if (!c.values) {
        c.values = mr_tree_new_values(b, b->forest->shape.n_leaves * b->forest->width);
    }
    if (!trees || !nodes || !c.values) return mr_arena_fail(b->arena, b->err);
    *(is_large ? (void **)&c.large : (void **)&c.nodes) = nodes;
    for (; c.tree < n_trees; c.tree++) put_tree(&c, &trees[c.tree]);
    b->forest->walk = (struct mr_tree_walk){trees, c.nodes, c.large, c.values};
    return c.top ? mr_tree_top_build(c.top) : MR_OK;
}

/* Evaluating -------------------------------------------------------------------------------- */

/* Paths that are followed together: one waits for memory while others go on. */
#define N_PATHS 16

struct path {
    const void *node; /* where it is */
    const uint16_t *ranks;
    size_t number;
};

#define UNROLLED _Pragma("GCC unroll 16") /* N_PATHS */

/* One step of a path. Returns the leaf, with its bit, at the end of it; else less. What comes next
 * is fetched while other paths take their steps. */
#define DEFINE_FOLLOW(name, node_type, leaf_bit)                                                   \
    static inline uint32_t name##_step(struct path *path) {                                        \
        const struct node_type *node = path->node;                                                 \
        uint32_t next = node->next[path->ranks[node->slot] > node->limit];                         \
        if (__builtin_expect(next < (leaf_bit), true)) {                                           \
            path->node = node + next;                                                              \
            __builtin_prefetch(path->node);                                                        \
        }                                                                                          \
        return next;                                                                               \
    }                                                                                              \
                                                                                                   \
    /* Ends a path at a leaf and begins another; false: there is no other. */                      \
    static inline bool name##_end(const struct node_type *nodes, const uint16_t *ranks,            \
                                  const struct mr_tree_paths *all, uint32_t leaf, size_t *begun,   \
                                  uint32_t *leaves, struct path *path) {                           \
        leaves[path->number] = leaf - (leaf_bit);                                                  \
        if (*begun == all->n) return false;                                                        \
        path->node = nodes + all->roots[*begun];                                                   \
        path->ranks = ranks + all->rows[*begun];                                                   \
        path->number = (*begun)++;                                                                 \
        return true;                                                                               \
    }                                                                                              \
                                                                                                   \
    static void name(const struct node_type *nodes, const uint16_t *ranks,                         \
                     const struct mr_tree_paths *all, uint32_t *leaves) {                          \
        struct path paths[N_PATHS];                                                                \
        size_t begun = 0, n = 0;                                                                   \
        for (; n < N_PATHS && begun < all->n; n++, begun++) {                                      \
            paths[n] = (struct path){nodes + all->roots[begun], ranks + all->rows[begun], begun};  \
        }                                                                                          \
        while (n == N_PATHS) {                                                                     \
            UNROLLED for (size_t i = 0; i < N_PATHS; i++) {                                        \
                uint32_t next = name##_step(&paths[i]);                                            \
                if (next < (leaf_bit)) continue;                                                   \
                if (name##_end(nodes, ranks, all, next, &begun, leaves, &paths[i])) continue;      \
                paths[i] = paths[--n];                                                             \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        while (n > 0) {                                                                            \
            for (size_t i = 0; i < n; i++) {                                                       \
                uint32_t next = name##_step(&paths[i]);                                            \
                if (next < (leaf_bit)) continue;                                                   \
                leaves[paths[i].number] = next - (leaf_bit);                                       \
                paths[i] = paths[--n];                                                             \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_FOLLOW(follow, mr_tree_walk_node, MR_TREE_WALK_LEAF)
DEFINE_FOLLOW(follow_large, mr_tree_walk_large_node, MR_TREE_WALK_LARGE_LEAF)

/* Paths of n_rows rows through trees first .. end, one tree after the other. starts: of the tops,
 * so far apart for each tree; NULL: paths begin at the roots. */
static uint32_t list_paths(const struct mr_tree_forest *forest, const float *starts, size_t stride,
                           size_t n_rows, size_t first, size_t end, uint32_t *roots,
                           uint32_t *rows) {
    uint32_t n = 0;
    for (size_t t = first; t < end; t++) {
        uint32_t root = forest->walk.trees[t].root;
        const float *start = starts ? starts + t % MR_TREE_TOP_TREES * stride : NULL;
        for (uint32_t r = 0; r < n_rows; r++, n++) {
            roots[n] = start ? root + (uint32_t)start[r] : root;
            rows[n] = r * forest->ranking.n_wide;
        }
    }
    /* What a kernel begins when there is nothing left to begin. */
    for (size_t i = 0; i < MR_TREE_WALK_PADDING; i++) {
        roots[n + i] = forest->walk.trees[first].root;
        rows[n + i] = 0;
    }
    return n;
}

/* Add leaves to the only sum of one row, which waits for one addition after the other. */
static void add_row(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                    size_t first, size_t end, const uint32_t *leaves) {
    const struct mr_tree_walk_tree *trees = forest->walk.trees;
    if (forest->shape.has_double_sums) {
        double sum = *(const double *)scratch->sums;
        const double *values = forest->walk.values;
        for (size_t t = first; t < end; t++) sum += values[trees[t].first_leaf + *leaves++];
        *(double *)scratch->sums = sum;
    } else {
        float sum = *(const float *)scratch->sums;
        const float *values = forest->walk.values;
        for (size_t t = first; t < end; t++) sum += values[trees[t].first_leaf + *leaves++];
        *(float *)scratch->sums = sum;
    }
}

static void add_rows(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                     size_t n_rows, size_t first, size_t end, const uint32_t *leaves) {
    size_t width = forest->width, stride = scratch->stride;
    for (size_t t = first; t < end; t++, leaves += n_rows) {
        const struct mr_tree_walk_tree *tree = &forest->walk.trees[t];
        for (size_t k = 0; k < width; k++) {
            size_t to = (width > 1 ? k : tree->output) * stride,
                   from = tree->first_leaf * width + k;
            if (forest->shape.has_double_sums) {
                const double *values = (const double *)forest->walk.values + from;
                double *sums = (double *)scratch->sums + to;
                for (size_t r = 0; r < n_rows; r++) sums[r] += values[leaves[r] * width];
            } else {
                const float *values = (const float *)forest->walk.values + from;
                float *sums = (float *)scratch->sums + to;
                for (size_t r = 0; r < n_rows; r++) sums[r] += values[leaves[r] * width];
            }
        }
    }
}

void mr_tree_walk_sum(const struct mr_tree_forest *forest, struct mr_tree_scratch *scratch,
                      size_t n_rows, size_t first, size_t end) {
    const struct mr_tree_walk *walk = &forest->walk;
    uint32_t roots[MR_TREE_WALK_PATHS + MR_TREE_WALK_PADDING];
    uint32_t rows[MR_TREE_WALK_PATHS + MR_TREE_WALK_PADDING];
    uint32_t leaves[MR_TREE_WALK_PATHS];
    size_t n_at_once = MR_TREE_WALK_PATHS / n_rows, top_end = first;
    const float *starts = NULL;
    if (scratch->top) mr_tree_top_take(forest, scratch, n_rows);
    bool has_follow_row = scratch->stride == 1 && forest->kernel->follow_row &&
                          forest->ranking.n_wide <= MR_TREE_WALK_RANKS;
    for (size_t t = first; t < end;) {
        if (scratch->top && t == top_end) {
            top_end = end - t < MR_TREE_TOP_TREES ? end : t + MR_TREE_TOP_TREES;
            starts = mr_tree_top_starts(forest, scratch, n_rows, t, top_end);
        }
        size_t stop = end - t < n_at_once ? end : t + n_at_once;
        if (scratch->top && stop > top_end) stop = top_end;
        uint32_t n = list_paths(forest, starts, scratch->stride, n_rows, t, stop, roots, rows);
        struct mr_tree_paths paths = {n, roots, rows};
        if (walk->large) {
            follow_large(walk->large, scratch->ranks, &paths, leaves);
        } else if (has_follow_row) {
            forest->kernel->follow_row(forest, scratch, &paths, leaves);
        } else if (forest->kernel->follow_rows) {
            forest->kernel->follow_rows(forest, scratch, &paths, leaves);
        } else {
            follow(walk->nodes, scratch->ranks, &paths, leaves);
        }
        if (n_rows == 1 && forest->shape.n_outputs == 1) {
            add_row(forest, scratch, t, stop, leaves);
        } else {
            add_rows(forest, scratch, n_rows, t, stop, leaves);
        }
        t = stop;
    }
}
