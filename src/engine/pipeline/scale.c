/* sklearn.preprocessing's StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler: operations
 * of X with a number per feature, one after the other (sklearn/preprocessing/_data.py,
 * versions 1.1.3 to 1.9.1). */
#include <math.h>

#include "engine/pipeline/floats.h"

/* Transformation ------------------------------------------------------------------------------- */

typedef enum operation_kind {
    OPERATION_SUBTRACT,
    OPERATION_DIVIDE,
    OPERATION_MULTIPLY,
    OPERATION_ADD
} operation_kind;

/* X -= vector and so on. numpy computes in float64 where one of both is, and then rounds to X's
 * dtype; of two float32 numbers the rounded result of float64 is that of float32. */
struct operation {
    operation_kind kind;
    const double *vector;
    const double *vector_of_float32; /* the one for an X of float32 */
};

struct scaler {
    struct mr_pipe_floats base;
    size_t n_operations;
    struct operation operations[2]; /* of a sparse matrix: at most one multiplication */
    bool is_clipped;
    double low, high;
};

static void operate_on_row(operation_kind kind, const double *restrict vector, size_t n,
                           double *restrict row) {
    switch (kind) {
    case OPERATION_SUBTRACT:
        for (size_t i = 0; i < n; i++) row[i] -= vector[i];
        break;
    case OPERATION_DIVIDE:
        for (size_t i = 0; i < n; i++) row[i] /= vector[i];
        break;
    case OPERATION_MULTIPLY:
        for (size_t i = 0; i < n; i++) row[i] *= vector[i];
        break;
    case OPERATION_ADD:
        for (size_t i = 0; i < n; i++) row[i] += vector[i];
        break;
    }
}

static void operate(const struct operation *operation, struct mr_pipe_numbers *x) {
    const double *vector = x->is_float32 ? operation->vector_of_float32 : operation->vector;
    for (size_t r = 0; r < x->n_rows; r++) {
        operate_on_row(operation->kind, vector, x->n_cols, x->values + r * x->n_cols);
    }
    mr_pipe_round(x);
}

/* numpy.clip: NaN stays. What it gives is still to be rounded, which is the same as bounds that are
 * rounded before, as they are since 1.6. */
static void clip(double *values, size_t n, double low, double high) {
    for (size_t i = 0; i < n; i++) {
        double value = values[i] < low ? low : values[i];
        values[i] = value > high ? high : value;
    }
}

static mr_status scale(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                       struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct scaler *scaler = (const struct scaler *)step;
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_read_numbers(&scaler->base.features, x, arena, &numbers, err));
    for (size_t i = 0; i < scaler->n_operations; i++) operate(&scaler->operations[i], &numbers);
    if (scaler->is_clipped) {
        clip(numbers.values, numbers.n_rows * numbers.n_cols, scaler->low, scaler->high);
    }
    return mr_pipe_give_numbers(&numbers, arena, out, err);
}

static void round_values(double *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = (double)(float)values[i];
}

/* inplace_column_scale: the values that are there times the reciprocals of their columns' scales
 * (sklearn/utils/sparsefuncs.py, version 1.9.1). */
static mr_status scale_sparse(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                              struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct scaler *scaler = (const struct scaler *)step;
    struct mr_csr *csr = NULL;
    double *values = NULL;
    MR_TRY(mr_pipe_copy_floats(&scaler->base.features, x->csr, arena, &csr, &values, err));
    size_t n = csr->starts[csr->n_rows];
    if (scaler->n_operations > 0) {
        const double *vector = scaler->operations[0].vector;
        for (size_t i = 0; i < n; i++) values[i] *= vector[csr->columns[i]];
    }
    if (scaler->is_clipped) clip(values, n, scaler->low, scaler->high);
    if (csr->dtype == MR_FLOAT32) round_values(values, n);
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

static const struct mr_pipe_step_ops scale_ops = {.can_take = mr_pipe_take_numbers,
                                                  .transform = scale};
static const struct mr_pipe_step_ops scale_sparse_ops = {.transform = scale_sparse};

/* Building ------------------------------------------------------------------------------------- */

static mr_status begin_scaler(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              mr_pipe_kind takes, size_t n_in, struct scaler **out) {
    if (takes != MR_PIPE_SPARSE) MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    const struct mr_pipe_step_ops *ops = takes == MR_PIPE_SPARSE ? &scale_sparse_ops : &scale_ops;
    *out = mr_pipe_new_step(b, estimator, ops, sizeof(**out), takes, n_in);
    if (!*out) return mr_arena_fail(b->arena, b->err);
    return mr_pipe_begin_floats(b, estimator, MR_SK_FINITE_OR_NAN, &(*out)->base);
}

/* A vector of a value per feature: of float32 where fit() got that. */
static mr_status read_vector(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             const char *attribute, size_t n, const double **out,
                             bool *is_float32) {
    const struct mr_ndarray *array = NULL;
    MR_TRY(mr_sk_float_array(estimator, attribute, &array, b->err));
    if (array->n_dims != 1 || array->n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %s should have %zu values, but has %lld",
                       estimator->name, attribute, n, (long long)array->n_values);
    }
    *is_float32 = array->dtype == MR_FLOAT32;
    return mr_sk_copy_doubles(array, b->arena, out, b->err);
}

static mr_status copy_rounded(struct mr_pipe_builder *b, const double *vector, size_t n,
                              const double **out) {
    double *copy = mr_arena_array(b->arena, n, sizeof(*copy));
    if (!copy) return mr_arena_fail(b->arena, b->err);
    memcpy(copy, vector, n * sizeof(*copy));
    round_values(copy, n);
    *out = copy;
    return MR_OK;
}

/* is_cast: the vector is cast to X's dtype before. */
static mr_status add_operation(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               operation_kind kind, const char *attribute, bool is_cast,
                               struct scaler *scaler) {
    struct operation *operation = &scaler->operations[scaler->n_operations++];
    size_t n = scaler->base.features.n_features;
    bool is_float32 = false;
    operation->kind = kind;
    MR_TRY(read_vector(b, estimator, attribute, n, &operation->vector, &is_float32));
    operation->vector_of_float32 = operation->vector;
    if (!is_cast || is_float32) return MR_OK;
    return copy_rounded(b, operation->vector, n, &operation->vector_of_float32);
}

/* X *= 1 / scale_, whose dtype the reciprocals have. */
static mr_status add_reciprocals(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 struct scaler *scaler) {
    struct operation *operation = &scaler->operations[scaler->n_operations++];
    size_t n = scaler->base.features.n_features;
    bool is_float32 = false;
    const double *scales = NULL;
    MR_TRY(read_vector(b, estimator, "scale_", n, &scales, &is_float32));
    double *reciprocals = mr_arena_array(b->arena, n, sizeof(*reciprocals));
    if (!reciprocals) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < n; i++) reciprocals[i] = 1 / scales[i];
    if (is_float32) round_values(reciprocals, n);
    *operation = (struct operation){OPERATION_MULTIPLY, reciprocals, reciprocals};
    return MR_OK;
}

static const char *const standard_attributes[] = {
    "_sklearn_output_config",
    "_sklearn_version",
    "copy",
    "feature_names_in_",
    "mean_",
    "n_features_in_",
    "n_samples_seen_",
    "scale_",
    "var_",
    "with_mean",
    "with_std",
};

/* A sparse matrix is scaled whenever there is a scale_, whatever with_std says. */
static mr_status build_sparse_standard(struct mr_pipe_builder *b,
                                       const struct mr_sk_estimator *estimator,
                                       struct scaler *scaler) {
    const struct mr_object *scales = mr_object_attr(estimator->object, "scale_");
    if (scales && scales->kind == MR_OBJECT_NONE) return MR_OK;
    return add_reciprocals(b, estimator, scaler);
}

static mr_status build_standard(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, standard_attributes,
                                    sizeof(standard_attributes) / sizeof(*standard_attributes)));
    struct scaler *scaler = NULL;
    bool has_mean = false, has_std = false;
    MR_TRY(begin_scaler(b, estimator, takes, n_in, &scaler));
    MR_TRY(mr_pipe_flag(b, estimator, "with_mean", &has_mean));
    MR_TRY(mr_pipe_flag(b, estimator, "with_std", &has_std));
    *out = &scaler->base.step;
    if (takes == MR_PIPE_SPARSE) {
        if (has_mean) return mr_sk_refuse(estimator, "with_mean of a sparse matrix", b->err);
        return build_sparse_standard(b, estimator, scaler);
    }
    bool is_cast = mr_sk_is_at_least(estimator, 1, 8);
    if (has_mean) {
        MR_TRY(add_operation(b, estimator, OPERATION_SUBTRACT, "mean_", is_cast, scaler));
    }
    if (has_std) {
        MR_TRY(add_operation(b, estimator, OPERATION_DIVIDE, "scale_", is_cast, scaler));
    }
    return MR_OK;
}

static const char *const min_max_attributes[] = {
    "_sklearn_output_config",
    "_sklearn_version",
    "clip",
    "copy",
    "data_max_",
    "data_min_",
    "data_range_",
    "feature_names_in_",
    "feature_range",
    "min_",
    "n_features_in_",
    "n_samples_seen_",
    "scale_",
};

static bool read_bound(const struct mr_object *object, double *out) {
    if (object->kind == MR_OBJECT_FLOAT) {
        *out = object->real;
    } else if (object->kind == MR_OBJECT_INT) {
        *out = (double)object->integer;
    } else {
        return false;
    }
    return isfinite(*out);
}

static bool is_negative_zero(double value) {
    return value == 0 && signbit(value);
}

/* numpy's versions differ in what becomes of -0.0 where a bound is 0: so that must not arise. It
 * does not where min_ is 0.0, nor where min_ is so large that a sum with a float32 is either 0.0 or
 * no smaller than the smallest float32. */
static bool may_give_negative_zero(const double *mins, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (fabs(mins[i]) < 1e-20 && (mins[i] != 0 || signbit(mins[i]))) return true;
    }
    return false;
}

static mr_status read_range(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            struct scaler *scaler) {
    struct mr_object_list range;
    MR_TRY(mr_sk_list(estimator, "feature_range", &range, b->err));
    bool is_range = range.n == 2 && read_bound(range.items[0], &scaler->low) &&
                    read_bound(range.items[1], &scaler->high) && scaler->low < scaler->high;
    if (!is_range) {
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "%s: feature_range should be two finite numbers, the smaller one first",
                       estimator->name);
    }
    bool is_zero = scaler->low == 0 || scaler->high == 0;
    if (is_negative_zero(scaler->low) || is_negative_zero(scaler->high) ||
        (is_zero &&
         may_give_negative_zero(scaler->operations[1].vector, scaler->base.features.n_features))) {
        return mr_sk_refuse(estimator, "that clips -0.0", b->err);
    }
    return MR_OK;
}

static mr_status build_min_max(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, min_max_attributes,
                                    sizeof(min_max_attributes) / sizeof(*min_max_attributes)));
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    struct scaler *scaler = NULL;
    MR_TRY(begin_scaler(b, estimator, takes, n_in, &scaler));
    MR_TRY(add_operation(b, estimator, OPERATION_MULTIPLY, "scale_", false, scaler));
    MR_TRY(add_operation(b, estimator, OPERATION_ADD, "min_", false, scaler));
    MR_TRY(mr_pipe_flag(b, estimator, "clip", &scaler->is_clipped));
    *out = &scaler->base.step;
    return scaler->is_clipped ? read_range(b, estimator, scaler) : MR_OK;
}

static const char *const max_abs_attributes[] = {
    "_sklearn_output_config", "_sklearn_version", "clip",   "copy", "feature_names_in_", "max_abs_",
    "n_features_in_",         "n_samples_seen_",  "scale_",
};

static mr_status build_max_abs(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, max_abs_attributes,
                                    sizeof(max_abs_attributes) / sizeof(*max_abs_attributes)));
    struct scaler *scaler = NULL;
    MR_TRY(begin_scaler(b, estimator, takes, n_in, &scaler));
    if (mr_sk_is_at_least(estimator, 1, 8)) {
        MR_TRY(mr_pipe_flag(b, estimator, "clip", &scaler->is_clipped));
    }
    scaler->low = -1;
    scaler->high = 1;
    *out = &scaler->base.step;
    if (takes == MR_PIPE_SPARSE) return add_reciprocals(b, estimator, scaler);
    return add_operation(b, estimator, OPERATION_DIVIDE, "scale_", false, scaler);
}

static const char *const robust_attributes[] = {
    "_sklearn_output_config", "_sklearn_version", "center_",        "copy",
    "feature_names_in_",      "n_features_in_",   "quantile_range", "scale_",
    "unit_variance",          "with_centering",   "with_scaling",
};

static mr_status build_robust(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, robust_attributes,
                                    sizeof(robust_attributes) / sizeof(*robust_attributes)));
    struct scaler *scaler = NULL;
    bool is_centered = false, is_scaled = false;
    MR_TRY(begin_scaler(b, estimator, takes, n_in, &scaler));
    MR_TRY(mr_pipe_flag(b, estimator, "with_centering", &is_centered));
    MR_TRY(mr_pipe_flag(b, estimator, "with_scaling", &is_scaled));
    *out = &scaler->base.step;
    if (takes == MR_PIPE_SPARSE) {
        if (is_centered) {
            return mr_sk_refuse(estimator, "with_centering of a sparse matrix", b->err);
        }
        return is_scaled ? add_reciprocals(b, estimator, scaler) : MR_OK;
    }
    if (is_centered) {
        MR_TRY(add_operation(b, estimator, OPERATION_SUBTRACT, "center_", false, scaler));
    }
    if (is_scaled) {
        MR_TRY(add_operation(b, estimator, OPERATION_DIVIDE, "scale_", false, scaler));
    }
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_scale_classes[] = {
    {"sklearn.preprocessing._data", "MaxAbsScaler", build_max_abs},
    {"sklearn.preprocessing._data", "MinMaxScaler", build_min_max},
    {"sklearn.preprocessing._data", "RobustScaler", build_robust},
    {"sklearn.preprocessing._data", "StandardScaler", build_standard},
    {0},
};
