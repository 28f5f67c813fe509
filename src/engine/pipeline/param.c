#include "engine/pipeline/param.h"

#include <math.h>

mr_status mr_pipe_fail_param(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             const char *attribute, const char *expected) {
    char text[200];
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    return mr_fail(b->err, MR_E_UNSUPPORTED, "%s: %s should be %s, but is %s", estimator->name,
                   attribute, expected, mr_object_describe(object, text, sizeof(text)));
}

mr_status mr_pipe_count_param(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              const char *attribute, int64_t *out) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    bool is_integer = object && object->kind == MR_OBJECT_INT;
    if (is_integer) {
        *out = object->integer;
    } else if (object && object->kind == MR_OBJECT_ARRAY && object->array.n_dims == 0 &&
               object->array.is_known && object->array.dtype == MR_INT64) {
        is_integer = mr_sk_integer_at(&object->array, 0, out);
    }
    if (is_integer && *out >= 0) return MR_OK;
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
