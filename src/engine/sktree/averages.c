/* Estimators whose answer is a mean over trees. */
#include <math.h>

#include "engine/sktree/sktree_int.h"

/* Leaves -------------------------------------------------------------------------------------- */

/* How the classes of a tree's votes lie among those of the ensemble. */
struct vote_context {
    bool is_counts;        /* leaves hold weights of samples, to be made probabilities */
    bool is_raw;           /* leave weights as they are: DecisionTreeClassifier.predict */
    size_t n_classes;      /* of the ensemble; only with `places` */
    const int64_t *places; /* of each class of the tree; NULL: the same */
    double *votes;         /* room for the tree's, with `places` */
};

static void write_votes(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    const struct vote_context *c = ctx;
    bool is_counts = c->is_counts && !c->is_raw;
    if (!c->places) {
        mr_skt_votes(tree, node, is_counts, out);
        return;
    }
    mr_skt_votes(tree, node, is_counts, c->votes);
    memset(out, 0, c->n_classes * sizeof(*out));
    for (size_t i = 0; i < tree->n_classes; i++) out[c->places[i]] = c->votes[i];
}

static void write_values(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    (void)ctx;
    memcpy(out, tree->values + node * tree->n_outputs, tree->n_outputs * sizeof(*out));
}

static bool has_counts(const struct mr_skt_builder *b) {
    return !mr_sk_is_at_least(&b->estimator, 1, 4);
}

/* Whether the tree's classes are those of model->labels, target by target. */
static mr_status check_classes(const struct mr_skt_builder *b, const struct mr_skt_tree *tree) {
    const struct mr_skt_model *model = b->model;
    bool is_same = tree->n_outputs == model->n_targets;
    for (size_t k = 0; is_same && k < tree->n_outputs; k++) {
        int64_t n = 0;
        mr_sk_integer_at(tree->output_classes, (int64_t)k, &n);
        is_same = (size_t)n == model->labels[k].n;
    }
    if (is_same) return MR_OK;
    return mr_fail(b->err, MR_E_FORMAT, "%s: the classes of a tree are not those in classes_",
                   b->estimator.name);
}

/* The first tree of a regressor says how many outputs there are; the others must agree. */
static mr_status check_outputs(struct mr_skt_builder *b, const struct mr_skt_tree *tree) {
    if (b->model->type->is_classifier) return check_classes(b, tree);
    if (b->model->n_outputs == 0) b->model->n_outputs = tree->n_outputs;
    if (tree->n_outputs == b->model->n_outputs) return MR_OK;
    return mr_fail(b->err, MR_E_FORMAT, "%s: one tree has %zu outputs, another %zu",
                   b->estimator.name, b->model->n_outputs, tree->n_outputs);
}

/* Trees and forests --------------------------------------------------------------------------- */

static mr_status add_average_tree(struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                                  bool is_raw) {
    struct vote_context votes = {.is_counts = has_counts(b), .is_raw = is_raw};
    MR_TRY(check_outputs(b, tree));
    return mr_skt_add_tree(b, tree, 0, NULL,
                           b->model->type->is_classifier ? write_votes : write_values, &votes);
}

static mr_status start_average(struct mr_skt_builder *b, const struct mr_skt_tree *first, size_t n,
                               double start) {
    MR_TRY(check_outputs(b, first));
    struct mr_skt_model *model = b->model;
    model->sums = model->type->is_classifier ? MR_SKT_VOTES : MR_SKT_VALUES;
    return mr_skt_start(b, n, model->n_outputs, model->n_outputs > 1, start);
}

/* One tree: nothing is added, so that its -0.0 stays one. */
mr_status mr_skt_build_tree(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    struct mr_skt_tree tree;
    MR_TRY(mr_skt_read_tree(b, &b->estimator, model->features.n_features, &tree));
    model->features.dtype = MR_SK_FLOAT32;
    model->features.finite = mr_skt_takes_nan(&tree) ? MR_SK_FINITE_OR_NAN : MR_SK_FINITE;
    MR_TRY(start_average(b, &tree, 1, -0.0));
    return add_average_tree(b, &tree, model->method == MR_SK_PREDICT);
}

mr_status mr_skt_build_forest(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    struct mr_object_list estimators;
    MR_TRY(mr_sk_list(&b->estimator, "estimators_", &estimators, b->err));
    model->features.dtype = MR_SK_FLOAT32;
    for (size_t t = 0; t < estimators.n; t++) {
        struct mr_sk_estimator estimator;
        struct mr_skt_tree tree;
        MR_TRY(mr_sk_inside(&b->estimator, estimators.items[t], b->scratch, &estimator, b->err));
        MR_TRY(mr_skt_read_tree(b, &estimator, model->features.n_features, &tree));
        if (t == 0) {
            bool takes_nan = mr_skt_takes_nan(&tree) && mr_sk_is_at_least(&b->estimator, 1, 4);
            model->features.finite = takes_nan ? MR_SK_FINITE_OR_NAN : MR_SK_FINITE;
            MR_TRY(start_average(b, &tree, estimators.n, 0));
        }
        MR_TRY(add_average_tree(b, &tree, false));
    }
    model->divisor = (double)estimators.n;
    return MR_OK;
}

/* Subsets of features ------------------------------------------------------------------------- */

/* estimators_features_[t]: which features a tree was fitted to, in its order. */
static mr_status read_subset(const struct mr_skt_builder *b, const struct mr_object *object,
                             const uint32_t **out, size_t *n) {
    size_t n_features = b->model->features.n_features;
    if (!object || object->kind != MR_OBJECT_ARRAY || object->array.n_dims != 1 ||
        object->array.n_values < 1) {
        return mr_skt_refuse(b, "whose estimators_features_ are no arrays of numbers");
    }
    const struct mr_ndarray *array = &object->array;
    uint32_t *subset = mr_arena_array(b->scratch, (size_t)array->n_values, sizeof(*subset));
    if (!subset) return mr_arena_fail(b->scratch, b->err);
    for (int64_t i = 0; i < array->n_values; i++) {
        int64_t feature = -1;
        if (!mr_sk_integer_at(array, i, &feature) || feature < 0 ||
            (uint64_t)feature >= n_features) {
            return mr_fail(b->err, MR_E_FORMAT,
                           "%s: estimators_features_ names feature %lld, but there are %zu",
                           b->estimator.name, (long long)feature, n_features);
        }
        subset[i] = (uint32_t)feature;
    }
    *out = subset;
    *n = (size_t)array->n_values;
    return MR_OK;
}

/* The trees of an ensemble that gives each tree some of the features. */
struct subset_trees {
    struct mr_object_list estimators, subsets;
    bool *is_unused; /* n_features */
};

static mr_status open_subsets(struct mr_skt_builder *b, struct subset_trees *out) {
    size_t n_features = b->model->features.n_features;
    MR_TRY(mr_sk_list(&b->estimator, "estimators_", &out->estimators, b->err));
    MR_TRY(mr_sk_list(&b->estimator, "estimators_features_", &out->subsets, b->err));
    if (out->subsets.n < out->estimators.n) out->estimators.n = out->subsets.n; /* zip() */
    out->is_unused = mr_arena_alloc(b->arena, n_features);
    if (!out->is_unused) return mr_arena_fail(b->arena, b->err);
    memset(out->is_unused, true, n_features);
    return MR_OK;
}

static mr_status read_subset_tree(struct mr_skt_builder *b, const struct subset_trees *trees,
                                  size_t t, struct mr_skt_tree *out, const uint32_t **subset) {
    struct mr_sk_estimator estimator;
    size_t n = 0;
    MR_TRY(mr_sk_inside(&b->estimator, trees->estimators.items[t], b->scratch, &estimator, b->err));
    MR_TRY(read_subset(b, trees->subsets.items[t], subset, &n));
    for (size_t i = 0; i < n; i++) trees->is_unused[(*subset)[i]] = false;
    return mr_skt_read_tree(b, &estimator, n, out);
}

/* Bagging ------------------------------------------------------------------------------------- */

/* A tree knows the classes that its sample had, by their numbers. */
static mr_status read_places(const struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                             struct vote_context *out) {
    const struct mr_object *object = mr_object_attr(tree->estimator.object, "classes_");
    size_t n_classes = b->model->n_outputs;
    if (tree->n_outputs != 1 || b->model->n_targets != 1 || !object ||
        object->kind != MR_OBJECT_ARRAY || object->array.n_values != (int64_t)tree->n_classes) {
        return mr_skt_refuse(b, "whose trees have several targets");
    }
    out->n_classes = n_classes;
    if (tree->n_classes == n_classes) return MR_OK;
    int64_t *places = mr_arena_array(b->scratch, tree->n_classes, sizeof(*places));
    out->votes = mr_arena_array(b->scratch, tree->n_classes, sizeof(*out->votes));
    if (!places || !out->votes) return mr_arena_fail(b->scratch, b->err);
    for (size_t i = 0; i < tree->n_classes; i++) {
        if (!mr_sk_integer_at(&object->array, (int64_t)i, &places[i]) || places[i] < 0 ||
            places[i] >= (int64_t)n_classes || (i > 0 && places[i] <= places[i - 1])) {
            return mr_skt_refuse(b, "whose trees have classes that it has not");
        }
    }
    out->places = places;
    return MR_OK;
}

static mr_status add_bagging_votes(struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                                   const uint32_t *subset) {
    struct vote_context votes = {.is_counts = has_counts(b)};
    MR_TRY(read_places(b, tree, &votes));
    return mr_skt_add_tree(b, tree, 0, subset, write_votes, &votes);
}

/* For predict_log_proba a leaf is its number, and a table has the logarithms of its votes. */
struct log_context {
    struct vote_context votes;
    double *table;
    size_t n_rows;
};

static void write_log_row(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    struct log_context *c = ctx;
    double *row = c->table + c->n_rows * c->votes.n_classes;
    write_votes(&c->votes, tree, node, row);
    for (size_t i = 0; i < c->votes.n_classes; i++) row[i] = log(row[i]);
    *out = (double)c->n_rows++;
}

static mr_status add_bagging_logs(struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                                  uint32_t t, const uint32_t *subset, size_t *capacity) {
    size_t n_classes = b->model->n_outputs;
    struct log_context logs = {.votes = {.is_counts = has_counts(b)},
                               .table = (double *)(uintptr_t)b->model->log_votes,
                               .n_rows = b->ensemble.n_values};
    MR_TRY(read_places(b, tree, &logs.votes));
    size_t needed = logs.n_rows + tree->n_nodes;
    if (needed > *capacity) {
        size_t grown = needed > *capacity * 2 ? needed : *capacity * 2;
        size_t row_bytes = n_classes * sizeof(double);
        logs.table = mr_arena_realloc(b->arena, logs.table, *capacity * row_bytes,
                                      grown * row_bytes);
        if (!logs.table) return mr_arena_fail(b->arena, b->err);
        b->model->log_votes = logs.table;
        *capacity = grown;
    }
    return mr_skt_add_tree(b, tree, t, subset, write_log_row, &logs);
}

static mr_status start_bagging(struct mr_skt_builder *b, const struct mr_skt_tree *first,
                               size_t n_trees) {
    struct mr_skt_model *model = b->model;
    model->features.dtype = MR_SK_FLOAT32_LATER;
    model->features.finite = mr_skt_takes_nan(first) ? MR_SK_FINITE_OR_NAN : MR_SK_FINITE;
    if (!model->type->is_classifier) return start_average(b, first, n_trees, 0);
    if (model->method == MR_SK_PREDICT_LOG_PROBA) {
        model->sums = MR_SKT_LEAVES;
        return mr_skt_start(b, n_trees, n_trees, false, 0);
    }
    model->sums = MR_SKT_VOTES;
    return mr_skt_start(b, n_trees, model->n_outputs, true, 0);
}

mr_status mr_skt_build_bagging(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    struct subset_trees trees;
    size_t log_capacity = 0;
    MR_TRY(open_subsets(b, &trees));
    for (size_t t = 0; t < trees.estimators.n; t++) {
        struct mr_skt_tree tree;
        const uint32_t *subset = NULL;
        MR_TRY(read_subset_tree(b, &trees, t, &tree, &subset));
        if (t == 0) MR_TRY(start_bagging(b, &tree, trees.estimators.n));
        if (model->sums == MR_SKT_LEAVES) {
            MR_TRY(add_bagging_logs(b, &tree, (uint32_t)t, subset, &log_capacity));
        } else if (model->sums == MR_SKT_VOTES) {
            MR_TRY(add_bagging_votes(b, &tree, subset));
        } else {
            MR_TRY(check_outputs(b, &tree));
            MR_TRY(mr_skt_add_tree(b, &tree, 0, subset, write_values, NULL));
        }
    }
    model->features.is_unused = trees.is_unused;
    MR_TRY(mr_sk_number(&b->estimator, "n_estimators", &model->divisor, b->err));
    if (model->divisor == (double)trees.estimators.n) return MR_OK;
    return mr_skt_refuse(b, "with n_estimators other than the number of its estimators");
}

/* IsolationForest ----------------------------------------------------------------------------- */

/* _average_path_length of one number. */
static double average_path_length(double n) {
    const double euler_gamma = 0x1.2788cfc6fb619p-1;
    if (n <= 1) return 0;
    if (n == 2) return 1;
    return 2.0 * (log(n - 1.0) + euler_gamma) - 2.0 * (n - 1.0) / n;
}

struct depth_context {
    const double *lengths;          /* _average_path_length_per_tree; NULL: from the samples */
    const struct mr_ndarray *paths; /* _decision_path_lengths */
    const uint32_t *depths;         /* before 1.3: nodes on the way to a node */
};

static void write_depth(void *ctx, const struct mr_skt_tree *tree, uint32_t node, double *out) {
    const struct depth_context *c = ctx;
    if (c->lengths) {
        int64_t path = 0;
        mr_sk_integer_at(c->paths, node, &path);
        *out = ((double)path + c->lengths[node]) - 1.0;
        return;
    }
    double n_samples = (double)mr_skt_n_samples(tree, node);
    *out = ((double)c->depths[node] + average_path_length(n_samples)) - 1.0;
}

/* scikit-learn adds nodes after their parents. */
static mr_status count_depths(const struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                              const uint32_t **out) {
    uint32_t *depths = mr_arena_zalloc(b->scratch, tree->n_nodes * sizeof(*depths));
    if (!depths) return mr_arena_fail(b->scratch, b->err);
    depths[0] = 1;
    for (uint32_t i = 0; i < tree->n_nodes; i++) {
        const int64_t children[] = {mr_skt_left(tree, i), mr_skt_right(tree, i)};
        for (int k = 0; k < 2 && children[0] != -1; k++) {
            if (children[k] <= (int64_t)i || children[k] >= (int64_t)tree->n_nodes) {
                return mr_fail(b->err, MR_E_FORMAT, "%s: node %u has the child %lld",
                               b->estimator.name, i, (long long)children[k]);
            }
            depths[children[k]] = depths[i] + 1;
        }
    }
    *out = depths;
    return MR_OK;
}

/* What IsolationForest.fit keeps of tree t since 1.3. */
static mr_status read_lengths(const struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                              size_t t, struct depth_context *out) {
    if (!mr_sk_is_at_least(&b->estimator, 1, 3)) return count_depths(b, tree, &out->depths);
    struct mr_object_list lengths, paths;
    MR_TRY(mr_sk_list(&b->estimator, "_average_path_length_per_tree", &lengths, b->err));
    MR_TRY(mr_sk_list(&b->estimator, "_decision_path_lengths", &paths, b->err));
    if (t < lengths.n && t < paths.n && lengths.items[t]->kind == MR_OBJECT_ARRAY &&
        paths.items[t]->kind == MR_OBJECT_ARRAY) {
        const struct mr_ndarray *length = &lengths.items[t]->array;
        const struct mr_ndarray *path = &paths.items[t]->array;
        if (length->is_known && length->dtype == MR_FLOAT64 && path->is_known &&
            path->dtype == MR_INT64 && length->n_values == (int64_t)tree->n_nodes &&
            path->n_values == (int64_t)tree->n_nodes) {
            out->lengths = length->values;
            out->paths = path;
            return MR_OK;
        }
    }
    return mr_fail(b->err, MR_E_FORMAT, "%s: the path lengths of tree %zu do not fit its nodes",
                   b->estimator.name, t);
}

/* How score_samples calls validate_data. All features are checked, also unused ones. */
static void set_isolation_features(struct mr_skt_builder *b) {
    struct mr_sk_feature_spec *features = &b->model->features;
    features->dtype = mr_sk_is_at_least(&b->estimator, 1, 3) ? MR_SK_FLOAT32
                                                             : MR_SK_NUMERIC_FLOAT32;
    features->finite = mr_sk_is_at_least(&b->estimator, 1, 6) ? MR_SK_ANY : MR_SK_FINITE;
}

mr_status mr_skt_build_isolation(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    struct subset_trees trees;
    double max_features = 0, max_samples = 0;
    MR_TRY(open_subsets(b, &trees));
    MR_TRY(mr_sk_number(&b->estimator, "_max_features", &max_features, b->err));
    const char *samples = mr_sk_is_at_least(&b->estimator, 1, 3) ? "_max_samples" : "max_samples_";
    MR_TRY(mr_sk_number(&b->estimator, samples, &max_samples, b->err));
    MR_TRY(mr_sk_number(&b->estimator, "offset_", &model->offset, b->err));
    set_isolation_features(b);
    model->sums = MR_SKT_DEPTHS;
    MR_TRY(mr_skt_start(b, trees.estimators.n, 1, false, 0));
    bool has_subsets = max_features != (double)model->features.n_features;
    for (size_t t = 0; t < trees.estimators.n; t++) {
        struct mr_skt_tree tree;
        struct depth_context depths = {0};
        const uint32_t *subset = NULL;
        MR_TRY(read_subset_tree(b, &trees, t, &tree, &subset));
        MR_TRY(read_lengths(b, &tree, t, &depths));
        MR_TRY(mr_skt_add_tree(b, &tree, 0, has_subsets ? subset : NULL, write_depth, &depths));
    }
    model->divisor = (double)trees.estimators.n * average_path_length(max_samples);
    return MR_OK;
}
