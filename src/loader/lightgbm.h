/* LightGBM's text format of models, as Booster.save_model and pickles of a Booster have it
 * (src/boosting/gbdt_model_text.cpp, src/io/tree.cpp of LightGBM; versions v2 to v4 of the format).
 *
 * Yields what predicting needs. What LightGBM would read in another way than it is meant, such as a
 * count that does not fit its list, is an error here. Sizes are checked; that children, features
 * and sets of categories exist is left to whoever follows them. The text is untrusted. */
#ifndef MR_LOADER_LIGHTGBM_H
#define MR_LOADER_LIGHTGBM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

/* Bits of struct mr_lgb_tree's decisions. */
#define MR_LGB_CATEGORICAL 1
#define MR_LGB_DEFAULT_LEFT 2
#define MR_LGB_MISSING_SHIFT 2 /* then two bits: 0 none, 1 zero, 2 NaN */

/* A split is numbered by its place in the lists, and a child below 0 is the leaf ~child. The root
 * is split 0, or leaf 0 when there are no splits. */
struct mr_lgb_tree {
    uint32_t n_leaves;                      /* at least 1; there is one split less */
    const int32_t *features, *left, *right; /* of splits */
    const double *thresholds;               /* categorical: the number of its set */
    const int32_t *decisions;
    const double *leaves;
    uint32_t n_sets;           /* 0: no split is categorical, whatever its decision says */
    const int32_t *set_starts; /* n_sets + 1, ascending: first word of each set in set_words */
    const uint32_t *set_words;
    /* Linear trees: a leaf gives constants[leaf] + the products of its terms, which lie side by
     * side for all leaves; where a feature of them is NaN, leaves[leaf]. */
    bool is_linear;
    const double *constants;
    const uint32_t *n_terms; /* of each leaf */
    const int32_t *term_features;
    const double *coefficients;
};

struct mr_lgb_file {
    struct mr_str version;      /* of the format: "v4"; size 0: not given */
    uint32_t n_classes;         /* num_class */
    uint32_t n_trees_per_round; /* num_tree_per_iteration */
    uint32_t n_features;
    struct mr_str objective; /* "binary sigmoid:1"; size 0: none, predictions are sums */
    bool is_average;         /* average_output: random forests */
    size_t n_trees;          /* at least 1 */
    const struct mr_lgb_tree *trees;
};

/* Read a model.
 * text     a NUL must follow it; *out points into it
 * arena    holds what else *out points to
 * returns  MR_OK; MR_E_FORMAT with the line and what was expected there; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_lgb_parse(struct mr_str text, struct mr_arena *arena,
                                     struct mr_lgb_file *out, struct mr_error *err);

/* What a file's last line says of the categorical columns of the DataFrame it was trained with, as
 * JSON; size 0 when there is no such line. */
struct mr_str mr_lgb_find_pandas_categories(struct mr_str text);

/* Cut the next of the words that spaces separate off the start of *rest. False: there is none. */
bool mr_lgb_next_word(struct mr_str *rest, struct mr_str *out);

#endif
