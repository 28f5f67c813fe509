/* XGBoost: src/gbm/gbtree_model.cc (GBTreeModel::LoadModel), src/tree/tree_model.cc and
 * src/tree/multi_target_tree_model.cc (LoadModel, LoadCategoricalSplit). */
#include <stdio.h>

#include "engine/xgboost/booster_int.h"

#define CATEGORICAL 1         /* FeatureType::kCategorical */
#define MAX_CATEGORY 16777216 /* common::OutOfRangeCat: from there on no value is a category */

/* Of all sets of categories together, which a small file can make large. */
#define MAX_SET_BYTES ((size_t)256 << 20)

struct reader {
    struct mr_arena *arena;
    struct mr_error *err;
    struct mr_xgb_booster *booster;
    struct mr_tree *trees;
    double *values;
    size_t n_values, values_capacity;
    struct mr_tree_set *sets;
    size_t n_sets, sets_capacity;
    size_t set_bytes; /* in the bits of all sets */
};

/* One tree's arrays. */
struct columns {
    struct mr_xgb_place place;
    uint32_t n_nodes;
    uint32_t n_targets; /* 1: scalar leaves */
    struct mr_xgb_array left, right, feature, threshold, default_left;
    struct mr_xgb_array leaf_weights; /* n_targets > 1 */
    bool is_leaf_numbered;            /* right numbers the leaves in leaf_weights (3.2) */
    size_t n_weights_read;            /* of leaf_weights: no two leaves share them */
    struct mr_xgb_array split_type;   /* n 0: no splits by categories (before 1.5) */
    struct mr_xgb_array category_nodes, segments, sizes, categories;
    uint64_t n_categories_read; /* of all splits, which share none */
};

/* The items, moved to where n_more of them fit; NULL when out of memory. */
static void *make_room(struct reader *r, void *items, size_t item_bytes, size_t n, size_t *capacity,
                       size_t n_more) {
    if (n_more <= *capacity - n) return items;
    size_t grown = *capacity * 2 > n + n_more ? *capacity * 2 : n + n_more + 64;
    items = mr_arena_realloc(r->arena, items, *capacity * item_bytes, grown * item_bytes);
    if (items) *capacity = grown;
    return items;
}

static mr_status fail_node(const struct columns *c, uint32_t node, const char *what) {
    return mr_fail(c->place.err, MR_E_FORMAT, "%s, node %u: %s", c->place.name, node, what);
}

/* Columns ----------------------------------------------------------------------------------- */

static mr_status read_node_array(const struct columns *c, const char *key,
                                 struct mr_xgb_array *out) {
    MR_TRY(mr_xgb_read_array(&c->place, key, out));
    if (out->n == c->n_nodes) return MR_OK;
    return mr_fail(c->place.err, MR_E_FORMAT, "%s: \"%s\" should have %u items, but has %zu",
                   c->place.name, key, c->n_nodes, out->n);
}

static mr_status read_categories(struct columns *c) {
    if (!mr_object_item(c->place.object, "split_type")) return MR_OK;
    MR_TRY(read_node_array(c, "split_type", &c->split_type));
    MR_TRY(mr_xgb_read_array(&c->place, "categories_nodes", &c->category_nodes));
    MR_TRY(mr_xgb_read_array(&c->place, "categories_segments", &c->segments));
    MR_TRY(mr_xgb_read_array(&c->place, "categories_sizes", &c->sizes));
    MR_TRY(mr_xgb_read_array(&c->place, "categories", &c->categories));
    size_t n = c->category_nodes.n;
    if (c->segments.n == n && c->sizes.n == n) return MR_OK;
    return mr_fail(c->place.err, MR_E_FORMAT,
                   "%s: %zu nodes split by categories, but there are %zu segments and %zu sizes",
                   c->place.name, n, c->segments.n, c->sizes.n);
}

/* Vectors of leaves: since 3.2 in an array of their own, before that among the weights of all
 * nodes. */
static mr_status read_leaf_weights(struct columns *c) {
    c->is_leaf_numbered = mr_object_item(c->place.object, "leaf_weights") != NULL;
    const char *key = c->is_leaf_numbered ? "leaf_weights" : "base_weights";
    MR_TRY(mr_xgb_read_array(&c->place, key, &c->leaf_weights));
    if (c->is_leaf_numbered || c->leaf_weights.n / c->n_targets == c->n_nodes) return MR_OK;
    return mr_fail(c->place.err, MR_E_FORMAT, "%s: \"%s\" should have %u x %u items, but has %zu",
                   c->place.name, key, c->n_nodes, c->n_targets, c->leaf_weights.n);
}

static mr_status read_columns(const struct reader *r, struct columns *c) {
    struct mr_xgb_place param = c->place;
    MR_TRY(mr_xgb_read_dict(&c->place, "tree_param", &param.object));
    MR_TRY(mr_xgb_read_count(&param, "num_nodes", -1, &c->n_nodes));
    /* 1.x writes 0 for a scalar. */
    MR_TRY(mr_xgb_read_count(&param, "size_leaf_vector", 1, &c->n_targets));
    if (c->n_targets == 0) c->n_targets = 1;
    if (c->n_nodes == 0) return fail_node(c, 0, "is missing: the tree has no nodes");
    if (c->n_targets > 1 && c->n_targets != r->booster->n_outputs) {
        return mr_fail(r->err, MR_E_FORMAT, "%s: its leaves have %u values for %u outputs",
                       c->place.name, c->n_targets, r->booster->n_outputs);
    }
    MR_TRY(read_node_array(c, "left_children", &c->left));
    MR_TRY(read_node_array(c, "right_children", &c->right));
    MR_TRY(read_node_array(c, "split_indices", &c->feature));
    MR_TRY(read_node_array(c, "split_conditions", &c->threshold));
    MR_TRY(read_node_array(c, "default_left", &c->default_left));
    if (c->n_targets > 1) MR_TRY(read_leaf_weights(c));
    return read_categories(c);
}

/* Nodes ------------------------------------------------------------------------------------- */

/* Categories in the list of a split go right, all others and what is no category left
 * (common::Decision). */
static mr_status read_set(struct reader *r, struct columns *c, size_t split, uint32_t node,
                          struct mr_tree_set *out) {
    int64_t start = mr_xgb_integer_at(&c->segments, split);
    int64_t size = mr_xgb_integer_at(&c->sizes, split);
    if (start < 0 || size < 1 || (uint64_t)start > c->categories.n ||
        (uint64_t)size > c->categories.n - (uint64_t)start ||
        (uint64_t)size > c->categories.n - c->n_categories_read) {
        return fail_node(c, node, "its categories are not among those of the tree");
    }
    c->n_categories_read += (uint64_t)size;
    int64_t largest = 0;
    for (int64_t i = start; i < start + size; i++) {
        int64_t category = mr_xgb_integer_at(&c->categories, (size_t)i);
        if (category < 0 || category >= MAX_CATEGORY) {
            return fail_node(c, node, "splits by a number that is no category");
        }
        if (category > largest) largest = category;
    }
    size_t n_words = (size_t)largest / 32 + 1;
    r->set_bytes += n_words * sizeof(uint32_t);
    if (r->set_bytes > MAX_SET_BYTES) {
        return mr_fail(r->err, MR_E_UNSUPPORTED,
                       "splits by categories of so many bits are not evaluated");
    }
    uint32_t *bits = mr_arena_array(r->arena, n_words, sizeof(*bits));
    if (!bits) return mr_arena_fail(r->arena, r->err);
    memset(bits, 0xff, n_words * sizeof(*bits));
    for (int64_t i = start; i < start + size; i++) {
        int64_t category = mr_xgb_integer_at(&c->categories, (size_t)i);
        bits[category / 32] &= ~((uint32_t)1 << category % 32);
    }
    out->bits = bits;
    out->n_bits = (uint32_t)largest + 1;
    return MR_OK;
}

static mr_status add_set(struct reader *r, struct columns *c, uint32_t node, size_t *n_read,
                         uint32_t *out) {
    struct mr_tree_set set = {
        .is_above_left = true, .is_negative_left = true, .is_fraction_negative = true};
    if (*n_read < c->category_nodes.n &&
        mr_xgb_integer_at(&c->category_nodes, *n_read) == (int64_t)node) {
        MR_TRY(read_set(r, c, *n_read, node, &set));
        ++*n_read;
    }
    r->sets = make_room(r, r->sets, sizeof(*r->sets), r->n_sets, &r->sets_capacity, 1);
    if (!r->sets) return mr_arena_fail(r->arena, r->err);
    *out = (uint32_t)r->n_sets;
    r->sets[r->n_sets++] = set;
    return MR_OK;
}

static mr_status read_leaf(struct reader *r, struct columns *c, uint32_t i,
                           struct mr_tree_node *node) {
    node->kind = MR_TREE_LEAF;
    if (r->n_values > UINT32_MAX - c->n_targets) {
        return mr_fail(r->err, MR_E_UNSUPPORTED, "trees with so many leaves are not evaluated");
    }
    node->index = (uint32_t)r->n_values;
    r->values = make_room(r, r->values, sizeof(*r->values), r->n_values, &r->values_capacity,
                          c->n_targets);
    if (!r->values) return mr_arena_fail(r->arena, r->err);
    if (c->n_targets == 1) {
        r->values[r->n_values++] = (double)mr_xgb_float_at(&c->threshold, i);
        return MR_OK;
    }
    int64_t leaf = c->is_leaf_numbered ? mr_xgb_integer_at(&c->right, i) : (int64_t)i;
    if (leaf < 0 || (uint64_t)leaf >= c->leaf_weights.n / c->n_targets ||
        c->n_targets > c->leaf_weights.n - c->n_weights_read) {
        return fail_node(c, i, "the values of the leaf are not in the tree");
    }
    c->n_weights_read += c->n_targets;
    for (size_t k = 0; k < c->n_targets; k++) {
        r->values[r->n_values++] = (double)mr_xgb_float_at(&c->leaf_weights,
                                                           (size_t)leaf * c->n_targets + k);
    }
    return MR_OK;
}

static mr_status read_split(const struct columns *c, uint32_t i, struct mr_tree_node *node) {
    int64_t left = mr_xgb_integer_at(&c->left, i);
    int64_t right = mr_xgb_integer_at(&c->right, i);
    int64_t feature = mr_xgb_integer_at(&c->feature, i);
    if (left < 0 || left >= (int64_t)c->n_nodes || right < 0 || right >= (int64_t)c->n_nodes) {
        return fail_node(c, i, "a child is not in the tree");
    }
    /* XGBoost finds the right child sometimes by its own number, sometimes as the one that follows
     * the left one. */
    if (right != left + 1) return fail_node(c, i, "its children are not neighbours");
    if (feature < 0 || feature > UINT32_MAX) return fail_node(c, i, "splits on no feature");
    node->kind = MR_TREE_LESS;
    node->threshold = (double)mr_xgb_float_at(&c->threshold, i);
    node->feature = (uint32_t)feature;
    node->left = (int32_t)left;
    node->right = (int32_t)right;
    node->is_default_left = mr_xgb_integer_at(&c->default_left, i) == 1;
    return MR_OK;
}

static mr_status read_nodes(struct reader *r, struct columns *c, struct mr_tree *out) {
    struct mr_tree_node *nodes = mr_arena_zalloc(r->arena, c->n_nodes * sizeof(*nodes));
    if (!nodes) return mr_arena_fail(r->arena, r->err);
    size_t n_category_nodes = 0;
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        bool is_category = c->split_type.n && mr_xgb_integer_at(&c->split_type, i) == CATEGORICAL;
        if (mr_xgb_integer_at(&c->left, i) == -1) {
            MR_TRY(read_leaf(r, c, i, &nodes[i]));
            continue;
        }
        MR_TRY(read_split(c, i, &nodes[i]));
        if (!is_category) continue;
        nodes[i].kind = MR_TREE_CATEGORY;
        MR_TRY(add_set(r, c, i, &n_category_nodes, &nodes[i].index));
    }
    if (n_category_nodes < c->category_nodes.n) {
        return mr_fail(r->err, MR_E_FORMAT, "%s: %zu nodes split by categories, %zu were expected",
                       c->place.name, n_category_nodes, c->category_nodes.n);
    }
    out->nodes = nodes;
    out->n_nodes = c->n_nodes;
    return MR_OK;
}

/* Trees ------------------------------------------------------------------------------------- */

static mr_status read_tree(struct reader *r, const struct mr_object *object, size_t number) {
    struct columns c = {.place = {.object = object, .err = r->err}};
    const struct mr_object *id = mr_object_item(object, "id");
    snprintf(c.place.name, sizeof(c.place.name), "tree %zu", number);
    if (!id || id->kind != MR_OBJECT_INT || id->integer < 0 ||
        (uint64_t)id->integer >= r->booster->ensemble.n_trees ||
        r->trees[id->integer].nodes != NULL) {
        return mr_fail(r->err, MR_E_FORMAT, "%s: its id is missing, or not the id of a tree",
                       c.place.name);
    }
    MR_TRY(read_columns(r, &c));
    bool has_vectors = c.n_targets > 1;
    if (number > 0 && has_vectors != r->booster->ensemble.has_vector_leaves) {
        return mr_fail(r->err, MR_E_UNSUPPORTED,
                       "trees with one and with several values a leaf are not evaluated together");
    }
    r->booster->ensemble.has_vector_leaves = has_vectors;
    return read_nodes(r, &c, &r->trees[id->integer]);
}

/* tree_info: the output that each tree adds to. */
static mr_status read_outputs(struct reader *r, const struct mr_xgb_place *model,
                              uint32_t *n_groups) {
    struct mr_xgb_array outputs;
    MR_TRY(mr_xgb_read_array(model, "tree_info", &outputs));
    if (outputs.n != r->booster->ensemble.n_trees) {
        return mr_fail(r->err, MR_E_FORMAT, "\"tree_info\" should have %zu items, but has %zu",
                       r->booster->ensemble.n_trees, outputs.n);
    }
    *n_groups = 1;
    for (size_t t = 0; t < outputs.n; t++) {
        int64_t output = mr_xgb_integer_at(&outputs, t);
        if (output < 0 || output >= (int64_t)r->booster->n_outputs) {
            return mr_fail(r->err, MR_E_FORMAT, "tree %zu adds to output %lld, but there are %u", t,
                           (long long)output, r->booster->n_outputs);
        }
        r->trees[t].output = (uint32_t)output;
        if (output >= (int64_t)*n_groups) *n_groups = (uint32_t)output + 1;
    }
    return MR_OK;
}

/* iteration_indptr; before 2.0 every round had as many trees (MakeIndptr). */
static mr_status read_rounds(struct reader *r, const struct mr_xgb_place *model,
                             uint32_t n_groups) {
    size_t n_trees = r->booster->ensemble.n_trees;
    struct mr_xgb_array starts = {0};
    bool is_given = mr_object_item(model->object, "iteration_indptr") != NULL;
    size_t n_each = 1;
    if (is_given) {
        MR_TRY(mr_xgb_read_array(model, "iteration_indptr", &starts));
    } else {
        struct mr_xgb_place param = *model;
        uint32_t n_parallel = 1;
        MR_TRY(mr_xgb_read_dict(model, "gbtree_model_param", &param.object));
        MR_TRY(mr_xgb_read_count(&param, "num_parallel_tree", 1, &n_parallel));
        if (n_trees == 0) { /* 3.2.0 fails on a check of its own */
            return mr_fail(r->err, MR_E_UNSUPPORTED,
                           "XGBoost since 2.0 does not read models without trees of before");
        }
        n_each = (size_t)(n_parallel ? n_parallel : 1) * n_groups;
        starts.n = n_trees / n_each + 1;
    }
    uint32_t *rounds = mr_arena_array(r->arena, starts.n ? starts.n : 1, sizeof(*rounds));
    if (!rounds) return mr_arena_fail(r->arena, r->err);
    rounds[0] = 0;
    for (size_t i = 0; i < starts.n; i++) {
        int64_t start = is_given ? mr_xgb_integer_at(&starts, i) : (int64_t)(i * n_each);
        if (start < 0 || start > (int64_t)n_trees || (i && start < (int64_t)rounds[i - 1])) {
            return mr_fail(r->err, MR_E_FORMAT, "\"iteration_indptr\": round %zu starts at no tree",
                           i);
        }
        rounds[i] = (uint32_t)start;
    }
    if (starts.n == 0 || rounds[0] != 0 || rounds[starts.n - 1] != n_trees) {
        return mr_fail(r->err, MR_E_FORMAT, "the rounds of boosting do not have all %zu trees",
                       n_trees);
    }
    r->booster->n_rounds = (uint32_t)starts.n - 1;
    r->booster->round_starts = rounds;
    return MR_OK;
}

static mr_status read_all(struct reader *r, const struct mr_xgb_place *model) {
    const struct mr_object *trees = mr_object_item(model->object, "trees");
    if (!trees || trees->kind != MR_OBJECT_LIST) {
        return mr_fail(r->err, MR_E_FORMAT, "%s: there is no list \"trees\"", model->name);
    }
    struct mr_tree_ensemble *ensemble = &r->booster->ensemble;
    ensemble->n_trees = trees->list.n;
    r->trees = mr_arena_zalloc(r->arena, trees->list.n * sizeof(*r->trees));
    if (!r->trees) return mr_arena_fail(r->arena, r->err);
    for (size_t t = 0; t < trees->list.n; t++) MR_TRY(read_tree(r, trees->list.items[t], t));
    uint32_t n_groups = 1;
    MR_TRY(read_outputs(r, model, &n_groups));
    return read_rounds(r, model, n_groups);
}

mr_status mr_xgb_trees_read(const struct mr_object *model, struct mr_arena *arena,
                            struct mr_xgb_booster *out, struct mr_error *err) {
    struct reader r = {.arena = arena, .err = err, .booster = out};
    struct mr_xgb_place place = {.object = model, .name = "model", .err = err};
    double *base = mr_arena_array(arena, out->n_outputs, sizeof(*base));
    if (!base) return mr_arena_fail(arena, err);
    for (uint32_t k = 0; k < out->n_outputs; k++) base[k] = (double)out->base[k];
    struct mr_tree_ensemble *ensemble = &out->ensemble;
    *ensemble = (struct mr_tree_ensemble){
        .n_features = out->n_features, .n_outputs = out->n_outputs, .base = base};
    MR_TRY(read_all(&r, &place));
    ensemble->trees = r.trees;
    ensemble->n_sets = r.n_sets;
    ensemble->sets = r.sets;
    ensemble->n_values = r.n_values;
    ensemble->values = r.values;
    return MR_OK;
}
