/* sklearn.preprocessing.PolynomialFeatures of a dense X (sklearn/preprocessing/_polynomial.py,
 * versions 1.1.3 to 1.9.1: fit, transform). */
#include "engine/pipeline/param.h"

/* Terms that one transformer computes. */
#define MAX_TERMS ((size_t)1 << 20)

/* A term of degree 2 or more: an earlier one times a feature. */
struct product {
    uint32_t term, feature;
};

struct polynomial {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features;
    bool has_bias;
    bool is_fortran; /* order="F" */
    size_t n_terms;  /* from degree 0 or 1 on: the bias, the features, then the products */
    size_t n_products;
    const struct product *products;
};

/* Transformation ------------------------------------------------------------------------------- */

/* All terms of one row. */
static void expand_row(const struct polynomial *polynomial, const double *x, bool is_float32,
                       double *terms) {
    double *next = terms;
    if (polynomial->has_bias) *next++ = 1;
    if (polynomial->n_terms == (size_t)(next - terms)) return; /* degree 0 */
    memcpy(next, x, polynomial->features.n_features * sizeof(*next));
    next += polynomial->features.n_features;
    for (size_t i = 0; i < polynomial->n_products; i++) {
        const struct product *product = &polynomial->products[i];
        double value = terms[product->term] * x[product->feature];
        next[i] = is_float32 ? (double)(float)value : value;
    }
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct polynomial *polynomial = (const struct polynomial *)step;
    struct mr_pipe_numbers from, to;
    MR_TRY(mr_pipe_read_numbers(&polynomial->features, x, arena, &from, err));
    MR_TRY(mr_pipe_new_numbers(from.n_rows, step->n_out, from.is_float32, arena, &to, err));
    double *terms = mr_arena_array(arena, polynomial->n_terms, sizeof(*terms));
    if (!terms) return mr_arena_fail(arena, err);
    size_t n_bias = polynomial->has_bias, n_tail = step->n_out - n_bias;
    for (size_t r = 0; r < from.n_rows; r++) {
        double *row = to.values + r * step->n_out;
        expand_row(polynomial, from.values + r * from.n_cols, from.is_float32, terms);
        memcpy(row, terms, n_bias * sizeof(*row)); /* low degrees may be left out */
        memcpy(row + n_bias, terms + polynomial->n_terms - n_tail, n_tail * sizeof(*row));
    }
    MR_TRY(mr_pipe_give_numbers(&to, arena, out, err));
    out->input.tensors[0].is_fortran = polynomial->is_fortran;
    return MR_OK;
}

static const struct mr_pipe_step_ops polynomial_ops = {.can_take = mr_pipe_take_numbers,
                                                       .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_max_degree",      "_min_degree",    "_n_out_full",        "_sklearn_output_config",
    "_sklearn_version", "degree",         "feature_names_in_",  "include_bias",
    "interaction_only", "n_features_in_", "n_output_features_", "order",
};

/* What is being written down, term by term. */
struct listing {
    size_t n_features;
    bool is_interaction_only;
    size_t n_terms, max_terms;
    /* starts[f]: the first term of the last degree that is a product of features f and after, in
     * the order they are computed; starts[n_starts - 1]: the end of them. */
    size_t *starts, *next_starts;
    size_t n_starts;
    struct product *products;
    size_t n_products;
};

/* Terms of the next degree; false: they are more than they should be. */
static bool list_degree(struct listing *listing) {
    size_t end = listing->starts[listing->n_starts - 1], n_next = 0;
    for (size_t f = 0; f < listing->n_features && f + 1 < listing->n_starts; f++) {
        size_t start = listing->starts[f];
        listing->next_starts[n_next++] = listing->n_terms;
        if (listing->is_interaction_only) start = listing->starts[f + 1];
        if (start >= end) break;
        if (end - start > listing->max_terms - listing->n_terms) return false;
        for (size_t term = start; term < end; term++) {
            listing->products[listing->n_products++] = (struct product){(uint32_t)term,
                                                                        (uint32_t)f};
        }
        listing->n_terms += end - start;
    }
    listing->next_starts[n_next++] = listing->n_terms;
    size_t *starts = listing->starts;
    listing->starts = listing->next_starts;
    listing->next_starts = starts;
    listing->n_starts = n_next;
    return true;
}

/* The terms of all degrees, each a product of two that are there already. */
static mr_status list_products(struct mr_pipe_builder *b, struct polynomial *polynomial,
                               bool is_interaction_only, uint64_t max_degree) {
    size_t n_features = polynomial->features.n_features, n_bias = polynomial->has_bias;
    struct listing listing = {.n_features = n_features,
                              .is_interaction_only = is_interaction_only,
                              .n_terms = n_bias + n_features,
                              .max_terms = polynomial->n_terms,
                              .n_starts = n_features + 1};
    bool is_matched = max_degree == 0 ? polynomial->n_terms == n_bias
                                      : polynomial->n_terms >= listing.n_terms;
    if (is_matched && max_degree > 0) {
        listing.products = mr_arena_array(b->arena, polynomial->n_terms, sizeof(struct product));
        listing.starts = mr_arena_array(b->scratch, n_features + 1, sizeof(size_t));
        listing.next_starts = mr_arena_array(b->scratch, n_features + 1, sizeof(size_t));
        if (!listing.products) return mr_arena_fail(b->arena, b->err);
        if (!listing.starts || !listing.next_starts) return mr_arena_fail(b->scratch, b->err);
        for (size_t f = 0; f <= n_features; f++) listing.starts[f] = n_bias + f;
        size_t n_before = 0;
        for (uint64_t d = 2; is_matched && d <= max_degree && n_before != listing.n_terms; d++) {
            n_before = listing.n_terms;
            is_matched = list_degree(&listing);
        }
        is_matched = is_matched && listing.n_terms == polynomial->n_terms;
    }
    polynomial->products = listing.products;
    polynomial->n_products = listing.n_products;
    if (is_matched) return MR_OK;
    return mr_fail(b->err, MR_E_FORMAT, "%s: its degrees do not make %zu terms",
                   polynomial->base.name, polynomial->n_terms);
}

/* How many terms there are, and how many of them are given. */
static mr_status read_counts(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             struct polynomial *polynomial, uint64_t *max_degree) {
    int64_t n_terms = 0, n_out = 0, lowest = 0, highest = 0;
    MR_TRY(mr_pipe_count_param(b, estimator, "_n_out_full", &n_terms));
    MR_TRY(mr_pipe_count_param(b, estimator, "n_output_features_", &n_out));
    MR_TRY(mr_pipe_count_param(b, estimator, "_min_degree", &lowest));
    MR_TRY(mr_pipe_count_param(b, estimator, "_max_degree", &highest));
    if ((uint64_t)n_terms > MAX_TERMS) return mr_sk_refuse(estimator, "of so many terms", b->err);
    if (n_out < 1 || n_out > n_terms || (lowest <= 1 && n_out != n_terms) || lowest > highest) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %lld of %lld terms cannot be its degrees",
                       estimator->name, (long long)n_out, (long long)n_terms);
    }
    polynomial->n_terms = (size_t)n_terms;
    polynomial->base.n_out = (size_t)n_out;
    *max_degree = (uint64_t)highest;
    return MR_OK;
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    size_t n_features = 0;
    MR_TRY(mr_pipe_count_features(b, estimator, n_in, &n_features));
    struct polynomial *polynomial = mr_pipe_new_step(b, estimator, &polynomial_ops,
                                                     sizeof(*polynomial), takes, n_features);
    if (!polynomial) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_sk_read_features(estimator, n_features, b->arena, &polynomial->features, b->err));
    polynomial->features.dtype = MR_SK_FLOATS;
    const struct mr_object *order = mr_object_attr(estimator->object, "order");
    polynomial->is_fortran = mr_object_is_str(order, "F");
    if (!polynomial->is_fortran && !mr_object_is_str(order, "C")) {
        return mr_sk_refuse(estimator, "in such an order", b->err);
    }
    bool is_interaction_only = false;
    uint64_t max_degree = 0;
    MR_TRY(mr_pipe_flag(b, estimator, "include_bias", &polynomial->has_bias));
    MR_TRY(mr_pipe_flag(b, estimator, "interaction_only", &is_interaction_only));
    MR_TRY(read_counts(b, estimator, polynomial, &max_degree));
    MR_TRY(list_products(b, polynomial, is_interaction_only, max_degree));
    *out = &polynomial->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_polynomial_classes[] = {
    {"sklearn.preprocessing._polynomial", "PolynomialFeatures", build},
    {0},
};
