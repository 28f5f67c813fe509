/* Inside of the linear engine: the model, and the steps of a prediction.
 *
 * classes.c, attributes.c: what is known. build.c: object graph -> model. scores.c: X -> scores.
 * answer.c: scores -> what a method returns. linear.c: the engine. */
#ifndef MR_ENGINE_LINEAR_LINEAR_INT_H
#define MR_ENGINE_LINEAR_LINEAR_INT_H

#include "engine/linear/linear.h"
#include "engine/sklearn/features.h"
#include "engine/sklearn/labels.h"

/* Families of estimators that share predict's rule. */
typedef enum mr_linear_role {
    MR_LINEAR_REGRESSOR,        /* the scores (LinearModel.predict, BaseSGDRegressor.predict) */
    MR_LINEAR_GLM,              /* the inverse link of the scores */
    MR_LINEAR_CLASSIFIER,       /* LinearClassifierMixin.predict */
    MR_LINEAR_RIDGE_CLASSIFIER, /* the same, and several labels at once */
    MR_LINEAR_ONE_CLASS         /* SGDOneClassSVM: 1 or -1 */
} mr_linear_role;

/* Families of estimators that share predict_proba's rule. */
typedef enum mr_linear_proba_family {
    MR_LINEAR_NO_PROBA,
    MR_LINEAR_LOGISTIC_PROBA,
    MR_LINEAR_SGD_PROBA,
    MR_LINEAR_DISCRIMINANT_PROBA
} mr_linear_proba_family;

/* predict_proba of one model. */
typedef enum mr_linear_proba {
    MR_LINEAR_PROBA_NONE,
    MR_LINEAR_PROBA_EXPIT,          /* expit; three classes and more: divided by their sum */
    MR_LINEAR_PROBA_SOFTMAX,        /* softmax of the scores */
    MR_LINEAR_PROBA_SOFTMAX_BINARY, /* softmax of [-score, score] */
    MR_LINEAR_PROBA_CLIP            /* (clip(score, -1, 1) + 1) / 2; divided by their sum */
} mr_linear_proba;

struct mr_linear_class {
    const char *module, *name;
    mr_linear_role role;
    mr_linear_proba_family proba;
};

struct mr_engine_model {
    struct mr_arena *arena; /* holds the model */
    const struct mr_linear_class *rule;
    const char *version; /* of scikit-learn that saved it */
    mr_sk_method method;
    mr_linear_proba proba;
    struct mr_sk_feature_spec features;
    size_t n_outputs;        /* rows of coef_ */
    bool is_vector;          /* scores have the shape (n,) instead of (n, n_outputs) */
    const double *coef;      /* n_outputs x n_features */
    const double *intercept; /* n_outputs */
    bool is_coef_float32;    /* a narrow X gives float32 products */
    bool is_intercept_weak;  /* float32, a Python number, or a scalar for numpy 1: leaves float32
                                scores float32 */
    bool is_log_link;
    bool is_multilabel;
    bool is_uniform_when_zero;  /* classes share evenly when all their probabilities are 0 (1.9) */
    bool is_zero_nudged;        /* predict_log_proba replaces 0 by the smallest normal number */
    struct mr_sk_labels labels; /* n 0: not a classifier */
};

/* Rows that are evaluated together, and the most scores they may have: what a feature, its products
 * and its scores take stays in the caches. Measured: 128 rows are slower for tables (memory streams
 * change too often), 2048 for tensors. */
#define MR_LINEAR_BLOCK_ROWS ((size_t)512)
#define MR_LINEAR_BLOCK_VALUES ((size_t)65536)

/* Room for one block, from the request's arena. */
struct mr_linear_block {
    size_t n_rows;
    double *scores;    /* output k of row r: scores[k * n_rows + r]; room for 2 outputs at least */
    double *scratch;   /* 4 features x n_rows, or one row of n_features */
    uint32_t *indexes; /* n_rows */
    bool is_float32;   /* the scores are float32 values: numpy would hold them so */
};

/* Attributes that a fitted linear model of a known version may have, sorted as bytes. */
extern const char *const mr_linear_attributes[];
extern const size_t mr_linear_n_attributes;

/* The class of that module and name; NULL when this engine does not know it. */
const struct mr_linear_class *mr_linear_find_class(struct mr_str module, struct mr_str name);

/* Read, check and build a model. *out is owned by the caller: mr_linear_free.
 * returns  MR_OK; MR_E_UNSUPPORTED when scikit-learn's answers cannot be reproduced, with the
 *          reason; MR_E_FORMAT, MR_E_IO, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_linear_build(const struct mr_model_source *source,
                                        struct mr_engine_model **out, struct mr_error *err);
void mr_linear_free(struct mr_engine_model *model); /* NULL is allowed */

/* Fill block->scores for block->n_rows rows from `row`, and block->is_float32.
 * returns  MR_OK; MR_E_BAD_REQUEST for a value that is no finite number */
MR_MUST_CHECK mr_status mr_linear_score(const struct mr_engine_model *model,
                                        const struct mr_sk_features *x, int64_t row,
                                        struct mr_linear_block *block, struct mr_error *err);

/* The same of a sparse matrix, for a model whose coefficients are float64. */
void mr_linear_score_sparse(const struct mr_engine_model *model, const struct mr_csr *x, size_t row,
                            struct mr_linear_block *block);

/* Shape and dtype of the answer for n_rows rows, and room for it. */
MR_MUST_CHECK mr_status mr_linear_new_answer(const struct mr_engine_model *model, int64_t n_rows,
                                             bool is_float32, struct mr_arena *arena,
                                             struct mr_output *out, struct mr_error *err);

/* Turn a block's scores into rows row .. row + n_rows of the answer. Overwrites the scores. */
void mr_linear_answer(const struct mr_engine_model *model, struct mr_linear_block *block,
                      int64_t row, struct mr_output *out);

/* Whether scores for this X are float32, as numpy's promotion has it. */
bool mr_linear_is_float32(const struct mr_engine_model *model, const struct mr_sk_features *x);

#endif
