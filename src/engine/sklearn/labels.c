#include "engine/sklearn/labels.h"

static mr_status copy_texts(const struct mr_ndarray *array, const struct mr_sk_estimator *estimator,
                            struct mr_arena *arena, struct mr_sk_labels *out,
                            struct mr_error *err) {
    struct mr_str *texts = mr_arena_array(arena, out->n, sizeof(*texts));
    if (!texts) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < out->n; i++) {
        struct mr_str text;
        if (array->dtype == MR_STRING) {
            text = ((const struct mr_str *)array->values)[i];
        } else {
            const struct mr_object *item = ((const struct mr_object *const *)array->values)[i];
            if (item->kind != MR_OBJECT_STR) {
                char type[200];
                return mr_fail(err, MR_E_UNSUPPORTED,
                               "no native engine for %s with labels of type %s yet",
                               estimator->name, mr_object_describe(item, type, sizeof(type)));
            }
            text = item->text;
        }
        char *copy = mr_arena_strdup(arena, text);
        if (!copy) return mr_arena_fail(arena, err);
        texts[i] = (struct mr_str){copy, text.size};
    }
    out->dtype = MR_STRING;
    out->item_bytes = sizeof(*texts);
    out->values = texts;
    return MR_OK;
}

static mr_status copy_numbers(const struct mr_ndarray *array, struct mr_arena *arena,
                              struct mr_sk_labels *out, struct mr_error *err) {
    out->dtype = array->dtype;
    out->item_bytes = mr_dtype_size(array->dtype);
    void *values = mr_arena_array(arena, out->n, out->item_bytes);
    if (!values) return mr_arena_fail(arena, err);
    memcpy(values, array->values, out->n * out->item_bytes);
    out->values = values;
    return MR_OK;
}

mr_status mr_sk_copy_labels(const struct mr_sk_estimator *estimator, const struct mr_object *object,
                            const char *place, struct mr_arena *arena, struct mr_sk_labels *out,
                            struct mr_error *err) {
    if (!object || object->kind != MR_OBJECT_ARRAY || object->array.n_dims != 1) {
        char type[200];
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%s: %s should be an array of one dimension, but is %s", estimator->name,
                       place, mr_object_describe(object, type, sizeof(type)));
    }
    const struct mr_ndarray *array = &object->array;
    if (array->n_values < 1 || array->n_values > INT32_MAX) {
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s with %lld labels",
                       estimator->name, (long long)array->n_values);
    }
    out->n = (size_t)array->n_values;
    if (array->is_known && (array->dtype == MR_STRING || array->dtype == MR_OBJECT)) {
        return copy_texts(array, estimator, arena, out, err);
    }
    if (array->is_known && strchr("biuf", mr_dtype_kind(array->dtype))) {
        return copy_numbers(array, arena, out, err);
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s with labels of dtype %.*s yet",
                   estimator->name, MR_STR_ARGS(array->descr));
}

mr_status mr_sk_read_labels(const struct mr_sk_estimator *estimator, const char *attribute,
                            struct mr_arena *arena, struct mr_sk_labels *out,
                            struct mr_error *err) {
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    MR_TRY(mr_sk_copy_labels(estimator, object, attribute, arena, out, err));
    if (out->n >= 2) return MR_OK;
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s with 1 labels", estimator->name);
}

#define TAKE(type)                                                                                 \
    do {                                                                                           \
        const type *from = labels->values;                                                         \
        type *to = out;                                                                            \
        for (size_t i = 0; i < n; i++) to[i] = from[index[i]];                                     \
    } while (0)

void mr_sk_take_labels(const struct mr_sk_labels *labels, const uint32_t *index, size_t n,
                       void *out) {
    switch (labels->item_bytes) {
    case 1: TAKE(uint8_t); break;
    case 2: TAKE(uint16_t); break;
    case 4: TAKE(uint32_t); break;
    case 8: TAKE(uint64_t); break;
    default: TAKE(struct mr_str); break;
    }
}
