/* sklearn.preprocessing's Normalizer and Binarizer (sklearn/preprocessing/_data.py, versions 1.1.3
 * to 1.9.1). */
#include <float.h>
#include <math.h>

#include "engine/pipeline/floats.h"
#include "engine/pipeline/stack.h"

/* Normalizer ----------------------------------------------------------------------------------- */

typedef enum norm_kind { NORM_L1, NORM_L2, NORM_MAX } norm_kind;

struct normalizer {
    struct mr_pipe_floats base;
    norm_kind kind;
};

/* Features up to which numpy adds the numbers of a row one after the other, however X lies in
 * memory: beyond, numpy.sum (l1) and numpy.einsum (l2) keep several sums where a row is contiguous,
 * and one where a column is. */
static const size_t max_features[] = {[NORM_L1] = 7, [NORM_L2] = 2, [NORM_MAX] = SIZE_MAX};

static double round_to(bool is_float32, double value) {
    return is_float32 ? (double)(float)value : value;
}

/* sum_is_float32: the sums are rounded to float32, and not only the products. */
static double norm_of(norm_kind kind, const double *row, size_t n, bool is_float32,
                      bool sum_is_float32) {
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        double size = kind == NORM_L2 ? round_to(is_float32, row[i] * row[i]) : fabs(row[i]);
        double sum = kind == NORM_MAX ? fmax(norm, size) : norm + size;
        norm = round_to(sum_is_float32, sum);
    }
    return kind == NORM_L2 ? round_to(sum_is_float32, sqrt(norm)) : norm;
}

static void divide(double *row, size_t n, double norm) {
    for (size_t i = 0; i < n; i++) row[i] /= norm;
}

/* _handle_zeros_in_scale: norms that are almost 0 are 1. */
static mr_status normalize(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct normalizer *normalizer = (const struct normalizer *)step;
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_read_numbers(&normalizer->base.features, x, arena, &numbers, err));
    bool is_float32 = numbers.is_float32;
    size_t n = numbers.n_cols;
    double smallest = 10 * (is_float32 ? (double)FLT_EPSILON : DBL_EPSILON);
    for (size_t r = 0; r < numbers.n_rows; r++) {
        double *row = numbers.values + r * n;
        double norm = norm_of(normalizer->kind, row, n, is_float32, is_float32);
        divide(row, n, norm < smallest ? 1 : norm);
    }
    return mr_pipe_give_numbers(&numbers, arena, out, err);
}

/* inplace_csr_row_normalize_l1 and _l2, which add doubles (sklearn/utils/sparsefuncs_fast.pyx,
 * version 1.9.1); the greatest by min_max_axis. */
static mr_status normalize_sparse(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                                  struct mr_arena *arena, struct mr_pipe_x *out,
                                  struct mr_error *err) {
    const struct normalizer *normalizer = (const struct normalizer *)step;
    struct mr_csr *csr = NULL;
    double *values = NULL;
    MR_TRY(mr_pipe_copy_floats(&normalizer->base.features, x->csr, arena, &csr, &values, err));
    bool is_float32 = csr->dtype == MR_FLOAT32;
    for (size_t r = 0; r < csr->n_rows; r++) {
        double *row = values + csr->starts[r];
        size_t n = csr->starts[r + 1] - csr->starts[r];
        double norm = norm_of(normalizer->kind, row, n, is_float32, false);
        if (norm == 0) continue;
        divide(row, n, norm);
        for (size_t i = 0; i < n; i++) row[i] = round_to(is_float32, row[i]);
    }
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

static const struct mr_pipe_step_ops normalize_ops = {.can_take = mr_pipe_take_numbers,
                                                      .transform = normalize};
static const struct mr_pipe_step_ops normalize_sparse_ops = {.transform = normalize_sparse};

static const char *const normalizer_attributes[] = {
    "_sklearn_output_config", "_sklearn_version", "copy",
    "feature_names_in_",      "n_features_in_",   "norm",
};

static mr_status read_norm(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           norm_kind *out) {
    static const char *const names[] = {[NORM_L1] = "l1", [NORM_L2] = "l2", [NORM_MAX] = "max"};
    const struct mr_object *norm = mr_object_attr(estimator->object, "norm");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!mr_object_is_str(norm, names[i])) continue;
        *out = (norm_kind)i;
        return MR_OK;
    }
    return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: norm should be \"l1\", \"l2\" or \"max\"",
                   estimator->name);
}

static mr_status build_normalizer(struct mr_pipe_builder *b,
                                  const struct mr_sk_estimator *estimator, mr_pipe_kind takes,
                                  size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(
        mr_pipe_check_attributes(b, estimator, normalizer_attributes,
                                 sizeof(normalizer_attributes) / sizeof(*normalizer_attributes)));
    bool is_sparse = takes == MR_PIPE_SPARSE;
    if (!is_sparse) MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    struct normalizer *normalizer = mr_pipe_new_step(
        b, estimator, is_sparse ? &normalize_sparse_ops : &normalize_ops, sizeof(*normalizer),
        takes, n_in);
    if (!normalizer) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_pipe_begin_floats(b, estimator, MR_SK_FINITE, &normalizer->base));
    MR_TRY(read_norm(b, estimator, &normalizer->kind));
    if (!is_sparse && normalizer->base.features.n_features > max_features[normalizer->kind]) {
        return mr_sk_refuse(estimator, "whose sums depend on how X lies in memory", b->err);
    }
    *out = &normalizer->base.step;
    return MR_OK;
}

/* Binarizer ------------------------------------------------------------------------------------ */

struct binarizer {
    struct mr_pipe_floats base;
    double threshold;
};

static void write_bits(const double *bits, size_t n, size_t size, void *out) {
    switch (size) {
    case 1:
        for (size_t i = 0; i < n; i++) ((uint8_t *)out)[i] = (uint8_t)bits[i];
        break;
    case 2:
        for (size_t i = 0; i < n; i++) ((uint16_t *)out)[i] = (uint16_t)bits[i];
        break;
    case 4:
        for (size_t i = 0; i < n; i++) ((uint32_t *)out)[i] = (uint32_t)bits[i];
        break;
    default:
        for (size_t i = 0; i < n; i++) ((uint64_t *)out)[i] = (uint64_t)bits[i];
        break;
    }
}

static mr_status binarize(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                          struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct binarizer *binarizer = (const struct binarizer *)step;
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_read_numbers(&binarizer->base.features, x, arena, &numbers, err));
    size_t n = numbers.n_rows * numbers.n_cols;
    double threshold = round_to(numbers.is_float32, binarizer->threshold);
    for (size_t i = 0; i < n; i++) numbers.values[i] = numbers.values[i] > threshold ? 1 : 0;
    mr_dtype dtype = mr_pipe_result_type(x);
    if (mr_dtype_kind(dtype) == 'f') return mr_pipe_give_numbers(&numbers, arena, out, err);
    void *bits = mr_arena_array(arena, n, mr_dtype_size(dtype));
    if (!bits) return mr_arena_fail(arena, err);
    write_bits(numbers.values, n, mr_dtype_size(dtype), bits);
    return mr_pipe_give_tensor(numbers.n_rows, numbers.n_cols, dtype, bits, arena, out, err);
}

/* The dtype stays, and what becomes 0 is left out (eliminate_zeros). */
static mr_status binarize_sparse(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                                 struct mr_arena *arena, struct mr_pipe_x *out,
                                 struct mr_error *err) {
    const struct binarizer *binarizer = (const struct binarizer *)step;
    struct mr_csr *csr = NULL;
    double *values = NULL;
    MR_TRY(mr_pipe_copy_floats(&binarizer->base.features, x->csr, arena, &csr, &values, err));
    size_t n = csr->starts[csr->n_rows], n_ones = 0;
    size_t *starts = mr_arena_array(arena, csr->n_rows + 1, sizeof(*starts));
    uint32_t *columns = mr_arena_array(arena, n, sizeof(*columns));
    if (!starts || !columns) return mr_arena_fail(arena, err);
    double threshold = round_to(csr->dtype == MR_FLOAT32, binarizer->threshold);
    starts[0] = 0;
    for (size_t r = 0; r < csr->n_rows; r++) {
        for (size_t i = csr->starts[r]; i < csr->starts[r + 1]; i++) {
            if (!(values[i] > threshold)) continue;
            columns[n_ones] = csr->columns[i];
            values[n_ones++] = 1;
        }
        starts[r + 1] = n_ones;
    }
    csr->dtype = x->csr->dtype;
    csr->starts = starts;
    csr->columns = columns;
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

static const struct mr_pipe_step_ops binarize_ops = {.can_take = mr_pipe_take_numbers,
                                                     .transform = binarize};
static const struct mr_pipe_step_ops binarize_sparse_ops = {.transform = binarize_sparse};

static const char *const binarizer_attributes[] = {
    "_sklearn_output_config", "_sklearn_version", "copy",
    "feature_names_in_",      "n_features_in_",   "threshold",
};

/* Before 1.7, and for sparse matrices, numpy compares integers with the threshold itself: numpy 1
 * rounds it to float16 beside integers of 8 bits, to float32 beside those of 16. It may not become
 * an integer then. */
static bool is_below_integer(double threshold) {
    double distance = ceil(threshold) - threshold;
    return distance != 0 && distance < fmax(1, fabs(threshold)) / 1024;
}

/* Up to 2**24 it does not matter whether integers are compared as such or as doubles, and float32
 * holds integers. numpy's scalars make float64 of an X of float32. */
static mr_status read_threshold(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                mr_pipe_kind takes, double *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "threshold");
    if (!object || (object->kind != MR_OBJECT_INT && object->kind != MR_OBJECT_FLOAT)) {
        return mr_sk_refuse(estimator, "whose threshold is no float", b->err);
    }
    MR_TRY(mr_sk_number(estimator, "threshold", out, b->err));
    bool is_sparse = takes == MR_PIPE_SPARSE;
    if (is_sparse && *out < 0) {
        return mr_sk_refuse(estimator, "of a sparse matrix with threshold < 0", b->err);
    }
    bool is_rounded = is_sparse || !mr_sk_is_at_least(estimator, 1, 7);
    if (!(fabs(*out) <= 16777216) || (is_rounded && is_below_integer(*out))) {
        return mr_sk_refuse(estimator, "with such a threshold", b->err);
    }
    return MR_OK;
}

static mr_status build_binarizer(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, binarizer_attributes,
                                    sizeof(binarizer_attributes) / sizeof(*binarizer_attributes)));
    bool is_sparse = takes == MR_PIPE_SPARSE;
    if (!is_sparse) MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    struct binarizer *binarizer = mr_pipe_new_step(b, estimator,
                                                   is_sparse ? &binarize_sparse_ops : &binarize_ops,
                                                   sizeof(*binarizer), takes, n_in);
    if (!binarizer) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_pipe_begin_floats(b, estimator, MR_SK_FINITE, &binarizer->base));
    *out = &binarizer->base.step;
    return read_threshold(b, estimator, takes, &binarizer->threshold);
}

const struct mr_pipe_class mr_pipe_normalize_classes[] = {
    {"sklearn.preprocessing._data", "Binarizer", build_binarizer},
    {"sklearn.preprocessing._data", "Normalizer", build_normalizer},
    {0},
};
