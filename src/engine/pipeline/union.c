/* sklearn.pipeline.FeatureUnion: each transformer gets X, and what they give stands side by side
 * (sklearn/pipeline.py, version 1.9.1). */
#include "engine/pipeline/stack.h"

struct feature_union {
    struct mr_pipe_step base;
    size_t n;
    struct mr_pipe_step **steps; /* at least one; NULL: X passes through */
};

static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    const struct feature_union *all = (const struct feature_union *)step;
    for (size_t i = 0; i < all->n; i++) {
        bool is_taken = all->steps[i] ? mr_pipe_can_take(all->steps[i], x, arena, reason)
                                      : mr_pipe_are_numbers(x, reason);
        if (!is_taken) return false;
    }
    return true;
}

/* What passes through is checked by nobody else. */
static mr_status check_shape(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                             struct mr_error *err) {
    bool is_array = x->kind == MR_PIPE_FRAME && x->input.kind == MR_INPUT_TENSOR;
    bool is_matrix = !is_array || x->input.tensors[0].n_dims == 2;
    if (step->n_in == 0 || (is_matrix && mr_pipe_n_cols(x) == step->n_in)) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST, "%s expects 2 dimensions and %zu features", step->name,
                   step->n_in);
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct feature_union *all = (const struct feature_union *)step;
    struct mr_pipe_x *results = mr_arena_array(arena, all->n, sizeof(*results));
    if (!results) return mr_arena_fail(arena, err);
    MR_TRY(check_shape(step, x, err));
    for (size_t i = 0; i < all->n; i++) {
        results[i] = *x;
        if (all->steps[i]) MR_TRY(mr_pipe_transform(all->steps[i], x, arena, &results[i], err));
    }
    return mr_pipe_stack(results, all->n, step->n_out, step->gives, arena, out, err);
}

static const struct mr_pipe_step_ops union_ops = {.can_take = can_take, .transform = transform};

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_sklearn_output_config",    "_sklearn_version",    "n_jobs",
    "transformer_list",          "transformer_weights", "verbose",
    "verbose_feature_names_out",
};

/* Builds the parts that are not dropped, and learns how many columns X has: from *n_in, or from
 * them. */
static mr_status build_parts(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             const struct mr_object_list *list, mr_pipe_kind takes, size_t *n_in,
                             struct feature_union *all) {
    for (size_t i = 0; i < list->n; i++) {
        const struct mr_object *item = list->items[i];
        bool is_pair = item->kind == MR_OBJECT_TUPLE || item->kind == MR_OBJECT_LIST;
        if (!is_pair || item->list.n != 2) {
            return mr_fail(b->err, MR_E_FORMAT,
                           "%s: transformer_list[%zu] is no pair of name and transformer",
                           estimator->name, i);
        }
        const struct mr_object *object = item->list.items[1];
        if (mr_object_is_str(object, "drop")) continue;
        if (object->kind != MR_OBJECT_INSTANCE) { /* fit() makes one of "passthrough" */
            return mr_sk_refuse(estimator, "that is not fitted", b->err);
        }
        struct mr_pipe_step *step = NULL;
        MR_TRY(mr_pipe_build_step(b, estimator, object, takes, *n_in, &step));
        if (step && step->gives != MR_PIPE_FRAME && step->gives != MR_PIPE_SPARSE) {
            return mr_sk_refuse(estimator, "whose transformers give texts", b->err);
        }
        if (step && *n_in == 0) *n_in = step->n_in;
        all->steps[all->n++] = step;
    }
    return MR_OK;
}

/* What they give together. */
static mr_status add_parts(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           mr_pipe_kind takes, size_t n_in, struct feature_union *all) {
    all->base.n_in = n_in;
    all->base.n_out = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct mr_pipe_step *step = all->steps[i];
        bool is_array = takes == MR_PIPE_FRAME || takes == MR_PIPE_SPARSE;
        if (!step && (n_in == 0 || !is_array)) {
            return mr_sk_refuse(estimator, "that passes such an X through", b->err);
        }
        if ((step ? step->gives : takes) == MR_PIPE_SPARSE) all->base.gives = MR_PIPE_SPARSE;
        all->base.n_out += step ? step->n_out : n_in;
        all->base.is_choosy |= step && step->is_choosy;
    }
    if (all->base.n_out >= 1 && all->base.n_out <= MR_PIPE_MAX_COLUMNS) return MR_OK;
    return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s that gives %zu columns",
                   estimator->name, all->base.n_out);
}

static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    struct mr_object_list list;
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    const struct mr_object *weights = mr_object_attr(estimator->object, "transformer_weights");
    if (!weights || weights->kind != MR_OBJECT_NONE) {
        return mr_sk_refuse(estimator, "with transformer_weights", b->err);
    }
    MR_TRY(mr_sk_list(estimator, "transformer_list", &list, b->err));
    struct feature_union *all = mr_pipe_new_step(b, estimator, &union_ops, sizeof(*all), takes,
                                                 n_in);
    if (!all) return mr_arena_fail(b->arena, b->err);
    all->steps = mr_arena_array(b->arena, list.n, sizeof(*all->steps));
    if (!all->steps) return mr_arena_fail(b->arena, b->err);
    bool was_shared = b->is_shared;
    b->is_shared = true;
    mr_status status = build_parts(b, estimator, &list, takes, &n_in, all);
    b->is_shared = was_shared;
    MR_TRY(status);
    MR_TRY(add_parts(b, estimator, takes, n_in, all));
    *out = &all->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_union_classes[] = {
    {"sklearn.pipeline", "FeatureUnion", build},
    {0},
};
