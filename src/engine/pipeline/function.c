/* sklearn.preprocessing.FunctionTransformer without a function: X goes through, which is what a
 * ColumnTransformer makes of "passthrough" (sklearn/preprocessing/_function_transformer.py, version
 * 1.9.1). */
#include "engine/pipeline/pipeline_int.h"

static const char *const attributes[] = {
    "_sklearn_output_config", "_sklearn_version",  "accept_sparse",  "check_inverse",
    "feature_names_in_",      "feature_names_out", "func",           "inv_kw_args",
    "inverse_func",           "kw_args",           "n_features_in_", "validate",
};

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    (void)takes;
    (void)n_in;
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    bool is_validated = false;
    const struct mr_object *function = mr_object_attr(estimator->object, "func");
    if (!function || function->kind != MR_OBJECT_NONE) {
        return mr_sk_refuse(estimator, "with a function", b->err);
    }
    MR_TRY(mr_pipe_flag(b, estimator, "validate", &is_validated));
    if (is_validated) return mr_sk_refuse(estimator, "that validates", b->err);
    *out = NULL;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_function_classes[] = {
    {"sklearn.preprocessing._function_transformer", "FunctionTransformer", build},
    {0},
};
