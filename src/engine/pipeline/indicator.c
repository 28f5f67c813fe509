/* sklearn.impute.MissingIndicator (sklearn/impute/_base.py, version 1.9.1). */
#include "engine/pipeline/impute_int.h"
#include "engine/pipeline/stack.h"

struct indicator {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features;
    struct mr_impute_missing missing;
    const uint32_t *columns; /* n_out of them */
    const bool *is_new; /* columns where nothing was missing in fit(), and may not be now; NULL */
};

const char *const mr_indicator_attributes[] = {
    "_n_features",      "_precomputed", "_sklearn_output_config",
    "_sklearn_version", "error_on_new", "feature_names_in_",
    "features",         "features_",    "missing_values",
    "n_features_in_",   "sparse",
};
const size_t mr_indicator_n_attributes = sizeof(mr_indicator_attributes) /
                                         sizeof(*mr_indicator_attributes);

static mr_status check_row(const struct indicator *indicator, const double *row, size_t r,
                           struct mr_error *err) {
    for (size_t c = 0; indicator->is_new && c < indicator->features.n_features; c++) {
        if (!indicator->is_new[c] || !mr_impute_is_missing(&indicator->missing, row[c])) continue;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "row %zu, feature %zu: %s expects a value that is not missing, as none was "
                       "when it was fitted",
                       r, c, indicator->base.name);
    }
    return MR_OK;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct indicator *indicator = (const struct indicator *)step;
    if (mr_pipe_result_type(x) == MR_BOOL) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s expects numbers, received booleans", step->name);
    }
    struct mr_pipe_numbers numbers;
    MR_TRY(mr_pipe_read_numbers(&indicator->features, x, arena, &numbers, err));
    uint8_t *mask = mr_arena_array(arena, numbers.n_rows, step->n_out);
    if (!mask) return mr_arena_fail(arena, err);
    for (size_t r = 0; r < numbers.n_rows; r++) {
        const double *row = numbers.values + r * numbers.n_cols;
        MR_TRY(check_row(indicator, row, r, err));
        for (size_t i = 0; i < step->n_out; i++) {
            double value = row[indicator->columns[i]];
            mask[r * step->n_out + i] = mr_impute_is_missing(&indicator->missing, value);
        }
    }
    return mr_pipe_give_tensor(numbers.n_rows, step->n_out, MR_BOOL, mask, arena, out, err);
}

static const struct mr_pipe_step_ops indicator_ops = {.can_take = mr_pipe_take_numbers,
                                                      .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

mr_status mr_indicator_read_features(struct mr_pipe_builder *b,
                                     const struct mr_sk_estimator *estimator, size_t n,
                                     size_t *n_out, const uint32_t **out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "features_");
    bool is_array = object && object->kind == MR_OBJECT_ARRAY && object->array.n_dims == 1 &&
                    object->array.n_values <= (int64_t)n;
    uint32_t *columns = mr_arena_array(b->arena, n, sizeof(*columns));
    if (!columns) return mr_arena_fail(b->arena, b->err);
    int64_t last = -1, column = -1;
    bool is_read = is_array;
    for (int64_t i = 0; is_read && i < object->array.n_values; i++, last = column) {
        is_read = mr_sk_integer_at(&object->array, i, &column) && column > last &&
                  column < (int64_t)n;
        if (is_read) columns[i] = (uint32_t)column;
    }
    if (!is_read) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: features_ should be ascending numbers below %zu",
                       estimator->name, n);
    }
    *n_out = (size_t)object->array.n_values;
    *out = columns;
    return MR_OK;
}

/* Which columns have a mask, and which may have nothing missing. */
static mr_status read_columns(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              struct indicator *indicator) {
    const char *which = NULL;
    bool is_error_on_new = false;
    size_t n = indicator->features.n_features;
    MR_TRY(mr_sk_text(estimator, "features", &which, b->err));
    MR_TRY(mr_pipe_flag(b, estimator, "error_on_new", &is_error_on_new));
    MR_TRY(
        mr_indicator_read_features(b, estimator, n, &indicator->base.n_out, &indicator->columns));
    bool is_all = strcmp(which, "all") == 0;
    if (!is_all && strcmp(which, "missing-only") != 0) {
        return mr_sk_refuse(estimator, "with such features", b->err);
    }
    if (is_all ? indicator->base.n_out != n : indicator->base.n_out == 0) {
        return mr_sk_refuse(estimator, "with so few features_", b->err);
    }
    if (is_all || !is_error_on_new) return MR_OK;
    bool *is_new = mr_arena_alloc(b->arena, n);
    if (!is_new) return mr_arena_fail(b->arena, b->err);
    memset(is_new, true, n);
    for (size_t i = 0; i < indicator->base.n_out; i++) is_new[indicator->columns[i]] = false;
    indicator->is_new = is_new;
    return MR_OK;
}

mr_status mr_indicator_build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    size_t n = 0;
    bool is_precomputed = false;
    MR_TRY(
        mr_pipe_check_attributes(b, estimator, mr_indicator_attributes, mr_indicator_n_attributes));
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    MR_TRY(mr_pipe_count_features(b, estimator, n_in, &n));
    MR_TRY(mr_pipe_flag(b, estimator, "_precomputed", &is_precomputed));
    const struct mr_object *sparse = mr_object_attr(estimator->object, "sparse");
    bool is_dense = sparse && sparse->kind == MR_OBJECT_BOOL && !sparse->boolean;
    if (is_precomputed || (!is_dense && !mr_object_is_str(sparse, "auto"))) {
        return mr_sk_refuse(estimator, "of a mask, or with a sparse one", b->err);
    }
    struct indicator *indicator = mr_pipe_new_step(b, estimator, &indicator_ops, sizeof(*indicator),
                                                   takes, n);
    if (!indicator) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_sk_read_features(estimator, n, b->arena, &indicator->features, b->err));
    MR_TRY(mr_impute_read_missing(b, estimator, &indicator->missing));
    if (indicator->missing.is_text) return mr_sk_refuse(estimator, "of texts", b->err);
    indicator->features.dtype = MR_SK_FLOATS;
    indicator->features.finite = isnan(indicator->missing.number) ? MR_SK_FINITE_OR_NAN
                                                                  : MR_SK_FINITE;
    MR_TRY(read_columns(b, estimator, indicator));
    *out = &indicator->base;
    return MR_OK;
}
