/* sklearn.preprocessing.OneHotEncoder (sklearn/preprocessing/_encoders.py, version 1.9.1). */
#include "engine/pipeline/encode_int.h"
#include "engine/pipeline/param.h"

#define NO_COLUMN UINT32_MAX

struct onehot {
    struct mr_encoder base;
    mr_dtype dtype;
    /* Of each feature: the column of X that is 1, or NO_COLUMN, for each of its categories and for
     * what is none of them. */
    const uint32_t *const *column_of;
};

/* Transformation ------------------------------------------------------------------------------- */

static mr_status give_sparse(const struct onehot *onehot, const uint32_t *index, size_t n_rows,
                             struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    size_t n_features = onehot->base.features.n_features, n = 0;
    struct mr_csr *csr = mr_arena_alloc(arena, sizeof(*csr));
    size_t *starts = mr_arena_array(arena, n_rows + 1, sizeof(*starts));
    uint32_t *columns = mr_arena_array(arena, n_rows, n_features * sizeof(*columns));
    double *values = mr_arena_array(arena, n_rows, n_features * sizeof(*values));
    if (!csr || !starts || !columns || !values) return mr_arena_fail(arena, err);
    starts[0] = 0;
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t f = 0; f < n_features; f++) {
            uint32_t column = onehot->column_of[f][index[f * n_rows + r]];
            if (column == NO_COLUMN) continue;
            columns[n] = column;
            values[n++] = 1;
        }
        starts[r + 1] = n;
    }
    *csr = (struct mr_csr){n_rows, onehot->base.base.n_out, onehot->dtype, starts, columns, values};
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

#define SET_ONES(type)                                                                             \
    for (size_t f = 0; f < n_features; f++) {                                                      \
        const uint32_t *column_of = onehot->column_of[f];                                          \
        for (size_t r = 0; r < n_rows; r++, index++) {                                             \
            uint32_t column = column_of[*index];                                                   \
            if (column != NO_COLUMN) ((type *)values)[r * n_out + column] = 1;                     \
        }                                                                                          \
    }                                                                                              \
    break

static mr_status give_dense(const struct onehot *onehot, const uint32_t *index, size_t n_rows,
                            struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    size_t n_features = onehot->base.features.n_features, n_out = onehot->base.base.n_out;
    size_t row_bytes = n_out * mr_dtype_size(onehot->dtype);
    void *values = mr_arena_array(arena, n_rows, row_bytes);
    if (!values) return mr_arena_fail(arena, err);
    memset(values, 0, n_rows * row_bytes);
    switch (onehot->dtype) {
    case MR_FLOAT64: SET_ONES(double);
    case MR_FLOAT32: SET_ONES(float);
    case MR_INT64: SET_ONES(int64_t);
    case MR_INT32:
    case MR_UINT32: SET_ONES(uint32_t);
    case MR_INT16:
    case MR_UINT16: SET_ONES(uint16_t);
    default: SET_ONES(uint8_t);
    }
    return mr_pipe_give_tensor(n_rows, n_out, onehot->dtype, values, arena, out, err);
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct onehot *onehot = (const struct onehot *)step;
    const uint32_t *index = NULL;
    MR_TRY(mr_encoder_find(&onehot->base, x, arena, &index, err));
    size_t n_rows = mr_pipe_n_rows(x);
    return step->gives == MR_PIPE_SPARSE ? give_sparse(onehot, index, n_rows, arena, out, err)
                                         : give_dense(onehot, index, n_rows, arena, out, err);
}

static const struct mr_pipe_step_ops onehot_ops = {.can_take = mr_encoder_can_take,
                                                   .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
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
    "feature_names_in_",
    "handle_unknown",
    "max_categories",
    "min_frequency",
    "n_features_in_",
    "sparse",
    "sparse_output",
};

/* Called `sparse` before 1.2; with both in 1.2 and 1.3, fit() leaves what counts in the new one. */
static mr_status read_gives(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            mr_pipe_kind *out) {
    bool is_sparse = false;
    bool is_new = mr_object_attr(estimator->object, "sparse_output");
    MR_TRY(mr_pipe_flag(b, estimator, is_new ? "sparse_output" : "sparse", &is_sparse));
    *out = is_sparse ? MR_PIPE_SPARSE : MR_PIPE_FRAME;
    return MR_OK;
}

/* Whether unknown values raise, and whether they join the infrequent ones where there are some. */
static mr_status read_unknown(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              bool *raises, bool *joins) {
    const char *text = NULL;
    MR_TRY(mr_sk_text(estimator, "handle_unknown", &text, b->err));
    bool is_warn = strcmp(text, "warn") == 0 && mr_sk_is_at_least(estimator, 1, 6);
    *raises = strcmp(text, "error") == 0;
    /* Until 1.8 "warn" did not do what it is documented to: _map_infrequent_categories. */
    *joins = strcmp(text, "infrequent_if_exist") == 0 ||
             (is_warn && mr_sk_is_at_least(estimator, 1, 8));
    if (*raises || *joins || is_warn || strcmp(text, "ignore") == 0) return MR_OK;
    return mr_fail(b->err, MR_E_UNSUPPORTED,
                   "no native engine for %s with handle_unknown \"%.50s\"", estimator->name, text);
}

/* The code of a feature that is dropped, of those after grouping, or NO_COLUMN. Until 1.2.1
 * drop_idx_ was what is now the other attribute. */
static mr_status read_dropped(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              size_t feature, uint32_t n_codes, uint32_t *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "_drop_idx_after_grouping");
    int64_t code;
    *out = NO_COLUMN;
    if (!object) object = mr_object_attr(estimator->object, "drop_idx_");
    if (object && object->kind == MR_OBJECT_NONE) return MR_OK;
    bool is_array = object && object->kind == MR_OBJECT_ARRAY && object->array.is_known &&
                    object->array.n_dims == 1 && object->array.dtype == MR_OBJECT &&
                    feature < (size_t)object->array.n_values;
    if (is_array) {
        const struct mr_object *item = ((const struct mr_object *const *)
                                            object->array.values)[feature];
        if (item->kind == MR_OBJECT_NONE) return MR_OK;
        if (mr_pipe_integer(item, &code) && code >= 0 && code < n_codes) {
            *out = (uint32_t)code;
            return MR_OK;
        }
    }
    return mr_fail(b->err, MR_E_FORMAT, "%s: drop_idx_ does not match categories_",
                   estimator->name);
}

/* How many columns fit() counted for a feature. */
static mr_status check_count(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             size_t feature, uint32_t n) {
    struct mr_object_list list;
    int64_t count;
    MR_TRY(mr_sk_list(estimator, "_n_features_outs", &list, b->err));
    if (feature < list.n && mr_pipe_integer(list.items[feature], &count) && count == n) {
        return MR_OK;
    }
    return mr_fail(b->err, MR_E_FORMAT, "%s: _n_features_outs does not match categories_",
                   estimator->name);
}

static mr_status read_columns(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              bool joins, struct onehot *onehot, size_t feature,
                              const uint32_t **out) {
    uint32_t n = onehot->base.categories[feature].n, first = (uint32_t)onehot->base.base.n_out;
    uint32_t *column_of = mr_arena_array(b->arena, n + 1, sizeof(*column_of));
    if (!column_of) return mr_arena_fail(b->arena, b->err);
    struct mr_encoder_groups groups;
    uint32_t dropped = NO_COLUMN;
    MR_TRY(mr_encoder_read_groups(b, estimator, feature, n, &groups));
    MR_TRY(read_dropped(b, estimator, feature, groups.n, &dropped));
    for (uint32_t i = 0; i <= n; i++) {
        uint32_t code = i < n ? groups.code_of[i] : joins ? groups.of_others : MR_CATEGORY_NONE;
        bool has_column = code != MR_CATEGORY_NONE && code != dropped;
        column_of[i] = has_column ? first + code - (code > dropped) : NO_COLUMN;
    }
    uint32_t n_columns = groups.n - (dropped != NO_COLUMN);
    MR_TRY(check_count(b, estimator, feature, n_columns));
    onehot->base.base.n_out += n_columns; /* at most as many as there are categories */
    *out = column_of;
    return MR_OK;
}

mr_status mr_onehot_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    struct mr_encoder *encoder = NULL;
    MR_TRY(mr_encoder_new(b, estimator, &onehot_ops, sizeof(struct onehot), takes, n_in, &encoder));
    struct onehot *onehot = (struct onehot *)encoder;
    bool joins = false;
    MR_TRY(read_gives(b, estimator, &encoder->base.gives));
    MR_TRY(read_unknown(b, estimator, &encoder->raises_unknown, &joins));
    MR_TRY(mr_encoder_read_dtype(b, estimator, &onehot->dtype));
    size_t n_features = encoder->features.n_features;
    const uint32_t **column_of = mr_arena_array(b->arena, n_features, sizeof(*column_of));
    if (!column_of) return mr_arena_fail(b->arena, b->err);
    encoder->base.n_out = 0;
    for (size_t f = 0; f < n_features; f++) {
        MR_TRY(read_columns(b, estimator, joins, onehot, f, &column_of[f]));
    }
    onehot->column_of = column_of;
    *out = &encoder->base;
    return encoder->base.n_out ? MR_OK : mr_sk_refuse(estimator, "that gives no columns", b->err);
}
