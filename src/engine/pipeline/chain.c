/* sklearn.pipeline.Pipeline: steps, one after the other (sklearn/pipeline.py, version 1.9.1). */
#include "engine/pipeline/pipeline_int.h"

struct chain {
    struct mr_pipe_step base;
    size_t n;
    struct mr_pipe_step **steps; /* at least one */
    size_t n_asked;              /* up to the last one whose can_take is asked: the first, or one
                                    that is choosy */
};

/* What later steps get has the dtypes that the first row gets. */
static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    const struct chain *chain = (const struct chain *)step;
    struct mr_pipe_x now, next;
    struct mr_error err;
    if (!mr_pipe_can_take(chain->steps[0], x, arena, reason)) return false;
    if (chain->n_asked == 1 || mr_pipe_first_row(x, arena, &now, &err) != MR_OK) return true;
    for (size_t i = 1; i < chain->n_asked; i++, now = next) {
        const struct mr_pipe_step *before = chain->steps[i - 1], *after = chain->steps[i];
        if (mr_pipe_transform(before, &now, arena, &next, &err) != MR_OK) return true; /* later */
        if (after->is_choosy && !mr_pipe_can_take(after, &next, arena, reason)) return false;
    }
    return true;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct chain *chain = (const struct chain *)step;
    struct mr_pipe_x now = *x;
    for (size_t i = 0; i < chain->n; i++) {
        MR_TRY(mr_pipe_transform(chain->steps[i], &now, arena, out, err));
        now = *out;
    }
    return MR_OK;
}

static const struct mr_pipe_step_ops chain_ops = {.can_take = can_take, .transform = transform};

static const char *const pipeline_attributes[] = {
    "_sklearn_output_config", "_sklearn_version", "memory", "steps", "transform_input", "verbose",
};

/* The list of (name, transformer). */
static mr_status read_list(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           struct mr_object_list *out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, pipeline_attributes,
                                    sizeof(pipeline_attributes) / sizeof(*pipeline_attributes)));
    const struct mr_object *routed = mr_object_attr(estimator->object, "transform_input");
    if (routed && routed->kind != MR_OBJECT_NONE) {
        return mr_sk_refuse(estimator, "with transform_input", b->err);
    }
    MR_TRY(mr_sk_list(estimator, "steps", out, b->err));
    for (size_t i = 0; i < out->n; i++) {
        const struct mr_object *item = out->items[i];
        if ((item->kind == MR_OBJECT_TUPLE || item->kind == MR_OBJECT_LIST) && item->list.n == 2) {
            continue;
        }
        return mr_fail(b->err, MR_E_FORMAT, "%s: steps[%zu] is no pair of name and transformer",
                       estimator->name, i);
    }
    return MR_OK;
}

static mr_status build_steps(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             const struct mr_object_list *list, size_t n, mr_pipe_kind takes,
                             size_t n_in, struct mr_pipe_step **out) {
    struct mr_pipe_step **steps = mr_arena_array(b->arena, n, sizeof(struct mr_pipe_step *));
    if (!steps) return mr_arena_fail(b->arena, b->err);
    size_t n_steps = 0, n_now = n_in;
    mr_pipe_kind gives = takes;
    for (size_t i = 0; i < n; i++) {
        struct mr_pipe_step *step;
        MR_TRY(
            mr_pipe_build_step(b, estimator, list->items[i]->list.items[1], gives, n_now, &step));
        if (!step) continue;
        steps[n_steps++] = step;
        gives = step->gives;
        n_now = step->n_out;
    }
    *out = NULL;
    if (n_steps == 0) return MR_OK;
    struct chain *chain = mr_pipe_new_step(b, estimator, &chain_ops, sizeof(*chain), takes, n_in);
    if (!chain) return mr_arena_fail(b->arena, b->err);
    chain->n = n_steps;
    chain->steps = steps;
    chain->base.n_in = steps[0]->n_in;
    chain->base.n_out = n_now;
    chain->base.gives = gives;
    chain->base.is_choosy = steps[0]->is_choosy;
    chain->n_asked = 1;
    for (size_t i = 1; i < n_steps; i++) {
        if (!steps[i]->is_choosy) continue;
        chain->n_asked = i + 1;
        chain->base.is_choosy = true;
    }
    *out = &chain->base;
    return MR_OK;
}

mr_status mr_pipe_build_chain(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out,
                              const struct mr_object **last) {
    struct mr_object_list list;
    MR_TRY(read_list(b, estimator, &list));
    *last = list.items[list.n - 1]->list.items[1];
    return build_steps(b, estimator, &list, list.n - 1, takes, n_in, out);
}

/* A Pipeline among the transformers: all of its steps are. */
static mr_status build(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    struct mr_object_list list;
    MR_TRY(read_list(b, estimator, &list));
    return build_steps(b, estimator, &list, list.n, takes, n_in, out);
}

const struct mr_pipe_class mr_pipe_chain_classes[] = {
    {"sklearn.pipeline", "Pipeline", build},
    {0},
};
