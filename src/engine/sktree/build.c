#include <math.h>

#include "engine/sktree/sktree_int.h"

mr_status mr_skt_refuse(const struct mr_skt_builder *b, const char *what) {
    return mr_sk_refuse(&b->estimator, what, b->err);
}

/* Features and labels ------------------------------------------------------------------------- */

mr_status mr_skt_read_features(struct mr_skt_builder *b) {
    double n_features = 0;
    MR_TRY(mr_sk_number(&b->estimator, "n_features_in_", &n_features, b->err));
    if (!(n_features >= 1 && n_features <= MR_TREE_MAX_FEATURES)) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %.0f features",
                       b->estimator.name, n_features);
    }
    return mr_sk_read_features(&b->estimator, (size_t)n_features, b->arena, &b->model->features,
                               b->err);
}

static bool have_one_dtype(const struct mr_object_list *arrays) {
    const struct mr_object *first = arrays->items[0];
    for (size_t i = 1; i < arrays->n; i++) {
        const struct mr_object *array = arrays->items[i];
        if (array->kind != MR_OBJECT_ARRAY || array->array.dtype != first->array.dtype ||
            !mr_str_equal(array->array.descr, first->array.descr)) {
            return false;
        }
    }
    return first->kind == MR_OBJECT_ARRAY;
}

mr_status mr_skt_read_labels(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    const struct mr_object *classes = mr_object_attr(b->estimator.object, "classes_");
    struct mr_object_list arrays = {1, &classes};
    if (classes && classes->kind == MR_OBJECT_LIST && classes->list.n > 0) {
        arrays = classes->list;
        if (!have_one_dtype(&arrays)) return mr_skt_refuse(b, "with classes of several dtypes");
    }
    struct mr_sk_labels *labels = mr_arena_array(b->arena, arrays.n, sizeof(*labels));
    if (!labels) return mr_arena_fail(b->arena, b->err);
    model->labels = labels;
    model->n_targets = arrays.n;
    for (size_t i = 0; i < arrays.n; i++) {
        MR_TRY(mr_sk_copy_labels(&b->estimator, arrays.items[i], "classes_", b->arena, &labels[i],
                                 b->err));
        model->n_outputs += labels[i].n;
    }
    return MR_OK;
}

/* Ensemble ------------------------------------------------------------------------------------ */

mr_status mr_skt_start(struct mr_skt_builder *b, size_t n_trees, size_t n_outputs, bool is_vector,
                       double start) {
    if (n_outputs < 1 || n_outputs > MR_TREE_MAX_OUTPUTS) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %zu outputs",
                       b->estimator.name, n_outputs);
    }
    double *base = mr_arena_array(b->scratch, n_outputs, sizeof(*base));
    b->trees = mr_arena_array(b->scratch, n_trees, sizeof(*b->trees));
    if (!base || !b->trees) return mr_arena_fail(b->scratch, b->err);
    for (size_t k = 0; k < n_outputs; k++) base[k] = start;
    b->leaf_width = is_vector ? (uint32_t)n_outputs : 1;
    b->ensemble = (struct mr_tree_ensemble){
        .has_double_sums = true,
        .n_features = (uint32_t)b->model->features.n_features,
        .n_outputs = (uint32_t)n_outputs,
        .has_vector_leaves = is_vector,
        .base = base,
    };
    return MR_OK;
}

static mr_status grow_values(struct mr_skt_builder *b, size_t n) {
    size_t needed = b->ensemble.n_values + n;
    if (needed > UINT32_MAX) return mr_skt_refuse(b, "with so many leaves");
    if (needed <= b->values_capacity) return MR_OK;
    size_t capacity = b->values_capacity * 2 < needed ? needed : b->values_capacity * 2;
    size_t value_bytes = sizeof(*b->values);
    double *values = mr_arena_realloc(b->scratch, b->values, b->values_capacity * value_bytes,
                                      capacity * value_bytes);
    if (!values) return mr_arena_fail(b->scratch, b->err);
    b->values = values;
    b->values_capacity = capacity;
    return MR_OK;
}

mr_status mr_skt_add_set(struct mr_skt_builder *b, const struct mr_tree_set *set, uint32_t *index) {
    size_t n = b->ensemble.n_sets, set_bytes = sizeof(*b->sets);
    if (n == b->sets_capacity) {
        size_t capacity = n ? n * 2 : 16;
        struct mr_tree_set *sets = mr_arena_realloc(b->scratch, b->sets, n * set_bytes,
                                                    capacity * set_bytes);
        if (!sets) return mr_arena_fail(b->scratch, b->err);
        b->sets = sets;
        b->sets_capacity = capacity;
    }
    b->sets[n] = *set;
    *index = (uint32_t)n;
    b->ensemble.n_sets = n + 1;
    return MR_OK;
}

static mr_status note_source(struct mr_skt_builder *b, const void *source) {
    const void **address = mr_arena_alloc(b->scratch, sizeof(*address));
    if (!address) return mr_arena_fail(b->scratch, b->err);
    *address = source;
    size_t index;
    bool is_new = false;
    const struct mr_str name = {(const char *)address, sizeof(*address)};
    MR_TRY(mr_name_map_add(&b->sources, name, &index, &is_new, b->err));
    if (is_new) return MR_OK;
    return mr_fail(b->err, MR_E_FORMAT, "%s: trees %zu and %zu are one", b->estimator.name, index,
                   b->ensemble.n_trees);
}

mr_status mr_skt_new_tree(struct mr_skt_builder *b, const void *source, uint32_t n_nodes,
                          size_t n_leaves, uint32_t output, struct mr_tree_node **nodes) {
    MR_TRY(note_source(b, source));
    *nodes = mr_arena_array(b->scratch, n_nodes, sizeof(**nodes));
    if (!*nodes) return mr_arena_fail(b->scratch, b->err);
    MR_TRY(grow_values(b, n_leaves * b->leaf_width));
    b->trees[b->ensemble.n_trees++] = (struct mr_tree){
        .nodes = *nodes, .n_nodes = n_nodes, .output = output};
    return MR_OK;
}

/* Model --------------------------------------------------------------------------------------- */

static mr_status build_kind(struct mr_skt_builder *b) {
    switch (b->model->type->kind) {
    case MR_SKT_TREE: return mr_skt_build_tree(b);
    case MR_SKT_FOREST: return mr_skt_build_forest(b);
    case MR_SKT_BAGGING: return mr_skt_build_bagging(b);
    case MR_SKT_ISOLATION: return mr_skt_build_isolation(b);
    case MR_SKT_ADABOOST: return mr_skt_build_adaboost(b);
    case MR_SKT_GRADIENT: return mr_skt_build_gradient(b);
    case MR_SKT_HISTOGRAM: break;
    }
    return mr_skt_build_histogram(b);
}

/* predict_proba of several targets is a list of arrays; only equal ones make one array. */
static mr_status check_targets(struct mr_skt_builder *b) {
    const struct mr_skt_model *model = b->model;
    if (model->method == MR_SK_PREDICT) return MR_OK;
    for (size_t i = 1; i < model->n_targets; i++) {
        if (model->labels[i].n != model->labels[0].n) {
            return mr_skt_refuse(b, "with probabilities of targets that differ in their classes");
        }
    }
    return MR_OK;
}

static mr_status place_columns(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    const struct mr_tree_shape *shape = mr_tree_forest_shape(model->forest);
    size_t n = model->features.n_features;
    uint32_t *by_place = mr_arena_array(b->scratch, n, sizeof(*by_place));
    uint32_t *column_of = mr_arena_array(b->arena, n, sizeof(*column_of));
    if (!by_place || !column_of) return mr_fail(b->err, MR_E_NO_MEMORY, "out of memory");
    for (size_t f = 0; f < n; f++) by_place[f] = MR_SKT_NO_COLUMN;
    for (size_t i = 0; i < shape->n_columns; i++) by_place[shape->columns[i]] = (uint32_t)i;
    for (size_t f = 0; f < n; f++) {
        column_of[f] = by_place[model->encodings ? model->encodings[f].place : f];
    }
    model->column_of = column_of;
    return MR_OK;
}

static mr_status build(struct mr_skt_builder *b, const struct mr_model_source *source) {
    mr_name_map_init(&b->sources, b->scratch);
    MR_TRY(mr_sk_open(source, b->scratch, &b->estimator, b->err));
    struct mr_skt_model *model = b->model;
    const struct mr_object *object = b->estimator.object;
    model->type = mr_skt_find_class(object->module, object->name);
    if (!model->type) {
        char type[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s yet",
                       mr_object_describe(object, type, sizeof(type)));
    }
    model->version = mr_arena_strdup(b->arena, mr_str_from(b->estimator.version.text));
    if (!model->version) return mr_arena_fail(b->arena, b->err);
    model->divisor = 1;
    MR_TRY(mr_sk_check_attributes(&b->estimator, mr_skt_attributes, mr_skt_n_attributes, b->err));
    MR_TRY(mr_engine_check_signature(source->signature, b->err));
    MR_TRY(mr_sk_choose_method(&b->estimator, source->predict_fn, model->type->methods,
                               &model->method, b->err));
    MR_TRY(mr_skt_read_features(b));
    if (model->type->is_classifier) MR_TRY(mr_skt_read_labels(b));
    MR_TRY(build_kind(b));
    MR_TRY(check_targets(b));
    b->ensemble.trees = b->trees;
    b->ensemble.values = b->values;
    b->ensemble.sets = b->sets;
    MR_TRY(mr_tree_forest_build(&b->ensemble, b->arena, b->scratch, &model->forest, b->err));
    return place_columns(b);
}

mr_status mr_skt_build(const struct mr_model_source *source, struct mr_arena *arena,
                       struct mr_arena *scratch, struct mr_skt_model **out, struct mr_error *err) {
    struct mr_skt_model *model = mr_arena_zalloc(arena, sizeof(*model));
    if (!model) return mr_arena_fail(arena, err);
    struct mr_skt_builder builder = {.signature = source->signature,
                                     .model = model,
                                     .arena = arena,
                                     .scratch = scratch,
                                     .err = err};
    MR_TRY(build(&builder, source));
    *out = model;
    return MR_OK;
}
