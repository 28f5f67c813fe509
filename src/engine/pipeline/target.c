/* sklearn.preprocessing.TargetEncoder (sklearn/preprocessing/_target_encoder.py, version 1.9.1). */
#include "engine/pipeline/encode_int.h"

struct target {
    struct mr_encoder base;
    size_t n_classes; /* columns for each feature: 1, or those of target_type_ "multiclass" */
    /* Column k of feature f is [f * n_classes + k]: what each category becomes, and what is none.
     */
    const double *const *encodings;
};

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct target *target = (const struct target *)step;
    const uint32_t *index = NULL;
    MR_TRY(mr_encoder_find(&target->base, x, arena, &index, err));
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_new_numbers(mr_pipe_n_rows(x), step->n_out, false, arena, &numbers, err));
    for (size_t c = 0; c < numbers.n_cols; c++) {
        const uint32_t *from = index + c / target->n_classes * numbers.n_rows;
        const double *encoding = target->encodings[c];
        double *to = numbers.values + c;
        for (size_t r = 0; r < numbers.n_rows; r++) to[r * numbers.n_cols] = encoding[from[r]];
    }
    return mr_pipe_give_numbers(&numbers, arena, out, err);
}

static const struct mr_pipe_step_ops target_ops = {.can_take = mr_encoder_can_take,
                                                   .transform = transform};

static const char *const attributes[] = {
    "_infrequent_enabled",
    "_sklearn_output_config",
    "_sklearn_version",
    "categories",
    "categories_",
    "classes_",
    "cv",
    "encodings_",
    "feature_names_in_",
    "n_features_in_",
    "random_state",
    "shuffle",
    "smooth",
    "target_mean_",
    "target_type",
    "target_type_",
};

/* target_mean_, which unknown values become: one number, or one of each class. */
static mr_status read_means(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            struct target *target, const double **out) {
    const char *type = NULL;
    MR_TRY(mr_sk_text(estimator, "target_type_", &type, b->err));
    if (strcmp(type, "multiclass") == 0) {
        const struct mr_ndarray *array = NULL;
        MR_TRY(mr_sk_float_array(estimator, "target_mean_", &array, b->err));
        target->n_classes = (size_t)array->n_values;
        return mr_pipe_vector(b, estimator, "target_mean_", target->n_classes, out);
    }
    if (strcmp(type, "binary") != 0 && strcmp(type, "continuous") != 0) {
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "no native engine for %s of a target that is %.50s", estimator->name, type);
    }
    double *mean = mr_arena_alloc(b->arena, sizeof(*mean));
    if (!mean) return mr_arena_fail(b->arena, b->err);
    target->n_classes = 1;
    *out = mean;
    return mr_sk_number(estimator, "target_mean_", mean, b->err);
}

static mr_status read_encoding(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct mr_object *object, uint32_t n, double mean,
                               const double **out) {
    bool is_array = object->kind == MR_OBJECT_ARRAY && object->array.is_known &&
                    object->array.dtype == MR_FLOAT64 && object->array.n_dims == 1 &&
                    object->array.n_values == (int64_t)n;
    if (!is_array) {
        return mr_fail(
            b->err, MR_E_FORMAT,
            "%s: encodings_ has something else than an array of float64 of %u categories",
            estimator->name, n);
    }
    double *encoding = mr_arena_array(b->arena, n + 1, sizeof(*encoding));
    if (!encoding) return mr_arena_fail(b->arena, b->err);
    memcpy(encoding, object->array.values, n * sizeof(*encoding));
    encoding[n] = mean;
    *out = encoding;
    return MR_OK;
}

static mr_status read_encodings(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                struct target *target) {
    struct mr_object_list list;
    const double *means = NULL;
    size_t n_features = target->base.features.n_features, n_out;
    MR_TRY(read_means(b, estimator, target, &means));
    MR_TRY(mr_sk_list(estimator, "encodings_", &list, b->err));
    if (__builtin_mul_overflow(n_features, target->n_classes, &n_out) || list.n != n_out ||
        n_out > MR_PIPE_MAX_COLUMNS) {
        return mr_fail(b->err, MR_E_FORMAT,
                       "%s: encodings_ has %zu arrays for %zu features and %zu classes",
                       estimator->name, list.n, n_features, target->n_classes);
    }
    const double **encodings = mr_arena_array(b->arena, n_out, sizeof(*encodings));
    if (!encodings) return mr_arena_fail(b->arena, b->err);
    size_t n_all = 0;
    for (size_t c = 0; c < n_out; c++) {
        uint32_t n = target->base.categories[c / target->n_classes].n;
        n_all += n;
        if (n_all > MR_PIPE_MAX_COLUMNS) {
            return mr_sk_refuse(estimator, "of so many categories", b->err);
        }
        MR_TRY(read_encoding(b, estimator, list.items[c], n, means[c % target->n_classes],
                             &encodings[c]));
    }
    target->base.base.n_out = n_out;
    target->encodings = encodings;
    return MR_OK;
}

mr_status mr_target_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    struct mr_encoder *encoder = NULL;
    MR_TRY(mr_encoder_new(b, estimator, &target_ops, sizeof(struct target), takes, n_in, &encoder));
    encoder->uses_unknown = true; /* _transform_X_ordinal takes all encodings before the mask */
    bool is_grouped = false;
    MR_TRY(mr_pipe_flag(b, estimator, "_infrequent_enabled", &is_grouped));
    if (is_grouped) return mr_sk_refuse(estimator, "of infrequent categories", b->err);
    MR_TRY(read_encodings(b, estimator, (struct target *)encoder));
    *out = &encoder->base;
    return MR_OK;
}
