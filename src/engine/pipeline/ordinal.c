/* sklearn.preprocessing.OrdinalEncoder (sklearn/preprocessing/_encoders.py, version 1.9.1). */
#include <math.h>

#include "engine/pipeline/encode_int.h"
#include "engine/pipeline/param.h"

struct ordinal {
    struct mr_encoder base;
    mr_dtype dtype;
    /* Of each feature: what each of its categories becomes, and what is none of them. Of the dtype.
     */
    const void *const *codes_of;
};

/* What stands for values without a code. */
struct special {
    bool has_unknown;
    double unknown, missing;
};

/* Transformation ------------------------------------------------------------------------------- */

#define TAKE(type)                                                                                 \
    for (size_t f = 0; f < n_features; f++) {                                                      \
        const type *codes = ordinal->codes_of[f];                                                  \
        type *to = (type *)values + f;                                                             \
        for (size_t r = 0; r < n_rows; r++, index++) to[r * n_features] = codes[*index];           \
    }                                                                                              \
    break

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct ordinal *ordinal = (const struct ordinal *)step;
    const uint32_t *index = NULL;
    MR_TRY(mr_encoder_find(&ordinal->base, x, arena, &index, err));
    size_t n_rows = mr_pipe_n_rows(x), n_features = step->n_out;
    size_t size = mr_dtype_size(ordinal->dtype);
    void *values = mr_arena_array(arena, n_rows, n_features * size);
    if (!values) return mr_arena_fail(arena, err);
    switch (size) {
    case 8: TAKE(uint64_t);
    case 4: TAKE(uint32_t);
    case 2: TAKE(uint16_t);
    default: TAKE(uint8_t);
    }
    return mr_pipe_give_tensor(n_rows, n_features, ordinal->dtype, values, arena, out, err);
}

static const struct mr_pipe_step_ops ordinal_ops = {.can_take = mr_encoder_can_take,
                                                    .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_default_to_infrequent_mappings",
    "_infrequent_enabled",
    "_infrequent_indices",
    "_missing_indices",
    "_sklearn_output_config",
    "_sklearn_version",
    "categories",
    "categories_",
    "dtype",
    "encoded_missing_value",
    "feature_names_in_",
    "handle_unknown",
    "max_categories",
    "min_frequency",
    "n_features_in_",
    "unknown_value",
};

/* Store a number as the dtype has it; false: it has no such number, or not for sure. */
static bool write_code(mr_dtype dtype, void *to, double value) {
    if (fabs(value) >= 0x1p53) return false; /* of an integer: it may have been rounded */
    if (dtype == MR_FLOAT64) {
        *(double *)to = value;
        return true;
    }
    if (dtype == MR_FLOAT32) {
        *(float *)to = (float)value;
        return true;
    }
    size_t size = mr_dtype_size(dtype);
    bool is_signed = mr_dtype_kind(dtype) == 'i';
    double limit = ldexp(1, (int)size * 8 - is_signed), lowest = is_signed ? -limit : 0;
    if (!(value == floor(value) && value >= lowest && value < limit)) return false;
    int64_t integer = (int64_t)value;
    memcpy(to, &integer, size); /* the machine is little-endian: loader/ndarray.h */
    return true;
}

static mr_status read_special(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              struct special *out) {
    const char *text = NULL;
    MR_TRY(mr_sk_text(estimator, "handle_unknown", &text, b->err));
    MR_TRY(mr_sk_number(estimator, "encoded_missing_value", &out->missing, b->err));
    out->has_unknown = strcmp(text, "use_encoded_value") == 0;
    if (out->has_unknown) return mr_sk_number(estimator, "unknown_value", &out->unknown, b->err);
    if (strcmp(text, "error") == 0) return MR_OK;
    return mr_fail(b->err, MR_E_UNSUPPORTED,
                   "no native engine for %s with handle_unknown \"%.50s\"", estimator->name, text);
}

/* _missing_indices: where NaN is, of the features that have it. */
static mr_status check_missing(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct mr_encoder *encoder) {
    const struct mr_object *missing = mr_object_attr(estimator->object, "_missing_indices");
    size_t n_features = encoder->features.n_features, n_found = 0, n_nan = 0;
    bool *is_found = mr_arena_zalloc(b->scratch, n_features);
    if (!is_found) return mr_arena_fail(b->scratch, b->err);
    for (size_t f = 0; f < n_features; f++) n_nan += encoder->categories[f].nan != MR_CATEGORY_NONE;
    size_t n_items = missing && missing->kind == MR_OBJECT_DICT ? missing->dict.n : SIZE_MAX;
    for (size_t i = 0; i < n_items && n_items <= n_features; i++) {
        int64_t feature, index;
        if (!mr_pipe_integer(missing->dict.keys[i], &feature) || feature < 0 ||
            (uint64_t)feature >= n_features || is_found[feature] ||
            !mr_pipe_integer(missing->dict.values[i], &index) ||
            index != encoder->categories[feature].nan) {
            break;
        }
        is_found[feature] = true;
        n_found++;
    }
    if (n_found == n_items && n_found == n_nan) return MR_OK;
    return mr_fail(b->err, MR_E_FORMAT, "%s: _missing_indices does not match categories_",
                   estimator->name);
}

static mr_status read_codes(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const struct special *special, const struct ordinal *ordinal,
                            size_t feature, const void **out) {
    const struct mr_categories *categories = &ordinal->base.categories[feature];
    uint32_t n = categories->n, n_counted = n - (categories->nan != MR_CATEGORY_NONE);
    size_t size = mr_dtype_size(ordinal->dtype);
    char *codes = mr_arena_array(b->arena, n + 1, size);
    if (!codes) return mr_arena_fail(b->arena, b->err);
    struct mr_encoder_groups groups;
    MR_TRY(mr_encoder_read_groups(b, estimator, feature, n_counted, &groups));
    for (uint32_t i = 0; i <= n; i++) {
        double code = i < n_counted ? groups.code_of[i]
                      : i < n       ? special->missing
                                    : special->unknown;
        if (i == n && !special->has_unknown) code = 0; /* not reached */
        if (write_code(ordinal->dtype, codes + i * size, code)) continue;
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with the code %g in %s",
                       estimator->name, code, mr_dtype_name(ordinal->dtype));
    }
    *out = codes;
    return MR_OK;
}

mr_status mr_ordinal_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    struct mr_encoder *encoder = NULL;
    MR_TRY(
        mr_encoder_new(b, estimator, &ordinal_ops, sizeof(struct ordinal), takes, n_in, &encoder));
    struct ordinal *ordinal = (struct ordinal *)encoder;
    struct special special = {0};
    MR_TRY(read_special(b, estimator, &special));
    MR_TRY(mr_encoder_read_dtype(b, estimator, &ordinal->dtype));
    MR_TRY(check_missing(b, estimator, encoder));
    encoder->raises_unknown = !special.has_unknown;
    size_t n_features = encoder->features.n_features;
    const void **codes_of = mr_arena_array(b->arena, n_features, sizeof(*codes_of));
    if (!codes_of) return mr_arena_fail(b->arena, b->err);
    for (size_t f = 0; f < n_features; f++) {
        MR_TRY(read_codes(b, estimator, &special, ordinal, f, &codes_of[f]));
    }
    ordinal->codes_of = codes_of;
    *out = &encoder->base;
    return MR_OK;
}
