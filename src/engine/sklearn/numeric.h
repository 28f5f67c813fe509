/* Functions of numpy and scipy that scikit-learn's estimators apply to scores, with numpy's order
 * of additions.
 *
 * exp and log are the C library's, as numpy's are, but for processors with AVX-512, where numpy has
 * its own that differ by at most one unit in the last place.
 * Scores of a block of rows: class k of row r at scores[k * stride + r]. */
#ifndef MR_ENGINE_SKLEARN_NUMERIC_H
#define MR_ENGINE_SKLEARN_NUMERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How numpy adds up an axis. */
typedef enum mr_sk_sum_order {
    MR_SK_SUM_PAIRWISE,  /* items that lie side by side: in pairs of partial sums */
    MR_SK_SUM_SEQUENTIAL /* across rows of memory: one after the other */
} mr_sk_sum_order;

/* ndarray.sum of n values, `stride` apart here, however they lie in numpy. */
double mr_sk_sum(const double *values, size_t stride, size_t n, mr_sk_sum_order order);

/* numpy.argmax: the first of equals, and the first NaN before everything. n: at least 1. */
uint32_t mr_sk_argmax(const double *values, size_t stride, size_t n);

/* scipy.special.expit, in place. */
void mr_sk_expit(double *values, size_t n);

/* softmax of sklearn/utils/extmath.py, in place. order: of the sum over the classes */
void mr_sk_softmax(double *scores, size_t stride, size_t n_rows, size_t n_classes,
                   mr_sk_sum_order order);

#endif
