#include "engine/sktree/sktree_int.h"

/* Record -------------------------------------------------------------------------------------- */

static int64_t int_at(const struct mr_skt_tree *tree, uint32_t node, size_t offset) {
    int64_t value;
    memcpy(&value, tree->nodes + node * tree->node_bytes + offset, sizeof(value));
    return value;
}

int64_t mr_skt_left(const struct mr_skt_tree *tree, uint32_t node) {
    return int_at(tree, node, tree->left_at);
}

int64_t mr_skt_right(const struct mr_skt_tree *tree, uint32_t node) {
    return int_at(tree, node, tree->right_at);
}

int64_t mr_skt_n_samples(const struct mr_skt_tree *tree, uint32_t node) {
    return int_at(tree, node, tree->n_samples_at);
}

/* Reading ------------------------------------------------------------------------------------- */

static mr_status fail_tree(const struct mr_skt_builder *b, const char *what) {
    return mr_fail(b->err, MR_E_FORMAT, "%s: a tree_ %s", b->estimator.name, what);
}

static const struct mr_ndarray *array_of(const struct mr_object *object) {
    return object && object->kind == MR_OBJECT_ARRAY ? &object->array : NULL;
}

/* The arguments of Tree(n_features, n_classes, n_outputs). */
static mr_status read_arguments(const struct mr_skt_builder *b, const struct mr_object *args,
                                size_t n_features, struct mr_skt_tree *out) {
    if (!args || args->kind != MR_OBJECT_TUPLE || args->list.n != 3) {
        return fail_tree(b, "was not made with three arguments");
    }
    const struct mr_object *const *items = args->list.items;
    const struct mr_ndarray *counts = array_of(items[1]);
    if (items[0]->kind != MR_OBJECT_INT || items[2]->kind != MR_OBJECT_INT || !counts ||
        counts->n_dims != 1 || counts->n_values != items[2]->integer || counts->n_values < 1) {
        return fail_tree(b, "does not say its numbers of features, classes and outputs");
    }
    if (items[0]->integer < 0 || (uint64_t)items[0]->integer != n_features) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: a tree_ has %lld features, expected %zu",
                       b->estimator.name, (long long)items[0]->integer, n_features);
    }
    int64_t most = 0;
    for (int64_t k = 0; k < counts->n_values; k++) {
        int64_t n = 0;
        if (!mr_sk_integer_at(counts, k, &n) || n < 1 || n > INT32_MAX) {
            return fail_tree(b, "has outputs without classes");
        }
        if (n > most) most = n;
    }
    out->n_features = n_features;
    out->n_outputs = (size_t)counts->n_values;
    out->output_classes = counts;
    out->n_classes = (size_t)most;
    return MR_OK;
}

static bool find_field(const struct mr_ndarray *nodes, const char *name, mr_dtype dtype,
                       size_t *out) {
    const struct mr_field *field = mr_ndarray_field(nodes, name, dtype);
    if (field) *out = field->offset_bytes;
    return field != NULL;
}

/* NODE_DTYPE of sklearn/tree/_tree.pyx. */
static mr_status read_nodes(const struct mr_skt_builder *b, const struct mr_ndarray *nodes,
                            struct mr_skt_tree *out) {
    if (!nodes || !nodes->record || nodes->n_dims != 1 ||
        !find_field(nodes, "left_child", MR_INT64, &out->left_at) ||
        !find_field(nodes, "right_child", MR_INT64, &out->right_at) ||
        !find_field(nodes, "feature", MR_INT64, &out->feature_at) ||
        !find_field(nodes, "threshold", MR_FLOAT64, &out->threshold_at) ||
        !find_field(nodes, "n_node_samples", MR_INT64, &out->n_samples_at)) {
        return fail_tree(b, "has no array of nodes with the known fields");
    }
    out->missing_at = SIZE_MAX;
    bool has_missing = find_field(nodes, "missing_go_to_left", MR_UINT8, &out->missing_at);
    if (!has_missing && mr_sk_is_at_least(&b->estimator, 1, 3)) {
        return fail_tree(b, "has nodes without missing_go_to_left");
    }
    if (nodes->n_values < 1 || nodes->n_values > INT32_MAX) return fail_tree(b, "has no nodes");
    out->n_nodes = (uint32_t)nodes->n_values;
    out->nodes = nodes->values;
    out->node_bytes = nodes->record->item_bytes;
    return MR_OK;
}

static mr_status read_values(const struct mr_skt_builder *b, const struct mr_ndarray *values,
                             struct mr_skt_tree *out) {
    if (!values || !values->is_known || values->dtype != MR_FLOAT64 || values->n_dims != 3 ||
        values->shape[0] != (int64_t)out->n_nodes || values->shape[1] != (int64_t)out->n_outputs ||
        values->shape[2] != (int64_t)out->n_classes) {
        return fail_tree(b, "has no float64 array of values with a row for each node");
    }
    out->values = values->values;
    return MR_OK;
}

mr_status mr_skt_read_tree(const struct mr_skt_builder *b, const struct mr_sk_estimator *estimator,
                           size_t n_features, struct mr_skt_tree *out) {
    const struct mr_object *object = estimator->object;
    const struct mr_skt_class *type = mr_skt_find_class(object->module, object->name);
    bool is_classifier = b->model->type->is_classifier;
    if (b->model->type->kind == MR_SKT_GRADIENT) is_classifier = false;
    if (!type || type->kind != MR_SKT_TREE || type->is_classifier != is_classifier) {
        char name[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s of %s yet",
                       b->estimator.name, mr_object_describe(object, name, sizeof(name)));
    }
    MR_TRY(mr_sk_check_attributes(estimator, mr_skt_attributes, mr_skt_n_attributes, b->err));
    *out = (struct mr_skt_tree){.estimator = *estimator};
    const struct mr_object *tree = mr_object_attr(object, "tree_");
    if (!tree || tree->kind != MR_OBJECT_INSTANCE ||
        !mr_object_is(tree, "sklearn.tree._tree", "Tree")) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "this %s is not fitted: it has no tree_",
                       estimator->name);
    }
    const struct mr_object *state = tree->instance.state;
    MR_TRY(read_arguments(b, tree->instance.args, n_features, out));
    MR_TRY(read_nodes(b, array_of(mr_object_item(state, "nodes")), out));
    MR_TRY(read_values(b, array_of(mr_object_item(state, "values")), out));
    if (is_classifier || out->n_classes == 1) return MR_OK;
    return fail_tree(b, "of a regressor has classes");
}

/* Missing values ------------------------------------------------------------------------------ */

static bool is_one_of(const struct mr_object *text, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (mr_object_is_str(text, texts[i])) return true;
    }
    return false;
}

/* Criteria whose splits know missing values. */
static bool has_known_criterion(const struct mr_object *estimator) {
    static const char *const criteria[] = {"gini",          "log_loss",     "entropy",
                                           "squared_error", "friedman_mse", "poisson"};
    return is_one_of(mr_object_attr(estimator, "criterion"), criteria, 6);
}

bool mr_skt_takes_nan(const struct mr_skt_tree *tree) {
    const struct mr_sk_estimator *estimator = &tree->estimator;
    const struct mr_object *object = estimator->object;
    const struct mr_object *splitter = mr_object_attr(object, "splitter");
    const struct mr_object *constraints = mr_object_attr(object, "monotonic_cst");
    bool is_extra = strncmp(estimator->name, "Extra", 5) == 0;
    if (!mr_sk_is_at_least(estimator, 1, 3)) return false;
    if (mr_sk_is_at_least(estimator, 1, 9)) {
        return !is_extra || mr_object_is_str(splitter, "random");
    }
    if (!has_known_criterion(object)) return false;
    if (mr_sk_is_at_least(estimator, 1, 4) && constraints && constraints->kind != MR_OBJECT_NONE) {
        return false;
    }
    if (!mr_sk_is_at_least(estimator, 1, 6)) return mr_object_is_str(splitter, "best");
    /* In 1.6 the tags of ExtraTreeRegressor have no effect: it has those of its base class. */
    bool is_random_only = is_extra && (tree->estimator.version.minor > 6 ||
                                       strcmp(estimator->name, "ExtraTreeClassifier") == 0);
    return mr_object_is_str(splitter, "random") ||
           (!is_random_only && mr_object_is_str(splitter, "best"));
}

/* Votes --------------------------------------------------------------------------------------- */

void mr_skt_votes(const struct mr_skt_tree *tree, uint32_t node, bool is_counts, double *out) {
    for (size_t k = 0; k < tree->n_outputs; k++) {
        const double *values = tree->values + (node * tree->n_outputs + k) * tree->n_classes;
        int64_t n = 0;
        mr_sk_integer_at(tree->output_classes, (int64_t)k, &n);
        double sum = is_counts ? mr_sk_sum(values, 1, (size_t)n, MR_SK_SUM_PAIRWISE) : 1;
        if (sum == 0) sum = 1;
        for (size_t i = 0; i < (size_t)n; i++) *out++ = values[i] / sum;
    }
}

/* Ensemble ------------------------------------------------------------------------------------ */

/* What fits no node number is left to mr_tree_ensemble_validate. */
static int32_t child_of(int64_t child) {
    return child < 0 || child > INT32_MAX ? -1 : (int32_t)child;
}

static void copy_split(const struct mr_skt_tree *tree, uint32_t i, const uint32_t *features,
                       struct mr_tree_node *out) {
    int64_t feature = int_at(tree, i, tree->feature_at);
    bool is_inside = feature >= 0 && (uint64_t)feature < tree->n_features;
    *out = (struct mr_tree_node){
        .kind = MR_TREE_LESS_EQUAL,
        .missing = MR_TREE_MISSING_NAN,
        .left = child_of(mr_skt_left(tree, i)),
        .right = child_of(mr_skt_right(tree, i)),
        .feature = UINT32_MAX,
    };
    if (is_inside) out->feature = features ? features[feature] : (uint32_t)feature;
    const char *record = tree->nodes + i * tree->node_bytes;
    memcpy(&out->threshold, record + tree->threshold_at, sizeof(out->threshold));
    out->is_default_left = tree->missing_at != SIZE_MAX && record[tree->missing_at];
}

mr_status mr_skt_add_tree(struct mr_skt_builder *b, const struct mr_skt_tree *tree, uint32_t output,
                          const uint32_t *features, mr_skt_write_leaf *write, void *ctx) {
    struct mr_tree_node *nodes = NULL;
    size_t n_leaves = 0;
    for (uint32_t i = 0; i < tree->n_nodes; i++) n_leaves += mr_skt_left(tree, i) == -1;
    MR_TRY(mr_skt_new_tree(b, tree->nodes, tree->n_nodes, n_leaves, output, &nodes));
    for (uint32_t i = 0; i < tree->n_nodes; i++) {
        if (mr_skt_left(tree, i) != -1) {
            copy_split(tree, i, features, &nodes[i]);
            continue;
        }
        nodes[i] = (struct mr_tree_node){.kind = MR_TREE_LEAF,
                                         .index = (uint32_t)b->ensemble.n_values};
        write(ctx, tree, i, b->values + b->ensemble.n_values);
        b->ensemble.n_values += b->leaf_width;
    }
    return MR_OK;
}
