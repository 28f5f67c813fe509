/* sklearn.impute.SimpleImputer (sklearn/impute/_base.py, version 1.9.1): what fit() has left. */
#include "engine/pipeline/impute_int.h"

/* Integers up to here are doubles. */
#define MAX_INTEGER ((double)(INT64_C(1) << 53))

bool mr_impute_fits(mr_dtype dtype, double value) {
    int n_bits = 8 * (int)mr_dtype_size(dtype);
    bool is_signed = mr_dtype_kind(dtype) == 'i';
    double end = ldexp(1, is_signed ? n_bits - 1 : n_bits);
    return value < end && value >= (is_signed ? -end : 0);
}

/* Parameters ----------------------------------------------------------------------------------- */

static bool read_plain(const struct mr_ndarray *array, int64_t i, double *out) {
    int64_t integer;
    if (!array->is_known) return false;
    if (array->dtype == MR_FLOAT64) {
        *out = ((const double *)array->values)[i];
        return true;
    }
    if (array->dtype == MR_FLOAT32) {
        *out = (double)((const float *)array->values)[i];
        return true;
    }
    if (array->dtype == MR_BOOL || !mr_sk_integer_at(array, i, &integer)) return false;
    *out = (double)integer;
    return fabs(*out) <= MAX_INTEGER;
}

/* A number of Python or numpy that is a double. */
static bool read_number(const struct mr_object *object, double *out) {
    switch (object->kind) {
    case MR_OBJECT_FLOAT: *out = object->real; return true;
    case MR_OBJECT_INT: *out = (double)object->integer; return fabs(*out) <= MAX_INTEGER;
    case MR_OBJECT_ARRAY: return object->array.n_dims == 0 && read_plain(&object->array, 0, out);
    default: return false;
    }
}

/* numpy compares X with a number of Python in X's dtype, and with one of its own in what both
 * promote to: of a number that float32 has it is the same. */
mr_status mr_impute_read_missing(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 struct mr_impute_missing *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "missing_values");
    *out = (struct mr_impute_missing){.number = NAN};
    if (object && object->kind == MR_OBJECT_STR) {
        char *copy = mr_arena_strdup(b->arena, object->text);
        if (!copy) return mr_arena_fail(b->arena, b->err);
        out->is_text = true;
        out->text = (struct mr_str){copy, object->text.size};
        return MR_OK;
    }
    double number = 0;
    bool is_read = object && read_number(object, &number);
    bool is_exact = fabs(number) <= 0x1p24 && (double)(float)number == number;
    if (is_read && (isnan(number) || is_exact)) {
        out->number = number;
        return MR_OK;
    }
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED,
                   "no native engine for %s with missing_values of %s yet", estimator->name,
                   mr_object_describe(object, text, sizeof(text)));
}

/* The dtype of X in fit(), and of what fills it since 1.8: the same. */
static mr_status read_fitted(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             mr_dtype *out) {
    mr_dtype fill = MR_BOOL;
    bool is_known = mr_object_dtype(mr_object_attr(estimator->object, "_fit_dtype"), out);
    bool has_fill = mr_sk_is_at_least(estimator, 1, 8);
    if (has_fill) {
        is_known &= mr_object_dtype(mr_object_attr(estimator->object, "_fill_dtype"), &fill);
    }
    bool is_number = is_known && mr_pipe_is_number(*out) && *out != MR_BOOL;
    if (is_known && (is_number || *out == MR_OBJECT) && (!has_fill || fill == *out)) return MR_OK;
    return mr_sk_refuse(estimator, "that was fitted to such a dtype", b->err);
}

/* Which columns transform() keeps. Before 1.8, "constant" kept all of them. */
static mr_status read_keeping(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              bool is_constant, bool *is_all_kept) {
    *is_all_kept = false;
    if (mr_sk_is_at_least(estimator, 1, 2)) {
        MR_TRY(mr_pipe_flag(b, estimator, "keep_empty_features", is_all_kept));
    }
    if (is_constant && !mr_sk_is_at_least(estimator, 1, 8)) *is_all_kept = true;
    return MR_OK;
}

/* Statistics ----------------------------------------------------------------------------------- */

static mr_status find_statistics(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 size_t n, const struct mr_ndarray **out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "statistics_");
    if (!object || object->kind != MR_OBJECT_ARRAY || !mr_object_is(object, "numpy", "ndarray") ||
        !object->array.is_known) {
        char text[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "%s: statistics_ should be an array of numbers or texts, but is %s",
                       estimator->name, mr_object_describe(object, text, sizeof(text)));
    }
    if (object->array.n_dims != 1 || object->array.n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: statistics_ should have %zu values, but has %lld",
                       estimator->name, n, (long long)object->array.n_values);
    }
    *out = &object->array;
    return MR_OK;
}

static mr_status refuse_statistic(struct mr_pipe_builder *b,
                                  const struct mr_sk_estimator *estimator, size_t i) {
    return mr_fail(b->err, MR_E_UNSUPPORTED,
                   "no native engine for %s whose statistics_[%zu] is none of its dtype",
                   estimator->name, i);
}

/* ndarray.astype(dtype) of one value, where C says what it is. */
static bool cast(mr_dtype dtype, double value, double *out) {
    *out = dtype == MR_FLOAT32 ? (double)(float)value : value;
    if (mr_dtype_kind(dtype) == 'f') return true;
    if (!mr_impute_fits(dtype, trunc(value))) return false;
    *out = (double)(int64_t)value;
    return true;
}

static mr_status read_fills(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const struct mr_ndarray *statistics, bool is_all_kept,
                            struct mr_imputer *imputer) {
    size_t n = imputer->features.n_features;
    uint32_t *kept = mr_arena_array(b->arena, n, sizeof(*kept));
    double *fills = mr_arena_array(b->arena, n, sizeof(*fills));
    if (!kept || !fills) return mr_arena_fail(b->arena, b->err);
    imputer->min_fill = INFINITY;
    imputer->max_fill = -INFINITY;
    bool is_cast = mr_sk_is_at_least(estimator, 1, 8), has_nan = false;
    for (size_t i = 0; i < n; i++) {
        double value;
        bool is_read = statistics->dtype == MR_OBJECT
                           ? read_number(((const struct mr_object *const *)statistics->values)[i],
                                         &value)
                           : read_plain(statistics, (int64_t)i, &value);
        if (!is_read) return refuse_statistic(b, estimator, i);
        if (isnan(value) && !is_all_kept) continue;
        if (is_cast && !cast(imputer->fitted, value, &value)) {
            return refuse_statistic(b, estimator, i);
        }
        has_nan |= isnan(value);
        imputer->min_fill = fmin(imputer->min_fill, value);
        imputer->max_fill = fmax(imputer->max_fill, value);
        kept[imputer->n_kept] = (uint32_t)i;
        fills[imputer->n_kept++] = value;
    }
    if (has_nan) imputer->max_fill = INFINITY;
    imputer->kept = kept;
    imputer->fills = fills;
    return MR_OK;
}

static mr_status read_texts(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const struct mr_ndarray *statistics, bool is_all_kept,
                            struct mr_imputer *imputer) {
    size_t n = imputer->features.n_features;
    uint32_t *kept = mr_arena_array(b->arena, n, sizeof(*kept));
    struct mr_str *texts = mr_arena_array(b->arena, n, sizeof(*texts));
    if (!kept || !texts) return mr_arena_fail(b->arena, b->err);
    if (statistics->dtype != MR_OBJECT) return refuse_statistic(b, estimator, 0);
    for (size_t i = 0; i < n; i++) {
        const struct mr_object *item = ((const struct mr_object *const *)statistics->values)[i];
        if (item->kind == MR_OBJECT_FLOAT && isnan(item->real) && !is_all_kept) continue;
        if (item->kind != MR_OBJECT_STR) return refuse_statistic(b, estimator, i);
        char *copy = mr_arena_strdup(b->arena, item->text);
        if (!copy) return mr_arena_fail(b->arena, b->err);
        kept[imputer->n_kept] = (uint32_t)i;
        texts[imputer->n_kept++] = (struct mr_str){copy, item->text.size};
    }
    imputer->kept = kept;
    imputer->texts = texts;
    return MR_OK;
}

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_fill_dtype",         "_fit_dtype",     "_sklearn_output_config",
    "_sklearn_version",    "add_indicator",  "copy",
    "feature_names_in_",   "fill_value",     "indicator_",
    "keep_empty_features", "missing_values", "n_features_in_",
    "statistics_",         "strategy",       "verbose",
};

static mr_status read_indicator(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                struct mr_imputer *imputer) {
    bool has_indicator = false;
    MR_TRY(mr_pipe_flag(b, estimator, "add_indicator", &has_indicator));
    if (!has_indicator) return MR_OK;
    if (imputer->fitted == MR_OBJECT) {
        return mr_sk_refuse(estimator, "that adds an indicator to texts", b->err);
    }
    struct mr_sk_estimator inside;
    const struct mr_object *object = mr_object_attr(estimator->object, "indicator_");
    MR_TRY(mr_sk_inside(estimator, object, b->scratch, &inside, b->err));
    MR_TRY(
        mr_pipe_check_attributes(b, &inside, mr_indicator_attributes, mr_indicator_n_attributes));
    const struct mr_object *which = mr_object_attr(object, "features");
    if (!mr_object_is(object, "sklearn.impute._base", "MissingIndicator") ||
        !mr_object_is_str(which, "missing-only") ||
        !mr_object_is_str(mr_object_attr(object, "sparse"), "auto")) {
        return mr_sk_refuse(estimator, "whose indicator_ is not its own", b->err);
    }
    return mr_indicator_read_features(b, &inside, imputer->features.n_features,
                                      &imputer->n_indicators, &imputer->indicators);
}

/* The parameters decide how validate_data reads X. */
static mr_status read_parameters(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 struct mr_imputer *imputer, bool *is_all_kept) {
    const char *strategy = NULL;
    bool is_copied = false;
    MR_TRY(mr_pipe_flag(b, estimator, "copy", &is_copied));
    if (!is_copied) return mr_sk_refuse(estimator, "that writes into X itself", b->err);
    MR_TRY(mr_sk_text(estimator, "strategy", &strategy, b->err));
    MR_TRY(mr_impute_read_missing(b, estimator, &imputer->missing));
    MR_TRY(read_fitted(b, estimator, &imputer->fitted));
    bool is_text = imputer->fitted == MR_OBJECT, is_nan = isnan(imputer->missing.number);
    bool is_constant = strcmp(strategy, "constant") == 0;
    imputer->is_dtype_kept = is_constant || strcmp(strategy, "most_frequent") == 0;
    bool is_known = imputer->is_dtype_kept || (!is_text && (strcmp(strategy, "mean") == 0 ||
                                                            strcmp(strategy, "median") == 0));
    if (!is_known) return mr_sk_refuse(estimator, "with that strategy", b->err);
    if (imputer->missing.is_text ? !is_text : is_text && !is_nan) {
        return mr_sk_refuse(estimator, "whose missing_values are none of its dtype", b->err);
    }
    imputer->base.is_choosy = imputer->is_dtype_kept && !is_text && !is_nan;
    imputer->is_kind_checked = is_constant && mr_sk_is_at_least(estimator, 1, 4);
    imputer->is_missing_text_nan = b->is_missing_text_nan;
    imputer->features.dtype = MR_SK_FLOATS;
    imputer->features.finite = is_nan && !imputer->missing.is_text ? MR_SK_FINITE_OR_NAN
                                                                   : MR_SK_FINITE;
    return read_keeping(b, estimator, is_constant, is_all_kept);
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    size_t n = 0;
    bool is_all_kept = false;
    const struct mr_ndarray *statistics = NULL;
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    MR_TRY(mr_pipe_count_features(b, estimator, n_in, &n));
    struct mr_imputer *imputer = mr_pipe_new_step(b, estimator, &mr_impute_numbers_ops,
                                                  sizeof(*imputer), takes, n);
    if (!imputer) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_sk_read_features(estimator, n, b->arena, &imputer->features, b->err));
    MR_TRY(read_parameters(b, estimator, imputer, &is_all_kept));
    MR_TRY(find_statistics(b, estimator, n, &statistics));
    MR_TRY(read_indicator(b, estimator, imputer));
    if (imputer->fitted == MR_OBJECT) {
        MR_TRY(read_texts(b, estimator, statistics, is_all_kept, imputer));
        imputer->base.ops = &mr_impute_texts_ops;
        imputer->base.gives = MR_PIPE_OBJECTS;
    } else {
        MR_TRY(read_fills(b, estimator, statistics, is_all_kept, imputer));
    }
    imputer->base.n_out = imputer->n_kept + imputer->n_indicators;
    if (imputer->base.n_out == 0) return mr_sk_refuse(estimator, "without any statistic", b->err);
    *out = &imputer->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_impute_classes[] = {
    {"sklearn.impute._base", "MissingIndicator", mr_indicator_build},
    {"sklearn.impute._base", "SimpleImputer", build},
    {0},
};
