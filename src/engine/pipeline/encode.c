#include "engine/pipeline/encode_int.h"

#include <stdio.h>

#include "engine/cell.h"

/* Building ------------------------------------------------------------------------------------- */

/* Texts are taken too. */
static mr_status check_kind(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            mr_pipe_kind takes) {
    return takes == MR_PIPE_OBJECTS ? MR_OK : mr_pipe_check_dense(b, estimator, takes);
}

static mr_status read_categories(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 size_t n_features, const struct mr_categories **out) {
    struct mr_object_list list;
    MR_TRY(mr_sk_list(estimator, "categories_", &list, b->err));
    if (list.n != n_features) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: categories_ has %zu arrays for %zu features",
                       estimator->name, list.n, n_features);
    }
    struct mr_categories *categories = mr_arena_array(b->arena, list.n, sizeof(*categories));
    if (!categories) return mr_arena_fail(b->arena, b->err);
    size_t n_all = 0;
    for (size_t i = 0; i < list.n; i++) {
        MR_TRY(mr_categories_read(estimator, list.items[i], b->arena, &categories[i], b->err));
        categories[i].is_missing_text_nan = b->is_missing_text_nan;
        n_all += categories[i].n;
        if (n_all > MR_PIPE_MAX_COLUMNS) { /* an array may be in the list more than once */
            return mr_sk_refuse(estimator, "of so many categories", b->err);
        }
    }
    *out = categories;
    return MR_OK;
}

mr_status mr_encoder_new(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                         const struct mr_pipe_step_ops *ops, size_t size, mr_pipe_kind takes,
                         size_t n_in, struct mr_encoder **out) {
    size_t n_features = 0;
    MR_TRY(check_kind(b, estimator, takes));
    MR_TRY(mr_pipe_count_features(b, estimator, n_in, &n_features));
    struct mr_encoder *encoder = mr_pipe_new_step(b, estimator, ops, size, takes, n_features);
    if (!encoder) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_sk_read_features(estimator, n_features, b->arena, &encoder->features, b->err));
    encoder->base.is_choosy = takes == MR_PIPE_FRAME;
    encoder->features.dtype = MR_SK_FLOATS; /* numbers are not read by it: no dtype is refused */
    MR_TRY(read_categories(b, estimator, n_features, &encoder->categories));
    *out = encoder;
    return MR_OK;
}

mr_status mr_encoder_read_dtype(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                mr_dtype *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "dtype");
    struct mr_str name = {0};
    if (object && object->kind == MR_OBJECT_GLOBAL && mr_str_is(object->module, "numpy")) {
        name = object->name;
    } else if (object && object->kind == MR_OBJECT_GLOBAL &&
               mr_object_is(object, "builtins", "float")) {
        name = mr_str_from("float64");
    } else if (object && object->kind == MR_OBJECT_GLOBAL &&
               mr_object_is(object, "builtins", "int")) {
        name = mr_str_from("int64");
    } else if (object && object->kind == MR_OBJECT_STR) {
        name = object->text;
    }
    if (mr_dtype_find(name, out) && *out != MR_BOOL && mr_pipe_is_number(*out)) return MR_OK;
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with the dtype %s yet",
                   estimator->name, mr_object_describe(object, text, sizeof(text)));
}

/* Infrequent categories ------------------------------------------------------------------------ */

static mr_status refuse_groups(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator) {
    return mr_fail(b->err, MR_E_FORMAT,
                   "%s: what it says of infrequent categories does not match categories_",
                   estimator->name);
}

/* Item `feature` of a list with one entry for each feature: an array of integers, or None. */
static mr_status read_array(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const char *attribute, size_t feature, const struct mr_ndarray **out) {
    struct mr_object_list list;
    MR_TRY(mr_sk_list(estimator, attribute, &list, b->err));
    *out = NULL;
    if (feature >= list.n) return refuse_groups(b, estimator);
    const struct mr_object *item = list.items[feature];
    if (item->kind == MR_OBJECT_NONE) return MR_OK;
    bool is_array = item->kind == MR_OBJECT_ARRAY && item->array.is_known &&
                    item->array.n_dims == 1 && item->array.n_values > 0;
    if (!is_array) return refuse_groups(b, estimator);
    *out = &item->array;
    return MR_OK;
}

/* Before 1.3 only OneHotEncoder had infrequent categories, and the attribute. */
static mr_status read_is_grouped(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 bool *out) {
    *out = false;
    bool is_there = mr_object_attr(estimator->object, "_infrequent_enabled");
    if (!is_there && !mr_sk_is_at_least(estimator, 1, 3)) return MR_OK;
    return mr_pipe_flag(b, estimator, "_infrequent_enabled", out);
}

static mr_status read_codes(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const struct mr_ndarray *mapping, const struct mr_ndarray *infrequent,
                            struct mr_encoder_groups *out) {
    int64_t n = mapping->n_values, code, first;
    if (infrequent->n_values > n || !mr_sk_integer_at(infrequent, 0, &first) || first < 0 ||
        first >= n) {
        return refuse_groups(b, estimator);
    }
    out->n = (uint32_t)(n - infrequent->n_values + 1);
    for (int64_t i = 0; i < n; i++) {
        if (!mr_sk_integer_at(mapping, i, &code) || code < 0 || code >= out->n) {
            return refuse_groups(b, estimator);
        }
        out->code_of[i] = (uint32_t)code;
    }
    out->of_others = out->code_of[first];
    return MR_OK;
}

mr_status mr_encoder_read_groups(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 size_t feature, uint32_t n, struct mr_encoder_groups *out) {
    bool is_grouped = false;
    *out = (struct mr_encoder_groups){.n = n, .of_others = MR_CATEGORY_NONE};
    out->code_of = mr_arena_array(b->scratch, n, sizeof(*out->code_of));
    if (!out->code_of) return mr_arena_fail(b->scratch, b->err);
    for (uint32_t i = 0; i < n; i++) out->code_of[i] = i;
    MR_TRY(read_is_grouped(b, estimator, &is_grouped));
    if (!is_grouped) return MR_OK;
    const struct mr_ndarray *mapping, *infrequent;
    MR_TRY(read_array(b, estimator, "_default_to_infrequent_mappings", feature, &mapping));
    MR_TRY(read_array(b, estimator, "_infrequent_indices", feature, &infrequent));
    if (!mapping && !infrequent) return MR_OK;
    if (!mapping || !infrequent || mapping->n_values != (int64_t)n) {
        return refuse_groups(b, estimator);
    }
    return read_codes(b, estimator, mapping, infrequent, out);
}

/* X -------------------------------------------------------------------------------------------- */

bool mr_encoder_can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                         struct mr_arena *arena, const char **reason) {
    const struct mr_encoder *encoder = (const struct mr_encoder *)step;
    (void)arena;
    bool is_tensor = x->input.kind != MR_INPUT_TABLE;
    if ((is_tensor && x->input.tensors[0].n_dims != 2) ||
        mr_pipe_n_cols(x) != encoder->features.n_features) {
        return true; /* of no dtype will it be answered */
    }
    for (size_t i = 0; i < encoder->features.n_features; i++) {
        struct mr_cells cells = mr_cells_of(x, i);
        if (!mr_categories_can_take(&encoder->categories[i], &cells, encoder->uses_unknown, reason))
            return false;
    }
    return true;
}

/* Names and count of columns. What a step gives has no names. */
static mr_status check_columns(const struct mr_encoder *encoder, const struct mr_pipe_x *x,
                               struct mr_arena *arena, struct mr_error *err) {
    struct mr_sk_features features;
    if (x->kind == MR_PIPE_FRAME) {
        return mr_sk_features_init(&encoder->features, &x->input, arena, &features, err);
    }
    if (mr_pipe_n_cols(x) == encoder->features.n_features) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST, "%s expects %zu features, received %zu",
                   encoder->base.name, encoder->features.n_features, mr_pipe_n_cols(x));
}

static const char *describe(const struct mr_cells *cells, size_t row, char *out, size_t size) {
    double number;
    if (cells->dtype == MR_STRING) {
        const int64_t *offsets = cells->column->offsets;
        struct mr_str text = {cells->column->bytes + offsets[row],
                              (size_t)(offsets[row + 1] - offsets[row])};
        if (!mr_column_is_valid(cells->column, (int64_t)row)) return "a missing text";
        snprintf(out, size, "\"%.*s\"", MR_STR_ARGS(text));
    } else if (mr_cell_of_array(cells->dtype, cells->values + row * cells->stride, 0, &number)) {
        snprintf(out, size, "%.17g", number);
    }
    return out;
}

static mr_status fail_value(const struct mr_encoder *encoder, const struct mr_cells *cells,
                            size_t feature, size_t row, const char *expected,
                            struct mr_error *err) {
    char text[256] = "";
    const char *received = describe(cells, row, text, sizeof(text));
    struct mr_str name = cells->column ? cells->column->name : (struct mr_str){0};
    if (name.size == 0) {
        return mr_fail(err, MR_E_BAD_REQUEST, "row %zu, feature %zu: %s expects %s, received %s",
                       row, feature, encoder->base.name, expected, received);
    }
    return mr_fail(err, MR_E_BAD_REQUEST, "column \"%.*s\", row %zu: %s expects %s, received %s",
                   MR_STR_ARGS(name), row, encoder->base.name, expected, received);
}

static mr_status find_column(const struct mr_encoder *encoder, const struct mr_pipe_x *x,
                             size_t feature, uint32_t *index, struct mr_error *err) {
    const struct mr_categories *categories = &encoder->categories[feature];
    struct mr_cells cells = mr_cells_of(x, feature);
    const char *reason = NULL;
    if (!mr_categories_can_take(categories, &cells, encoder->uses_unknown, &reason)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "%s: feature %zu is %s", encoder->base.name, feature,
                       reason); /* not reached where can_take was asked */
    }
    size_t n_found = mr_categories_find(categories, &cells, index);
    if (n_found < cells.n_rows) {
        return fail_value(encoder, &cells, feature, n_found, "a finite number or NaN", err);
    }
    if (!encoder->raises_unknown) return MR_OK;
    for (size_t r = 0; r < cells.n_rows; r++) {
        if (index[r] < categories->n) continue;
        char expected[64];
        snprintf(expected, sizeof(expected), "one of its %u categories", categories->n);
        return fail_value(encoder, &cells, feature, r, expected, err);
    }
    return MR_OK;
}

mr_status mr_encoder_find(const struct mr_encoder *encoder, const struct mr_pipe_x *x,
                          struct mr_arena *arena, const uint32_t **out, struct mr_error *err) {
    MR_TRY(check_columns(encoder, x, arena, err));
    size_t n_rows = mr_pipe_n_rows(x), n_features = encoder->features.n_features;
    uint32_t *index = mr_arena_array(arena, n_rows, n_features * sizeof(*index));
    if (!index) return mr_arena_fail(arena, err);
    for (size_t f = 0; f < n_features; f++) {
        MR_TRY(find_column(encoder, x, f, index + f * n_rows, err));
    }
    *out = index;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_encode_classes[] = {
    {"sklearn.preprocessing._encoders", "OneHotEncoder", mr_onehot_build},
    {"sklearn.preprocessing._encoders", "OrdinalEncoder", mr_ordinal_build},
    {"sklearn.preprocessing._target_encoder", "TargetEncoder", mr_target_build},
    {0},
};
