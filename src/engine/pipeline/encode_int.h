/* Inside of the encoders: what OneHotEncoder, OrdinalEncoder and TargetEncoder share
 * (sklearn/preprocessing/_encoders.py, version 1.9.1: _BaseEncoder). */
#ifndef MR_ENGINE_PIPELINE_ENCODE_INT_H
#define MR_ENGINE_PIPELINE_ENCODE_INT_H

#include "engine/pipeline/categories.h"

/* An encoder's own begins with this. */
struct mr_encoder {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features;
    bool raises_unknown;                    /* handle_unknown="error" */
    bool uses_unknown;                      /* see mr_categories_can_take */
    const struct mr_categories *categories; /* one of each feature */
};

/* A zeroed step of `size` bytes with the categories of an encoder, whose attributes were checked.
 * statuses as mr_pipe_class.build */
MR_MUST_CHECK mr_status mr_encoder_new(struct mr_pipe_builder *b,
                                       const struct mr_sk_estimator *estimator,
                                       const struct mr_pipe_step_ops *ops, size_t size,
                                       mr_pipe_kind takes, size_t n_in, struct mr_encoder **out);

/* What categories become where infrequent ones are grouped. */
struct mr_encoder_groups {
    uint32_t n;         /* how many codes there are */
    uint32_t *code_of;  /* of each category that is counted */
    uint32_t of_others; /* the code of the infrequent ones; MR_CATEGORY_NONE: there are none */
};

/* The codes of a feature's categories once infrequent ones are one, which is the last
 * (_fit_infrequent_category_mapping).
 * n        how many of the categories are counted: all, or all but NaN
 * returns  in b->scratch; statuses as mr_pipe_class.build */
MR_MUST_CHECK mr_status mr_encoder_read_groups(struct mr_pipe_builder *b,
                                               const struct mr_sk_estimator *estimator,
                                               size_t feature, uint32_t n,
                                               struct mr_encoder_groups *out);

/* The dtype that an encoder gives: float64, float32 and integers of up to 64 bits with sign. */
MR_MUST_CHECK mr_status mr_encoder_read_dtype(struct mr_pipe_builder *b,
                                              const struct mr_sk_estimator *estimator,
                                              mr_dtype *out);

bool mr_encoder_can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                         struct mr_arena *arena, const char **reason);

/* The index of each value's category, column by column: that of row r and feature f is
 * (*out)[f * n_rows + r], and the number of categories when it is unknown.
 * returns  MR_OK; MR_E_BAD_REQUEST: scikit-learn would raise; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_encoder_find(const struct mr_encoder *encoder, const struct mr_pipe_x *x,
                                        struct mr_arena *arena, const uint32_t **out,
                                        struct mr_error *err);

/* Builders of the table in encode.c. */
mr_status mr_onehot_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out);
mr_status mr_ordinal_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out);
mr_status mr_target_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                          mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out);

#endif
