/* sklearn.preprocessing.KBinsDiscretizer (sklearn/preprocessing/_discretization.py, versions 1.1.3
 * to 1.9.1: transform). Its OneHotEncoder was made with the numbers of the bins as categories, and
 * is only checked for that. */
#include <math.h>

#include "engine/pipeline/param.h"
#include "engine/pipeline/stack.h"

/* Bins of a feature have numbers that a float32 holds. */
#define MAX_BINS ((size_t)1 << 24)

typedef enum encoding { ENCODE_ORDINAL, ENCODE_DENSE, ENCODE_SPARSE } encoding;

/* The bins of a feature, and the place of the first one among the columns. */
struct bins {
    size_t n_edges;      /* between bins: without the first and the last of all */
    const double *edges; /* ascending */
    size_t first;
};

struct discretizer {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features;
    encoding encoding;
    const struct bins *bins; /* of each feature */
    bool is_float64;         /* dtype=numpy.float64; with float32 the features are rounded */
};

/* Transformation ------------------------------------------------------------------------------- */

/* transform() writes into an array that shares memory with pandas' columns when all of them are
 * booleans, and pandas 3 forbids that. */
static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    (void)step;
    (void)arena;
    *reason = "columns of nothing but booleans, of which bins depend on the version of pandas";
    if (x->input.kind == MR_INPUT_TABLE && mr_pipe_result_type(x) == MR_BOOL) return false;
    return mr_pipe_are_numbers(x, reason);
}

/* numpy.searchsorted(edges, value, side="right"): edges of float64 or float32 are compared as
 * doubles, whatever the dtype of the value. */
static size_t find_bin(const struct bins *bins, double value) {
    size_t first = 0, n = bins->n_edges;
    while (n > 0) {
        size_t half = n / 2;
        bool is_above = bins->edges[first + half] <= value;
        first = is_above ? first + half + 1 : first;
        n = is_above ? n - half - 1 : half;
    }
    return first;
}

static mr_status give_sparse(const struct discretizer *discretizer, const struct mr_pipe_numbers *x,
                             struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    size_t n_items = x->n_rows * x->n_cols;
    struct mr_csr *csr = mr_arena_alloc(arena, sizeof(*csr));
    size_t *starts = mr_arena_array(arena, x->n_rows + 1, sizeof(*starts));
    uint32_t *columns = mr_arena_array(arena, n_items, sizeof(*columns));
    if (!csr || !starts || !columns) return mr_arena_fail(arena, err);
    for (size_t r = 0; r <= x->n_rows; r++) starts[r] = r * x->n_cols;
    for (size_t i = 0; i < n_items; i++) {
        const struct bins *bins = &discretizer->bins[i % x->n_cols];
        columns[i] = (uint32_t)(bins->first + find_bin(bins, x->values[i]));
        x->values[i] = 1;
    }
    *csr = (struct mr_csr){x->n_rows,
                           discretizer->base.n_out,
                           x->is_float32 ? MR_FLOAT32 : MR_FLOAT64,
                           starts,
                           columns,
                           x->values};
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

static mr_status give_dense(const struct discretizer *discretizer, const struct mr_pipe_numbers *x,
                            struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    size_t n_out = discretizer->base.n_out;
    struct mr_pipe_numbers to;
    MR_TRY(mr_pipe_new_numbers(x->n_rows, n_out, x->is_float32, arena, &to, err));
    memset(to.values, 0, x->n_rows * n_out * sizeof(*to.values));
    for (size_t r = 0; r < x->n_rows; r++) {
        for (size_t f = 0; f < x->n_cols; f++) {
            const struct bins *bins = &discretizer->bins[f];
            size_t bin = find_bin(bins, x->values[r * x->n_cols + f]);
            to.values[r * n_out + bins->first + bin] = 1;
        }
    }
    return mr_pipe_give_numbers(&to, arena, out, err);
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct discretizer *discretizer = (const struct discretizer *)step;
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_read_numbers(&discretizer->features, x, arena, &numbers, err));
    if (discretizer->is_float64) numbers.is_float32 = false;
    if (discretizer->features.dtype == MR_SK_FLOAT32) numbers.is_float32 = true;
    switch (discretizer->encoding) {
    case ENCODE_SPARSE: return give_sparse(discretizer, &numbers, arena, out, err);
    case ENCODE_DENSE: return give_dense(discretizer, &numbers, arena, out, err);
    case ENCODE_ORDINAL: break;
    }
    size_t n = numbers.n_rows * numbers.n_cols;
    for (size_t i = 0; i < n; i++) {
        const struct bins *bins = &discretizer->bins[i % numbers.n_cols];
        numbers.values[i] = (double)find_bin(bins, numbers.values[i]);
    }
    return mr_pipe_give_numbers(&numbers, arena, out, err);
}

static const struct mr_pipe_step_ops discretizer_ops = {.can_take = can_take,
                                                        .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_encoder",        "_sklearn_output_config", "_sklearn_version", "bin_edges_", "dtype",
    "encode",          "feature_names_in_",      "n_bins",           "n_bins_",    "n_features_in_",
    "quantile_method", "random_state",           "strategy",         "subsample",
};
static const char *const encoder_attributes[] = {
    "_default_to_infrequent_mappings",
    "_drop_idx_after_grouping",
    "_infrequent_enabled",
    "_infrequent_indices",
    "_n_features_outs",
    "_sklearn_output_config",
    "_sklearn_version",
    "categories",
    "categories_",
    "drop",
    "drop_idx_",
    "dtype",
    "feature_name_combiner",
    "handle_unknown",
    "max_categories",
    "min_frequency",
    "n_features_in_",
    "sparse",
    "sparse_output",
};

static mr_status fail_edges(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            size_t feature) {
    return mr_fail(b->err, MR_E_UNSUPPORTED,
                   "%s: bin_edges_[%zu] should be an ascending array of numbers", estimator->name,
                   feature);
}

/* bin_edges_[feature][1:-1]. */
static mr_status read_edges(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const struct mr_object *object, size_t feature, struct bins *bins) {
    const struct mr_ndarray *array = &object->array;
    if (object->kind != MR_OBJECT_ARRAY || !array->is_known || array->n_dims != 1 ||
        (array->dtype != MR_FLOAT32 && array->dtype != MR_FLOAT64) || array->n_values < 1 ||
        (uint64_t)array->n_values > MAX_BINS) {
        return fail_edges(b, estimator, feature);
    }
    const double *edges = NULL;
    MR_TRY(mr_sk_copy_doubles(array, b->arena, &edges, b->err));
    if (array->n_values < 3) return MR_OK;
    bins->edges = edges + 1;
    bins->n_edges = (size_t)array->n_values - 2;
    for (size_t i = 0; i < bins->n_edges; i++) {
        if (isnan(bins->edges[i]) || (i > 0 && bins->edges[i] < bins->edges[i - 1])) {
            return fail_edges(b, estimator, feature);
        }
    }
    return MR_OK;
}

static mr_status read_bins(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           struct discretizer *discretizer) {
    const struct mr_object *object = mr_object_attr(estimator->object, "bin_edges_");
    size_t n = discretizer->features.n_features, n_columns = 0;
    if (!object || object->kind != MR_OBJECT_ARRAY || !object->array.is_known ||
        object->array.dtype != MR_OBJECT || object->array.n_dims != 1 ||
        object->array.n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: bin_edges_ is no array of %zu arrays",
                       estimator->name, n);
    }
    struct bins *bins = mr_arena_zalloc(b->arena, n * sizeof(*bins));
    if (!bins) return mr_arena_fail(b->arena, b->err);
    for (size_t f = 0; f < n; f++) {
        const struct mr_object *edges = ((const struct mr_object *const *)object->array.values)[f];
        MR_TRY(read_edges(b, estimator, edges, f, &bins[f]));
        bins[f].first = n_columns;
        n_columns += bins[f].n_edges + 1;
    }
    discretizer->bins = bins;
    if (discretizer->encoding != ENCODE_ORDINAL) discretizer->base.n_out = n_columns;
    if (n_columns <= MR_PIPE_MAX_COLUMNS) return MR_OK;
    return mr_sk_refuse(estimator, "of so many bins", b->err);
}

/* Whether an array is 0, 1, 2, ... n - 1. */
static bool is_range(const struct mr_object *object, size_t n) {
    const struct mr_ndarray *array = &object->array;
    if (object->kind != MR_OBJECT_ARRAY || !array->is_known || array->n_values != (int64_t)n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t integer;
        bool is_same = array->dtype == MR_FLOAT64
                           ? ((const double *)array->values)[i] == (double)i
                           : mr_sk_integer_at(array, (int64_t)i, &integer) && integer == (int64_t)i;
        if (!is_same) return false;
    }
    return true;
}

/* The encoder gives each bin a column. Its handle_unknown does not matter. */
static mr_status check_encoder(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct discretizer *discretizer) {
    const struct mr_object *object = mr_object_attr(estimator->object, "_encoder");
    struct mr_sk_estimator encoder;
    MR_TRY(mr_sk_inside(estimator, object, b->arena, &encoder, b->err));
    if (!mr_object_is(object, "sklearn.preprocessing._encoders", "OneHotEncoder")) {
        return mr_sk_refuse(estimator, "with such an encoder", b->err);
    }
    MR_TRY(mr_pipe_check_attributes(b, &encoder, encoder_attributes,
                                    sizeof(encoder_attributes) / sizeof(*encoder_attributes)));
    static const char *const unset[] = {"_drop_idx_after_grouping", "drop", "drop_idx_",
                                        "max_categories", "min_frequency"};
    for (size_t i = 0; i < sizeof(unset) / sizeof(*unset); i++) {
        const struct mr_object *value = mr_object_attr(object, unset[i]);
        if (!value || value->kind == MR_OBJECT_NONE) continue;
        return mr_sk_refuse(estimator, "whose encoder leaves out bins", b->err);
    }
    bool is_sparse = false; /* renamed in 1.2 */
    bool is_renamed = mr_object_attr(object, "sparse_output");
    MR_TRY(mr_pipe_flag(b, &encoder, is_renamed ? "sparse_output" : "sparse", &is_sparse));
    struct mr_object_list categories;
    MR_TRY(mr_sk_list(&encoder, "categories_", &categories, b->err));
    size_t n = discretizer->features.n_features;
    bool is_matched = categories.n == n && is_sparse == (discretizer->encoding == ENCODE_SPARSE);
    for (size_t f = 0; is_matched && f < n; f++) {
        is_matched = is_range(categories.items[f], discretizer->bins[f].n_edges + 1);
    }
    if (is_matched) return MR_OK;
    return mr_sk_refuse(estimator, "whose encoder has other categories than its bins", b->err);
}

static mr_status read_encoding(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               struct discretizer *discretizer) {
    static const char *const names[] = {
        [ENCODE_ORDINAL] = "ordinal", [ENCODE_DENSE] = "onehot-dense", [ENCODE_SPARSE] = "onehot"};
    const struct mr_object *object = mr_object_attr(estimator->object, "encode");
    size_t n = sizeof(names) / sizeof(*names), i = 0;
    while (i < n && !mr_object_is_str(object, names[i])) i++;
    if (i == n) return mr_pipe_fail_param(b, estimator, "encode", "the name of an encoding");
    discretizer->encoding = (encoding)i;
    if (discretizer->encoding == ENCODE_SPARSE) discretizer->base.gives = MR_PIPE_SPARSE;
    return MR_OK;
}

static mr_status read_dtype(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            struct discretizer *discretizer) {
    const struct mr_object *object = mr_object_attr(estimator->object, "dtype");
    discretizer->features.dtype = MR_SK_FLOATS;
    if (object && object->kind == MR_OBJECT_NONE) return MR_OK;
    bool is_type = object && object->kind == MR_OBJECT_GLOBAL;
    discretizer->is_float64 = is_type && mr_object_is(object, "numpy", "float64");
    if (discretizer->is_float64) return MR_OK;
    if (!is_type || !mr_object_is(object, "numpy", "float32")) {
        return mr_pipe_fail_param(b, estimator, "dtype", "None, numpy.float32 or numpy.float64");
    }
    discretizer->features.dtype = MR_SK_FLOAT32;
    return MR_OK;
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    size_t n = 0;
    MR_TRY(mr_pipe_count_features(b, estimator, n_in, &n));
    struct discretizer *discretizer = mr_pipe_new_step(b, estimator, &discretizer_ops,
                                                       sizeof(*discretizer), takes, n);
    if (!discretizer) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_sk_read_features(estimator, n, b->arena, &discretizer->features, b->err));
    MR_TRY(read_dtype(b, estimator, discretizer));
    MR_TRY(read_encoding(b, estimator, discretizer));
    MR_TRY(read_bins(b, estimator, discretizer));
    if (discretizer->encoding != ENCODE_ORDINAL) MR_TRY(check_encoder(b, estimator, discretizer));
    *out = &discretizer->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_bins_classes[] = {
    {"sklearn.preprocessing._discretization", "KBinsDiscretizer", build},
    {0},
};
