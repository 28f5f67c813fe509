/* Inside of the family of scikit-learn's trees: the model, what builds it, and its answers.
 *
 * classes.c, attributes.c: what is known. build.c: what all models share. tree.c: one fitted tree.
 * averages.c, adaboost.c, gradient.c, histogram.c: the kinds of estimators. categories.c:
 * categorical features. predict.c: X -> sums. answer.c: sums -> what a method returns. sktree.c:
 * the family. */
#ifndef MR_ENGINE_SKTREE_SKTREE_INT_H
#define MR_ENGINE_SKTREE_SKTREE_INT_H

#include "base/name_map.h"
#include "engine/cell.h"
#include "engine/sklearn/estimator.h"
#include "engine/sklearn/labels.h"
#include "engine/sklearn/numeric.h"
#include "engine/sktree/sktree.h"
#include "engine/tree/forest.h"

typedef enum mr_skt_kind {
    MR_SKT_TREE,      /* DecisionTree*, ExtraTree* */
    MR_SKT_FOREST,    /* RandomForest*, ExtraTrees* */
    MR_SKT_BAGGING,   /* Bagging* */
    MR_SKT_ISOLATION, /* IsolationForest */
    MR_SKT_ADABOOST,  /* AdaBoost* */
    MR_SKT_GRADIENT,  /* GradientBoosting* */
    MR_SKT_HISTOGRAM  /* HistGradientBoosting* */
} mr_skt_kind;

struct mr_skt_class {
    const char *module, *name;
    mr_skt_kind kind;
    bool is_classifier;
    unsigned methods; /* those it has: mr_sk_method, added */
};

/* What the sums of a row are. */
typedef enum mr_skt_sums {
    MR_SKT_VALUES,   /* of a regressor, n_outputs of them, to be divided by `divisor` */
    MR_SKT_VOTES,    /* probabilities of the classes of all targets, to be divided */
    MR_SKT_LEAVES,   /* BaggingClassifier.predict_log_proba: each tree's leaf, a row of log_votes */
    MR_SKT_MEDIAN,   /* AdaBoostRegressor: each tree's prediction */
    MR_SKT_DECISION, /* AdaBoostClassifier: weights of the trees that vote for each class */
    MR_SKT_DEPTHS,   /* IsolationForest */
    MR_SKT_RAW       /* gradient boosting: raw predictions */
} mr_skt_sums;

/* From raw predictions to the answer. */
typedef enum mr_skt_link {
    MR_SKT_LINK_IDENTITY,
    MR_SKT_LINK_LOG,
    MR_SKT_LINK_LOGIT,      /* two classes: expit */
    MR_SKT_LINK_HALF_LOGIT, /* two classes: expit of twice the raw prediction */
    MR_SKT_LINK_SOFTMAX,
    MR_SKT_LINK_LOGSUMEXP /* softmax as GradientBoostingClassifier had it before 1.4 */
} mr_skt_link;

/* How classes are chosen from raw predictions. */
typedef enum mr_skt_choice {
    MR_SKT_CHOICE_PROBA,      /* argmax of the probabilities */
    MR_SKT_CHOICE_RAW_AT_0,   /* two classes: raw >= 0; more: argmax */
    MR_SKT_CHOICE_RAW_ABOVE_0 /* two classes: raw > 0; more: argmax */
} mr_skt_choice;

/* How values of a feature become what the trees compare. */
typedef enum mr_skt_encoding_kind {
    MR_SKT_PLAIN,   /* they are it: a numerical feature */
    MR_SKT_BYTE,    /* categorical before 1.4: cut to 8 bits */
    MR_SKT_NUMBERS, /* categorical: their place among `numbers`; NaN for others */
    MR_SKT_TEXTS    /* the same among `texts` */
} mr_skt_encoding_kind;

#define MR_SKT_MAX_CATEGORIES 256

struct mr_skt_encoding {
    mr_skt_encoding_kind kind;
    uint32_t place;           /* number of the feature among those of the trees */
    bool is_negative_missing; /* BYTE */
    size_t n;
    const double *numbers;      /* NUMBERS: n, ascending */
    const struct mr_str *texts; /* TEXTS: n, ascending as bytes */
};

struct mr_skt_model {
    struct mr_tree_model base;
    const struct mr_skt_class *type;
    const char *version; /* of scikit-learn that saved it */
    mr_sk_method method;
    struct mr_sk_feature_spec features;
    const struct mr_skt_encoding *encodings; /* of each feature; NULL: all are plain */
    bool has_preprocessor;                   /* a ColumnTransformer, which finds columns by name */
    const struct mr_tree_forest *forest;
    const uint32_t *column_of; /* of each feature: which column of the forest it is */
    mr_skt_sums sums;
    size_t n_outputs; /* VALUES: of a row; VOTES, LEAVES, DECISION: classes of all targets; RAW */
    double divisor;   /* VALUES, VOTES, LEAVES: number of estimators; DECISION: their weights;
                         DEPTHS: what a sum is divided by, 0 for a forest of one sample */
    size_t n_targets; /* classifiers: how many answers a row has; else 0 */
    const struct mr_sk_labels *labels; /* n_targets */
    mr_skt_link link;                  /* RAW */
    mr_skt_choice choice;              /* RAW */
    mr_sk_sum_order order;             /* RAW, DECISION: of sums over classes */
    double offset;                     /* DEPTHS: decisions are scores minus this */
    const double *weights;             /* MEDIAN: one for each tree */
    const double *log_votes;           /* LEAVES: n_outputs side by side */
};

#define MR_SKT_NO_COLUMN UINT32_MAX /* no tree asks for the feature */

/* Building ---------------------------------------------------------------------------------- */

struct mr_skt_builder {
    struct mr_sk_estimator estimator;
    const struct mr_signature *signature; /* NULL: none */
    struct mr_skt_model *model;
    struct mr_arena *arena;   /* the model's */
    struct mr_arena *scratch; /* for the object graph and the ensemble */
    struct mr_error *err;
    struct mr_tree_ensemble ensemble; /* grows by mr_skt_add_tree */
    struct mr_tree *trees;
    double *values;
    size_t values_capacity;
    struct mr_tree_set *sets;
    size_t sets_capacity;
    struct mr_name_map sources; /* addresses of the arrays of nodes that were added */
    uint32_t leaf_width;        /* values of a leaf: n_outputs for vector leaves, else 1 */
};

/* A fitted tree: sklearn.tree._tree.Tree, and the estimator around it. */
struct mr_skt_tree {
    struct mr_sk_estimator estimator;
    size_t n_features, n_outputs;
    size_t n_classes;                        /* most of any output; 1 for regressors */
    const struct mr_ndarray *output_classes; /* n_outputs counts, at most n_classes each */
    uint32_t n_nodes;
    const char *nodes; /* records of node_bytes, at any alignment */
    size_t node_bytes;
    size_t left_at, right_at, feature_at, threshold_at, n_samples_at; /* offsets in a record */
    size_t missing_at;                                                /* SIZE_MAX before 1.3 */
    const double *values; /* n_nodes x n_outputs x n_classes */
};

/* Writes the values of a leaf, b->leaf_width of them. */
typedef void mr_skt_write_leaf(void *ctx, const struct mr_skt_tree *tree, uint32_t node,
                               double *out);

/* Attributes that a fitted estimator of a known version may have, sorted as bytes. */
extern const char *const mr_skt_attributes[];
extern const size_t mr_skt_n_attributes;

/* The class of that module and name; NULL when this family does not know it. */
const struct mr_skt_class *mr_skt_find_class(struct mr_str module, struct mr_str name);

/* "no native engine for X <what> yet". */
mr_status mr_skt_refuse(const struct mr_skt_builder *b, const char *what);

/* Fill model->features from the estimator. Afterwards features.dtype and .finite are set by each
 * kind of estimators. */
MR_MUST_CHECK mr_status mr_skt_read_features(struct mr_skt_builder *b);

/* Fill model->labels and n_targets from classes_: an array, or a list of them for several targets.
 * Sets n_outputs to the number of all their classes. */
MR_MUST_CHECK mr_status mr_skt_read_labels(struct mr_skt_builder *b);

/* Begin the ensemble: room for n trees, sums that start with `start`.
 * is_vector  each leaf has a value for all of the n_outputs sums */
MR_MUST_CHECK mr_status mr_skt_start(struct mr_skt_builder *b, size_t n_trees, size_t n_outputs,
                                     bool is_vector, double start);

/* Append a tree with room for n_nodes nodes, and for the values of n_leaves leaves behind
 * b->values[ensemble.n_values].
 * source  the array in the file that the nodes are from. An honest file has one for each tree; one
 *         for many trees would make a small file an ensemble of any size */
MR_MUST_CHECK mr_status mr_skt_new_tree(struct mr_skt_builder *b, const void *source,
                                        uint32_t n_nodes, size_t n_leaves, uint32_t output,
                                        struct mr_tree_node **nodes);

/* Append a set of categories that a node can refer to, n_bits words in scratch memory.
 * index  its number; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_skt_add_set(struct mr_skt_builder *b, const struct mr_tree_set *set,
                                       uint32_t *index);

/* Read a tree of the class that the outer estimator takes: DecisionTree* or ExtraTree*.
 * n_features  how many it must have been fitted to
 * returns  MR_OK; MR_E_UNSUPPORTED, MR_E_FORMAT */
MR_MUST_CHECK mr_status mr_skt_read_tree(const struct mr_skt_builder *b,
                                         const struct mr_sk_estimator *estimator, size_t n_features,
                                         struct mr_skt_tree *out);

/* Append it to the ensemble.
 * output    what scalar leaves are added to
 * features  numbers of the tree's features among those of the model; NULL: the same */
MR_MUST_CHECK mr_status mr_skt_add_tree(struct mr_skt_builder *b, const struct mr_skt_tree *tree,
                                        uint32_t output, const uint32_t *features,
                                        mr_skt_write_leaf *write, void *ctx);

/* Child of a node as the file has it; leaves have -1 on the left. */
int64_t mr_skt_left(const struct mr_skt_tree *tree, uint32_t node);
int64_t mr_skt_right(const struct mr_skt_tree *tree, uint32_t node);
int64_t mr_skt_n_samples(const struct mr_skt_tree *tree, uint32_t node);

/* Class probabilities of a leaf (DecisionTreeClassifier.predict_proba), of all outputs side by
 * side. is_counts: scikit-learn before 1.4 keeps weights of samples, which are divided here. */
void mr_skt_votes(const struct mr_skt_tree *tree, uint32_t node, bool is_counts, double *out);

/* Whether the estimator of a tree takes NaN (BaseDecisionTree._support_missing_values). */
bool mr_skt_takes_nan(const struct mr_skt_tree *tree);

/* Fill model->encodings of a HistGradientBoosting*, if it has categorical features.
 * returns  MR_OK; MR_E_UNSUPPORTED, also when the signature does not say types that make clear what
 *          equals a category; MR_E_FORMAT, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_skt_read_categories(struct mr_skt_builder *b);

/* The kinds of estimators. model->type and ->method are set. */
MR_MUST_CHECK mr_status mr_skt_build_tree(struct mr_skt_builder *b);
MR_MUST_CHECK mr_status mr_skt_build_forest(struct mr_skt_builder *b);
MR_MUST_CHECK mr_status mr_skt_build_bagging(struct mr_skt_builder *b);
MR_MUST_CHECK mr_status mr_skt_build_isolation(struct mr_skt_builder *b);
MR_MUST_CHECK mr_status mr_skt_build_adaboost(struct mr_skt_builder *b);
MR_MUST_CHECK mr_status mr_skt_build_gradient(struct mr_skt_builder *b);
MR_MUST_CHECK mr_status mr_skt_build_histogram(struct mr_skt_builder *b);

/* Read, check and build a model, as struct mr_tree_family's load. */
MR_MUST_CHECK mr_status mr_skt_build(const struct mr_model_source *source, struct mr_arena *arena,
                                     struct mr_arena *scratch, struct mr_skt_model **out,
                                     struct mr_error *err);

/* Predicting -------------------------------------------------------------------------------- */

MR_MUST_CHECK mr_status mr_skt_predict(const struct mr_tree_model *model,
                                       const struct mr_input *input, struct mr_arena *arena,
                                       struct mr_output *out, struct mr_error *err);

/* Find the columns that a model with a preprocessor wants of a table. input: changed; arena:
 * scratch. returns  MR_OK, MR_E_BAD_REQUEST */
MR_MUST_CHECK mr_status mr_skt_select_columns(const struct mr_skt_model *model,
                                              struct mr_input *input, struct mr_arena *arena,
                                              struct mr_error *err);

/* Replace rows row .. row + n of a feature by what the trees compare.
 * values   the numbers that they are; overwritten, also for texts
 * returns  MR_OK, MR_E_BAD_REQUEST */
MR_MUST_CHECK mr_status mr_skt_encode(const struct mr_skt_model *model,
                                      const struct mr_sk_features *x, size_t feature, int64_t row,
                                      size_t n, double *values, struct mr_error *err);

/* Sums of a block of rows: output k of row r at sums[k * stride + r]. */
struct mr_skt_block {
    double *sums; /* overwritten */
    size_t stride;
    size_t n_rows;
    double *scratch; /* mr_skt_scratch_size(model, stride) */
};

/* How many doubles answering takes. */
size_t mr_skt_scratch_size(const struct mr_skt_model *model, size_t stride);

/* Shape and dtype of the answer for n_rows rows, and room for it. */
MR_MUST_CHECK mr_status mr_skt_new_answer(const struct mr_skt_model *model, int64_t n_rows,
                                          struct mr_arena *arena, struct mr_output *out,
                                          struct mr_error *err);

/* Turn a block's sums into rows row .. row + n_rows of the answer. */
void mr_skt_answer(const struct mr_skt_model *model, struct mr_skt_block *block, int64_t row,
                   struct mr_output *out);

#endif
