/* Order of operations: TfidfTransformer.transform of sklearn/feature_extraction/text.py, and
 * inplace_csr_row_normalize_l1 and _l2 of sklearn/utils/sparsefuncs_fast.pyx, versions 1.1.3 to
 * 1.9.1. */
#include "engine/pipeline/text/weights.h"

#include <math.h>

/* Weighing ------------------------------------------------------------------------------------- */

/* What validate_data and check_array of normalize() let pass. */
static mr_status check_finite(const struct mr_csr *csr, const double *values,
                              struct mr_error *err) {
    for (size_t r = 0; r < csr->n_rows; r++) {
        for (size_t i = csr->starts[r]; i < csr->starts[r + 1]; i++) {
            if (isfinite(values[i])) continue;
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "row %zu, column %u of a matrix of weights should be a finite number, "
                           "but is %g",
                           r, csr->columns[i], values[i]);
        }
    }
    return MR_OK;
}

static double term_of_sum(mr_text_norm norm, double value, bool is_float32) {
    if (norm == MR_TEXT_L1) return fabs(value);
    return is_float32 ? (double)(float)(value * value) : value * value;
}

/* One row; the sum is a double in any case. */
static void normalize(const struct mr_text_weights *weights, double *values, size_t n,
                      bool is_float32) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double value = values[weights->is_summed_backwards ? n - 1 - i : i];
        sum += term_of_sum(weights->norm, value, is_float32);
    }
    if (sum == 0) return;
    if (weights->norm == MR_TEXT_L2) sum = sqrt(sum);
    for (size_t i = 0; i < n; i++) {
        double value = values[i] / sum;
        values[i] = is_float32 ? (double)(float)value : value;
    }
}

mr_status mr_text_weigh(const struct mr_text_weights *weights, struct mr_csr *csr, double *values,
                        struct mr_error *err) {
    size_t n = csr->starts[csr->n_rows];
    if (weights->is_widened) csr->dtype = MR_FLOAT64;
    bool is_float32 = csr->dtype == MR_FLOAT32;
    for (size_t i = 0; weights->is_sublinear && i < n; i++) values[i] = log(values[i]) + 1.0;
    for (size_t i = 0; weights->idf && i < n; i++) {
        /* Two float32 have a double for a product, which is rounded once. */
        double value = values[i] * weights->idf[csr->columns[i]];
        values[i] = is_float32 ? (double)(float)value : value;
    }
    if (weights->norm == MR_TEXT_NO_NORM) return MR_OK;
    if (weights->idf) MR_TRY(check_finite(csr, values, err));
    for (size_t r = 0; r < csr->n_rows; r++) {
        size_t start = csr->starts[r];
        normalize(weights, values + start, csr->starts[r + 1] - start, is_float32);
    }
    return MR_OK;
}

/* Reading -------------------------------------------------------------------------------------- */

mr_status mr_text_read_norm(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            mr_text_norm *out) {
    const struct mr_object *norm = mr_object_attr(estimator->object, "norm");
    *out = MR_TEXT_NO_NORM;
    if (mr_object_is_str(norm, "l1")) *out = MR_TEXT_L1;
    if (mr_object_is_str(norm, "l2")) *out = MR_TEXT_L2;
    if (*out != MR_TEXT_NO_NORM || (norm && norm->kind == MR_OBJECT_NONE)) return MR_OK;
    return mr_sk_refuse(estimator, "with that norm", b->err);
}

/* Whether an array of integers is 0, 1, 2, ... n - 1. */
static bool is_range(const struct mr_object *object, size_t n) {
    if (!object || object->kind != MR_OBJECT_ARRAY || object->array.n_dims != 1 ||
        object->array.n_values != (int64_t)n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        if (!mr_sk_integer_at(&object->array, (int64_t)i, &value) || value != (int64_t)i) {
            return false;
        }
    }
    return true;
}

/* The values of a vector of n floats. */
static mr_status read_idf(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          const char *attribute, size_t n, struct mr_text_weights *out) {
    const struct mr_ndarray *array = NULL;
    MR_TRY(mr_sk_float_array(estimator, attribute, &array, b->err));
    if (array->n_dims != 1 || array->n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %s should have %zu values, but has %lld",
                       estimator->name, attribute, n, (long long)array->n_values);
    }
    out->is_widened = out->is_summed_backwards && array->dtype == MR_FLOAT64;
    return mr_sk_copy_doubles(array, b->arena, &out->idf, b->err);
}

/* Before 1.5: a scipy.sparse.csr_matrix with nothing but its diagonal. */
static mr_status read_idf_diagonal(struct mr_pipe_builder *b,
                                   const struct mr_sk_estimator *estimator, size_t n,
                                   struct mr_text_weights *out) {
    struct mr_sk_estimator matrix;
    MR_TRY(mr_sk_inside(estimator, mr_object_attr(estimator->object, "_idf_diag"), b->scratch,
                        &matrix, b->err));
    bool is_csr = mr_object_is(matrix.object, "scipy.sparse._csr", "csr_matrix") ||
                  mr_object_is(matrix.object, "scipy.sparse.csr", "csr_matrix");
    if (!is_csr || !is_range(mr_object_attr(matrix.object, "indptr"), n + 1) ||
        !is_range(mr_object_attr(matrix.object, "indices"), n)) {
        return mr_sk_refuse(estimator, "whose _idf_diag cannot be read as a diagonal matrix",
                            b->err);
    }
    return read_idf(b, &matrix, "data", n, out);
}

static const char *const attributes[] = {
    "_idf_diag", "_sklearn_version", "feature_names_in_", "idf_",    "n_features_in_",
    "norm",      "smooth_idf",       "sublinear_tf",      "use_idf",
};

mr_status mr_text_read_weights(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               size_t n, struct mr_text_weights *out, size_t *n_out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    MR_TRY(mr_pipe_count_features(b, estimator, n, n_out));
    *out = (struct mr_text_weights){0};
    MR_TRY(mr_text_read_norm(b, estimator, &out->norm));
    MR_TRY(mr_pipe_flag(b, estimator, "sublinear_tf", &out->is_sublinear));
    bool is_used = false;
    MR_TRY(mr_pipe_flag(b, estimator, "use_idf", &is_used));
    bool has_idf = mr_object_attr(estimator->object, "idf_") != NULL;
    bool has_diagonal = mr_object_attr(estimator->object, "_idf_diag") != NULL;
    if (mr_sk_is_at_least(estimator, 1, 5)) {
        if (has_diagonal) return mr_sk_refuse(estimator, "of an older scikit-learn", b->err);
        return has_idf ? read_idf(b, estimator, "idf_", *n_out, out) : MR_OK;
    }
    if (has_idf) return mr_sk_refuse(estimator, "of a newer scikit-learn", b->err);
    if (!is_used) return MR_OK;
    out->is_summed_backwards = true;
    return read_idf_diagonal(b, estimator, *n_out, out);
}

/* As a step ------------------------------------------------------------------------------------ */

struct transformer {
    struct mr_pipe_step base;
    struct mr_text_weights weights;
};

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    size_t n = x->csr->starts[x->csr->n_rows];
    double *values = mr_arena_array(arena, n, sizeof(*values));
    struct mr_csr *csr = mr_arena_alloc(arena, sizeof(*csr));
    if (!values || !csr) return mr_arena_fail(arena, err);
    MR_TRY(check_finite(x->csr, x->csr->values, err));
    memcpy(values, x->csr->values, n * sizeof(*values));
    *csr = *x->csr;
    csr->dtype = x->csr->dtype == MR_FLOAT32 ? MR_FLOAT32 : MR_FLOAT64;
    csr->values = values;
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return mr_text_weigh(&((const struct transformer *)step)->weights, csr, values, err);
}

static const struct mr_pipe_step_ops transformer_ops = {.transform = transform};

mr_status mr_text_build_transformer(struct mr_pipe_builder *b,
                                    const struct mr_sk_estimator *estimator, mr_pipe_kind takes,
                                    size_t n_in, struct mr_pipe_step **out) {
    if (takes != MR_PIPE_SPARSE) return mr_sk_refuse(estimator, "of a dense matrix", b->err);
    struct transformer *step = mr_pipe_new_step(b, estimator, &transformer_ops, sizeof(*step),
                                                takes, n_in);
    if (!step) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_text_read_weights(b, estimator, n_in, &step->weights, &step->base.n_out));
    /* Numbers that are no counts, or large ones: see MR_TEXT_MAX_COUNT_OF_LOG. */
    if (step->weights.is_sublinear) return mr_sk_refuse(estimator, "with sublinear_tf", b->err);
    step->base.n_in = step->base.n_out;
    step->base.gives = MR_PIPE_SPARSE;
    *out = &step->base;
    return MR_OK;
}
