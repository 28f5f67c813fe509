/* SimpleImputer.transform of numbers (sklearn/impute/_base.py, version 1.9.1). */
#include "engine/pipeline/impute_int.h"
#include "engine/pipeline/stack.h"
#include "engine/pipeline/strided.h"

/* numpy.can_cast(from, to, "same_kind"): booleans, natural numbers, integers, floats. */
static bool can_cast(mr_dtype from, mr_dtype to) {
    static const char kinds[] = "buif";
    return strchr(kinds, mr_dtype_kind(from)) <= strchr(kinds, mr_dtype_kind(to));
}

/* Integers have no NaN. Of what is put in for others, C does not say what numpy makes of it unless
 * it fits, without its fraction. */
static bool can_take_integers(const struct mr_imputer *imputer, mr_dtype dtype) {
    return isnan(imputer->missing.number) || (mr_impute_fits(dtype, trunc(imputer->min_fill)) &&
                                              mr_impute_fits(dtype, trunc(imputer->max_fill)));
}

/* A column of a DataFrame that is None all over has Python objects, of which numpy makes NaN when
 * it is asked for floats. */
static bool are_floats(const struct mr_pipe_x *x, const char **reason) {
    if (mr_pipe_are_numbers(x, reason)) return true;
    if (x->input.kind != MR_INPUT_TABLE) return false;
    for (size_t i = 0; i < x->input.table.n_cols; i++) {
        struct mr_pipe_x one = {.kind = MR_PIPE_FRAME, .input = {.kind = MR_INPUT_TABLE}};
        one.input.table = x->input.table;
        one.input.table.n_cols = 1;
        one.input.table.columns += i;
        bool is_object = x->input.table.columns[i].dtype == MR_OBJECT;
        if (!is_object && !mr_pipe_are_numbers(&one, reason)) return false;
    }
    return true;
}

static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    const struct mr_imputer *imputer = (const struct mr_imputer *)step;
    (void)arena;
    if (!imputer->is_dtype_kept) return are_floats(x, reason);
    if (!mr_pipe_are_numbers(x, reason)) return false;
    mr_dtype dtype = mr_pipe_result_type(x);
    *reason = "integers whose dtype has no room for what an imputer puts in";
    return mr_dtype_kind(dtype) == 'f' || can_take_integers(imputer, dtype);
}

/* Integers stay in the dtype that they have together. */
static mr_status transform_integers(const struct mr_imputer *imputer, const struct mr_pipe_x *x,
                                    mr_dtype dtype, struct mr_arena *arena, struct mr_pipe_x *out,
                                    struct mr_error *err) {
    const char *name = imputer->base.name;
    struct mr_sk_features features;
    MR_TRY(mr_sk_features_init(&imputer->features, &x->input, arena, &features, err));
    if (dtype == MR_BOOL || (imputer->is_kind_checked && !can_cast(imputer->fitted, dtype))) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s was fitted to %s, received %s", name,
                       mr_dtype_name(imputer->fitted), mr_dtype_name(dtype));
    }
    if (!can_take_integers(imputer, dtype)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "%s: what it puts in is no %s", name,
                       mr_dtype_name(dtype));
    }
    size_t n_rows = mr_pipe_n_rows(x), size = mr_dtype_size(dtype), n_out = imputer->base.n_out;
    char *values = mr_arena_array(arena, n_rows * n_out, size);
    if (!values) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n_out; i++) {
        bool is_mask = i >= imputer->n_kept;
        size_t c = is_mask ? imputer->indicators[i - imputer->n_kept] : imputer->kept[i];
        struct mr_pipe_strided from = mr_pipe_strided_of(x, c);
        char *to = values + i * size;
        for (size_t r = 0; r < n_rows; r++, to += n_out * size) {
            int64_t value = mr_pipe_read_integer(&from, r);
            bool is_missing = mr_impute_is_missing(&imputer->missing, (double)value);
            if (is_mask) {
                value = is_missing;
            } else if (is_missing) {
                value = (int64_t)imputer->fills[i];
            }
            mr_pipe_write_integer(dtype, to, value);
        }
    }
    return mr_pipe_give_tensor(n_rows, n_out, dtype, values, arena, out, err);
}

/* Rows of n_in values become rows of n_out: without masks, in their place. */
static void fill_rows(const struct mr_imputer *imputer, const struct mr_pipe_numbers *from,
                      struct mr_pipe_numbers *to) {
    const struct mr_impute_missing *missing = &imputer->missing;
    for (size_t r = 0; r < from->n_rows; r++) {
        const double *row = from->values + r * from->n_cols;
        double *filled = to->values + r * to->n_cols;
        for (size_t i = 0; i < imputer->n_kept; i++) {
            double value = row[imputer->kept[i]];
            filled[i] = mr_impute_is_missing(missing, value) ? imputer->fills[i] : value;
        }
        for (size_t i = 0; i < imputer->n_indicators; i++) {
            double value = row[imputer->indicators[i]];
            filled[imputer->n_kept + i] = mr_impute_is_missing(missing, value);
        }
    }
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct mr_imputer *imputer = (const struct mr_imputer *)step;
    if (imputer->is_dtype_kept) {
        mr_dtype dtype = mr_pipe_result_type(x);
        if (mr_dtype_kind(dtype) != 'f') {
            return transform_integers(imputer, x, dtype, arena, out, err);
        }
    }
    struct mr_pipe_numbers numbers, filled;
    MR_TRY(mr_pipe_read_numbers(&imputer->features, x, arena, &numbers, err));
    filled = numbers;
    filled.n_cols = step->n_out;
    if (imputer->n_indicators) {
        MR_TRY(mr_pipe_new_numbers(numbers.n_rows, step->n_out, numbers.is_float32, arena, &filled,
                                   err));
    }
    fill_rows(imputer, &numbers, &filled);
    return mr_pipe_give_numbers(&filled, arena, out, err);
}

const struct mr_pipe_step_ops mr_impute_numbers_ops = {.can_take = can_take,
                                                       .transform = transform};
