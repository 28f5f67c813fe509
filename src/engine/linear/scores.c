#include "engine/linear/linear_int.h"

/* Adds the products of four features to n scores, in the order of the features. */
static void add_four(double *restrict scores, size_t n, const double *const x[4],
                     const double w[4]) {
    const double *restrict x0 = x[0], *restrict x1 = x[1], *restrict x2 = x[2], *restrict x3 = x[3];
    const double w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
    for (size_t r = 0; r < n; r++) {
        double sum = scores[r] + w0 * x0[r];
        sum += w1 * x1[r];
        sum += w2 * x2[r];
        scores[r] = sum + w3 * x3[r];
    }
}

static void add_one(double *restrict scores, size_t n, const double *restrict x, double w) {
    for (size_t r = 0; r < n; r++) scores[r] += w * x[r];
}

/* Products of a block, feature by feature: whole columns at a time, whatever the input's layout. */
static mr_status score_rows(const struct mr_engine_model *model, const struct mr_sk_features *x,
                            int64_t row, struct mr_linear_block *block, struct mr_error *err) {
    size_t n = block->n_rows;
    size_t n_features = model->features.n_features;
    memset(block->scores, 0, model->n_outputs * n * sizeof(double));
    for (size_t first = 0; first < n_features; first += 4) {
        size_t n_here = n_features - first < 4 ? n_features - first : 4;
        const double *values[4];
        for (size_t i = 0; i < n_here; i++) {
            MR_TRY(mr_sk_features_column(x, first + i, row, n, block->scratch + i * n, &values[i],
                                         err));
        }
        for (size_t k = 0; k < model->n_outputs; k++) {
            const double *w = model->coef + k * n_features + first;
            double *scores = block->scores + k * n;
            if (n_here == 4) {
                add_four(scores, n, values, w);
                continue;
            }
            for (size_t i = 0; i < n_here; i++) add_one(scores, n, values[i], w[i]);
        }
    }
    return MR_OK;
}

static mr_status score_row(const struct mr_engine_model *model, const struct mr_sk_features *x,
                           int64_t row, struct mr_linear_block *block, struct mr_error *err) {
    size_t n_features = model->features.n_features;
    MR_TRY(mr_sk_features_row(x, row, block->scratch, err));
    for (size_t k = 0; k < model->n_outputs; k++) {
        const double *w = model->coef + k * n_features;
        double sum = 0;
        for (size_t i = 0; i < n_features; i++) sum += w[i] * block->scratch[i];
        block->scores[k] = sum;
    }
    return MR_OK;
}

bool mr_linear_is_float32(const struct mr_engine_model *model, const struct mr_sk_features *x) {
    return model->is_coef_float32 && model->is_intercept_weak && x->width == MR_SK_NARROW;
}

/* float32 @ float32 is float32; adding a float64 intercept makes float64 of it. */
static void add_intercept(const struct mr_engine_model *model, bool is_product_float32,
                          struct mr_linear_block *block) {
    for (size_t k = 0; k < model->n_outputs; k++) {
        double *scores = block->scores + k * block->n_rows;
        double intercept = model->intercept[k];
        if (!is_product_float32) {
            for (size_t r = 0; r < block->n_rows; r++) scores[r] += intercept;
            continue;
        }
        for (size_t r = 0; r < block->n_rows; r++) {
            double sum = (double)(float)scores[r] + intercept;
            scores[r] = block->is_float32 ? (double)(float)sum : sum;
        }
    }
}

mr_status mr_linear_score(const struct mr_engine_model *model, const struct mr_sk_features *x,
                          int64_t row, struct mr_linear_block *block, struct mr_error *err) {
    if (block->n_rows == 1) {
        MR_TRY(score_row(model, x, row, block, err));
    } else {
        MR_TRY(score_rows(model, x, row, block, err));
    }
    block->is_float32 = mr_linear_is_float32(model, x);
    add_intercept(model, model->is_coef_float32 && x->width == MR_SK_NARROW, block);
    return MR_OK;
}

void mr_linear_score_sparse(const struct mr_engine_model *model, const struct mr_csr *x, size_t row,
                            struct mr_linear_block *block) {
    for (size_t k = 0; k < model->n_outputs; k++) {
        const double *w = model->coef + k * model->features.n_features;
        for (size_t r = 0; r < block->n_rows; r++) {
            double sum = 0;
            size_t end = x->starts[row + r + 1];
            for (size_t i = x->starts[row + r]; i < end; i++)
                sum += w[x->columns[i]] * x->values[i];
            block->scores[k * block->n_rows + r] = sum;
        }
    }
    block->is_float32 = false;
    add_intercept(model, false, block);
}
