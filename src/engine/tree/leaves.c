#include "engine/tree/forest_int.h"

/* More than twice as many as there can be different leaves. */
#define N_BUCKETS ((size_t)1 << 17)

/* Leaves that are looked at to find one: more are not due to chance, but to who made the file. */
#define MAX_PROBES 64

/* Sharing pays when few are left of the leaves. */
#define MIN_ALIKE 4

struct finder {
    struct mr_tree_build *b;
    uint32_t *buckets; /* 1 more than the number of a leaf; 0: empty */
    const struct mr_tree_node **leaves;
    uint32_t n; /* different ones so far */
};

/* FNV-1a, of words. */
static size_t hash(const double *values, size_t n) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        h = (h ^ bits) * UINT64_C(1099511628211);
    }
    return (size_t)(h >> 40);
}

/* The number of the leaf that has the same bits. False: there are too many different ones, or it
 * takes too long. */
static bool find(struct finder *f, const struct mr_tree_node *leaf, uint32_t *out) {
    const double *all = f->b->ensemble->values;
    size_t n_bytes = f->b->forest->width * sizeof(*all);
    size_t bucket = hash(all + leaf->index, f->b->forest->width) % N_BUCKETS;
    size_t n_probes = 0;
    for (; f->buckets[bucket]; bucket = (bucket + 1) % N_BUCKETS) {
        if (n_probes++ == MAX_PROBES) return false;
        *out = f->buckets[bucket] - 1;
        if (memcmp(all + f->leaves[*out]->index, all + leaf->index, n_bytes) == 0) return true;
    }
    if (f->n == MR_TREE_WALK_LEAF) return false;
    *out = f->n;
    f->leaves[f->n++] = leaf;
    f->buckets[bucket] = f->n;
    return true;
}

static bool find_all(struct finder *f) {
    const struct mr_tree_build *b = f->b;
    for (size_t t = 0; t < b->ensemble->n_trees; t++) {
        const struct mr_tree *tree = &b->ensemble->trees[t];
        for (uint32_t i = 0; i < tree->n_nodes; i++) {
            size_t number = b->first_nodes[t] + i;
            if (!b->is_reachable[number] || tree->nodes[i].kind != MR_TREE_LEAF) continue;
            if (!find(f, &tree->nodes[i], &b->codes[number])) return false;
        }
    }
    return f->n <= b->forest->shape.n_leaves / MIN_ALIKE;
}

mr_status mr_tree_leaves_share(struct mr_tree_build *b, void **values) {
    struct finder f = {.b = b};
    *values = NULL;
    f.buckets = mr_arena_zalloc(b->scratch, N_BUCKETS * sizeof(*f.buckets));
    f.leaves = mr_arena_array(b->scratch, MR_TREE_WALK_LEAF, sizeof(*f.leaves));
    if (!f.buckets || !f.leaves) return mr_arena_fail(b->scratch, b->err);
    if (!find_all(&f)) return MR_OK;
    *values = mr_tree_new_values(b, f.n * (size_t)b->forest->width);
    if (!*values) return mr_arena_fail(b->arena, b->err);
    for (uint32_t i = 0; i < f.n; i++) mr_tree_copy_leaf(b, f.leaves[i], *values, i);
    return MR_OK;
}
