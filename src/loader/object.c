#include "loader/object.h"

#include <stdio.h>

bool mr_object_is(const struct mr_object *object, const char *module, const char *name) {
    return object && mr_str_is(object->module, module) && mr_str_is(object->name, name);
}

const struct mr_object *mr_object_item(const struct mr_object *dict, const char *key) {
    if (!dict || dict->kind != MR_OBJECT_DICT) return NULL;
    for (size_t i = dict->dict.n; i-- > 0;) {
        if (mr_object_is_str(dict->dict.keys[i], key)) return dict->dict.values[i];
    }
    return NULL;
}

const struct mr_object *mr_object_attr(const struct mr_object *instance, const char *name) {
    if (!instance || instance->kind != MR_OBJECT_INSTANCE) return NULL;
    return mr_object_item(instance->instance.state, name);
}

const struct mr_field *mr_ndarray_field(const struct mr_ndarray *array, const char *name,
                                        mr_dtype dtype) {
    for (size_t i = 0; array->record && i < array->record->n_fields; i++) {
        const struct mr_field *field = &array->record->fields[i];
        if (mr_str_is(field->name, name)) {
            return field->is_known && field->dtype == dtype ? field : NULL;
        }
    }
    return NULL;
}

bool mr_object_is_str(const struct mr_object *object, const char *text) {
    return object && object->kind == MR_OBJECT_STR && mr_str_is(object->text, text);
}

/* "f8": a kind and bytes per value, which texts have 0 of in our dtypes. */
static bool find_dtype(struct mr_str code, mr_dtype *out) {
    for (mr_dtype dtype = 0; dtype < MR_N_DTYPES; dtype++) {
        size_t size = mr_dtype_size(dtype);
        if (dtype == MR_DATETIME || code.size < 2 || code.data[0] != mr_dtype_kind(dtype)) continue;
        if (size != 0 && (code.size != 2 || code.data[1] != (char)('0' + size))) continue;
        *out = dtype;
        return true;
    }
    return false;
}

bool mr_object_dtype(const struct mr_object *object, mr_dtype *out) {
    if (!mr_object_is(object, "numpy", "dtype") || object->kind != MR_OBJECT_INSTANCE) return false;
    const struct mr_object *state = object->instance.state, *args = object->instance.args;
    if (state && state->kind == MR_OBJECT_ARRAY) { /* skops: an empty array of it */
        *out = state->array.dtype;
        return state->array.is_known;
    }
    /* pickles: numpy.dtype("f8", False, True) */
    if (!args || args->kind != MR_OBJECT_TUPLE || args->list.n == 0) return false;
    const struct mr_object *code = args->list.items[0];
    return code->kind == MR_OBJECT_STR && find_dtype(code->text, out);
}

const char *mr_object_describe(const struct mr_object *object, char *out, size_t size) {
    if (!object) {
        snprintf(out, size, "nothing");
    } else if (mr_str_is(object->module, "builtins") || object->module.size == 0) {
        snprintf(out, size, "%.*s", MR_STR_ARGS(object->name));
    } else {
        snprintf(out, size, "%.*s.%.*s", MR_STR_ARGS(object->module), MR_STR_ARGS(object->name));
    }
    return out;
}
