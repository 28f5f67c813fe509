/* Inside of the XGBoost family: the model, its inputs and the params of a call.
 *
 * xgboost.c: the family, loading. source.c: the model's file, who predicts. input.c: what XGBoost
 * lets pass as data. call.c: params of a request. predict.c: input -> sums -> what the wrapper
 * returns. */
#ifndef MR_ENGINE_XGBOOST_XGBOOST_INT_H
#define MR_ENGINE_XGBOOST_XGBOOST_INT_H

#include "engine/matrix.h"
#include "engine/tree/forest.h"
#include "engine/xgboost/booster.h"
#include "engine/xgboost/xgboost.h"

/* Who predicts: decides how data is checked and what becomes of the predictions. */
typedef enum mr_xgb_wrapper {
    MR_XGB_BOOSTER,    /* xgboost.core.Booster */
    MR_XGB_CLASSIFIER, /* XGBClassifier, XGBRFClassifier */
    MR_XGB_RANKER,     /* XGBRanker: leaves out a column "qid" */
    MR_XGB_REGRESSOR   /* the other wrappers: predictions as they are */
} mr_xgb_wrapper;

struct mr_xgb_model {
    struct mr_tree_model base;
    mr_xgb_wrapper wrapper;
    const char *class_name; /* "XGBClassifier" */
    float missing;          /* values that count as missing beside NaN; NaN: none */
    bool is_proba;          /* a classifier answers by predict_proba */
    bool takes_params;      /* the params of a request reach predict */
    const char *version;    /* of XGBoost that saved it */
    mr_xgb_kind kind;
    const struct mr_xgb_objective *objective;
    uint32_t n_features, n_outputs, n_classes;
    size_t n_names; /* 0: no feature names, else n_features */
    const struct mr_str *names;
    size_t n_sound_names; /* of columns, which need not be looked at again */
    const struct mr_str *sound_names;
    uint32_t n_rounds;
    const uint32_t *round_starts; /* as in the booster */
    uint32_t end_round;           /* where predictions end when a call does not say; 0: all */
    const struct mr_tree_forest *forest; /* NULL for MR_XGB_LINEAR */
    const float *weights;                /* MR_XGB_LINEAR: as in the booster */
    const float *intercepts;             /* MR_XGB_LINEAR: biases plus base score; n_outputs */
};

/* Predictions in place take data as it is; a DMatrix refuses infinities. */
static inline bool mr_xgb_is_in_place(const struct mr_xgb_model *model) {
    return model->wrapper != MR_XGB_BOOSTER && model->kind != MR_XGB_LINEAR;
}

/* Source ------------------------------------------------------------------------------------ */

struct mr_xgb_class; /* private to source.c */

/* What MLflow loads. */
struct mr_xgb_source {
    const struct mr_object *file; /* for mr_xgb_booster_read */
    mr_xgb_wrapper wrapper;
    const char *class_name; /* static */
    const struct mr_xgb_class *class_;
    const struct mr_object *estimator; /* the wrapper in an object graph; NULL: a file of its own */
    float missing;                     /* as in the model; NaN for a file of its own */
    bool is_proba;                     /* as in the model */
};

/* Read the model's file. arena: holds it.
 * returns  MR_OK; MR_E_UNSUPPORTED for classes, methods and formats that are not evaluated here;
 *          MR_E_IO, MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_xgb_source_open(const struct mr_model_source *source,
                                           struct mr_arena *arena, struct mr_xgb_source *out,
                                           struct mr_error *err);

/* Whether the class takes what was read of its file. returns  MR_OK; MR_E_FORMAT where XGBoost
 * would raise; MR_E_UNSUPPORTED for attributes that do not fit the booster */
MR_MUST_CHECK mr_status mr_xgb_source_check(const struct mr_xgb_source *source,
                                            const struct mr_xgb_booster *booster,
                                            struct mr_error *err);

/* Input ------------------------------------------------------------------------------------- */

/* Checked data. Points into the request's input. */
struct mr_xgb_input {
    struct mr_matrix matrix; /* its columns are the model's features */
    float missing;           /* as in the model */
};

/* Keep the names that columns are compared with: those of the booster's features and, if XGBoost
 * takes them, of the signature's columns (NULL: no signature).
 * scratch  temporary data
 * returns  MR_OK; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_xgb_input_learn(struct mr_xgb_model *model,
                                           const struct mr_xgb_booster *booster,
                                           const struct mr_signature *signature,
                                           struct mr_arena *scratch, struct mr_error *err);

/* Check names, shape, dtypes and, for a DMatrix, that no value is infinite.
 * returns  MR_OK; MR_E_BAD_REQUEST with what was expected and received; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_xgb_input_init(const struct mr_xgb_model *model,
                                          const struct mr_input *input, struct mr_arena *arena,
                                          struct mr_xgb_input *out, struct mr_error *err);

/* Rows row .. row + n of one feature as floats; NaN where they are missing.
 * returns  MR_OK; MR_E_BAD_REQUEST for what is no number */
MR_MUST_CHECK mr_status mr_xgb_input_read(const struct mr_xgb_input *input, uint32_t feature,
                                          int64_t row, size_t n, float *out, struct mr_error *err);

/* The same of one row, for n features. */
MR_MUST_CHECK mr_status mr_xgb_input_read_row(const struct mr_xgb_input *input,
                                              const uint32_t *features, size_t n, int64_t row,
                                              float *out, struct mr_error *err);

/* Call -------------------------------------------------------------------------------------- */

/* Arguments of predict. */
struct mr_xgb_call {
    bool is_margin;
    bool is_strict; /* strict_shape */
    uint32_t first_round, end_round;
};

/* MR_E_UNSUPPORTED when a param of the signature reaches an argument that is not evaluated here.
 * has_rounds: whether requests can choose rounds. */
MR_MUST_CHECK mr_status mr_xgb_call_check(mr_xgb_wrapper wrapper,
                                          const struct mr_signature *signature, bool *has_rounds,
                                          struct mr_error *err);

/* The arguments of one request. returns  MR_OK; MR_E_BAD_REQUEST: XGBoost would raise */
MR_MUST_CHECK mr_status mr_xgb_call_read(const struct mr_xgb_model *model,
                                         const struct mr_params *params, struct mr_xgb_call *out,
                                         struct mr_error *err);

/* Predict ----------------------------------------------------------------------------------- */

MR_MUST_CHECK mr_status mr_xgb_predict(const struct mr_tree_model *model,
                                       const struct mr_input *input, struct mr_arena *arena,
                                       struct mr_output *out, struct mr_error *err);

#endif
