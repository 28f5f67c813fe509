#include "engine/pipeline/param.h"

#include <math.h>

mr_status mr_pipe_fail_param(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             const char *attribute, const char *expected) {
    char text[200];
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: %s should be %s, but is %s", estimator->name,
                   attribute, expected, mr_object_describe(object, text, sizeof(text)));
}

bool mr_pipe_integer(const struct mr_object *object, int64_t *out) {
    if (object->kind == MR_OBJECT_INT) {
        *out = object->integer;
        return true;
    }
    return object->kind == MR_OBJECT_ARRAY && object->array.n_dims == 0 &&
           object->array.dtype != MR_BOOL && mr_sk_integer_at(&object->array, 0, out);
}

mr_status mr_pipe_count_param(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              const char *attribute, int64_t *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (object && mr_pipe_integer(object, out) && *out >= 0) return MR_OK;
    return mr_pipe_fail_param(b, estimator, attribute, "an integer that is not negative");
}

mr_status mr_pipe_real_param(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             const char *attribute, double *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    bool is_known = object != NULL;
    if (object && object->kind == MR_OBJECT_ARRAY) { /* a float32 would make float32 of others */
        is_known = object->array.n_dims == 0 && object->array.is_known &&
                   (object->array.dtype == MR_FLOAT64 || object->array.dtype == MR_INT64);
    }
    if (is_known) MR_TRY(mr_sk_number(estimator, attribute, out, b->err));
    if (is_known && !isnan(*out)) return MR_OK;
    return mr_pipe_fail_param(b, estimator, attribute, "a number");
}
