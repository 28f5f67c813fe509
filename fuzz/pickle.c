/* Pickles. The values of what loads are read, as far as a few thousand objects go, and what a
 * native engine evaluates is asked for a prediction. */
#include "loader/pickle.h"
#include "predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;
static unsigned n_left;

static void touch(const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) sink += ((const uint8_t *)bytes)[i];
}

static void touch_object(const struct mr_object *object, unsigned depth);

static void touch_items(const struct mr_object *const *items, size_t n, unsigned depth) {
    for (size_t i = 0; i < n; i++) touch_object(items[i], depth);
}

static void touch_array(const struct mr_ndarray *array, unsigned depth) {
    size_t n = (size_t)array->n_values;
    touch(array->shape, array->n_dims * sizeof(*array->shape));
    touch(array->descr.data, array->descr.size);
    if (array->record) {
        touch(array->values, n * array->record->item_bytes);
        for (size_t i = 0; i < array->record->n_fields; i++) {
            const struct mr_field *field = &array->record->fields[i];
            touch(field->name.data, field->name.size);
            for (size_t k = 0; field->is_known && k < n; k++) {
                touch((const char *)array->values + k * array->record->item_bytes +
                          field->offset_bytes,
                      mr_dtype_size(field->dtype));
            }
        }
    }
    if (!array->is_known) return;
    if (array->dtype == MR_OBJECT) {
        touch_items(array->values, n, depth);
    } else if (array->dtype == MR_STRING || array->dtype == MR_BINARY) {
        const struct mr_str *texts = array->values;
        for (size_t i = 0; i < n; i++) touch(texts[i].data, texts[i].size);
    } else {
        touch(array->values, n * mr_dtype_size(array->dtype));
    }
}

static void touch_object(const struct mr_object *object, unsigned depth) {
    if (!object || depth == 0 || n_left == 0) return;
    n_left--;
    touch(object->module.data, object->module.size);
    touch(object->name.data, object->name.size);
    switch (object->kind) {
    case MR_OBJECT_STR:
    case MR_OBJECT_BYTES: touch(object->text.data, object->text.size + 1); break;
    case MR_OBJECT_LIST:
    case MR_OBJECT_TUPLE:
    case MR_OBJECT_SET: touch_items(object->list.items, object->list.n, depth - 1); break;
    case MR_OBJECT_DICT:
        touch_items(object->dict.keys, object->dict.n, depth - 1);
        touch_items(object->dict.values, object->dict.n, depth - 1);
        break;
    case MR_OBJECT_ARRAY: touch_array(&object->array, depth - 1); break;
    case MR_OBJECT_INSTANCE:
        touch_object(object->instance.args, depth - 1);
        touch_object(object->instance.state, depth - 1);
        break;
    default: sink += (uint64_t)object->integer; break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)256 << 20, NULL);
    struct mr_pickle pickle = {0};
    struct mr_str file = {(const char *)data, size};
    bool is_loaded = arena && mr_pickle_parse(file, arena, &pickle, NULL) == MR_OK;
    if (is_loaded) {
        n_left = 5000;
        touch_object(pickle.root, 50);
    }
    mr_arena_free(arena);
    if (is_loaded) predict_with(file, "pickle");
    return 0;
}
