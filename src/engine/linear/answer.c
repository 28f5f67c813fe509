#include <float.h>
#include <math.h>

#include "engine/linear/linear_int.h"
#include "engine/sklearn/numeric.h"

/* Probabilities ----------------------------------------------------------------------------- */

/* numpy keeps float32 through every step; here each step is rounded to it. */
static void round_block(const struct mr_linear_block *block, size_t n_columns) {
    if (!block->is_float32) return;
    for (size_t i = 0; i < n_columns * block->n_rows; i++) {
        block->scores[i] = (double)(float)block->scores[i];
    }
}

/* Column 0 holds the positive class; makes of it [1 - p, p]. */
static void complement(struct mr_linear_block *block) {
    size_t n = block->n_rows;
    for (size_t r = 0; r < n; r++) {
        double p = block->scores[r];
        block->scores[r] = 1 - p;
        block->scores[n + r] = p;
    }
}

/* Divides the classes of each row by their sum. _predict_proba_lr of sklearn/linear_model/_base.py
 * (before 1.9, 0 / 0 was NaN there) and SGDClassifier.predict_proba. */
static void normalize(struct mr_linear_block *block, size_t n_classes, bool is_uniform_when_zero) {
    size_t n = block->n_rows;
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t k = 0; k < n_classes; k++) sum += block->scores[k * n + r];
        bool is_uniform = sum == 0 && is_uniform_when_zero;
        for (size_t k = 0; k < n_classes; k++) {
            double *p = &block->scores[k * n + r];
            *p = is_uniform ? 1 / (double)n_classes : *p / sum;
        }
    }
}

static void softmax(struct mr_linear_block *block, size_t n_classes) {
    mr_sk_softmax(block->scores, block->n_rows, block->n_rows, n_classes, MR_SK_SUM_PAIRWISE);
}

static void expit(struct mr_linear_block *block, size_t n_columns) {
    mr_sk_expit(block->scores, n_columns * block->n_rows);
    round_block(block, n_columns);
}

/* SGDClassifier.predict_proba, loss="modified_huber". np.clip lets NaN pass. */
static void clip(struct mr_linear_block *block, size_t n_columns) {
    for (size_t i = 0; i < n_columns * block->n_rows; i++) {
        double score = block->scores[i];
        if (score < -1) score = -1;
        if (score > 1) score = 1;
        block->scores[i] = (score + 1) / 2;
    }
    round_block(block, n_columns);
}

/* Two classes of loss="modified_huber" go into a new array, which is float64 whatever the scores.
 */
static bool is_always_float64(const struct mr_engine_model *model) {
    return model->proba == MR_LINEAR_PROBA_CLIP && model->labels.n == 2;
}

/* Scores to probabilities of all classes, in place. */
static void to_probabilities(const struct mr_engine_model *model, struct mr_linear_block *block) {
    size_t n_classes = model->labels.n;
    size_t n = block->n_rows;
    if (is_always_float64(model)) block->is_float32 = false;
    switch (model->proba) {
    case MR_LINEAR_PROBA_EXPIT:
    case MR_LINEAR_PROBA_CLIP:
        if (model->proba == MR_LINEAR_PROBA_EXPIT) {
            expit(block, model->n_outputs);
        } else {
            clip(block, model->n_outputs);
        }
        if (n_classes == 2) {
            complement(block);
        } else {
            normalize(block, n_classes, model->is_uniform_when_zero);
        }
        break;
    case MR_LINEAR_PROBA_SOFTMAX_BINARY:
        for (size_t r = 0; r < n; r++) {
            block->scores[n + r] = block->scores[r];
            block->scores[r] = -block->scores[r];
        }
        softmax(block, 2);
        break;
    case MR_LINEAR_PROBA_SOFTMAX: softmax(block, n_classes); break;
    case MR_LINEAR_PROBA_NONE: break;
    }
    round_block(block, n_classes);
}

/* Probabilities to their logarithms. LinearDiscriminantAnalysis.predict_log_proba puts the smallest
 * normal number in the place of 0; others answer -inf. */
static void to_logarithms(const struct mr_engine_model *model, struct mr_linear_block *block) {
    double smallest = block->is_float32 ? (double)FLT_MIN : DBL_MIN;
    for (size_t i = 0; i < model->labels.n * block->n_rows; i++) {
        double p = block->scores[i];
        if (p == 0 && model->is_zero_nudged) p = smallest;
        block->scores[i] = log(p);
    }
}

/* Labels ------------------------------------------------------------------------------------ */

/* LinearClassifierMixin.predict. */
static void write_labels(const struct mr_engine_model *model, struct mr_linear_block *block,
                         int64_t row, struct mr_tensor *out) {
    if (model->n_outputs == 1) {
        for (size_t r = 0; r < block->n_rows; r++) block->indexes[r] = block->scores[r] > 0;
    } else {
        for (size_t r = 0; r < block->n_rows; r++) {
            block->indexes[r] = mr_sk_argmax(block->scores + r, block->n_rows, model->n_outputs);
        }
    }
    char *values = (char *)(uintptr_t)out->values;
    mr_sk_take_labels(&model->labels, block->indexes, block->n_rows,
                      values + (size_t)row * model->labels.item_bytes);
}

/* _RidgeClassifierMixin.predict for several labels: LabelBinarizer.inverse_transform of the signs
 * is 1 where the score is positive. */
static void write_label_sets(const struct mr_engine_model *model,
                             const struct mr_linear_block *block, int64_t row,
                             struct mr_tensor *out) {
    int64_t *values = (int64_t *)(uintptr_t)out->values + (size_t)row * model->n_outputs;
    for (size_t r = 0; r < block->n_rows; r++) {
        for (size_t k = 0; k < model->n_outputs; k++) {
            *values++ = block->scores[k * block->n_rows + r] > 0;
        }
    }
}

/* SGDOneClassSVM.predict. */
static void write_inliers(const struct mr_linear_block *block, int64_t row, struct mr_tensor *out) {
    int32_t *values = (int32_t *)(uintptr_t)out->values + row;
    for (size_t r = 0; r < block->n_rows; r++) values[r] = block->scores[r] >= 0 ? 1 : -1;
}

/* Answer ------------------------------------------------------------------------------------ */

static bool is_probability(const struct mr_engine_model *model) {
    return model->method == MR_SK_PREDICT_PROBA || model->method == MR_SK_PREDICT_LOG_PROBA;
}

/* Columns of a floating-point answer. */
static size_t n_columns(const struct mr_engine_model *model) {
    return is_probability(model) ? model->labels.n : model->n_outputs;
}

static void write_floats(const struct mr_engine_model *model, const struct mr_linear_block *block,
                         int64_t row, struct mr_tensor *out) {
    size_t width = n_columns(model);
    size_t n = block->n_rows;
    size_t start = (size_t)row * width;
    if (out->dtype == MR_FLOAT32) {
        float *values = (float *)(uintptr_t)out->values + start;
        for (size_t k = 0; k < width; k++) {
            for (size_t r = 0; r < n; r++) values[r * width + k] = (float)block->scores[k * n + r];
        }
        return;
    }
    double *values = (double *)(uintptr_t)out->values + start;
    for (size_t k = 0; k < width; k++) {
        for (size_t r = 0; r < n; r++) values[r * width + k] = block->scores[k * n + r];
    }
}

mr_status mr_linear_new_answer(const struct mr_engine_model *model, int64_t n_rows, bool is_float32,
                               struct mr_arena *arena, struct mr_output *out,
                               struct mr_error *err) {
    if (is_probability(model) && is_always_float64(model)) is_float32 = false;
    mr_dtype dtype = is_float32 ? MR_FLOAT32 : MR_FLOAT64;
    size_t item_bytes = mr_dtype_size(dtype);
    size_t width = n_columns(model);
    bool is_vector = !is_probability(model) && model->is_vector;
    if (model->method == MR_SK_PREDICT && model->rule->role == MR_LINEAR_ONE_CLASS) {
        dtype = MR_INT32;
        item_bytes = 4;
    } else if (model->method == MR_SK_PREDICT && model->is_multilabel) {
        dtype = MR_INT64;
        item_bytes = 8;
    } else if (model->method == MR_SK_PREDICT && model->labels.n) {
        dtype = model->labels.dtype;
        item_bytes = model->labels.item_bytes;
        width = 1;
        is_vector = true;
    }
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    void *values = mr_arena_array(arena, (size_t)n_rows, width * item_bytes);
    if (!shape || !values) return mr_arena_fail(arena, err);
    shape[0] = n_rows;
    shape[1] = (int64_t)width;
    out->tensor = (struct mr_tensor){.dtype = dtype,
                                     .n_dims = is_vector ? 1 : 2,
                                     .shape = shape,
                                     .n_values = n_rows * (int64_t)width,
                                     .values = values};
    return MR_OK;
}

static void apply_link(const struct mr_engine_model *model, struct mr_linear_block *block) {
    if (!model->is_log_link) return;
    for (size_t i = 0; i < model->n_outputs * block->n_rows; i++) {
        block->scores[i] = exp(block->scores[i]);
    }
}

void mr_linear_answer(const struct mr_engine_model *model, struct mr_linear_block *block,
                      int64_t row, struct mr_output *out) {
    struct mr_tensor *tensor = &out->tensor;
    if (is_probability(model)) {
        to_probabilities(model, block);
        if (model->method == MR_SK_PREDICT_LOG_PROBA) to_logarithms(model, block);
    } else if (model->method == MR_SK_PREDICT) {
        switch (model->rule->role) {
        case MR_LINEAR_RIDGE_CLASSIFIER:
        case MR_LINEAR_CLASSIFIER:
            if (model->is_multilabel) {
                write_label_sets(model, block, row, tensor);
            } else {
                write_labels(model, block, row, tensor);
            }
            return;
        case MR_LINEAR_ONE_CLASS: write_inliers(block, row, tensor); return;
        case MR_LINEAR_GLM: apply_link(model, block); break;
        case MR_LINEAR_REGRESSOR: break;
        }
    }
    write_floats(model, block, row, tensor);
}
