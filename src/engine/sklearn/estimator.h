/* A fitted scikit-learn estimator as a builder meets it: the object graph of its file, and helpers
 * that read its attributes and say what is wrong with them.
 *
 * Every status other than MR_OK becomes the sentence that explains why a model cannot be evaluated
 * here, so messages name the class and the attribute. */
#ifndef MR_ENGINE_SKLEARN_ESTIMATOR_H
#define MR_ENGINE_SKLEARN_ESTIMATOR_H

#include "engine/engine.h"
#include "engine/sklearn/features.h"
#include "loader/object.h"

struct mr_sk_version {
    int major, minor;
    const char *text; /* "1.9.1" */
};

struct mr_sk_estimator {
    const struct mr_object *object; /* the instance */
    const char *name;               /* its class name, NUL-terminated */
    struct mr_sk_version version;   /* of scikit-learn that saved it */
    bool is_numpy_1; /* saved beside numpy 1, where a scalar of float64 leaves arrays of float32 */
};

/* Find the estimator that an mlflow.sklearn model holds, in its object graph (engine/graph.h),
 * which lives until the probe returns.
 * arena    holds the name
 * returns  MR_OK; MR_E_UNSUPPORTED (not scikit-learn, a format or version not read here);
 *          MR_E_IO, MR_E_FORMAT, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_sk_open(const struct mr_model_source *source, struct mr_arena *arena,
                                   struct mr_sk_estimator *out, struct mr_error *err);

/* MR_E_UNSUPPORTED: "no native engine for LinearSVC `what` yet". */
MR_MUST_CHECK mr_status mr_sk_refuse(const struct mr_sk_estimator *estimator, const char *what,
                                     struct mr_error *err);

/* The methods that a native engine may answer; they are added where there are several. */
typedef enum mr_sk_method {
    MR_SK_PREDICT = 1,
    MR_SK_PREDICT_PROBA = 2,
    MR_SK_PREDICT_LOG_PROBA = 4,
    MR_SK_DECISION_FUNCTION = 8,
    MR_SK_SCORE_SAMPLES = 16
} mr_sk_method;

/* The method that MLmodel's predict_fn names. methods: those that the estimator has.
 * returns  MR_OK; MR_E_UNSUPPORTED */
MR_MUST_CHECK mr_status mr_sk_choose_method(const struct mr_sk_estimator *estimator,
                                            struct mr_str predict_fn, unsigned methods,
                                            mr_sk_method *out, struct mr_error *err);

/* Whether the version is at least that one. */
bool mr_sk_is_at_least(const struct mr_sk_estimator *estimator, int major, int minor);

/* An estimator inside of another: an object that must be an instance. arena: the object graph's. */
MR_MUST_CHECK mr_status mr_sk_inside(const struct mr_sk_estimator *outer,
                                     const struct mr_object *object, struct mr_arena *arena,
                                     struct mr_sk_estimator *out, struct mr_error *err);

/* MR_E_UNSUPPORTED unless every attribute is in a sorted list: an attribute nobody looked at may
 * change predictions. */
MR_MUST_CHECK mr_status mr_sk_check_attributes(const struct mr_sk_estimator *estimator,
                                               const char *const *known, size_t n_known,
                                               struct mr_error *err);

/* A numpy.ndarray of float32 or float64 under an attribute, of 1 or 2 dimensions, none empty. */
MR_MUST_CHECK mr_status mr_sk_float_array(const struct mr_sk_estimator *estimator,
                                          const char *attribute, const struct mr_ndarray **out,
                                          struct mr_error *err);

/* A text under an attribute; NUL-terminated, lives in the object graph. */
MR_MUST_CHECK mr_status mr_sk_text(const struct mr_sk_estimator *estimator, const char *attribute,
                                   const char **out, struct mr_error *err);

/* A number under an attribute: Python's or a numpy scalar of a floating-point or integer dtype. */
MR_MUST_CHECK mr_status mr_sk_number(const struct mr_sk_estimator *estimator, const char *attribute,
                                     double *out, struct mr_error *err);

/* A list or tuple under an attribute, with at least one item. */
MR_MUST_CHECK mr_status mr_sk_list(const struct mr_sk_estimator *estimator, const char *attribute,
                                   struct mr_object_list *out, struct mr_error *err);

/* Item i of an array of integers of any dtype that fits int64; false: it has another dtype. */
bool mr_sk_integer_at(const struct mr_ndarray *array, int64_t i, int64_t *out);

/* Copy an array of float32 or float64 as doubles. */
MR_MUST_CHECK mr_status mr_sk_copy_doubles(const struct mr_ndarray *array, struct mr_arena *arena,
                                           const double **out, struct mr_error *err);

/* Fill a feature spec from n_features_in_, which must be n_features, and feature_names_in_.
 * arena: the model's. */
MR_MUST_CHECK mr_status mr_sk_read_features(const struct mr_sk_estimator *estimator,
                                            size_t n_features, struct mr_arena *arena,
                                            struct mr_sk_feature_spec *out, struct mr_error *err);

#endif
