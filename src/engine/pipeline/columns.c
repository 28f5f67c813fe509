/* sklearn.compose.ColumnTransformer: each step gets some of the columns, and what they give stands
 * side by side (sklearn/compose/_column_transformer.py, version 1.9.1). */
#include "base/name_map.h"
#include "engine/pipeline/pipeline_int.h"
#include "engine/pipeline/stack.h"

/* A transformer, and which columns it gets. */
struct part {
    const struct mr_pipe_step *step; /* NULL: "passthrough" */
    bool is_series;
    size_t n;
    const uint32_t *features;
};

struct columns {
    struct mr_pipe_step base;
    struct mr_sk_feature_spec features; /* names: those of a DataFrame that it was fitted to */
    const bool *is_needed;              /* features that a part gets */
    size_t n_parts;
    const struct part *parts;
};

/* Selection ------------------------------------------------------------------------------------ */

/* Which column of the table is which feature, by name: others may be there, in any order. */
static bool find_by_name(const struct columns *columns, const struct mr_table *table,
                         struct mr_arena *arena, uint32_t *column_of, const char **reason) {
    struct mr_name_map names;
    struct mr_error err;
    mr_name_map_init(&names, arena);
    size_t index;
    bool is_new;
    for (size_t i = 0; i < table->n_cols; i++) {
        *reason = "columns without names, or with one name twice";
        if (!table->columns[i].is_named) return false;
        if (mr_name_map_add(&names, table->columns[i].name, &index, &is_new, &err) != MR_OK) {
            *reason = "no memory for the names of its columns";
            return false;
        }
        if (!is_new) return false;
    }
    for (size_t f = 0; f < columns->features.n_features; f++) {
        index = mr_name_map_find(&names, columns->features.names[f]);
        if (index != MR_NAME_NONE) {
            column_of[f] = (uint32_t)index;
        } else if (columns->is_needed[f]) {
            *reason = "a column that the model was fitted to is missing";
            return false;
        }
    }
    return true;
}

/* Fills column_of[feature] for the features that are needed. */
static bool find_columns(const struct columns *columns, const struct mr_pipe_x *x,
                         struct mr_arena *arena, uint32_t *column_of, const char **reason) {
    size_t n_features = columns->features.n_features;
    const struct mr_table *table = x->input.kind == MR_INPUT_TABLE ? &x->input.table : NULL;
    if (!table || !columns->features.names) {
        *reason = "columns that are not those that the model was fitted to";
        if (columns->features.names || mr_pipe_n_cols(x) != n_features) return false;
        if (!table && x->input.tensors[0].n_dims != 2) return false;
        for (size_t f = 0; f < n_features; f++) column_of[f] = (uint32_t)f;
        return true;
    }
    bool is_same = table->n_cols == n_features; /* the usual case, after a signature */
    for (size_t f = 0; is_same && f < n_features; f++) {
        column_of[f] = (uint32_t)f;
        is_same = table->columns[f].is_named &&
                  mr_str_equal(table->columns[f].name, columns->features.names[f]);
    }
    return is_same || find_by_name(columns, table, arena, column_of, reason);
}

static mr_status select_of_table(const struct part *part, const struct mr_table *table,
                                 const uint32_t *column_of, struct mr_arena *arena,
                                 struct mr_pipe_x *out, struct mr_error *err) {
    struct mr_column *selected = mr_arena_array(arena, part->n, sizeof(*selected));
    if (!selected) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < part->n; i++) {
        selected[i] = table->columns[column_of[part->features[i]]];
    }
    out->input = (struct mr_input){.kind = MR_INPUT_TABLE, .table = *table};
    out->input.table.n_cols = part->n;
    out->input.table.columns = selected;
    return MR_OK;
}

static mr_status select_of_tensor(const struct part *part, const struct mr_tensor *tensor,
                                  struct mr_arena *arena, struct mr_pipe_x *out,
                                  struct mr_error *err) {
    size_t n_rows = (size_t)tensor->shape[0], n_cols = (size_t)tensor->shape[1];
    size_t size = mr_dtype_size(tensor->dtype);
    char *values = mr_arena_array(arena, n_rows * part->n, size);
    if (!values) return mr_arena_fail(arena, err);
    char *to = values;
    for (size_t r = 0; r < n_rows; r++) {
        const char *row = (const char *)tensor->values + r * n_cols * size;
        for (size_t i = 0; i < part->n; i++, to += size) {
            memcpy(to, row + part->features[i] * size, size);
        }
    }
    return mr_pipe_give_tensor(n_rows, part->n, tensor->dtype, values, arena, out, err);
}

static mr_status select_part(const struct part *part, const struct mr_pipe_x *x,
                             const uint32_t *column_of, struct mr_arena *arena,
                             struct mr_pipe_x *out, struct mr_error *err) {
    if (x->input.kind == MR_INPUT_TABLE) {
        MR_TRY(select_of_table(part, &x->input.table, column_of, arena, out, err));
    } else {
        MR_TRY(select_of_tensor(part, &x->input.tensors[0], arena, out, err));
    }
    out->kind = part->is_series ? MR_PIPE_SERIES : MR_PIPE_FRAME;
    return MR_OK;
}

/* Transformation ------------------------------------------------------------------------------- */

/* The parts of a tensor are copies of its numbers: of its first row they have the same dtype. */
static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    const struct columns *columns = (const struct columns *)step;
    struct mr_error err;
    uint32_t *column_of = mr_arena_array(arena, columns->features.n_features, sizeof(*column_of));
    *reason = "no memory to select columns";
    if (!column_of || !find_columns(columns, x, arena, column_of, reason)) return false;
    struct mr_pipe_x seen = *x;
    if (x->input.kind != MR_INPUT_TABLE) {
        if (!mr_pipe_are_numbers(x, reason)) return false;
        *reason = "no memory to select columns";
        if (mr_pipe_first_row(x, arena, &seen, &err) != MR_OK) return false;
    }
    for (size_t i = 0; i < columns->n_parts; i++) {
        const struct part *part = &columns->parts[i];
        struct mr_pipe_x selected = {0};
        *reason = "no memory to select columns";
        if (select_part(part, &seen, column_of, arena, &selected, &err) != MR_OK) return false;
        bool is_taken = part->step ? mr_pipe_can_take(part->step, &selected, arena, reason)
                                   : mr_pipe_are_numbers(&selected, reason);
        if (!is_taken) return false;
    }
    return true;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct columns *columns = (const struct columns *)step;
    uint32_t *column_of = mr_arena_array(arena, columns->features.n_features, sizeof(*column_of));
    struct mr_pipe_x *results = mr_arena_array(arena, columns->n_parts, sizeof(*results));
    if (!column_of || !results) return mr_arena_fail(arena, err);
    const char *reason = NULL;
    if (!find_columns(columns, x, arena, column_of, &reason)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s", reason);
    }
    for (size_t i = 0; i < columns->n_parts; i++) {
        const struct part *part = &columns->parts[i];
        struct mr_pipe_x selected = {0};
        MR_TRY(select_part(part, x, column_of, arena, &selected, err));
        results[i] = selected;
        if (part->step) MR_TRY(mr_pipe_transform(part->step, &selected, arena, &results[i], err));
    }
    return mr_pipe_stack(results, columns->n_parts, step->n_out, step->gives, arena, out, err);
}

static const struct mr_pipe_step_ops columns_ops = {.can_take = can_take, .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_columns",
    "_feature_to_input_indices",
    "_n_features",
    "_name_to_fitted_passthrough",
    "_remainder",
    "_sklearn_output_config",
    "_sklearn_version",
    "_transformer_to_input_indices",
    "_transformers_feature_names_out",
    "feature_names_in_",
    "force_int_remainder_cols",
    "n_features_in_",
    "n_jobs",
    "output_indices_",
    "remainder",
    "sparse_output_",
    "sparse_threshold",
    "transformer_weights",
    "transformers",
    "transformers_",
    "verbose",
    "verbose_feature_names_out",
};

/* Names select columns, so each must be there once. */
static mr_status check_names(struct mr_pipe_builder *b, const struct columns *columns) {
    struct mr_name_map names;
    mr_name_map_init(&names, b->scratch);
    for (size_t i = 0; columns->features.names && i < columns->features.n_features; i++) {
        size_t index;
        bool is_new = false;
        MR_TRY(mr_name_map_add(&names, columns->features.names[i], &index, &is_new, b->err));
        if (is_new) continue;
        return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: feature_names_in_ has \"%.*s\" twice",
                       columns->base.name, MR_STR_ARGS(columns->features.names[i]));
    }
    return MR_OK;
}

/* The features of a transformer, as fit() found them from names, numbers, slices, masks or by a
 * function. */
static mr_status read_features(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               const struct mr_object *name, size_t n_features, bool *is_needed,
                               struct part *part) {
    const struct mr_object *all = mr_object_attr(estimator->object,
                                                 "_transformer_to_input_indices");
    const struct mr_object *list = NULL;
    if (name->kind == MR_OBJECT_STR) list = mr_object_item(all, name->text.data);
    if (!list || list->kind != MR_OBJECT_LIST) {
        return mr_fail(b->err, MR_E_FORMAT,
                       "%s: _transformer_to_input_indices has no list for a transformer",
                       estimator->name);
    }
    part->n = list->list.n;
    uint32_t *features = mr_arena_array(b->arena, part->n, sizeof(*features));
    if (!features) return mr_arena_fail(b->arena, b->err);
    part->features = features;
    for (size_t i = 0; i < part->n; i++) {
        const struct mr_object *item = list->list.items[i];
        if (item->kind != MR_OBJECT_INT || item->integer < 0 ||
            (uint64_t)item->integer >= n_features) {
            return mr_fail(b->err, MR_E_FORMAT,
                           "%s: _transformer_to_input_indices has something else than numbers of "
                           "its %zu features",
                           estimator->name, n_features);
        }
        features[i] = (uint32_t)item->integer;
        is_needed[features[i]] = true;
    }
    return MR_OK;
}

/* A name or a number selects a Series, anything else a DataFrame. */
static bool is_scalar(const struct mr_object *selection) {
    return selection->kind == MR_OBJECT_STR || selection->kind == MR_OBJECT_INT ||
           (selection->kind == MR_OBJECT_ARRAY && selection->array.n_dims == 0);
}

static mr_status check_result(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              const struct part *part) {
    if (!part->step) {
        return part->is_series
                   ? mr_sk_refuse(estimator, "that passes a single column through", b->err)
                   : MR_OK;
    }
    if (part->step->gives == MR_PIPE_OBJECTS || part->step->gives == MR_PIPE_SERIES) {
        return mr_sk_refuse(estimator, "whose transformers give texts", b->err);
    }
    return MR_OK;
}

/* One (name, transformer, columns) of transformers_; part->n stays 0 when it gives nothing. */
static mr_status read_part(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           const struct mr_object *item, size_t n_features, bool *is_needed,
                           struct part *part) {
    if (item->kind != MR_OBJECT_TUPLE || item->list.n != 3) {
        return mr_fail(b->err, MR_E_FORMAT,
                       "%s: transformers_ has something else than (name, transformer, columns)",
                       estimator->name);
    }
    const struct mr_object *const *items = item->list.items;
    if (mr_object_is_str(items[1], "drop")) return MR_OK;
    MR_TRY(read_features(b, estimator, items[0], n_features, is_needed, part));
    if (part->n == 0) return MR_OK;
    part->is_series = is_scalar(items[2]);
    if (part->is_series && part->n != 1) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %zu features where one is selected",
                       estimator->name, part->n);
    }
    struct mr_pipe_step *step = NULL;
    mr_pipe_kind takes = part->is_series ? MR_PIPE_SERIES : MR_PIPE_FRAME;
    MR_TRY(mr_pipe_build_step(b, estimator, items[1], takes, part->is_series ? 0 : part->n, &step));
    part->step = step;
    return check_result(b, estimator, part);
}

static mr_status read_parts(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            struct columns *columns) {
    struct mr_object_list list;
    MR_TRY(mr_sk_list(estimator, "transformers_", &list, b->err));
    size_t n_features = columns->features.n_features;
    struct part *parts = mr_arena_array(b->arena, list.n, sizeof(*parts));
    bool *is_needed = mr_arena_zalloc(b->arena, n_features);
    if (!parts || !is_needed) return mr_arena_fail(b->arena, b->err);
    columns->base.n_out = 0;
    for (size_t i = 0; i < list.n; i++) {
        struct part part = {0};
        MR_TRY(read_part(b, estimator, list.items[i], n_features, is_needed, &part));
        if (part.n == 0) continue;
        parts[columns->n_parts++] = part;
        columns->base.n_out += part.step ? part.step->n_out : part.n;
        columns->base.is_choosy |= part.step && part.step->is_choosy;
    }
    columns->parts = parts;
    columns->is_needed = is_needed;
    if (columns->base.n_out >= 1 && columns->base.n_out <= MR_PIPE_MAX_COLUMNS) return MR_OK;
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s that gives %zu columns",
                   estimator->name, columns->base.n_out);
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    MR_TRY(mr_pipe_check_dense(b, estimator, takes));
    const struct mr_object *weights = mr_object_attr(estimator->object, "transformer_weights");
    if (weights && weights->kind != MR_OBJECT_NONE) {
        return mr_sk_refuse(estimator, "with transformer_weights", b->err);
    }
    size_t n_features = 0;
    MR_TRY(mr_pipe_count_features(b, estimator, 0, &n_features));
    struct columns *columns = mr_pipe_new_step(b, estimator, &columns_ops, sizeof(*columns), takes,
                                               0);
    if (!columns) return mr_arena_fail(b->arena, b->err);
    MR_TRY(mr_sk_read_features(estimator, n_features, b->arena, &columns->features, b->err));
    MR_TRY(check_names(b, columns));
    if (!columns->features.names && n_in && n_in != n_features) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: n_features_in_ should be %zu, but is %zu",
                       estimator->name, n_in, n_features);
    }
    bool is_sparse = false;
    MR_TRY(mr_pipe_flag(b, estimator, "sparse_output_", &is_sparse));
    if (is_sparse) columns->base.gives = MR_PIPE_SPARSE;
    bool was_shared = b->is_shared;
    b->is_shared |= !columns->features.names; /* slices of an ndarray are views */
    mr_status status = read_parts(b, estimator, columns);
    b->is_shared = was_shared;
    if (status != MR_OK) return status;
    *out = &columns->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_columns_classes[] = {
    {"sklearn.compose._column_transformer", "ColumnTransformer", build},
    {0},
};
