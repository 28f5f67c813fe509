/* sklearn.preprocessing.FunctionTransformer without a function, where X goes through (what a
 * ColumnTransformer makes of "passthrough"), or with one of numpy's that gives the same bits on
 * every processor (sklearn/preprocessing/_function_transformer.py, versions 1.1.3 to 1.9.1).
 *
 * numpy computes exp, log, log1p, expm1, cbrt, log2, log10 and others by code of its own where
 * there is AVX-512 (for some dtypes AVX2), and by the C library elsewhere; which differ in the last
 * place (numpy/_core/src/umath/loops_umath_fp.dispatch.c.src, loops_exponent_log.dispatch.c.src,
 * loops_hyperbolic.dispatch.cpp.src). Those are left to Python. */
#include <math.h>

#include "engine/pipeline/validate.h"

/* A function of numpy. of_integer: what is left when the result is cut to the integer's width;
 * NULL: integers become floats, or that depends on numpy's version. */
struct function {
    const char *name; /* NULL: X as it is */
    double (*of_real)(double value);
    uint64_t (*of_integer)(int64_t value);
};

struct transformer {
    struct mr_pipe_step base;
    const struct function *function;
    bool is_validated;
    bool has_names_out;                 /* feature_names_out, which renames columns of a table */
    struct mr_sk_feature_spec features; /* n_features, names; all of it when validated */
    const uint32_t *all;                /* 0, 1, 2, ... */
};

/* Functions ------------------------------------------------------------------------------------ */

static double same_real(double value) {
    return value;
}

static double negative_of_real(double value) {
    return -value;
}

static double sign_of_real(double value) {
    if (isnan(value)) return value;
    return value > 0 ? 1 : value < 0 ? -1 : 0;
}

static double square_of_real(double value) {
    return value * value;
}

static uint64_t absolute_of_integer(int64_t value) {
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static uint64_t negative_of_integer(int64_t value) {
    return -(uint64_t)value;
}

static uint64_t sign_of_integer(int64_t value) {
    return value > 0 ? 1 : value < 0 ? UINT64_MAX : 0;
}

static uint64_t square_of_integer(int64_t value) {
    return (uint64_t)value * (uint64_t)value;
}

static const struct function identity = {NULL, same_real, NULL};

static const struct function functions[] = {
    {"absolute", fabs, absolute_of_integer},
    {"ceil", ceil, NULL},
    {"floor", floor, NULL},
    {"negative", negative_of_real, negative_of_integer},
    {"rint", rint, NULL},
    {"sign", sign_of_real, sign_of_integer},
    {"sqrt", sqrt, NULL},
    {"square", square_of_real, square_of_integer},
    {"trunc", trunc, NULL},
};

/* The dtype of the result; false: none that flows between steps, or numpy raises. */
static bool find_result(const struct function *function, mr_dtype dtype, mr_dtype *out) {
    *out = dtype;
    if (function == &identity || mr_dtype_kind(dtype) == 'f') return true;
    if (dtype == MR_BOOL) return function->of_integer == absolute_of_integer;
    if (function->of_real == sqrt) { /* of integers: int8 makes float16 */
        *out = mr_dtype_size(dtype) == 2 ? MR_FLOAT32 : MR_FLOAT64;
        return mr_dtype_size(dtype) > 1;
    }
    return function->of_integer != NULL;
}

#define MAP_INTEGERS(type)                                                                         \
    do {                                                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            ((type *)to)[i] = (type)function->of_integer((int64_t)((const type *)from)[i]);        \
        }                                                                                          \
    } while (0)

#define MAP_REALS(type, result)                                                                    \
    do {                                                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            ((result *)to)[i] = (result)function->of_real((double)((const type *)from)[i]);        \
        }                                                                                          \
    } while (0)

static void map_integers(const struct function *function, mr_dtype dtype, const void *from,
                         size_t n, void *to) {
    switch (dtype) {
    case MR_BOOL:
    case MR_UINT8: MAP_INTEGERS(uint8_t); break;
    case MR_INT8: MAP_INTEGERS(int8_t); break;
    case MR_INT16: MAP_INTEGERS(int16_t); break;
    case MR_UINT16: MAP_INTEGERS(uint16_t); break;
    case MR_INT32: MAP_INTEGERS(int32_t); break;
    case MR_UINT32: MAP_INTEGERS(uint32_t); break;
    default: MAP_INTEGERS(int64_t); break;
    }
}

/* A function of n values. float32 is computed as double and rounded: all of the functions are exact
 * or, as the square root, rounded twice to the same. */
static void map(const struct function *function, mr_dtype dtype, const void *from, size_t n,
                void *to) {
    if (function->of_integer && mr_dtype_kind(dtype) != 'f') {
        map_integers(function, dtype, from, n, to);
        return;
    }
    switch (dtype) {
    case MR_INT16: MAP_REALS(int16_t, float); break;
    case MR_UINT16: MAP_REALS(uint16_t, float); break;
    case MR_INT32: MAP_REALS(int32_t, double); break;
    case MR_UINT32: MAP_REALS(uint32_t, double); break;
    case MR_INT64: MAP_REALS(int64_t, double); break;
    case MR_FLOAT32: MAP_REALS(float, float); break;
    default: MAP_REALS(double, double); break;
    }
}

/* Transformation ------------------------------------------------------------------------------- */

static bool has_result(const struct transformer *transformer, const struct mr_pipe_x *x) {
    mr_dtype result;
    if (x->input.kind != MR_INPUT_TABLE) {
        return find_result(transformer->function, x->input.tensors[0].dtype, &result);
    }
    for (size_t i = 0; i < x->input.table.n_cols; i++) {
        if (!find_result(transformer->function, x->input.table.columns[i].dtype, &result)) {
            return false;
        }
    }
    return true;
}

/* Whether a table has the names that the transformer was fitted to, so that none is changed. */
static bool has_names(const struct transformer *transformer, const struct mr_table *table) {
    const struct mr_str *names = transformer->features.names;
    for (size_t i = 0; i < table->n_cols; i++) {
        if (!names || !table->columns[i].is_named) return false;
        if (!mr_str_equal(table->columns[i].name, names[i])) return false;
    }
    return true;
}

/* When not validated X may have any shape, and the steps behind say what is wrong with it. */
static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    const struct transformer *transformer = (const struct transformer *)step;
    (void)arena;
    if (!mr_pipe_are_numbers(x, reason)) return false;
    bool is_table = x->input.kind == MR_INPUT_TABLE;
    *reason = "columns that are not those that a function was fitted to";
    if (!transformer->is_validated) {
        if (mr_pipe_n_cols(x) != step->n_out) return false;
        if (!is_table && x->input.tensors[0].n_dims != 2) return false;
        if (is_table && transformer->has_names_out && !has_names(transformer, &x->input.table)) {
            return false;
        }
    }
    *reason = "a function of numpy is given another dtype than it has in C";
    return has_result(transformer, x);
}

static mr_status map_tensor(const struct function *function, const struct mr_tensor *tensor,
                            struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    mr_dtype dtype = tensor->dtype;
    find_result(function, tensor->dtype, &dtype);
    size_t n = (size_t)tensor->n_values;
    void *values = mr_arena_array(arena, n, mr_dtype_size(dtype));
    if (!values) return mr_arena_fail(arena, err);
    map(function, tensor->dtype, tensor->values, n, values);
    MR_TRY(mr_pipe_give_tensor((size_t)tensor->shape[0], (size_t)tensor->shape[1], dtype, values,
                               arena, out, err));
    out->input.tensors[0].is_fortran = tensor->is_fortran;
    return MR_OK;
}

static mr_status map_table(const struct function *function, const struct mr_table *table,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    struct mr_column *columns = mr_arena_array(arena, table->n_cols, sizeof(*columns));
    if (!columns) return mr_arena_fail(arena, err);
    size_t n = (size_t)table->n_rows;
    for (size_t i = 0; i < table->n_cols; i++) {
        const struct mr_column *from = &table->columns[i];
        columns[i] = *from;
        find_result(function, from->dtype, &columns[i].dtype);
        void *values = mr_arena_array(arena, n, mr_dtype_size(columns[i].dtype));
        if (!values) return mr_arena_fail(arena, err);
        map(function, from->dtype, from->values, n, values);
        columns[i].values = values;
    }
    *out = (struct mr_pipe_x){.kind = MR_PIPE_FRAME,
                              .input = {.kind = MR_INPUT_TABLE, .table = *table}};
    out->input.table.columns = columns;
    return MR_OK;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct transformer *transformer = (const struct transformer *)step;
    const struct function *function = transformer->function;
    struct mr_pipe_x valid = *x;
    const char *reason = NULL;
    if (transformer->is_validated) {
        MR_TRY(mr_pipe_validate(&transformer->features, x, transformer->all, step->n_out, arena,
                                &valid, err));
    }
    if (!can_take(step, &valid, arena, &reason)) { /* not reached where can_take was asked */
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for this request yet: %s", reason);
    }
    *out = valid;
    if (function == &identity) return MR_OK;
    if (valid.input.kind == MR_INPUT_TABLE) {
        return map_table(function, &valid.input.table, arena, out, err);
    }
    return map_tensor(function, &valid.input.tensors[0], arena, out, err);
}

static const struct mr_pipe_step_ops function_ops = {.can_take = can_take, .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_sklearn_output_config", "_sklearn_version",  "accept_sparse",  "check_inverse",
    "feature_names_in_",      "feature_names_out", "func",           "inv_kw_args",
    "inverse_func",           "kw_args",           "n_features_in_", "validate",
};

static mr_status read_function(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct function **out) {
    const struct mr_object *object = mr_object_attr(estimator->object, "func");
    const struct mr_object *arguments = mr_object_attr(estimator->object, "kw_args");
    bool has_arguments = arguments && arguments->kind != MR_OBJECT_NONE &&
                         (arguments->kind != MR_OBJECT_DICT || arguments->dict.n > 0);
    if (has_arguments) return mr_sk_refuse(estimator, "with kw_args", b->err);
    *out = &identity;
    if (object && object->kind == MR_OBJECT_NONE) return MR_OK;
    bool is_numpy = object && object->kind == MR_OBJECT_GLOBAL &&
                    (mr_str_is(object->module, "numpy") ||
                     mr_str_is(object->module, "numpy.core._multiarray_umath")); /* numpy 1 */
    for (size_t i = 0; is_numpy && i < sizeof(functions) / sizeof(*functions); i++) {
        if (!mr_str_is(object->name, functions[i].name)) continue;
        *out = &functions[i];
        return MR_OK;
    }
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %s%s yet",
                   estimator->name, mr_object_describe(object, text, sizeof(text)),
                   is_numpy ? ", whose last bits may depend on the processor," : "");
}

/* What fit() saw is not kept by all versions when nothing is validated; then the step before
 * says. */
static mr_status read_features(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               size_t n_in, struct transformer *transformer) {
    size_t n = n_in;
    bool is_counted = mr_object_attr(estimator->object, "n_features_in_");
    if (is_counted || transformer->is_validated) {
        MR_TRY(mr_pipe_count_features(b, estimator, n_in, &n));
    }
    if (n == 0) return mr_sk_refuse(estimator, "that does not know its features", b->err);
    if (is_counted) {
        MR_TRY(mr_sk_read_features(estimator, n, b->arena, &transformer->features, b->err));
    }
    uint32_t *all = mr_arena_array(b->arena, n, sizeof(*all));
    if (!all) return mr_arena_fail(b->arena, b->err);
    for (size_t i = 0; i < n; i++) all[i] = (uint32_t)i;
    transformer->all = all;
    transformer->base.n_in = transformer->is_validated ? n : 0;
    transformer->base.n_out = n;
    return MR_OK;
}

static mr_status check_names_out(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 bool *has_names_out) {
    const struct mr_object *names = mr_object_attr(estimator->object, "feature_names_out");
    *has_names_out = names && names->kind != MR_OBJECT_NONE;
    if (!*has_names_out || mr_object_is_str(names, "one-to-one")) return MR_OK;
    return mr_sk_refuse(estimator, "with such feature_names_out", b->err);
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    bool is_validated = false, has_names_out = false;
    const struct function *function = NULL;
    MR_TRY(read_function(b, estimator, &function));
    MR_TRY(mr_pipe_flag(b, estimator, "validate", &is_validated));
    MR_TRY(check_names_out(b, estimator, &has_names_out));
    *out = NULL;
    if (function == &identity && !is_validated) return MR_OK;
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    struct transformer *transformer = mr_pipe_new_step(b, estimator, &function_ops,
                                                       sizeof(*transformer), takes, n_in);
    if (!transformer) return mr_arena_fail(b->arena, b->err);
    transformer->base.is_choosy = true;
    transformer->function = function;
    transformer->is_validated = is_validated;
    transformer->has_names_out = has_names_out;
    MR_TRY(read_features(b, estimator, n_in, transformer));
    *out = &transformer->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_function_classes[] = {
    {"sklearn.preprocessing._function_transformer", "FunctionTransformer", build},
    {0},
};
