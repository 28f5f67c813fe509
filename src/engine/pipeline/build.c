#include "engine/pipeline/pipeline_int.h"

/* Adding a family of transformers is one line here and a file. */
static const struct mr_pipe_class *const families[] = {
    mr_pipe_bins_classes,      mr_pipe_chain_classes,      mr_pipe_columns_classes,
    mr_pipe_encode_classes,    mr_pipe_function_classes,   mr_pipe_impute_classes,
    mr_pipe_normalize_classes, mr_pipe_polynomial_classes, mr_pipe_scale_classes,
    mr_pipe_select_classes,    mr_pipe_text_classes,       mr_pipe_union_classes,
};

#define N_FAMILIES (sizeof(families) / sizeof(*families))

static const struct mr_pipe_class *find_class(const struct mr_object *object) {
    for (size_t i = 0; i < N_FAMILIES; i++) {
        for (const struct mr_pipe_class *type = families[i]; type->module; type++) {
            if (mr_object_is(object, type->module, type->name)) return type;
        }
    }
    return NULL;
}

static mr_status build_instance(struct mr_pipe_builder *b, const struct mr_sk_estimator *outer,
                                const struct mr_object *object, mr_pipe_kind takes, size_t n_in,
                                struct mr_pipe_step **out) {
    const struct mr_pipe_class *type = find_class(object);
    if (!type || object->instance.args) {
        char text[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s in a %s yet",
                       mr_object_describe(object, text, sizeof(text)), outer->name);
    }
    if (b->depth >= MR_PIPE_MAX_DEPTH) {
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "no native engine for more than %d transformers inside of each other",
                       MR_PIPE_MAX_DEPTH);
    }
    if (++b->n_steps > MR_PIPE_MAX_STEPS) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for more than %d transformers",
                       MR_PIPE_MAX_STEPS);
    }
    struct mr_sk_estimator estimator;
    MR_TRY(mr_sk_inside(outer, object, b->arena, &estimator, b->err));
    const struct mr_object *copy = mr_object_attr(object, "copy");
    if (b->is_shared && copy && copy->kind == MR_OBJECT_BOOL && !copy->boolean) {
        return mr_sk_refuse(&estimator, "that may change the X that others get too", b->err);
    }
    b->depth++;
    mr_status status = type->build(b, &estimator, takes, n_in, out);
    b->depth--;
    bool is_dense = status == MR_OK && *out && (*out)->gives != MR_PIPE_SPARSE;
    if (is_dense && (*out)->n_out > b->widest) b->widest = (*out)->n_out;
    return status;
}

mr_status mr_pipe_build_step(struct mr_pipe_builder *b, const struct mr_sk_estimator *outer,
                             const struct mr_object *object, mr_pipe_kind takes, size_t n_in,
                             struct mr_pipe_step **out) {
    *out = NULL;
    if (object && (object->kind == MR_OBJECT_NONE || mr_object_is_str(object, "passthrough"))) {
        return MR_OK;
    }
    if (object && object->kind == MR_OBJECT_INSTANCE) {
        return build_instance(b, outer, object, takes, n_in, out);
    }
    char text[200];
    return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: a step should be a transformer, but is %s",
                   outer->name, mr_object_describe(object, text, sizeof(text)));
}

void *mr_pipe_new_step(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       const struct mr_pipe_step_ops *ops, size_t size, mr_pipe_kind takes,
                       size_t n_in) {
    struct mr_pipe_step *step = mr_arena_zalloc(b->arena, size);
    if (!step) return NULL;
    *step = (struct mr_pipe_step){.ops = ops,
                                  .name = estimator->name,
                                  .n_in = n_in,
                                  .n_out = n_in,
                                  .takes = takes,
                                  .gives = MR_PIPE_FRAME};
    return step;
}

/* Attributes ----------------------------------------------------------------------------------- */

mr_status mr_pipe_check_dense(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              mr_pipe_kind takes) {
    if (takes == MR_PIPE_FRAME) return MR_OK;
    static const char *const what[] = {
        [MR_PIPE_OBJECTS] = "of texts",
        [MR_PIPE_SERIES] = "of a single column",
        [MR_PIPE_SPARSE] = "of a sparse matrix",
    };
    return mr_sk_refuse(estimator, what[takes], b->err);
}

mr_status mr_pipe_check_attributes(struct mr_pipe_builder *b,
                                   const struct mr_sk_estimator *estimator,
                                   const char *const *known, size_t n_known) {
    const struct mr_object *config = mr_object_attr(estimator->object, "_sklearn_output_config");
    const struct mr_object *transform = mr_object_item(config, "transform");
    if (config && (config->kind != MR_OBJECT_DICT || config->dict.n > 1 ||
                   (config->dict.n == 1 && !mr_object_is_str(transform, "default")))) {
        return mr_sk_refuse(estimator, "with set_output", b->err);
    }
    return mr_sk_check_attributes(estimator, known, n_known, b->err);
}

mr_status mr_pipe_vector(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                         const char *attribute, size_t n, const double **out) {
    const struct mr_ndarray *array = NULL;
    MR_TRY(mr_sk_float_array(estimator, attribute, &array, b->err));
    if (array->dtype != MR_FLOAT64) {
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "no native engine for %s whose %s has dtype %s yet", estimator->name,
                       attribute, mr_dtype_name(array->dtype));
    }
    if (array->n_dims != 1 || array->n_values != (int64_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: %s should have %zu values, but has %lld",
                       estimator->name, attribute, n, (long long)array->n_values);
    }
    return mr_sk_copy_doubles(array, b->arena, out, b->err);
}

mr_status mr_pipe_flag(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                       const char *attribute, bool *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (object && object->kind == MR_OBJECT_ARRAY && object->array.n_dims == 0 &&
        object->array.is_known && object->array.dtype == MR_BOOL) {
        *out = *(const uint8_t *)object->array.values != 0;
        return MR_OK;
    }
    if (!object || object->kind != MR_OBJECT_BOOL) {
        char text[200];
        return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: %s should be True or False, but is %s",
                       estimator->name, attribute, mr_object_describe(object, text, sizeof(text)));
    }
    *out = object->boolean;
    return MR_OK;
}

mr_status mr_pipe_count_features(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 size_t n_in, size_t *out) {
    double n = 0;
    MR_TRY(mr_sk_number(estimator, "n_features_in_", &n, b->err));
    if (!(n >= 1 && n <= MR_PIPE_MAX_COLUMNS && n == (double)(size_t)n)) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %.0f features",
                       estimator->name, n);
    }
    if (n_in && n_in != (size_t)n) {
        return mr_fail(b->err, MR_E_FORMAT, "%s: n_features_in_ should be %zu, but is %.0f",
                       estimator->name, n_in, n);
    }
    *out = (size_t)n;
    return MR_OK;
}

/* What is asked of every step ------------------------------------------------------------------ */

mr_status mr_pipe_transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                            struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    return step->ops->transform(step, x, arena, out, err);
}

bool mr_pipe_can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                      struct mr_arena *arena, const char **reason) {
    return !step->ops->can_take || step->ops->can_take(step, x, arena, reason);
}
