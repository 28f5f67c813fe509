/* The selectors of sklearn.feature_selection: what they keep is a mask of features, which is known
 * once they are fitted (sklearn/feature_selection/_base.py, versions 1.1.3 to 1.9.1:
 * SelectorMixin.transform). */
#include "engine/pipeline/select.h"

#include "engine/pipeline/param.h"
#include "engine/pipeline/validate.h"

struct select {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features;
    const uint32_t *kept;     /* n_out features, ascending */
    const uint32_t *place_of; /* the column that a feature becomes; UINT32_MAX: dropped */
};

/* Transformation ------------------------------------------------------------------------------- */

static mr_status check_sparse(const struct select *select, const struct mr_csr *csr,
                              struct mr_error *err) {
    size_t n = csr->starts[csr->n_rows];
    for (size_t i = 0; select->features.finite != MR_SK_ANY && i < n; i++) {
        if (csr->values[i] - csr->values[i] == 0) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "feature %u: %s expects finite numbers, received NaN or infinity in a "
                       "sparse matrix",
                       csr->columns[i], select->base.name);
    }
    return MR_OK;
}

static mr_status select_sparse(const struct select *select, const struct mr_csr *from,
                               struct mr_arena *arena, struct mr_pipe_x *out,
                               struct mr_error *err) {
    MR_TRY(check_sparse(select, from, err));
    size_t n_items = from->starts[from->n_rows];
    struct mr_csr *csr = mr_arena_alloc(arena, sizeof(*csr));
    size_t *starts = mr_arena_array(arena, from->n_rows + 1, sizeof(*starts));
    uint32_t *columns = mr_arena_array(arena, n_items, sizeof(*columns));
    double *values = mr_arena_array(arena, n_items, sizeof(*values));
    if (!csr || !starts || !columns || !values) return mr_arena_fail(arena, err);
    size_t n = 0;
    starts[0] = 0;
    for (size_t r = 0; r < from->n_rows; r++) {
        for (size_t i = from->starts[r]; i < from->starts[r + 1]; i++) {
            uint32_t place = select->place_of[from->columns[i]];
            if (place == UINT32_MAX) continue;
            columns[n] = place;
            values[n++] = from->values[i];
        }
        starts[r + 1] = n;
    }
    *csr = (struct mr_csr){from->n_rows, select->base.n_out, from->dtype, starts, columns, values};
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct select *select = (const struct select *)step;
    if (x->kind == MR_PIPE_SPARSE) return select_sparse(select, x->csr, arena, out, err);
    MR_TRY(mr_pipe_validate(&select->features, x, select->kept, step->n_out, arena, out, err));
    out->input.tensors[0].is_fortran = true; /* X[:, mask] */
    return MR_OK;
}

static const struct mr_pipe_step_ops select_ops = {.can_take = mr_pipe_take_numbers,
                                                   .transform = transform};

/* Classes -------------------------------------------------------------------------------------- */

static mr_status mask_of_variances(struct mr_pipe_builder *b,
                                   const struct mr_sk_estimator *estimator, size_t n, bool *mask) {
    const double *variances = NULL;
    double threshold = 0;
    MR_TRY(mr_pipe_vector(b, estimator, "variances_", n, &variances));
    MR_TRY(mr_pipe_real_param(b, estimator, "threshold", &threshold));
    for (size_t i = 0; i < n; i++) mask[i] = variances[i] > threshold;
    return MR_OK;
}

static mr_status mask_of_support(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 size_t n, bool *mask) {
    const struct mr_object *object = mr_object_attr(estimator->object, "support_");
    if (!object || object->kind != MR_OBJECT_ARRAY || !object->array.is_known ||
        object->array.dtype != MR_BOOL || object->array.n_dims != 1 ||
        object->array.n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: support_ is no array of %zu booleans",
                       estimator->name, n);
    }
    for (size_t i = 0; i < n; i++) mask[i] = ((const uint8_t *)object->array.values)[i] != 0;
    return MR_OK;
}

static const char *const variance_attributes[] = {
    "_sklearn_output_config", "_sklearn_version", "feature_names_in_",
    "n_features_in_",         "threshold",        "variances_",
};
static const char *const univariate_attributes[] = {
    "_sklearn_output_config",
    "_sklearn_version",
    "alpha",
    "feature_names_in_",
    "k",
    "mode",
    "n_features_in_",
    "param",
    "percentile",
    "pvalues_",
    "score_func",
    "scores_",
};
/* Of RFE, RFECV and SequentialFeatureSelector. */
static const char *const wrapper_attributes[] = {
    "_sklearn_output_config",
    "_sklearn_version",
    "cv",
    "cv_results_",
    "direction",
    "estimator",
    "estimator_",
    "feature_names_in_",
    "importance_getter",
    "min_features_to_select",
    "n_features_",
    "n_features_in_",
    "n_features_to_select",
    "n_features_to_select_",
    "n_jobs",
    "ranking_",
    "scoring",
    "step",
    "support_",
    "tol",
    "verbose",
};
static const char *const model_attributes[] = {
    "_sklearn_output_config",
    "_sklearn_version",
    "estimator",
    "estimator_",
    "feature_names_in_",
    "importance_getter",
    "max_features",
    "max_features_",
    "norm_order",
    "prefit",
    "threshold",
};

#define LIST(attributes) attributes, sizeof(attributes) / sizeof(*(attributes))

static const struct selector {
    const char *name;
    const char *const *attributes;
    size_t n_attributes;
    mr_pipe_read_mask *read_mask;
} selectors[] = {
    {"GenericUnivariateSelect", LIST(univariate_attributes), mr_pipe_mask_of_univariate},
    {"RFE", LIST(wrapper_attributes), mask_of_support},
    {"RFECV", LIST(wrapper_attributes), mask_of_support},
    {"SelectFdr", LIST(univariate_attributes), mr_pipe_mask_of_fdr},
    {"SelectFpr", LIST(univariate_attributes), mr_pipe_mask_of_fpr},
    {"SelectFromModel", LIST(model_attributes), mr_pipe_mask_of_model},
    {"SelectFwe", LIST(univariate_attributes), mr_pipe_mask_of_fwe},
    {"SelectKBest", LIST(univariate_attributes), mr_pipe_mask_of_kbest},
    {"SelectPercentile", LIST(univariate_attributes), mr_pipe_mask_of_percentile},
    {"SequentialFeatureSelector", LIST(wrapper_attributes), mask_of_support},
    {"VarianceThreshold", LIST(variance_attributes), mask_of_variances},
};

static const struct selector *find_selector(const char *name) {
    const struct selector *selector = selectors;
    while (strcmp(selector->name, name) != 0) selector++; /* build is only called of these */
    return selector;
}

/* Building ------------------------------------------------------------------------------------- */

/* A tag says whether values are checked at all. */
static mr_status choose_finite(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct selector *selector, mr_sk_finite *out) {
    bool is_nan_allowed = selector->read_mask == mask_of_variances;
    if (mr_object_attr(estimator->object, "estimator")) {
        MR_TRY(mr_pipe_allows_nan(b, estimator, &is_nan_allowed));
    }
    *out = is_nan_allowed ? MR_SK_ANY : MR_SK_FINITE;
    return MR_OK;
}

/* SelectFromModel does not count its features itself, and takes over their names. */
static mr_status read_features(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct selector *selector, size_t n_in,
                               struct mr_sk_feature_spec *out) {
    struct mr_sk_estimator counting = *estimator;
    size_t n = 0;
    if (selector->read_mask == mr_pipe_mask_of_model) {
        MR_TRY(mr_pipe_fitted_model(b, estimator, &counting));
    }
    MR_TRY(mr_pipe_count_features(b, &counting, n_in, &n));
    MR_TRY(mr_sk_read_features(&counting, n, b->arena, out, b->err));
    bool has_names = mr_object_attr(estimator->object, "feature_names_in_");
    if (has_names && !out->names) return mr_sk_refuse(estimator, "with names of its own", b->err);
    if (!has_names) out->names = NULL;
    out->estimator = mr_arena_strdup(b->arena, mr_str_from(estimator->name));
    return out->estimator ? MR_OK : mr_arena_fail(b->arena, b->err);
}

static mr_status keep(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                      const bool *mask, struct select *select) {
    size_t n_in = select->features.n_features, n_out = 0;
    uint32_t *kept = mr_arena_array(b->arena, n_in, sizeof(*kept));
    uint32_t *place_of = mr_arena_array(b->arena, n_in, sizeof(*place_of));
    if (!kept || !place_of) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < n_in; i++) {
        place_of[i] = mask[i] ? (uint32_t)n_out : UINT32_MAX;
        if (mask[i]) kept[n_out++] = (uint32_t)i;
    }
    if (n_out == 0) return mr_sk_refuse(estimator, "that keeps no features", b->err);
    select->kept = kept;
    select->place_of = place_of;
    select->base.n_out = n_out;
    return MR_OK;
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    const struct selector *selector = find_selector(estimator->name);
    MR_TRY(mr_pipe_check_attributes(b, estimator, selector->attributes, selector->n_attributes));
    if (takes != MR_PIPE_SPARSE) MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    struct mr_sk_feature_spec features = {0};
    MR_TRY(read_features(b, estimator, selector, n_in, &features));
    MR_TRY(choose_finite(b, estimator, selector, &features.finite));
    size_t n = features.n_features;
    struct select *select = mr_pipe_new_step(b, estimator, &select_ops, sizeof(*select), takes, n);
    if (!select) return mr_arena_fail(b->arena, b->err);
    select->features = features;
    if (takes == MR_PIPE_SPARSE) select->base.gives = MR_PIPE_SPARSE;
    bool *mask = mr_arena_alloc(b->scratch, n);
    if (!mask) return mr_arena_fail(b->scratch, b->err);
    MR_TRY(selector->read_mask(b, estimator, n, mask));
    MR_TRY(keep(b, estimator, mask, select));
    *out = &select->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_select_classes[] = {
    {"sklearn.feature_selection._from_model", "SelectFromModel", build},
    {"sklearn.feature_selection._rfe", "RFE", build},
    {"sklearn.feature_selection._rfe", "RFECV", build},
    {"sklearn.feature_selection._sequential", "SequentialFeatureSelector", build},
    {"sklearn.feature_selection._univariate_selection", "GenericUnivariateSelect", build},
    {"sklearn.feature_selection._univariate_selection", "SelectFdr", build},
    {"sklearn.feature_selection._univariate_selection", "SelectFpr", build},
    {"sklearn.feature_selection._univariate_selection", "SelectFwe", build},
    {"sklearn.feature_selection._univariate_selection", "SelectKBest", build},
    {"sklearn.feature_selection._univariate_selection", "SelectPercentile", build},
    {"sklearn.feature_selection._variance_threshold", "VarianceThreshold", build},
    {0},
};
