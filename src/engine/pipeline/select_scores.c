/* What the univariate selectors keep (sklearn/feature_selection/_univariate_selection.py, the same
 * in versions 1.1.3 to 1.9.1: _get_support_mask of each). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "engine/pipeline/param.h"
#include "engine/pipeline/select.h"

/* Scores --------------------------------------------------------------------------------------- */

struct scored {
    double score;
    size_t feature;
};

/* By score, and as they came where scores are equal: a stable sort. No NaN is among them. */
static int compare_scored(const void *a, const void *b) {
    const struct scored *left = a, *right = b;
    if (left->score != right->score) return left->score < right->score ? -1 : 1;
    return left->feature < right->feature ? -1 : left->feature > right->feature;
}

/* scores_ after _clean_nans: NaN is the smallest number of the dtype. */
static mr_status read_scores(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             size_t n, mr_dtype *dtype, struct scored **out) {
    const struct mr_ndarray *array = NULL;
    MR_TRY(mr_sk_float_array(estimator, "scores_", &array, b->err));
    if (array->n_dims != 1 || array->n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: scores_ should have %zu values, but has %lld",
                       estimator->name, n, (long long)array->n_values);
    }
    const double *values = NULL;
    MR_TRY(mr_sk_copy_doubles(array, b->scratch, &values, b->err));
    struct scored *scores = mr_arena_array(b->scratch, n, sizeof(*scores));
    if (!scores) return mr_arena_fail(b->scratch, b->err);
    double smallest = array->dtype == MR_FLOAT32 ? (double)-FLT_MAX : -DBL_MAX;
    for (size_t i = 0; i < n; i++) {
        scores[i] = (struct scored){isnan(values[i]) ? smallest : values[i], i};
    }
    *dtype = array->dtype;
    *out = scores;
    return MR_OK;
}

static void fill(bool *mask, size_t n, bool value) {
    for (size_t i = 0; i < n; i++) mask[i] = value;
}

/* SelectKBest: the last k of a mergesort. attribute: where k is. */
static mr_status keep_best(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           const char *attribute, size_t n, bool *mask) {
    struct scored *scores = NULL;
    mr_dtype dtype = MR_FLOAT64;
    MR_TRY(read_scores(b, estimator, n, &dtype, &scores));
    bool is_all = mr_object_is_str(mr_object_attr(estimator->object, attribute), "all");
    fill(mask, n, is_all);
    if (is_all) return MR_OK;
    int64_t k = 0;
    MR_TRY(mr_pipe_count_param(b, estimator, attribute, &k));
    qsort(scores, n, sizeof(*scores), compare_scored);
    size_t n_dropped = (uint64_t)k < n ? n - (size_t)k : 0;
    for (size_t i = n_dropped; i < n; i++) mask[scores[i].feature] = true;
    return MR_OK;
}

/* numpy.percentile(scores, q) of sorted float64, method "linear" (numpy/lib/_function_base_impl.py,
 * version 2.4.6: _quantile, _lerp). */
static double find_percentile(const struct scored *sorted, size_t n, double q) {
    double virtual_index = (double)(n - 1) * (q / 100);
    if (virtual_index >= (double)(n - 1)) return sorted[n - 1].score;
    double below = floor(virtual_index);
    double gamma = virtual_index - below;
    double a = sorted[(size_t)below].score, c = sorted[(size_t)below + 1].score;
    double difference = c - a;
    return gamma >= 0.5 ? c - difference * (1 - gamma) : a + difference * gamma;
}

/* SelectPercentile: those above a percentile, and as many of those at it as there is room for. */
static mr_status keep_percentile(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 const char *attribute, size_t n, bool *mask) {
    struct scored *scores = NULL;
    mr_dtype dtype = MR_FLOAT64;
    double percentile = 0;
    MR_TRY(read_scores(b, estimator, n, &dtype, &scores));
    MR_TRY(mr_pipe_real_param(b, estimator, attribute, &percentile));
    fill(mask, n, percentile == 100);
    if (percentile == 100 || percentile == 0) return MR_OK;
    if (!(percentile > 0 && percentile < 100)) {
        return mr_sk_refuse(estimator, "with a percentile outside of 0 to 100", b->err);
    }
    if (dtype != MR_FLOAT64) return mr_sk_refuse(estimator, "with scores of float32", b->err);
    struct scored *sorted = mr_arena_array(b->scratch, n, sizeof(*sorted));
    if (!sorted) return mr_arena_fail(b->scratch, b->err);
    memcpy(sorted, scores, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_scored);
    double threshold = find_percentile(sorted, n, 100 - percentile);
    if (!isfinite(threshold)) return mr_sk_refuse(estimator, "with infinite scores", b->err);
    int64_t n_above = 0, n_ties = 0;
    for (size_t i = 0; i < n; i++) {
        mask[i] = scores[i].score > threshold;
        n_above += mask[i];
        n_ties += scores[i].score == threshold;
    }
    int64_t n_kept = (int64_t)((double)n * percentile / 100) - n_above;
    if (n_kept < 0) n_kept += n_ties; /* a slice of Python's then counts from the end */
    for (size_t i = 0; i < n && n_kept > 0; i++) {
        if (scores[i].score != threshold) continue;
        mask[i] = true;
        n_kept--;
    }
    return MR_OK;
}

/* p-values ------------------------------------------------------------------------------------- */

static mr_status keep_fpr(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          const char *attribute, size_t n, bool *mask) {
    const double *values = NULL;
    double alpha = 0;
    MR_TRY(mr_pipe_vector(b, estimator, "pvalues_", n, &values));
    MR_TRY(mr_pipe_real_param(b, estimator, attribute, &alpha));
    for (size_t i = 0; i < n; i++) mask[i] = values[i] < alpha;
    return MR_OK;
}

static mr_status keep_fwe(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          const char *attribute, size_t n, bool *mask) {
    const double *values = NULL;
    double alpha = 0;
    MR_TRY(mr_pipe_vector(b, estimator, "pvalues_", n, &values));
    MR_TRY(mr_pipe_real_param(b, estimator, attribute, &alpha));
    for (size_t i = 0; i < n; i++) mask[i] = values[i] < alpha / (double)n;
    return MR_OK;
}

/* NaN after all numbers. */
static int compare_values(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    if (isnan(left) || isnan(right)) return (int)isnan(left) - (int)isnan(right);
    return left < right ? -1 : left > right;
}

/* Benjamini and Hochberg: up to the largest that is below its line. */
static mr_status keep_fdr(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          const char *attribute, size_t n, bool *mask) {
    const double *values = NULL;
    double alpha = 0;
    MR_TRY(mr_pipe_vector(b, estimator, "pvalues_", n, &values));
    MR_TRY(mr_pipe_real_param(b, estimator, attribute, &alpha));
    double *sorted = mr_arena_array(b->scratch, n, sizeof(*sorted));
    if (!sorted) return mr_arena_fail(b->scratch, b->err);
    memcpy(sorted, values, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_values);
    double slope = alpha / (double)n;
    size_t n_kept = n;
    while (n_kept > 0 && !(sorted[n_kept - 1] <= slope * (double)n_kept)) n_kept--;
    for (size_t i = 0; i < n; i++) mask[i] = n_kept > 0 && values[i] <= sorted[n_kept - 1];
    return MR_OK;
}

/* Classes -------------------------------------------------------------------------------------- */

mr_status mr_pipe_mask_of_kbest(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                size_t n, bool *mask) {
    return keep_best(b, estimator, "k", n, mask);
}

mr_status mr_pipe_mask_of_percentile(struct mr_pipe_builder *b,
                                     const struct mr_sk_estimator *estimator, size_t n,
                                     bool *mask) {
    return keep_percentile(b, estimator, "percentile", n, mask);
}

mr_status mr_pipe_mask_of_fpr(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              size_t n, bool *mask) {
    return keep_fpr(b, estimator, "alpha", n, mask);
}

mr_status mr_pipe_mask_of_fdr(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              size_t n, bool *mask) {
    return keep_fdr(b, estimator, "alpha", n, mask);
}

mr_status mr_pipe_mask_of_fwe(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              size_t n, bool *mask) {
    return keep_fwe(b, estimator, "alpha", n, mask);
}

/* GenericUnivariateSelect: one of the above, by the name of a mode. */
mr_status mr_pipe_mask_of_univariate(struct mr_pipe_builder *b,
                                     const struct mr_sk_estimator *estimator, size_t n,
                                     bool *mask) {
    static const struct {
        const char *name;
        mr_status (*keep)(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          const char *attribute, size_t n, bool *mask);
    } modes[] = {
        {"percentile", keep_percentile},
        {"k_best", keep_best},
        {"fpr", keep_fpr},
        {"fdr", keep_fdr},
        {"fwe", keep_fwe},
    };
    const struct mr_object *mode = mr_object_attr(estimator->object, "mode");
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (!mr_object_is_str(mode, modes[i].name)) continue;
        return modes[i].keep(b, estimator, "param", n, mask);
    }
    return mr_pipe_fail_param(b, estimator, "mode", "the name of a mode");
}
