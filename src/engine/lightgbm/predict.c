/* lightgbm/basic.py (_InnerPredictor.predict), lightgbm/sklearn.py (LGBMClassifier.predict,
 * predict_proba), src/boosting/gbdt_prediction.cpp (GBDT::Predict). */
#include "engine/lightgbm/lightgbm_int.h"
#include "engine/sklearn/numeric.h"

/* Sums -------------------------------------------------------------------------------------- */

/* Sums of a block of rows, from column order to row order. */
static void take_sums(const struct mr_tree_scratch *scratch, size_t n_rows, size_t n_outputs,
                      double *out) {
    const double *sums = scratch->sums;
    for (size_t k = 0; k < n_outputs; k++) {
        for (size_t r = 0; r < n_rows; r++) {
            out[r * n_outputs + k] = sums[k * scratch->stride + r];
        }
    }
}

static mr_status sum_trees(const struct mr_lgb_model *model, const struct mr_lgb_input *input,
                           struct mr_arena *arena, double *out, struct mr_error *err) {
    const struct mr_tree_shape *shape = mr_tree_forest_shape(model->forest);
    size_t n_block = input->matrix.n_rows == 1 ? 1 : MR_TREE_BLOCK_ROWS;
    struct mr_tree_scratch scratch;
    MR_TRY(mr_tree_scratch_new(model->forest, n_block, arena, &scratch, err));
    for (int64_t row = 0; row < input->matrix.n_rows; row += (int64_t)n_block) {
        size_t n = (size_t)(input->matrix.n_rows - row);
        if (n > n_block) n = n_block;
        if (n_block == 1) {
            MR_TRY(mr_lgb_input_read_row(input, shape->columns, shape->n_columns, row, scratch.x,
                                         err));
        }
        for (size_t i = 0; n_block > 1 && i < shape->n_columns; i++) {
            MR_TRY(mr_lgb_input_read(input, shape->columns[i], row, n,
                                     (double *)scratch.x + i * scratch.stride, err));
        }
        mr_tree_forest_sum(model->forest, &scratch, n);
        take_sums(&scratch, n, model->n_outputs, out + (size_t)row * model->n_outputs);
    }
    return MR_OK;
}

static mr_status sum_linear_trees(const struct mr_lgb_model *model,
                                  const struct mr_lgb_input *input, struct mr_arena *arena,
                                  double *out, struct mr_error *err) {
    size_t n_block = input->matrix.n_rows == 1 ? 1 : MR_TREE_BLOCK_ROWS;
    double *x = mr_arena_array(arena, model->n_features, n_block * sizeof(*x));
    if (!x) return mr_arena_fail(arena, err);
    for (int64_t row = 0; row < input->matrix.n_rows; row += (int64_t)n_block) {
        size_t n = (size_t)(input->matrix.n_rows - row);
        if (n > n_block) n = n_block;
        for (uint32_t i = 0; i < model->n_features; i++) {
            MR_TRY(mr_lgb_input_read(input, i, row, n, x + i * n_block, err));
        }
        mr_lgb_linear_sum(model->linear, x, n_block, n, out + (size_t)row * model->n_outputs);
    }
    return MR_OK;
}

/* Answers ----------------------------------------------------------------------------------- */

/* LGBMClassifier.predict. */
static mr_status find_labels(const struct mr_lgb_model *model, const struct mr_tensor *predictions,
                             struct mr_arena *arena, struct mr_tensor *out, struct mr_error *err) {
    const double *values = predictions->values;
    int64_t n_rows = predictions->shape[0];
    int64_t *shape = mr_arena_array(arena, 1, sizeof(*shape));
    uint32_t *classes = mr_arena_array(arena, (size_t)n_rows, sizeof(*classes));
    void *labels = mr_arena_array(arena, (size_t)n_rows, model->labels.item_bytes);
    if (!shape || !classes || !labels) return mr_arena_fail(arena, err);
    for (int64_t r = 0; r < n_rows; r++) {
        if (model->is_multiclass) {
            classes[r] = mr_sk_argmax(values + (size_t)r * model->n_outputs, 1, model->n_outputs);
        } else {
            const double both[] = {1 - values[r], values[r]};
            classes[r] = mr_sk_argmax(both, 1, 2);
        }
        if (classes[r] < model->labels.n) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "row %lld: class %u is predicted, but %s was fitted with %zu", (long long)r,
                       classes[r], model->class_name, model->labels.n);
    }
    mr_sk_take_labels(&model->labels, classes, (size_t)n_rows, labels);
    shape[0] = n_rows;
    *out = (struct mr_tensor){.dtype = model->labels.dtype,
                              .n_dims = 1,
                              .shape = shape,
                              .n_values = n_rows,
                              .values = labels};
    return MR_OK;
}

/* LGBMClassifier.predict_proba of two classes. */
static mr_status pair_classes(const struct mr_tensor *predictions, struct mr_arena *arena,
                              struct mr_tensor *out, struct mr_error *err) {
    const double *values = predictions->values;
    int64_t n_rows = predictions->shape[0];
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    double *pairs = mr_arena_array(arena, (size_t)n_rows, 2 * sizeof(*pairs));
    if (!shape || !pairs) return mr_arena_fail(arena, err);
    for (int64_t r = 0; r < n_rows; r++) {
        pairs[2 * r] = 1 - values[r];
        pairs[2 * r + 1] = values[r];
    }
    shape[0] = n_rows;
    shape[1] = 2;
    *out = (struct mr_tensor){
        .dtype = MR_FLOAT64, .n_dims = 2, .shape = shape, .n_values = 2 * n_rows, .values = pairs};
    return MR_OK;
}

mr_status mr_lgb_predict(const struct mr_tree_model *base, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    const struct mr_lgb_model *model = (const struct mr_lgb_model *)base;
    struct mr_lgb_input x;
    MR_TRY(mr_lgb_input_init(model, input, &x, err));
    size_t n_values = (size_t)x.matrix.n_rows * model->n_outputs;
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    double *values = mr_arena_array(arena, (size_t)x.matrix.n_rows,
                                    model->n_outputs * sizeof(*values));
    if (!shape || !values) return mr_arena_fail(arena, err);
    MR_TRY(model->linear ? sum_linear_trees(model, &x, arena, values, err)
                         : sum_trees(model, &x, arena, values, err));
    if (model->is_average) {
        for (size_t i = 0; i < n_values; i++) values[i] /= model->n_rounds;
    }
    mr_lgb_objective_transform(&model->objective, values, (size_t)x.matrix.n_rows,
                               model->n_outputs);
    shape[0] = x.matrix.n_rows;
    shape[1] = model->n_outputs;
    struct mr_tensor predictions = {.dtype = MR_FLOAT64,
                                    .n_dims = model->n_outputs > 1 && x.matrix.n_rows > 0 ? 2 : 1,
                                    .shape = shape,
                                    .n_values = (int64_t)n_values,
                                    .values = values};
    if (model->method == MR_LGB_PREDICT_PROBA && !model->is_multiclass) {
        return pair_classes(&predictions, arena, &out->tensor, err);
    }
    if (model->kind == MR_LGB_CLASSIFIER && model->method == MR_LGB_PREDICT) {
        return find_labels(model, &predictions, arena, &out->tensor, err);
    }
    out->tensor = predictions;
    return MR_OK;
}
