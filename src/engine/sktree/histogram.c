#include <math.h>

#include "engine/sktree/sktree_int.h"

/* One TreePredictor: its nodes, as PREDICTOR_RECORD_DTYPE of
 * sklearn/ensemble/_hist_gradient_boosting/common.pyx has them. */
struct predictor {
    uint32_t n_nodes;
    const char *nodes;
    size_t node_bytes;
    size_t value_at, feature_at, threshold_at, missing_at, left_at, right_at, is_leaf_at,
        is_categorical_at, bitset_at;
    size_t feature_bytes;          /* 4 before 1.3, else 8 */
    const struct mr_ndarray *sets; /* raw_left_cat_bitsets: BITSET_WORDS words each; NULL: none */
};

#define BITSET_WORDS 8

/* Categories that the model was fitted with, a bit each, by feature as the trees number them. */
struct known_sets {
    const uint32_t *words; /* BITSET_WORDS for each feature; NULL: there are no such features */
};

/* Reading ------------------------------------------------------------------------------------- */

static bool find_field(const struct mr_ndarray *nodes, const char *name, mr_dtype dtype,
                       size_t *out) {
    const struct mr_field *field = mr_ndarray_field(nodes, name, dtype);
    if (field) *out = field->offset_bytes;
    return field != NULL;
}

static mr_status read_predictor(const struct mr_skt_builder *b, const struct mr_object *object,
                                struct predictor *out) {
    const struct mr_object *array = mr_object_attr(object, "nodes");
    if (!mr_object_is(object, "sklearn.ensemble._hist_gradient_boosting.predictor",
                      "TreePredictor") ||
        !array || array->kind != MR_OBJECT_ARRAY) {
        return mr_skt_refuse(b, "whose _predictors are no TreePredictor");
    }
    const struct mr_ndarray *nodes = &array->array;
    bool is_wide = find_field(nodes, "feature_idx", MR_INT64, &out->feature_at);
    out->feature_bytes = is_wide ? 8 : 4;
    if (!nodes->record || nodes->n_dims != 1 || nodes->n_values < 1 ||
        nodes->n_values > INT32_MAX || !find_field(nodes, "value", MR_FLOAT64, &out->value_at) ||
        (!is_wide && !find_field(nodes, "feature_idx", MR_UINT32, &out->feature_at)) ||
        !find_field(nodes, "num_threshold", MR_FLOAT64, &out->threshold_at) ||
        !find_field(nodes, "missing_go_to_left", MR_UINT8, &out->missing_at) ||
        !find_field(nodes, "left", MR_UINT32, &out->left_at) ||
        !find_field(nodes, "right", MR_UINT32, &out->right_at) ||
        !find_field(nodes, "is_leaf", MR_UINT8, &out->is_leaf_at) ||
        !find_field(nodes, "is_categorical", MR_UINT8, &out->is_categorical_at) ||
        !find_field(nodes, "bitset_idx", MR_UINT32, &out->bitset_at)) {
        return mr_skt_refuse(b, "with nodes of other fields");
    }
    const struct mr_object *sets = mr_object_attr(object, "raw_left_cat_bitsets");
    if (sets && sets->kind == MR_OBJECT_ARRAY && sets->array.is_known &&
        sets->array.dtype == MR_UINT32 && sets->array.n_dims == 2 &&
        sets->array.shape[1] == BITSET_WORDS) {
        out->sets = &sets->array;
    }
    out->n_nodes = (uint32_t)nodes->n_values;
    out->nodes = nodes->values;
    out->node_bytes = nodes->record->item_bytes;
    return MR_OK;
}

/* Trees --------------------------------------------------------------------------------------- */

static uint32_t uint32_at(const char *record, size_t offset) {
    uint32_t value;
    memcpy(&value, record + offset, sizeof(value));
    return value;
}

static double double_at(const char *record, size_t offset) {
    double value;
    memcpy(&value, record + offset, sizeof(value));
    return value;
}

static int32_t child_of(uint32_t child) {
    return child > INT32_MAX ? -1 : (int32_t)child; /* mr_tree_ensemble_validate finds it */
}

static void copy_split(const struct predictor *from, const char *record,
                       struct mr_tree_node *node) {
    int64_t feature = 0; /* little-endian, as every machine mlrace runs on */
    memcpy(&feature, record + from->feature_at, from->feature_bytes);
    *node = (struct mr_tree_node){
        .kind = MR_TREE_LESS_EQUAL,
        .missing = MR_TREE_MISSING_NAN,
        .is_default_left = record[from->missing_at] != 0,
        .threshold = double_at(record, from->threshold_at),
        .feature = feature < 0 || feature > INT32_MAX ? UINT32_MAX : (uint32_t)feature,
        .left = child_of(uint32_at(record, from->left_at)),
        .right = child_of(uint32_at(record, from->right_at)),
    };
}

/* One split of _predict_one_from_raw_data: known categories go where the set says, others where
 * missing values go. Categories are what mr_skt_encode gives. */
static mr_status copy_choice(struct mr_skt_builder *b, const struct predictor *from,
                             const struct known_sets *known, const char *record,
                             struct mr_tree_node *node) {
    copy_split(from, record, node);
    uint32_t at = uint32_at(record, from->bitset_at);
    if (!known->words || !from->sets || at >= from->sets->shape[0] ||
        node->feature >= b->model->features.n_features) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: a categorical split without a set of categories",
                       b->estimator.name);
    }
    uint32_t *bits = mr_arena_array(b->scratch, BITSET_WORDS, sizeof(*bits));
    if (!bits) return mr_arena_fail(b->scratch, b->err);
    const uint32_t *left = (const uint32_t *)from->sets->values + (size_t)at * BITSET_WORDS;
    const uint32_t *words = known->words + (size_t)node->feature * BITSET_WORDS;
    for (size_t i = 0; i < BITSET_WORDS; i++) {
        bits[i] = left[i] | (node->is_default_left ? ~words[i] : 0);
    }
    const struct mr_tree_set set = {.bits = bits,
                                    .n_bits = MR_SKT_MAX_CATEGORIES,
                                    .is_above_left = node->is_default_left,
                                    .is_negative_left = node->is_default_left,
                                    .is_fraction_negative = true};
    node->kind = MR_TREE_CATEGORY;
    return mr_skt_add_set(b, &set, &node->index);
}

static mr_status add_predictor(struct mr_skt_builder *b, const struct predictor *from,
                               const struct known_sets *known, uint32_t output) {
    struct mr_tree_node *nodes = NULL;
    size_t n_leaves = 0;
    for (uint32_t i = 0; i < from->n_nodes; i++) {
        n_leaves += from->nodes[i * from->node_bytes + from->is_leaf_at] != 0;
    }
    MR_TRY(mr_skt_new_tree(b, from->nodes, from->n_nodes, n_leaves, output, &nodes));
    for (uint32_t i = 0; i < from->n_nodes; i++) {
        const char *record = from->nodes + i * from->node_bytes;
        if (record[from->is_leaf_at]) {
            nodes[i] = (struct mr_tree_node){.kind = MR_TREE_LEAF,
                                             .index = (uint32_t)b->ensemble.n_values};
            b->values[b->ensemble.n_values++] = double_at(record, from->value_at);
            continue;
        }
        if (record[from->is_categorical_at]) {
            MR_TRY(copy_choice(b, from, known, record, &nodes[i]));
        } else {
            copy_split(from, record, &nodes[i]);
        }
    }
    return MR_OK;
}

/* Model --------------------------------------------------------------------------------------- */

/* The link of `_loss`; classifiers have one raw prediction for two classes. */
static mr_status read_loss(struct mr_skt_builder *b, size_t n_raw) {
    static const struct {
        const char *name;
        mr_skt_link link;
        bool is_classifier;
    } links[] = {
        {"IdentityLink", MR_SKT_LINK_IDENTITY, false},
        {"LogLink", MR_SKT_LINK_LOG, false},
        {"LogitLink", MR_SKT_LINK_LOGIT, true},
        {"MultinomialLogit", MR_SKT_LINK_SOFTMAX, true},
    };
    struct mr_skt_model *model = b->model;
    const struct mr_object *loss = mr_object_attr(b->estimator.object, "_loss");
    const struct mr_object *link = mr_object_attr(loss, "link");
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        if (!mr_object_is(link, "sklearn._loss.link", links[i].name) ||
            links[i].is_classifier != model->type->is_classifier) {
            continue;
        }
        model->link = links[i].link;
        size_t n_classes = model->n_outputs;
        bool fits = !links[i].is_classifier ? n_raw == 1
                    : model->link == MR_SKT_LINK_LOGIT
                        ? n_raw == 1 && n_classes == 2 && model->n_targets == 1
                        : n_raw == n_classes && model->n_targets == 1;
        if (fits) return MR_OK;
        return mr_fail(b->err, MR_E_FORMAT,
                       "%s: there are %zu raw predictions, but %zu classes in classes_",
                       b->estimator.name, n_raw, n_classes);
    }
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with the loss %s yet",
                   b->estimator.name, mr_object_describe(loss, text, sizeof(text)));
}

/* HistGradientBoostingClassifier.predict. */
static void choose_labels(struct mr_skt_builder *b) {
    b->model->choice = mr_sk_is_at_least(&b->estimator, 1, 5) ? MR_SKT_CHOICE_RAW_ABOVE_0
                                                              : MR_SKT_CHOICE_PROBA;
}

/* _BinMapper.make_known_categories_bitsets: bin_thresholds_ of a categorical feature are its
 * categories. */
static mr_status read_known(struct mr_skt_builder *b, struct known_sets *out) {
    if (!b->model->encodings) return MR_OK;
    size_t n_features = b->model->features.n_features;
    struct mr_sk_estimator mapper;
    struct mr_object_list thresholds;
    MR_TRY(mr_sk_inside(&b->estimator, mr_object_attr(b->estimator.object, "_bin_mapper"),
                        b->scratch, &mapper, b->err));
    MR_TRY(mr_sk_list(&mapper, "bin_thresholds_", &thresholds, b->err));
    uint32_t *words = mr_arena_array(b->scratch, n_features, BITSET_WORDS * sizeof(*words));
    if (!words) return mr_arena_fail(b->scratch, b->err);
    memset(words, 0, n_features * BITSET_WORDS * sizeof(*words));
    for (size_t f = 0; f < n_features; f++) {
        const struct mr_skt_encoding *encoding = &b->model->encodings[f];
        if (encoding->kind == MR_SKT_PLAIN) continue;
        const struct mr_object *item = encoding->place < thresholds.n
                                           ? thresholds.items[encoding->place]
                                           : NULL;
        bool is_array = item && item->kind == MR_OBJECT_ARRAY && item->array.is_known &&
                        item->array.dtype == MR_FLOAT64;
        for (int64_t i = 0; is_array && i < item->array.n_values; i++) {
            double category = ((const double *)item->array.values)[i];
            is_array = category >= 0 && category < MR_SKT_MAX_CATEGORIES;
            uint32_t bit = is_array ? (uint32_t)category : 0;
            words[encoding->place * BITSET_WORDS + bit / 32] |= UINT32_C(1) << bit % 32;
        }
        if (!is_array) return mr_skt_refuse(b, "whose bins are no categories from 0 to 255");
    }
    out->words = words;
    return MR_OK;
}

/* _baseline_prediction: one float64 for each raw prediction. */
static mr_status read_baseline(struct mr_skt_builder *b, const double **out, size_t *n_raw) {
    const struct mr_object *object = mr_object_attr(b->estimator.object, "_baseline_prediction");
    if (!object || object->kind != MR_OBJECT_ARRAY || !object->array.is_known ||
        object->array.dtype != MR_FLOAT64 || object->array.n_values < 1) {
        return mr_skt_refuse(b, "without a float64 array _baseline_prediction");
    }
    *n_raw = (size_t)object->array.n_values;
    *out = object->array.values;
    return MR_OK;
}

/* _predictors: a list for each iteration, with a tree for each raw prediction. */
static mr_status add_predictors(struct mr_skt_builder *b, const struct mr_object_list *iterations,
                                size_t n_raw) {
    struct known_sets known = {0};
    MR_TRY(read_known(b, &known));
    for (size_t i = 0; i < iterations->n; i++) {
        const struct mr_object *iteration = iterations->items[i];
        if (iteration->kind != MR_OBJECT_LIST || iteration->list.n != n_raw) {
            return mr_fail(b->err, MR_E_FORMAT, "%s: _predictors[%zu] is no list of %zu trees",
                           b->estimator.name, i, n_raw);
        }
        for (size_t k = 0; k < n_raw; k++) {
            struct predictor predictor = {0};
            MR_TRY(read_predictor(b, iteration->list.items[k], &predictor));
            MR_TRY(add_predictor(b, &predictor, &known, (uint32_t)k));
        }
    }
    return MR_OK;
}

mr_status mr_skt_build_histogram(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    struct mr_object_list iterations;
    const double *baseline = NULL;
    size_t n_raw = 0;
    MR_TRY(mr_skt_read_categories(b));
    MR_TRY(mr_sk_list(&b->estimator, "_predictors", &iterations, b->err));
    MR_TRY(read_baseline(b, &baseline, &n_raw));
    MR_TRY(read_loss(b, n_raw));
    choose_labels(b);
    model->features.dtype = MR_SK_FLOATS;
    model->features.finite = MR_SK_ANY;
    model->sums = MR_SKT_RAW;
    model->order = MR_SK_SUM_SEQUENTIAL;
    size_t n_trees;
    if (__builtin_mul_overflow(iterations.n, n_raw, &n_trees)) return mr_skt_refuse(b, "so large");
    MR_TRY(mr_skt_start(b, n_trees, n_raw, false, 0));
    b->ensemble.has_double_inputs = true;
    memcpy((void *)(uintptr_t)b->ensemble.base, baseline, n_raw * sizeof(*baseline));
    if (!model->type->is_classifier) model->n_outputs = 1;
    return add_predictors(b, &iterations, n_raw);
}
