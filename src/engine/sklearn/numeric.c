#include "engine/sklearn/numeric.h"

#include <math.h>

/* Most values that numpy adds up before it halves (PW_BLOCKSIZE in
 * numpy/_core/src/umath/loops_utils.h.src). */
#define BLOCK_SIZE ((size_t)128)

static double sum_sequential(const double *values, size_t stride, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i * stride];
    return sum;
}

/* Eight partial sums. n: 8 to BLOCK_SIZE. */
static double sum_block(const double *values, size_t stride, size_t n) {
    double partial[8];
    for (size_t k = 0; k < 8; k++) partial[k] = values[k * stride];
    size_t i = 8;
    for (; i < n - n % 8; i += 8) {
        for (size_t k = 0; k < 8; k++) partial[k] += values[(i + k) * stride];
    }
    double sum = ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
                 ((partial[4] + partial[5]) + (partial[6] + partial[7]));
    for (; i < n; i++) sum += values[i * stride];
    return sum;
}

/* DOUBLE_pairwise_sum. The recursion is as deep as n has bits. */
static double sum_pairwise(const double *values, size_t stride, size_t n) {
    if (n < 8) return sum_sequential(values, stride, n);
    if (n <= BLOCK_SIZE) return sum_block(values, stride, n);
    size_t half = n / 2;
    half -= half % 8;
    return sum_pairwise(values, stride, half) +
           sum_pairwise(values + half * stride, stride, n - half);
}

double mr_sk_sum(const double *values, size_t stride, size_t n, mr_sk_sum_order order) {
    return order == MR_SK_SUM_PAIRWISE ? sum_pairwise(values, stride, n)
                                       : sum_sequential(values, stride, n);
}

uint32_t mr_sk_argmax(const double *values, size_t stride, size_t n) {
    uint32_t best = 0;
    for (uint32_t k = 1; k < n; k++) {
        double value = values[k * stride];
        double top = values[best * stride];
        if (value > top || (isnan(value) && !isnan(top))) best = k;
    }
    return best;
}

void mr_sk_expit(double *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = 1 / (1 + exp(-values[i]));
}

void mr_sk_softmax(double *scores, size_t stride, size_t n_rows, size_t n_classes,
                   mr_sk_sum_order order) {
    for (size_t r = 0; r < n_rows; r++) {
        double largest = scores[r + mr_sk_argmax(scores + r, stride, n_classes) * stride];
        for (size_t k = 0; k < n_classes; k++) {
            double *p = &scores[k * stride + r];
            *p = exp(*p - largest);
        }
        double sum = mr_sk_sum(scores + r, stride, n_classes, order);
        for (size_t k = 0; k < n_classes; k++) scores[k * stride + r] /= sum;
    }
}
