/* Prints object graphs as JSON: how the Python tests compare what a file means here and in Python.
 *
 * Reads a line `pickle PATH` or `skops PATH`, and writes one:
 *   null, true, false       ["int", "5"]             ["float", "2.5"]     ["str", hex of WTF-8]
 *   ["bytes", hex]          ["list" | "tuple" | "set", class, [item, ...]]
 *   ["dict", class, [[key, value], ...]]             ["global", name]
 *   ["array", class, dtype, shape, hex of the values, or the items of texts and objects]
 *   ["record", shape, item bytes, [[hex of the name, dtype or null, offset], ...], hex]
 *   ["instance", class, args, state]                 ["error", status, message]
 * Objects that are reached twice are printed twice; what lies deeper than 100 is "...". */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "loader/pickle.h"
#include "loader/skops.h"

#define MAX_DEPTH 100

static void print_object(struct mr_buf *out, const struct mr_object *object, int depth);

static void print_hex(struct mr_buf *out, const void *data, size_t size) {
    mr_buf_char(out, '"');
    for (size_t i = 0; i < size; i++) mr_buf_format(out, "%02x", ((const unsigned char *)data)[i]);
    mr_buf_char(out, '"');
}

static void print_class(struct mr_buf *out, const struct mr_object *object) {
    mr_buf_format(out, "\"%.*s.%.*s\"", MR_STR_ARGS(object->module), MR_STR_ARGS(object->name));
}

static void print_items(struct mr_buf *out, const struct mr_object *const *items, size_t n,
                        int depth) {
    mr_buf_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) mr_buf_text(out, ", ");
        print_object(out, items[i], depth);
    }
    mr_buf_char(out, ']');
}

static void print_list(struct mr_buf *out, const char *kind, const struct mr_object *object,
                       int depth) {
    mr_buf_format(out, "[\"%s\", ", kind);
    print_class(out, object);
    mr_buf_text(out, ", ");
    print_items(out, object->list.items, object->list.n, depth);
    mr_buf_char(out, ']');
}

static void print_dict(struct mr_buf *out, const struct mr_object *object, int depth) {
    mr_buf_text(out, "[\"dict\", ");
    print_class(out, object);
    mr_buf_text(out, ", [");
    for (size_t i = 0; i < object->dict.n; i++) {
        const struct mr_object *pair[] = {object->dict.keys[i], object->dict.values[i]};
        if (i) mr_buf_text(out, ", ");
        print_items(out, pair, 2, depth);
    }
    mr_buf_text(out, "]]");
}

static void print_shape(struct mr_buf *out, const struct mr_ndarray *array) {
    mr_buf_char(out, '[');
    for (size_t i = 0; i < array->n_dims; i++) {
        if (i) mr_buf_text(out, ", ");
        mr_buf_int(out, array->shape[i]);
    }
    mr_buf_char(out, ']');
}

static void print_texts(struct mr_buf *out, const struct mr_ndarray *array) {
    const struct mr_str *texts = array->values;
    mr_buf_char(out, '[');
    for (int64_t i = 0; i < array->n_values; i++) {
        if (i) mr_buf_text(out, ", ");
        print_hex(out, texts[i].data, texts[i].size);
    }
    mr_buf_char(out, ']');
}

static void print_record(struct mr_buf *out, const struct mr_ndarray *array) {
    const struct mr_record *record = array->record;
    mr_buf_text(out, "[\"record\", ");
    print_shape(out, array);
    mr_buf_format(out, ", %zu, [", record->item_bytes);
    for (size_t i = 0; i < record->n_fields; i++) {
        const struct mr_field *field = &record->fields[i];
        const char *dtype = field->is_known ? mr_dtype_name(field->dtype) : NULL;
        mr_buf_text(out, i ? ", [" : "[");
        print_hex(out, field->name.data, field->name.size);
        mr_buf_format(out, ", %s%s%s, %zu]", dtype ? "\"" : "", dtype ? dtype : "null",
                      dtype ? "\"" : "", field->offset_bytes);
    }
    mr_buf_text(out, "], ");
    print_hex(out, array->values, (size_t)array->n_values * record->item_bytes);
    mr_buf_char(out, ']');
}

static void print_array(struct mr_buf *out, const struct mr_object *object, int depth) {
    const struct mr_ndarray *array = &object->array;
    if (array->record) {
        print_record(out, array);
        return;
    }
    mr_buf_text(out, "[\"array\", ");
    print_class(out, object);
    mr_buf_format(out, ", \"%s\", ", array->is_known ? mr_dtype_name(array->dtype) : "unknown");
    print_shape(out, array);
    mr_buf_text(out, ", ");
    if (!array->is_known) {
        mr_buf_text(out, "null");
    } else if (array->dtype == MR_STRING || array->dtype == MR_BINARY) {
        print_texts(out, array);
    } else if (array->dtype == MR_OBJECT) {
        print_items(out, array->values, (size_t)array->n_values, depth);
    } else {
        print_hex(out, array->values, (size_t)array->n_values * mr_dtype_size(array->dtype));
    }
    mr_buf_char(out, ']');
}

static void print_instance(struct mr_buf *out, const struct mr_object *object, int depth) {
    mr_buf_text(out, "[\"instance\", ");
    print_class(out, object);
    mr_buf_text(out, ", ");
    print_object(out, object->instance.args, depth);
    mr_buf_text(out, ", ");
    print_object(out, object->instance.state, depth);
    mr_buf_char(out, ']');
}

static void print_float(struct mr_buf *out, const struct mr_object *object) {
    mr_buf_format(out, "[\"%.*s\", \"", MR_STR_ARGS(object->name));
    mr_buf_double(out, object->real);
    mr_buf_text(out, "\"]");
}

static void print_object(struct mr_buf *out, const struct mr_object *object, int depth) {
    if (depth > MAX_DEPTH) {
        mr_buf_text(out, "\"...\"");
        return;
    }
    switch (object ? object->kind : MR_OBJECT_NONE) {
    case MR_OBJECT_NONE: mr_buf_text(out, "null"); break;
    case MR_OBJECT_BOOL: mr_buf_text(out, object->boolean ? "true" : "false"); break;
    case MR_OBJECT_INT:
        mr_buf_format(out, "[\"int\", \"%lld\"]", (long long)object->integer);
        break;
    case MR_OBJECT_FLOAT: print_float(out, object); break;
    case MR_OBJECT_STR:
    case MR_OBJECT_BYTES:
        mr_buf_text(out, object->kind == MR_OBJECT_STR ? "[\"str\", " : "[\"bytes\", ");
        print_hex(out, object->text.data, object->text.size);
        mr_buf_char(out, ']');
        break;
    case MR_OBJECT_LIST: print_list(out, "list", object, depth + 1); break;
    case MR_OBJECT_TUPLE: print_list(out, "tuple", object, depth + 1); break;
    case MR_OBJECT_SET: print_list(out, "set", object, depth + 1); break;
    case MR_OBJECT_DICT: print_dict(out, object, depth + 1); break;
    case MR_OBJECT_ARRAY: print_array(out, object, depth + 1); break;
    case MR_OBJECT_GLOBAL:
        mr_buf_text(out, "[\"global\", ");
        print_class(out, object);
        mr_buf_char(out, ']');
        break;
    case MR_OBJECT_INSTANCE: print_instance(out, object, depth + 1); break;
    }
}

static mr_status load(const char *line, struct mr_arena *arena, const struct mr_object **root,
                      struct mr_error *err) {
    struct mr_pickle pickle = {0};
    struct mr_skops skops = {0};
    if (strncmp(line, "skops ", 6) == 0) {
        MR_TRY(mr_skops_load(line + 6, NULL, arena, &skops, err));
        *root = skops.root;
    } else {
        MR_TRY(mr_pickle_load(line + 7, arena, &pickle, err));
        *root = pickle.root;
    }
    return MR_OK;
}

int main(void) {
    char line[4096];
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        struct mr_arena *arena = mr_arena_new(0, NULL);
        struct mr_buf out;
        struct mr_error err = {0};
        const struct mr_object *root = NULL;
        mr_buf_init(&out, arena);
        mr_status status = load(line, arena, &root, &err);
        if (status == MR_OK) {
            print_object(&out, root, 0);
        } else {
            for (char *at = err.message; *at; at++) {
                if (*at == '"' || *at == '\\') *at = '\'';
            }
            mr_buf_format(&out, "[\"error\", \"%s\", \"%s\"]", mr_status_error_code(status),
                          err.message);
        }
        mr_buf_char(&out, '\n');
        if (mr_buf_status(&out, NULL) != MR_OK) return EXIT_FAILURE;
        fwrite(out.data, 1, out.size, stdout);
        fflush(stdout);
        mr_arena_free(arena);
    }
    return EXIT_SUCCESS;
}
