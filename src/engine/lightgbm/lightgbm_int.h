/* Inside of the LightGBM family: the model and its inputs.
 *
 * lightgbm.c: the family, loading. wrapper.c: what a saved wrapper says. trees.c: the trees of a
 * file as an ensemble. linear.c: linear trees. input.c: what LightGBM lets pass as data. predict.c:
 * input -> sums -> what the wrapper returns. */
#ifndef MR_ENGINE_LIGHTGBM_LIGHTGBM_INT_H
#define MR_ENGINE_LIGHTGBM_LIGHTGBM_INT_H

#include "engine/lightgbm/lightgbm.h"
#include "engine/lightgbm/linear.h"
#include "engine/lightgbm/objective.h"
#include "engine/matrix.h"
#include "engine/sklearn/labels.h"
#include "engine/tree/forest.h"
#include "loader/lightgbm.h"

/* Who predicts: decides how arrays are checked and what becomes of the predictions. */
typedef enum mr_lgb_wrapper_kind {
    MR_LGB_BOOSTER,   /* lightgbm.basic.Booster */
    MR_LGB_MODEL,     /* LGBMRegressor, LGBMRanker, LGBMModel: predictions as they are */
    MR_LGB_CLASSIFIER /* LGBMClassifier */
} mr_lgb_wrapper_kind;

/* The method that MLmodel's predict_fn names. */
typedef enum mr_lgb_method { MR_LGB_PREDICT, MR_LGB_PREDICT_PROBA } mr_lgb_method;

/* A booster or a wrapper around one, as its file says. */
struct mr_lgb_wrapper {
    mr_lgb_wrapper_kind kind;
    mr_lgb_method method;
    const char *class_name;     /* "LGBMClassifier" */
    struct mr_str text;         /* of the booster; a NUL follows it */
    int32_t best_iteration;     /* rounds that predict; 0 or less: all */
    bool has_pandas_categories; /* it was trained with categorical columns of a DataFrame */
    struct mr_sk_labels labels; /* MR_LGB_CLASSIFIER */
    bool is_multiclass;         /* MR_LGB_CLASSIFIER: the booster gives a value for each class */
};

struct mr_lgb_model {
    struct mr_tree_model base;
    mr_lgb_wrapper_kind kind;
    mr_lgb_method method;
    const char *class_name;
    const char *format; /* version of the text format: "v4" */
    struct mr_sk_labels labels;
    bool is_multiclass;
    bool has_pandas_categories;
    struct mr_lgb_objective objective;
    uint32_t n_features, n_outputs;
    uint32_t n_rounds;                   /* that predict */
    bool is_average;                     /* sums are divided by n_rounds */
    const struct mr_tree_forest *forest; /* NULL: linear */
    const struct mr_lgb_linear *linear;  /* NULL: forest */
};

/* File -------------------------------------------------------------------------------------- */

/* What a file holds, according to source->flavor and source->model_class.
 * arena    holds the class name and the labels: the model's
 * scratch  holds what else *out points to, unless that is in the shared object graph
 * returns  MR_OK; MR_E_UNSUPPORTED, MR_E_IO, MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_lgb_wrapper_read(const struct mr_model_source *source,
                                            struct mr_arena *arena, struct mr_arena *scratch,
                                            struct mr_lgb_wrapper *out, struct mr_error *err);

/* The trees of the first n_rounds rounds. arena: holds the ensemble, which also points into the
 * file. returns  MR_OK; MR_E_FORMAT for what mr_tree_ensemble_validate does not see;
 * MR_E_UNSUPPORTED, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_lgb_trees_build(const struct mr_lgb_file *file, uint32_t n_rounds,
                                           struct mr_arena *arena, struct mr_tree_ensemble *out,
                                           struct mr_error *err);

/* Input ------------------------------------------------------------------------------------- */

/* Checked data. Points into the request's input. */
struct mr_lgb_input {
    struct mr_matrix matrix; /* its columns are the model's features */
    bool is_rounded;         /* an array that becomes one of float32 */
};

/* Check shape and dtypes. returns  MR_OK; MR_E_BAD_REQUEST with what was expected and received */
MR_MUST_CHECK mr_status mr_lgb_input_init(const struct mr_lgb_model *model,
                                          const struct mr_input *input, struct mr_lgb_input *out,
                                          struct mr_error *err);

/* Rows row .. row + n of one feature, as trees compare them.
 * returns  MR_OK; MR_E_BAD_REQUEST for what is no number */
MR_MUST_CHECK mr_status mr_lgb_input_read(const struct mr_lgb_input *input, uint32_t feature,
                                          int64_t row, size_t n, double *out, struct mr_error *err);

/* The same of one row, for n features. */
MR_MUST_CHECK mr_status mr_lgb_input_read_row(const struct mr_lgb_input *input,
                                              const uint32_t *features, size_t n, int64_t row,
                                              double *out, struct mr_error *err);

/* Predict ----------------------------------------------------------------------------------- */

MR_MUST_CHECK mr_status mr_lgb_predict(const struct mr_tree_model *model,
                                       const struct mr_input *input, struct mr_arena *arena,
                                       struct mr_output *out, struct mr_error *err);

#endif
