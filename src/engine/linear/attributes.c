#include "engine/linear/linear_int.h"

/* Collected by fitting every class of classes.c, with all parameters that add attributes, in
 * scikit-learn 1.1, 1.2, 1.5, 1.7, 1.8 and 1.9; tests/parity/test_linear.py does so again for the
 * current one. Only those that build.c reads bear on a prediction. */
/* clang-format off */
const char *const mr_linear_attributes[] = {
    "C", "C_", "Cs", "Cs_", "X_offset_", "X_scale_", "_alphas", "_average_coef",
    "_average_intercept", "_base_loss", "_expanded_class_weight", "_label_binarizer",
    "_loss_function_", "_max_components", "_max_subpopulation", "_metadata_request",
    "_n_features_out", "_normalize", "_skl_callbacks", "_sklearn_output_config", "_sklearn_version",
    "_standard_coef", "_standard_intercept", "_store_cv_results", "active_", "alpha", "alpha_",
    "alpha_1", "alpha_2", "alpha_init", "alpha_per_target", "alphas", "alphas_", "average",
    "best_score_", "breakdown_", "class_weight", "classes_", "coef_", "coef_path_", "coefs_paths_",
    "compute_score", "copy", "copy_X", "covariance_", "covariance_estimator", "criterion",
    "criterion_", "cv", "cv_alphas_", "cv_results_", "cv_values_", "dual", "dual_gap_",
    "early_stopping", "eps", "eps_", "epsilon", "eta0", "explained_variance_ratio_",
    "feature_names_in_", "fit_intercept", "fit_path", "gcv_mode", "intercept_", "intercept_scaling",
    "jitter", "l1_ratio", "l1_ratio_", "l1_ratios", "l1_ratios_", "lambda_", "lambda_1", "lambda_2",
    "lambda_init", "learning_rate", "link", "loss", "loss_function_", "max_iter", "max_n_alphas",
    "max_subpopulation", "means_", "mse_path_", "multi_class", "n_alphas", "n_components",
    "n_features_in_", "n_iter", "n_iter_", "n_iter_no_change", "n_jobs", "n_nonzero_coefs",
    "n_nonzero_coefs_", "n_subpopulation_", "n_subsamples", "noise_variance", "noise_variance_",
    "normalize", "nu", "offset_", "outliers_", "penalty", "positive", "power", "power_t",
    "precompute", "priors", "priors_", "quantile", "random_state", "rank_", "refit", "scale_",
    "scalings_", "scores_", "scoring", "selection", "shrinkage", "shuffle", "sigma_", "singular_",
    "solver", "solver_", "solver_options", "store_covariance", "store_cv_results",
    "store_cv_values", "t_", "threshold_lambda", "tol", "use_legacy_attributes",
    "validation_fraction", "verbose", "warm_start", "xbar_",
};
/* clang-format on */

const size_t mr_linear_n_attributes = sizeof(mr_linear_attributes) / sizeof(*mr_linear_attributes);
