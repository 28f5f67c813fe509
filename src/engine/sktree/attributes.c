#include "engine/sktree/sktree_int.h"

/* Collected by fitting every class of classes.c, with all parameters that add attributes, in
 * scikit-learn 1.1 to 1.9; tests/parity/test_sktree.py does so again for the current one. Only
 * those that are read somewhere here bear on a prediction. */
/* clang-format off */
const char *const mr_skt_attributes[] = {
    "_average_path_length_per_tree", "_baseline_prediction", "_bin_mapper",
    "_decision_path_lengths", "_feature_subsample_rng", "_fitted_with_sw", "_is_categorical_remapped",
    "_label_encoder", "_loss", "_max_features", "_max_samples", "_metadata_request",
    "_n_classes", "_n_features", "_n_samples", "_n_samples_bootstrap", "_predictors",
    "_preprocessor", "_random_seed", "_rng", "_sample_weight", "_scorer", "_seeds",
    "_sklearn_version", "_use_validation_data", "algorithm", "alpha", "base_estimator", "base_estimator_",
    "bootstrap", "bootstrap_features", "categorical_features", "ccp_alpha", "class_weight",
    "classes_", "contamination", "criterion", "do_early_stopping_", "early_stopping",
    "estimator", "estimator_", "estimator_errors_", "estimator_params", "estimator_weights_",
    "estimators_", "estimators_features_", "feature_names_in_", "init", "init_",
    "interaction_cst", "is_categorical_", "l2_regularization", "learning_rate", "loss",
    "max_bins", "max_depth", "max_features", "max_features_", "max_iter", "max_leaf_nodes",
    "max_samples", "max_samples_", "min_impurity_decrease", "min_samples_leaf",
    "min_samples_split", "min_weight_fraction_leaf", "monotonic_cst", "n_classes_",
    "n_estimators", "n_estimators_", "n_features_in_", "n_iter_no_change", "n_jobs",
    "n_outputs_", "n_trees_per_iteration_", "offset_", "oob_decision_function_",
    "oob_improvement_", "oob_prediction_", "oob_score", "oob_score_", "oob_scores_", "quantile",
    "random_state", "scoring", "splitter", "subsample", "tol", "train_score_", "tree_",
    "validation_fraction", "validation_score_", "verbose", "warm_start",
};
/* clang-format on */

const size_t mr_skt_n_attributes = sizeof(mr_skt_attributes) / sizeof(*mr_skt_attributes);
