/* xgboost/core.py (Booster.predict, Booster.inplace_predict), xgboost/sklearn.py (XGBModel.predict,
 * XGBClassifier.predict), src/c_api/c_api_utils.h (CalcPredictShape). */
#include <math.h>

#include "engine/xgboost/xgboost_int.h"

/* Sums -------------------------------------------------------------------------------------- */

/* Sums of a block of trees' rows, from column order to row order. */
static void take_sums(const struct mr_tree_scratch *scratch, size_t n_rows, size_t n_outputs,
                      float *out) {
    const float *sums = scratch->sums;
    for (size_t k = 0; k < n_outputs; k++) {
        for (size_t r = 0; r < n_rows; r++) {
            out[r * n_outputs + k] = sums[k * scratch->stride + r];
        }
    }
}

static mr_status sum_trees(const struct mr_xgb_model *model, const struct mr_xgb_input *input,
                           const struct mr_xgb_call *call, struct mr_arena *arena, float *out,
                           struct mr_error *err) {
    const struct mr_tree_shape *shape = mr_tree_forest_shape(model->forest);
    size_t first = model->round_starts[call->first_round];
    size_t end = model->round_starts[call->end_round];
    bool is_all = first == 0 && end == shape->n_trees;
    size_t n_block = input->matrix.n_rows == 1 ? 1 : MR_TREE_BLOCK_ROWS;
    struct mr_tree_scratch scratch;
    MR_TRY(mr_tree_scratch_new(model->forest, n_block, arena, &scratch, err));
    for (int64_t row = 0; row < input->matrix.n_rows; row += (int64_t)n_block) {
        size_t n = (size_t)(input->matrix.n_rows - row);
        if (n > n_block) n = n_block;
        if (n_block == 1) {
            MR_TRY(mr_xgb_input_read_row(input, shape->columns, shape->n_columns, row, scratch.x,
                                         err));
        }
        for (size_t i = 0; n_block > 1 && i < shape->n_columns; i++) {
            MR_TRY(mr_xgb_input_read(input, shape->columns[i], row, n,
                                     (float *)scratch.x + i * scratch.stride, err));
        }
        if (is_all) {
            mr_tree_forest_sum(model->forest, &scratch, n);
        } else {
            mr_tree_forest_sum_range(model->forest, &scratch, n, first, end);
        }
        take_sums(&scratch, n, model->n_outputs, out + (size_t)row * model->n_outputs);
    }
    return MR_OK;
}

/* Adds one feature's products to the sums of n rows; missing values have none. */
static void add_products(const float *x, size_t n_rows, const float *weights, size_t n_outputs,
                         float *sums) {
    for (size_t r = 0; r < n_rows; r++) {
        if (isnan(x[r])) continue;
        for (size_t k = 0; k < n_outputs; k++) sums[r * n_outputs + k] += x[r] * weights[k];
    }
}

/* GBLinear::Pred: the products of a row are added in the order of the features. */
static mr_status sum_linear(const struct mr_xgb_model *model, const struct mr_xgb_input *input,
                            float *out, struct mr_error *err) {
    float x[MR_TREE_BLOCK_ROWS];
    size_t n_outputs = model->n_outputs;
    for (int64_t row = 0; row < input->matrix.n_rows; row += (int64_t)MR_TREE_BLOCK_ROWS) {
        float *sums = out + (size_t)row * n_outputs;
        size_t n = (size_t)(input->matrix.n_rows - row);
        if (n > MR_TREE_BLOCK_ROWS) n = MR_TREE_BLOCK_ROWS;
        for (size_t r = 0; r < n; r++) {
            memcpy(sums + r * n_outputs, model->intercepts, n_outputs * sizeof(*sums));
        }
        for (uint32_t feature = 0; feature < input->matrix.n_cols; feature++) {
            MR_TRY(mr_xgb_input_read(input, feature, row, n, x, err));
            add_products(x, n, model->weights + feature * n_outputs, n_outputs, sums);
        }
    }
    return MR_OK;
}

/* Answers ----------------------------------------------------------------------------------- */

/* An answer of that dtype; n_cols 0: of one dimension. */
static mr_status new_tensor(mr_dtype dtype, int64_t n_rows, size_t n_cols, struct mr_arena *arena,
                            struct mr_tensor *out, struct mr_error *err) {
    size_t n_each = n_cols ? n_cols : 1;
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    void *values = mr_arena_array(arena, (size_t)n_rows, n_each * mr_dtype_size(dtype));
    if (!shape || !values) return mr_arena_fail(arena, err);
    shape[0] = n_rows;
    shape[1] = (int64_t)n_cols;
    *out = (struct mr_tensor){.dtype = dtype,
                              .n_dims = n_cols ? 2 : 1,
                              .shape = shape,
                              .n_values = n_rows * (int64_t)n_each,
                              .values = values};
    return MR_OK;
}

/* numpy.argmax: the first of equals, and the first NaN before everything. */
static int64_t find_largest(const float *values, size_t n) {
    size_t best = 0;
    for (size_t k = 1; k < n && !isnan(values[best]); k++) {
        if (values[k] > values[best] || isnan(values[k])) best = k;
    }
    return (int64_t)best;
}

/* XGBClassifier.predict: from predictions to labels. Labels are numbers from 0: the wrapper asks
 * for such ones when it is fitted. */
static mr_status find_labels(const struct mr_xgb_model *model, const struct mr_tensor *predictions,
                             struct mr_arena *arena, struct mr_tensor *out, struct mr_error *err) {
    const float *values = predictions->values;
    bool is_matrix = predictions->n_dims == 2;
    int64_t n_rows = predictions->shape[0];
    size_t n_cols = is_matrix ? (size_t)predictions->shape[1] : 1;
    if (is_matrix && model->n_classes > 2) {
        MR_TRY(new_tensor(MR_INT64, n_rows, 0, arena, out, err));
        int64_t *labels = (int64_t *)(uintptr_t)out->values;
        for (int64_t r = 0; r < n_rows; r++) {
            labels[r] = find_largest(values + (size_t)r * n_cols, n_cols);
        }
        return MR_OK;
    }
    if (is_matrix) { /* several labels a row */
        MR_TRY(new_tensor(MR_FLOAT64, n_rows, n_cols, arena, out, err));
        double *labels = (double *)(uintptr_t)out->values;
        for (int64_t i = 0; i < out->n_values; i++) labels[i] = values[i] > 0.5F;
        return MR_OK;
    }
    bool is_class = model->objective->transform == MR_XGB_CLASS;
    MR_TRY(new_tensor(is_class ? MR_INT32 : MR_INT64, n_rows, 0, arena, out, err));
    for (int64_t r = 0; r < n_rows; r++) {
        if (is_class) {
            ((int32_t *)(uintptr_t)out->values)[r] = (int32_t)values[r];
        } else {
            ((int64_t *)(uintptr_t)out->values)[r] = values[r] > 0.5F;
        }
    }
    return MR_OK;
}

/* XGBClassifier.predict_proba (_cls_predict_proba): a column of its own for the class 0 of two. */
static mr_status add_complements(struct mr_tensor *predictions, struct mr_arena *arena,
                                 struct mr_error *err) {
    if (predictions->n_dims == 2) return MR_OK;
    const float *ones = predictions->values;
    MR_TRY(new_tensor(MR_FLOAT32, predictions->shape[0], 2, arena, predictions, err));
    float *both = (float *)(uintptr_t)predictions->values;
    for (int64_t r = 0; r < predictions->shape[0]; r++) {
        both[2 * r] = 1.0F - ones[r];
        both[2 * r + 1] = ones[r];
    }
    return MR_OK;
}

mr_status mr_xgb_predict(const struct mr_tree_model *base, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    const struct mr_xgb_model *model = (const struct mr_xgb_model *)base;
    struct mr_xgb_call call;
    struct mr_xgb_input x;
    struct mr_tensor predictions;
    static const struct mr_params no_params = {0};
    MR_TRY(mr_xgb_call_read(model, model->takes_params ? &input->params : &no_params, &call, err));
    MR_TRY(mr_xgb_input_init(model, input, arena, &x, err));
    MR_TRY(new_tensor(MR_FLOAT32, x.matrix.n_rows, model->n_outputs, arena, &predictions, err));
    float *values = (float *)(uintptr_t)predictions.values;
    if (model->kind == MR_XGB_LINEAR) {
        MR_TRY(sum_linear(model, &x, values, err));
    } else {
        MR_TRY(sum_trees(model, &x, &call, arena, values, err));
    }
    size_t n_cols = model->n_outputs;
    if (!call.is_margin) {
        n_cols = mr_xgb_objective_transform(model->objective, values, (size_t)x.matrix.n_rows,
                                            n_cols);
    }
    /* Without rows XGBoost knows no columns. */
    bool is_vector = x.matrix.n_rows == 0 || (n_cols == 1 && !call.is_strict);
    predictions.n_dims = is_vector ? 1 : 2;
    ((int64_t *)(uintptr_t)predictions.shape)[1] = (int64_t)n_cols;
    predictions.n_values = x.matrix.n_rows * (int64_t)n_cols;
    if (model->is_proba) {
        MR_TRY(add_complements(&predictions, arena, err));
    } else if (model->wrapper == MR_XGB_CLASSIFIER && !call.is_margin) {
        return find_labels(model, &predictions, arena, &out->tensor, err);
    }
    out->tensor = predictions;
    return MR_OK;
}
