/* SimpleImputer.transform of texts (sklearn/impute/_base.py, version 1.9.1). */
#include "engine/pipeline/impute_int.h"

static bool has_nulls(const struct mr_column *column) {
    return column->validity && column->n_nulls > 0;
}

static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    const struct mr_imputer *imputer = (const struct mr_imputer *)step;
    (void)arena;
    *reason = "an imputer of texts is given something else";
    if (x->input.kind != MR_INPUT_TABLE) return false;
    for (size_t i = 0; i < x->input.table.n_cols; i++) {
        const struct mr_column *column = &x->input.table.columns[i];
        if (column->dtype != MR_STRING) return false;
        if (!has_nulls(column) || column->is_object || imputer->is_missing_text_nan) continue;
        *reason = "a missing text, which is None or NaN as the version of pandas has it";
        return false;
    }
    return true;
}

/* NaN among texts stops an imputer that looks for something else. */
static mr_status check_present(const struct mr_imputer *imputer, const struct mr_table *table,
                               struct mr_error *err) {
    for (size_t i = 0; imputer->missing.is_text && i < table->n_cols; i++) {
        const struct mr_column *column = &table->columns[i];
        for (int64_t r = 0; has_nulls(column) && r < table->n_rows; r++) {
            if (mr_column_is_valid(column, r)) continue;
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "column \"%.*s\", row %lld: %s expects a text, received a missing value",
                           MR_STR_ARGS(column->name), (long long)r, imputer->base.name);
        }
    }
    return MR_OK;
}

static struct mr_str text_at(const struct mr_column *column, int64_t r) {
    int64_t start = column->offsets[r];
    return (struct mr_str){column->bytes + start, (size_t)(column->offsets[r + 1] - start)};
}

static bool is_missing(const struct mr_impute_missing *missing, const struct mr_column *column,
                       int64_t r) {
    if (missing->is_text) return mr_str_equal(text_at(column, r), missing->text);
    return has_nulls(column) && !mr_column_is_valid(column, r);
}

/* A copy of *column with the text in the place of what is missing. */
static mr_status fill_column(const struct mr_impute_missing *missing, struct mr_str fill,
                             struct mr_arena *arena, struct mr_column *column,
                             struct mr_error *err) {
    size_t n_rows = (size_t)column->n_rows, n_bytes = 0, n_missing = 0;
    for (int64_t r = 0; r < column->n_rows; r++) {
        bool is_filled = is_missing(missing, column, r);
        n_missing += is_filled;
        n_bytes += is_filled ? fill.size : text_at(column, r).size;
    }
    if (n_missing == 0) return MR_OK;
    int64_t *offsets = mr_arena_array(arena, n_rows + 1, sizeof(*offsets));
    char *bytes = mr_arena_alloc(arena, n_bytes);
    if (!offsets || !bytes) return mr_arena_fail(arena, err);
    offsets[0] = 0;
    for (size_t r = 0; r < n_rows; r++) {
        struct mr_str text = is_missing(missing, column, (int64_t)r) ? fill
                                                                     : text_at(column, (int64_t)r);
        if (text.size) memcpy(bytes + offsets[r], text.data, text.size);
        offsets[r + 1] = offsets[r] + (int64_t)text.size;
    }
    column->offsets = offsets;
    column->bytes = bytes;
    return MR_OK;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct mr_imputer *imputer = (const struct mr_imputer *)step;
    const char *reason = NULL;
    struct mr_sk_features features;
    if (!can_take(step, x, arena, &reason)) return mr_fail(err, MR_E_BAD_REQUEST, "%s", reason);
    const struct mr_table *table = &x->input.table;
    MR_TRY(mr_sk_features_init(&imputer->features, &x->input, arena, &features, err));
    MR_TRY(check_present(imputer, table, err));
    struct mr_column *columns = mr_arena_array(arena, imputer->n_kept, sizeof(*columns));
    if (!columns) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < imputer->n_kept; i++) {
        columns[i] = table->columns[imputer->kept[i]];
        MR_TRY(fill_column(&imputer->missing, imputer->texts[i], arena, &columns[i], err));
        columns[i].name = (struct mr_str){0};
        columns[i].is_named = false;
        columns[i].is_object = true;
        columns[i].validity = NULL;
        columns[i].n_nulls = 0;
    }
    *out = (struct mr_pipe_x){.kind = MR_PIPE_OBJECTS, .input = {.kind = MR_INPUT_TABLE}};
    out->input.table.n_rows = table->n_rows;
    out->input.table.n_cols = imputer->n_kept;
    out->input.table.columns = columns;
    return MR_OK;
}

const struct mr_pipe_step_ops mr_impute_texts_ops = {.can_take = can_take, .transform = transform};
