#include <math.h>
#include <stdlib.h>

#include "engine/sktree/sktree_int.h"

/* Sums to scores ------------------------------------------------------------------------------ */

static void divide(const struct mr_skt_model *model, struct mr_skt_block *block) {
    if (model->divisor == 1) return;
    for (size_t k = 0; k < model->n_outputs; k++) {
        double *sums = block->sums + k * block->stride;
        for (size_t r = 0; r < block->n_rows; r++) sums[r] /= model->divisor;
    }
}

/* Column 0 holds the second class; makes of it [1 - p, p]. */
static void complement(const double *from, struct mr_skt_block *block) {
    for (size_t r = 0; r < block->n_rows; r++) {
        double p = from[r];
        block->scratch[r] = 1 - p;
        block->scratch[block->stride + r] = p;
    }
}

/* nan_to_num(exp(raw - logsumexp(raw))) of MultinomialDeviance. */
static void logsumexp(struct mr_skt_block *block, size_t n_classes) {
    for (size_t r = 0; r < block->n_rows; r++) {
        double *scores = block->sums + r;
        double largest = scores[mr_sk_argmax(scores, block->stride, n_classes) * block->stride];
        double *p = block->scratch + r;
        for (size_t k = 0; k < n_classes; k++) {
            p[k * block->stride] = exp(scores[k * block->stride] - largest);
        }
        double sum = mr_sk_sum(p, block->stride, n_classes, MR_SK_SUM_PAIRWISE);
        double total = log(sum) + largest;
        for (size_t k = 0; k < n_classes; k++) {
            double value = exp(scores[k * block->stride] - total);
            p[k * block->stride] = isnan(value) ? 0 : value;
        }
    }
}

static void copy_sums(const struct mr_skt_model *model, struct mr_skt_block *block) {
    for (size_t k = 0; k < model->n_outputs; k++) {
        memcpy(block->scratch + k * block->stride, block->sums + k * block->stride,
               block->n_rows * sizeof(double));
    }
}

/* Raw predictions to probabilities of all classes, in block->scratch. */
static void to_probabilities(const struct mr_skt_model *model, struct mr_skt_block *block) {
    switch (model->link) {
    case MR_SKT_LINK_HALF_LOGIT:
        for (size_t r = 0; r < block->n_rows; r++) block->scratch[r] = 2 * block->sums[r];
        mr_sk_expit(block->scratch, block->n_rows);
        complement(block->scratch, block);
        break;
    case MR_SKT_LINK_LOGIT:
        memcpy(block->scratch, block->sums, block->n_rows * sizeof(double));
        mr_sk_expit(block->scratch, block->n_rows);
        complement(block->scratch, block);
        break;
    case MR_SKT_LINK_LOGSUMEXP: logsumexp(block, model->n_outputs); break;
    default:
        copy_sums(model, block);
        mr_sk_softmax(block->scratch, block->stride, block->n_rows, model->n_outputs, model->order);
    }
}

/* AdaBoostClassifier.decision_function: for two classes one score, in column 0. */
static void to_decisions(const struct mr_skt_model *model, struct mr_skt_block *block) {
    divide(model, block);
    if (model->n_outputs != 2) return;
    const double *second = block->sums + block->stride;
    for (size_t r = 0; r < block->n_rows; r++) block->sums[r] = block->sums[r] * -1 + second[r];
}

/* AdaBoostClassifier._compute_proba_from_decision, in block->scratch. */
static void decisions_to_probabilities(const struct mr_skt_model *model,
                                       struct mr_skt_block *block) {
    size_t n = model->n_outputs;
    for (size_t r = 0; r < block->n_rows; r++) {
        if (n == 2) {
            double decision = block->sums[r];
            block->scratch[r] = -decision / 2;
            block->scratch[block->stride + r] = decision / 2;
            continue;
        }
        for (size_t k = 0; k < n; k++) {
            size_t i = k * block->stride + r;
            block->scratch[i] = block->sums[i] / (double)(n - 1);
        }
    }
    mr_sk_softmax(block->scratch, block->stride, block->n_rows, n, model->order);
}

/* IsolationForest._compute_score_samples, score_samples and decision_function. */
static void to_anomalies(const struct mr_skt_model *model, struct mr_skt_block *block) {
    for (size_t r = 0; r < block->n_rows; r++) {
        double depth = model->divisor == 0 ? 1 : block->sums[r] / model->divisor;
        block->sums[r] = -pow(2, -depth);
        if (model->method != MR_SK_SCORE_SAMPLES) block->sums[r] -= model->offset;
    }
}

/* Median -------------------------------------------------------------------------------------- */

struct prediction {
    double value;
    size_t tree;
};

static int compare_predictions(const void *left, const void *right) {
    const struct prediction *a = left, *b = right;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return (a->tree > b->tree) - (a->tree < b->tree);
}

/* AdaBoostRegressor._get_median_predict: the first prediction, of those in ascending order, at
 * which half of the weights is reached. numpy sorts equal predictions as it likes. */
static double find_median(const struct mr_skt_model *model, const struct mr_skt_block *block,
                          size_t row) {
    size_t n = mr_tree_forest_shape(model->forest)->n_trees;
    struct prediction *sorted = (struct prediction *)block->scratch;
    for (size_t t = 0; t < n; t++) {
        sorted[t] = (struct prediction){block->sums[t * block->stride + row], t};
    }
    qsort(sorted, n, sizeof(*sorted), compare_predictions);
    double total = 0;
    for (size_t i = 0; i < n; i++) total += model->weights[sorted[i].tree];
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += model->weights[sorted[i].tree];
        if (sum >= 0.5 * total) return sorted[i].value;
    }
    return sorted[0].value; /* argmax of nothing but False: weights that are NaN */
}

static void to_medians(const struct mr_skt_model *model, struct mr_skt_block *block) {
    for (size_t r = 0; r < block->n_rows; r++) block->sums[r] = find_median(model, block, r);
}

/* Logarithms of votes ------------------------------------------------------------------------- */

/* numpy.logaddexp. */
static double logaddexp(double a, double b) {
    if (a == b) return a + M_LN2;
    double difference = a - b;
    if (difference > 0) return a + log1p(exp(-difference));
    if (difference <= 0) return b + log1p(exp(difference));
    return difference;
}

/* BaggingClassifier.predict_log_proba, in block->scratch. */
static void add_log_votes(const struct mr_skt_model *model, struct mr_skt_block *block) {
    size_t n_trees = mr_tree_forest_shape(model->forest)->n_trees;
    size_t n = model->n_outputs;
    for (size_t r = 0; r < block->n_rows; r++) {
        double *out = block->scratch + r;
        for (size_t k = 0; k < n; k++) out[k * block->stride] = -INFINITY;
        for (size_t t = 0; t < n_trees; t++) {
            size_t leaf = (size_t)block->sums[t * block->stride + r];
            const double *votes = model->log_votes + leaf * n;
            for (size_t k = 0; k < n; k++) {
                out[k * block->stride] = logaddexp(out[k * block->stride], votes[k]);
            }
        }
        for (size_t k = 0; k < n; k++) out[k * block->stride] -= log(model->divisor);
    }
}

/* Writing ------------------------------------------------------------------------------------- */

static bool is_probability(const struct mr_skt_model *model) {
    return model->method == MR_SK_PREDICT_PROBA || model->method == MR_SK_PREDICT_LOG_PROBA;
}

/* Whether classifiers of two classes have one score for a row. */
static bool is_single_score(const struct mr_skt_model *model) {
    if (model->sums == MR_SKT_DECISION) return model->n_outputs == 2;
    return model->sums == MR_SKT_RAW && model->link != MR_SKT_LINK_SOFTMAX &&
           model->link != MR_SKT_LINK_LOGSUMEXP;
}

/* Floating-point values of a row; for probabilities of one target. */
static size_t row_width(const struct mr_skt_model *model) {
    if (is_probability(model)) return model->labels[0].n;
    switch (model->sums) {
    case MR_SKT_VALUES: return model->n_outputs;
    case MR_SKT_RAW:
    case MR_SKT_DECISION: return is_single_score(model) ? 1 : model->n_outputs;
    default: return 1;
    }
}

static void write_labels(const struct mr_skt_model *model, size_t target, const uint32_t *indexes,
                         size_t n, int64_t row, struct mr_tensor *out) {
    const struct mr_sk_labels *labels = &model->labels[target];
    char *values = (char *)(uintptr_t)out->values;
    size_t n_targets = model->n_targets;
    if (n_targets == 1) {
        mr_sk_take_labels(labels, indexes, n, values + (size_t)row * labels->item_bytes);
        return;
    }
    for (size_t r = 0; r < n; r++) {
        size_t at = ((size_t)row + r) * n_targets + target;
        mr_sk_take_labels(labels, &indexes[r], 1, values + at * labels->item_bytes);
    }
}

/* The class of each row whose scores are largest; scores of the targets follow one another. */
static void write_largest(const struct mr_skt_model *model, const struct mr_skt_block *block,
                          const double *scores, int64_t row, struct mr_tensor *out) {
    uint32_t indexes[MR_TREE_BLOCK_ROWS];
    for (size_t target = 0; target < model->n_targets; target++) {
        size_t n_classes = model->labels[target].n;
        for (size_t r = 0; r < block->n_rows; r++) {
            indexes[r] = mr_sk_argmax(scores + r, block->stride, n_classes);
        }
        write_labels(model, target, indexes, block->n_rows, row, out);
        scores += n_classes * block->stride;
    }
}

static void write_by_sign(const struct mr_skt_model *model, const struct mr_skt_block *block,
                          bool is_zero_positive, int64_t row, struct mr_tensor *out) {
    uint32_t indexes[MR_TREE_BLOCK_ROWS];
    for (size_t r = 0; r < block->n_rows; r++) {
        double score = block->sums[r];
        indexes[r] = score > 0 || (is_zero_positive && score == 0);
    }
    write_labels(model, 0, indexes, block->n_rows, row, out);
}

/* scores: those of all targets, one after the other; out: one array for each target. */
static void write_probabilities(const struct mr_skt_model *model, const struct mr_skt_block *block,
                                const double *scores, int64_t row, struct mr_tensor *out) {
    size_t width = model->labels[0].n;
    bool is_log = model->method == MR_SK_PREDICT_LOG_PROBA && model->sums != MR_SKT_LEAVES;
    int64_t n_rows = out->shape[out->n_dims - 2];
    for (size_t target = 0; target < model->n_targets; target++) {
        size_t first = (target * (size_t)n_rows + (size_t)row) * width;
        double *values = (double *)(uintptr_t)out->values + first;
        for (size_t r = 0; r < block->n_rows; r++) {
            for (size_t k = 0; k < width; k++) {
                double p = scores[k * block->stride + r];
                *values++ = is_log ? log(p) : p;
            }
        }
        scores += width * block->stride;
    }
}

static void write_values(const struct mr_skt_model *model, const struct mr_skt_block *block,
                         int64_t row, struct mr_tensor *out) {
    size_t width = row_width(model);
    double *values = (double *)(uintptr_t)out->values + (size_t)row * width;
    for (size_t r = 0; r < block->n_rows; r++) {
        for (size_t k = 0; k < width; k++) *values++ = block->sums[k * block->stride + r];
    }
}

static void write_inliers(const struct mr_skt_block *block, int64_t row, struct mr_tensor *out) {
    int64_t *values = (int64_t *)(uintptr_t)out->values + row;
    for (size_t r = 0; r < block->n_rows; r++) values[r] = block->sums[r] < 0 ? -1 : 1;
}

/* Answer -------------------------------------------------------------------------------------- */

static void answer_raw(const struct mr_skt_model *model, struct mr_skt_block *block, int64_t row,
                       struct mr_tensor *out) {
    bool is_labels = model->type->is_classifier && model->method == MR_SK_PREDICT;
    bool is_by_proba = is_labels && model->choice == MR_SKT_CHOICE_PROBA;
    if (is_probability(model) || is_by_proba) {
        to_probabilities(model, block);
        if (is_by_proba) {
            write_largest(model, block, block->scratch, row, out);
        } else {
            write_probabilities(model, block, block->scratch, row, out);
        }
    } else if (is_labels && is_single_score(model)) {
        write_by_sign(model, block, model->choice == MR_SKT_CHOICE_RAW_AT_0, row, out);
    } else if (is_labels) {
        write_largest(model, block, block->sums, row, out);
    } else {
        for (size_t r = 0; model->link == MR_SKT_LINK_LOG && r < block->n_rows; r++) {
            block->sums[r] = exp(block->sums[r]);
        }
        write_values(model, block, row, out);
    }
}

static void answer_decision(const struct mr_skt_model *model, struct mr_skt_block *block,
                            int64_t row, struct mr_tensor *out) {
    to_decisions(model, block);
    if (is_probability(model)) {
        decisions_to_probabilities(model, block);
        write_probabilities(model, block, block->scratch, row, out);
    } else if (model->method != MR_SK_PREDICT) {
        write_values(model, block, row, out);
    } else if (model->n_outputs == 2) {
        write_by_sign(model, block, false, row, out);
    } else {
        write_largest(model, block, block->sums, row, out);
    }
}

void mr_skt_answer(const struct mr_skt_model *model, struct mr_skt_block *block, int64_t row,
                   struct mr_output *out) {
    struct mr_tensor *tensor = &out->tensor;
    switch (model->sums) {
    case MR_SKT_VALUES:
        divide(model, block);
        write_values(model, block, row, tensor);
        break;
    case MR_SKT_VOTES:
        divide(model, block);
        if (is_probability(model)) {
            write_probabilities(model, block, block->sums, row, tensor);
        } else {
            write_largest(model, block, block->sums, row, tensor);
        }
        break;
    case MR_SKT_LEAVES:
        add_log_votes(model, block);
        write_probabilities(model, block, block->scratch, row, tensor);
        break;
    case MR_SKT_MEDIAN:
        to_medians(model, block);
        write_values(model, block, row, tensor);
        break;
    case MR_SKT_DECISION: answer_decision(model, block, row, tensor); break;
    case MR_SKT_DEPTHS:
        to_anomalies(model, block);
        if (model->method == MR_SK_PREDICT) {
            write_inliers(block, row, tensor);
        } else {
            write_values(model, block, row, tensor);
        }
        break;
    case MR_SKT_RAW: answer_raw(model, block, row, tensor); break;
    }
}

size_t mr_skt_scratch_size(const struct mr_skt_model *model, size_t stride) {
    size_t n_sorted = model->sums == MR_SKT_MEDIAN
                          ? mr_tree_forest_shape(model->forest)->n_trees *
                                (sizeof(struct prediction) / sizeof(double))
                          : 0;
    size_t n_columns = model->n_outputs < 2 ? 2 : model->n_outputs;
    return n_columns * stride > n_sorted ? n_columns * stride : n_sorted;
}

mr_status mr_skt_new_answer(const struct mr_skt_model *model, int64_t n_rows,
                            struct mr_arena *arena, struct mr_output *out, struct mr_error *err) {
    bool is_labels = model->method == MR_SK_PREDICT && model->type->is_classifier;
    bool is_inliers = model->method == MR_SK_PREDICT && model->sums == MR_SKT_DEPTHS;
    size_t n_targets = model->n_targets > 1 ? model->n_targets : 1;
    size_t width = is_labels ? n_targets : is_inliers ? 1 : row_width(model);
    struct mr_tensor tensor = {.dtype = is_inliers ? MR_INT64 : MR_FLOAT64, .n_dims = 2};
    size_t item_bytes = 8;
    if (is_labels) {
        tensor.dtype = model->labels[0].dtype;
        item_bytes = model->labels[0].item_bytes;
    }
    if (width == 1 && !is_probability(model)) tensor.n_dims = 1;
    size_t n_arrays = is_probability(model) ? n_targets : 1; /* a list of them in Python */
    int64_t *shape = mr_arena_array(arena, 3, sizeof(*shape));
    void *values = mr_arena_array(arena, (size_t)n_rows, n_arrays * width * item_bytes);
    if (!shape || !values) return mr_arena_fail(arena, err);
    shape[0] = (int64_t)n_arrays;
    shape[1] = n_rows;
    shape[2] = (int64_t)width;
    if (n_arrays > 1) tensor.n_dims = 3;
    tensor.shape = n_arrays > 1 ? shape : shape + 1;
    tensor.n_values = n_rows * (int64_t)(n_arrays * width);
    tensor.values = values;
    out->tensor = tensor;
    out->is_by_target = n_arrays > 1;
    return MR_OK;
}
