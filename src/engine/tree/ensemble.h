/* Decision trees as a loader finds them in a model file: the common form of XGBoost, LightGBM and
 * scikit-learn, which mr_tree_forest_build turns into what is evaluated.
 *
 * A loader fills the structs below with arrays of its own, in a scratch arena. It need not check
 * what it copies: mr_tree_ensemble_validate, which building a forest does first, finds every index
 * that leads outside, cycles, nodes with two parents and sizes that do not fit.
 *
 * The meaning of an ensemble, for one row x of n_features values, each rounded to float unless
 * `has_double_inputs` is set:
 *     sums[k] = base[k]                                    for every output k
 *     for every tree in order: sums of its output (or of all outputs) += values of the leaf of x
 * in float, or in double when `has_double_sums` is set; each addition is rounded, nothing is fused.
 * A library that multiplies leaves (learning rate, weights of dart) or divides them (averages,
 * class counts to probabilities) before it adds has the loader do so, with the same rounding. What
 * it does after the last addition is up to the engine. */
#ifndef MR_ENGINE_TREE_ENSEMBLE_H
#define MR_ENGINE_TREE_ENSEMBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum mr_tree_node_kind {
    MR_TREE_LEAF,
    MR_TREE_LESS,       /* left when x < threshold: XGBoost */
    MR_TREE_LESS_EQUAL, /* left when x <= threshold: LightGBM, scikit-learn */
    MR_TREE_CATEGORY    /* left when x is in a set of categories */
} mr_tree_node_kind;

/* Which values of a feature take the default direction of a node instead of being compared. */
typedef enum mr_tree_missing {
    MR_TREE_MISSING_NAN,  /* NaN. Everything else is compared */
    MR_TREE_MISSING_ZERO, /* |x| <= 1e-35f, and NaN: LightGBM's missing type Zero */
    MR_TREE_MISSING_NONE  /* nothing: NaN is compared as 0, LightGBM's missing type None */
} mr_tree_missing;

struct mr_tree_node {
    /* LESS, LESS_EQUAL: compared as a double with the value. With NaN everything goes right. */
    double threshold;
    uint32_t feature;
    int32_t left, right; /* children: indexes of nodes of the same tree; unused in leaves */
    uint32_t index;      /* leaf: its first value in `values`; CATEGORY: the set in `sets` */
    uint8_t kind;        /* mr_tree_node_kind */
    uint8_t missing;     /* mr_tree_missing; for CATEGORY only NaN is missing */
    bool is_default_left;
};

/* Categories are 0, 1, 2, ...; x is one by being cut to an integer toward zero. */
struct mr_tree_set {
    const uint32_t *bits; /* bit c % 32 of bits[c / 32] set: category c goes left */
    uint32_t n_bits;
    bool is_above_left;        /* categories of n_bits and above go left */
    bool is_negative_left;     /* negative x go left */
    bool is_fraction_negative; /* -1 < x < 0 is negative, not category 0 */
};

struct mr_tree {
    const struct mr_tree_node *nodes; /* nodes[0] is the root; unreachable nodes are allowed */
    uint32_t n_nodes;                 /* at least 1 */
    uint32_t output;                  /* what its leaves are added to; not for vector leaves */
};

struct mr_tree_ensemble {
    bool has_double_inputs; /* LightGBM, histogram gradient boosting; else float */
    bool has_double_sums;   /* all but XGBoost */
    uint32_t n_features;
    uint32_t n_outputs;     /* at least 1 */
    bool has_vector_leaves; /* a leaf has n_outputs values, else one */
    const double *base;     /* n_outputs: what sums start with */
    size_t n_trees;         /* 0 is allowed */
    const struct mr_tree *trees;
    size_t n_sets;
    const struct mr_tree_set *sets;
    size_t n_values;
    const double *values; /* of leaves, n_outputs side by side for a vector */
};

/* Limits that a forest keeps, far above any model that trains. */
#define MR_TREE_MAX_FEATURES ((uint32_t)1 << 24)
#define MR_TREE_MAX_OUTPUTS ((uint32_t)1 << 20)
#define MR_TREE_MAX_NODES ((size_t)1 << 31) /* of all trees together */

/* Check everything that evaluating relies on.
 * scratch  temporary data
 * returns  MR_OK; MR_E_FORMAT naming tree, node, expected and found; MR_E_UNSUPPORTED over a limit
 *          above; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_tree_ensemble_validate(const struct mr_tree_ensemble *ensemble,
                                                  struct mr_arena *scratch, struct mr_error *err);

#endif
