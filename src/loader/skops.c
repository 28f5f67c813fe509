#include "loader/skops.h"

#include <yyjson.h>

#include "base/number.h"
#include "loader/archive.h"
#include "loader/ndarray.h"
#include "loader/npy.h"

#define MAX_PROTOCOL 2 /* skops/io/_protocol.py */
#define MAX_DEPTH 400  /* Python's own recursion limit stops skops at about 300 */
#define DEFAULT_MAX_BYTES ((size_t)4 << 30)

struct memo {
    uint64_t *ids; /* 0: free; skops never remembers id 0 */
    struct mr_object **objects;
    size_t capacity; /* a power of two */
    size_t n;
};

struct loader {
    struct mr_archive *archive;
    struct mr_arena *arena;
    struct mr_error *err;
    yyjson_alc alc; /* from the arena */
    struct memo memo;
    size_t n_objects; /* read so far */
    unsigned depth;
};

/* JSON in the arena ------------------------------------------------------------------------- */

static void *json_malloc(void *ctx, size_t size) {
    return mr_arena_alloc(ctx, size);
}

static void *json_realloc(void *ctx, void *old, size_t old_size, size_t size) {
    return mr_arena_realloc(ctx, old, old_size, size);
}

static void json_free(void *ctx, void *block) {
    (void)ctx;
    (void)block;
}

static struct mr_str text_of(yyjson_val *value) {
    return (struct mr_str){yyjson_get_str(value), yyjson_get_len(value)};
}

/* What went wrong in a node, with its class where it has one. */
static mr_status fail_node(const struct loader *l, yyjson_val *node, const char *what) {
    struct mr_str module = text_of(yyjson_obj_get(node, "__module__"));
    struct mr_str name = text_of(yyjson_obj_get(node, "__class__"));
    return mr_fail(l->err, MR_E_FORMAT, "schema.json: the node of %.*s.%.*s %s",
                   MR_STR_ARGS(module), MR_STR_ARGS(name), what);
}

/* Memo -------------------------------------------------------------------------------------- */

static size_t memo_slot(const struct memo *memo, uint64_t id) {
    size_t slot = (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (memo->capacity - 1);
    while (memo->ids[slot] != 0 && memo->ids[slot] != id) slot = (slot + 1) & (memo->capacity - 1);
    return slot;
}

static struct mr_object *memo_find(const struct memo *memo, uint64_t id) {
    if (memo->capacity == 0 || id == 0) return NULL;
    size_t slot = memo_slot(memo, id);
    return memo->ids[slot] == id ? memo->objects[slot] : NULL;
}

static mr_status memo_grow(struct loader *l) {
    struct memo grown = {.capacity = l->memo.capacity ? l->memo.capacity * 2 : 256, .n = l->memo.n};
    grown.ids = mr_arena_zalloc(l->arena, grown.capacity * sizeof(*grown.ids));
    grown.objects = mr_arena_array(l->arena, grown.capacity, sizeof(*grown.objects));
    if (!grown.ids || !grown.objects) return mr_arena_fail(l->arena, l->err);
    for (size_t i = 0; i < l->memo.capacity; i++) {
        if (l->memo.ids[i] == 0) continue;
        size_t slot = memo_slot(&grown, l->memo.ids[i]);
        grown.ids[slot] = l->memo.ids[i];
        grown.objects[slot] = l->memo.objects[i];
    }
    l->memo = grown;
    return MR_OK;
}

static mr_status memo_add(struct loader *l, uint64_t id, struct mr_object *object) {
    if (id == 0) return MR_OK;
    if (l->memo.n * 2 >= l->memo.capacity) MR_TRY(memo_grow(l));
    size_t slot = memo_slot(&l->memo, id);
    l->memo.ids[slot] = id;
    l->memo.objects[slot] = object;
    l->memo.n++;
    return MR_OK;
}

/* Nodes ------------------------------------------------------------------------------------- */

static mr_status read_node(struct loader *l, yyjson_val *node, const struct mr_object **out);

static void set_builtin(struct mr_object *object, mr_object_kind kind, const char *name) {
    object->kind = kind;
    object->module = mr_str_from("builtins");
    object->name = mr_str_from(name);
}

/* A number as json.loads reads it; integers beyond int64 become floats. */
static void set_number(yyjson_val *value, struct mr_object *object) {
    if (yyjson_is_real(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)) {
        set_builtin(object, MR_OBJECT_FLOAT, yyjson_is_real(value) ? "float" : "int");
        object->real = yyjson_is_real(value) ? yyjson_get_real(value)
                                             : (double)yyjson_get_uint(value);
    } else {
        set_builtin(object, MR_OBJECT_INT, "int");
        object->integer = yyjson_get_sint(value);
    }
}

/* JsonNode: a scalar as JSON text in `content`. Containers, and what yyjson cannot read, stay an
 * instance of `str` without state. */
static mr_status read_json(struct loader *l, yyjson_val *node, struct mr_object *object) {
    struct mr_str text = text_of(yyjson_obj_get(node, "content"));
    if (!text.data) return fail_node(l, node, "has no JSON text as content");
    yyjson_read_err json_err;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.size,
                                       YYJSON_READ_ALLOW_INF_AND_NAN, &l->alc, &json_err);
    if (!doc && json_err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return mr_arena_fail(l->arena, l->err);
    }
    yyjson_val *value = yyjson_doc_get_root(doc);
    if (yyjson_is_null(value)) {
        set_builtin(object, MR_OBJECT_NONE, "NoneType");
    } else if (yyjson_is_bool(value)) {
        set_builtin(object, MR_OBJECT_BOOL, "bool");
        object->boolean = yyjson_get_bool(value);
    } else if (yyjson_is_num(value)) {
        set_number(value, object);
    } else if (yyjson_is_str(value)) {
        set_builtin(object, MR_OBJECT_STR, "str");
        object->text = text_of(value);
    }
    return MR_OK;
}

static mr_status read_items(struct loader *l, yyjson_val *node, struct mr_object_list *list) {
    yyjson_val *content = yyjson_obj_get(node, "content");
    if (!yyjson_is_arr(content)) return fail_node(l, node, "has no list as content");
    size_t n = yyjson_arr_size(content);
    const struct mr_object **items = mr_arena_array(l->arena, n, sizeof(*items));
    if (!items) return mr_arena_fail(l->arena, l->err);
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(content, i, max, item) {
        MR_TRY(read_node(l, item, &items[i]));
    }
    *list = (struct mr_object_list){n, items};
    return MR_OK;
}

static mr_status read_list(struct loader *l, yyjson_val *node, struct mr_object *object) {
    MR_TRY(read_items(l, node, &object->list));
    object->kind = MR_OBJECT_LIST;
    return MR_OK;
}

static mr_status read_tuple(struct loader *l, yyjson_val *node, struct mr_object *object) {
    MR_TRY(read_items(l, node, &object->list));
    object->kind = MR_OBJECT_TUPLE;
    return MR_OK;
}

static mr_status read_set(struct loader *l, yyjson_val *node, struct mr_object *object) {
    MR_TRY(read_items(l, node, &object->list));
    object->kind = MR_OBJECT_SET;
    return MR_OK;
}

/* JSON has only text keys: skops calls the key's type with the text (DictNode._construct). */
static mr_status make_key(struct loader *l, struct mr_str text, const struct mr_object *type,
                          const struct mr_object **out) {
    struct mr_object *key = mr_arena_zalloc(l->arena, sizeof(*key));
    if (!key) return mr_arena_fail(l->arena, l->err);
    bool is_big = false;
    double real;
    int64_t integer;
    key->kind = MR_OBJECT_INSTANCE;
    if (type) {
        key->module = type->module;
        key->name = type->name;
    }
    if (mr_object_is(type, "builtins", "str")) {
        key->kind = MR_OBJECT_STR;
        key->text = text;
    } else if (mr_object_is(type, "builtins", "int") && mr_int_parse(text, &integer, &is_big) &&
               !is_big) {
        key->kind = MR_OBJECT_INT;
        key->integer = integer;
    } else if (mr_object_is(type, "builtins", "float") && mr_float_parse(text, &real)) {
        key->kind = MR_OBJECT_FLOAT;
        key->real = real;
    } else if (mr_object_is(type, "builtins", "bool")) {
        key->kind = MR_OBJECT_BOOL;
        key->boolean = text.size > 0; /* bool("False") is True, and so it is in skops */
    }
    *out = key;
    return MR_OK;
}

static mr_status read_dict(struct loader *l, yyjson_val *node, struct mr_object *object) {
    yyjson_val *content = yyjson_obj_get(node, "content");
    yyjson_val *type_node = yyjson_obj_get(node, "key_types");
    if (!yyjson_is_obj(content) || !type_node) {
        return fail_node(l, node, "has no content or no key_types");
    }
    const struct mr_object *types;
    MR_TRY(read_node(l, type_node, &types));
    if (types->kind != MR_OBJECT_LIST) return fail_node(l, node, "has key_types that are no list");
    size_t capacity = yyjson_obj_size(content);
    if (capacity > types->list.n) capacity = types->list.n;
    const struct mr_object **keys = mr_arena_array(l->arena, capacity, sizeof(*keys));
    const struct mr_object **values = mr_arena_array(l->arena, capacity, sizeof(*values));
    if (!keys || !values) return mr_arena_fail(l->arena, l->err);
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(content, i, max, key, value) {
        if (i == capacity) break;
        MR_TRY(make_key(l, text_of(key), types->list.items[i], &keys[i]));
        MR_TRY(read_node(l, value, &values[i]));
    }
    object->kind = MR_OBJECT_DICT;
    object->dict = (struct mr_object_dict){capacity, keys, values};
    return MR_OK;
}

/* DefaultDictNode, _DictWithDeprecatedKeysNode: a dict under content.main. */
static mr_status read_main_dict(struct loader *l, yyjson_val *node, struct mr_object *object) {
    yyjson_val *main_node = yyjson_obj_get(yyjson_obj_get(node, "content"), "main");
    const struct mr_object *dict;
    MR_TRY(read_node(l, main_node, &dict));
    if (dict->kind != MR_OBJECT_DICT) return fail_node(l, node, "has a content that is no dict");
    object->kind = MR_OBJECT_DICT;
    object->dict = dict->dict;
    return MR_OK;
}

static mr_status read_child(struct loader *l, yyjson_val *child, const struct mr_object **out) {
    *out = NULL;
    return child && !yyjson_is_null(child) ? read_node(l, child, out) : MR_OK;
}

/* ObjectNode, RandomStateNode: a class and, as a rule, its __dict__ or __getstate__(). */
static mr_status read_object(struct loader *l, yyjson_val *node, struct mr_object *object) {
    const struct mr_object *state;
    MR_TRY(read_child(l, yyjson_obj_get(node, "content"), &state));
    object->instance.state = state;
    return MR_OK;
}

static mr_status read_constructor(struct loader *l, yyjson_val *node, struct mr_object *object) {
    const struct mr_object *args;
    MR_TRY(read_child(l, yyjson_obj_get(node, "content"), &args));
    object->instance.args = args;
    return MR_OK;
}

/* DTypeNode: an empty array of the dtype, which becomes the state. */
static mr_status read_dtype(struct loader *l, yyjson_val *node, struct mr_object *object) {
    yyjson_val *child = yyjson_obj_get(node, "content");
    if (!child) return fail_node(l, node, "has no content");
    return read_node(l, child, &object->instance.state);
}

/* TreeNode, LossNode, QuantileForestNode. */
static mr_status read_reduce(struct loader *l, yyjson_val *node, struct mr_object *object) {
    const struct mr_object *args;
    MR_TRY(read_child(l, yyjson_obj_get(yyjson_obj_get(node, "__reduce__"), "args"), &args));
    MR_TRY(read_object(l, node, object));
    object->instance.args = args;
    return MR_OK;
}

static mr_status read_global(struct loader *l, yyjson_val *node, struct mr_object *object) {
    (void)l;
    object->kind = MR_OBJECT_GLOBAL;
    yyjson_val *content = yyjson_obj_get(node, "content"); /* protocol 0 functions only */
    yyjson_val *module = yyjson_obj_get(content, "module_path");
    yyjson_val *function = yyjson_obj_get(content, "function");
    if (yyjson_is_str(module) && yyjson_is_str(function)) {
        object->module = text_of(module);
        object->name = text_of(function);
    }
    return MR_OK;
}

static mr_status read_entry(struct loader *l, yyjson_val *node, struct mr_str *out) {
    yyjson_val *file = yyjson_obj_get(node, "file");
    struct mr_str name = text_of(file);
    if (!yyjson_is_str(file) || memchr(name.data, '\0', name.size)) {
        return fail_node(l, node, "names no file of the archive");
    }
    return mr_archive_read(l->archive, name.data, 1, l->arena, out, l->err);
}

static mr_status read_bytes(struct loader *l, yyjson_val *node, struct mr_object *object) {
    MR_TRY(read_entry(l, node, &object->text));
    object->kind = MR_OBJECT_BYTES;
    return MR_OK;
}

static mr_status set_objects(struct loader *l, struct mr_object *object,
                             const struct mr_object_list *items, size_t n_dims,
                             const int64_t *shape) {
    const struct mr_array_layout layout = {.n_dims = n_dims, .shape = shape};
    MR_TRY(mr_ndarray_of_objects(items, &layout, l->arena, &object->array, l->err));
    object->kind = MR_OBJECT_ARRAY;
    return MR_OK;
}

/* Whether rows are lists of equal lengths whose items numpy cannot take for sequences. Rows that
 * are one list again and again could make much of a small file: there are no more items than
 * objects. */
static bool is_matrix(const struct loader *l, const struct mr_object_list *rows) {
    size_t n;
    if (rows->n == 0 || rows->items[0]->kind != MR_OBJECT_LIST ||
        __builtin_mul_overflow(rows->n, rows->items[0]->list.n, &n) || n > l->n_objects) {
        return false;
    }
    for (size_t r = 0; r < rows->n; r++) {
        const struct mr_object *row = rows->items[r];
        if (row->kind != MR_OBJECT_LIST || row->list.n != rows->items[0]->list.n) return false;
        for (size_t i = 0; i < row->list.n; i++) {
            if (row->list.items[i]->kind != MR_OBJECT_INSTANCE) return false;
        }
    }
    return true;
}

static mr_status set_matrix(struct loader *l, struct mr_object *object,
                            const struct mr_object_list *rows) {
    size_t n_columns = rows->items[0]->list.n;
    size_t n = rows->n * n_columns;
    const struct mr_object **items = mr_arena_array(l->arena, n, sizeof(*items));
    if (!items) return mr_arena_fail(l->arena, l->err);
    for (size_t r = 0; r < rows->n; r++) {
        for (size_t i = 0; i < n_columns; i++) {
            items[r * n_columns + i] = rows->items[r]->list.items[i];
        }
    }
    const struct mr_object_list list = {n, items};
    const int64_t shape[] = {(int64_t)rows->n, (int64_t)n_columns};
    return set_objects(l, object, &list, 2, shape);
}

/* Arrays of Python objects: a list of nodes, and a tuple that is their shape. skops takes the
 * number of items for the shape when there is one dimension, and makes the array of nested lists
 * when there are more: two dimensions of instances are read, all else is not. */
static mr_status read_object_array(struct loader *l, yyjson_val *node, struct mr_object *object) {
    yyjson_val *shape_node = yyjson_obj_get(node, "shape");
    const struct mr_object *shape;
    if (!shape_node) return fail_node(l, node, "has no shape");
    MR_TRY(read_node(l, shape_node, &shape));
    if (shape->kind != MR_OBJECT_TUPLE && shape->kind != MR_OBJECT_LIST) {
        return fail_node(l, node, "has a shape that is no tuple");
    }
    if (shape->list.n != 1 && shape->list.n != 2) return MR_OK;
    struct mr_object_list items = {0};
    MR_TRY(read_items(l, node, &items));
    if (shape->list.n == 1) {
        const int64_t n = (int64_t)items.n;
        return set_objects(l, object, &items, 1, &n);
    }
    return is_matrix(l, &items) ? set_matrix(l, object, &items) : MR_OK;
}

static mr_status read_array(struct loader *l, yyjson_val *node, struct mr_object *object) {
    yyjson_val *type = yyjson_obj_get(node, "type");
    if (yyjson_equals_str(type, "json")) return read_object_array(l, node, object);
    if (!yyjson_equals_str(type, "numpy")) return fail_node(l, node, "is of no known array type");
    struct mr_str file;
    MR_TRY(read_entry(l, node, &file));
    mr_status status = mr_npy_read(file, l->arena, &object->array, l->err);
    if (status == MR_OK) {
        object->kind = MR_OBJECT_ARRAY;
    } else if (status == MR_E_FORMAT && l->err) {
        struct mr_error detail = *l->err;
        mr_fail(l->err, MR_E_FORMAT, "%.*s: %.600s",
                MR_STR_ARGS(text_of(yyjson_obj_get(node, "file"))), detail.message);
    }
    return status;
}

/* MaskedArrayNode and the like: children by name, as if they were attributes. */
static mr_status read_masked(struct loader *l, yyjson_val *node, struct mr_object *object) {
    static const char *const names[] = {"data", "mask"};
    const struct mr_object **items = mr_arena_array(l->arena, 4, sizeof(*items));
    struct mr_object *state = mr_arena_zalloc(l->arena, sizeof(*state));
    struct mr_object *keys = mr_arena_zalloc(l->arena, 2 * sizeof(*keys));
    if (!items || !state || !keys) return mr_arena_fail(l->arena, l->err);
    yyjson_val *content = yyjson_obj_get(node, "content");
    for (size_t i = 0; i < 2; i++) {
        set_builtin(&keys[i], MR_OBJECT_STR, "str");
        keys[i].text = mr_str_from(names[i]);
        items[i] = &keys[i];
        yyjson_val *child = yyjson_obj_get(content, names[i]);
        if (!child) return fail_node(l, node, "has no data or no mask");
        MR_TRY(read_node(l, child, &items[2 + i]));
    }
    set_builtin(state, MR_OBJECT_DICT, "dict");
    state->dict = (struct mr_object_dict){2, items, items + 2};
    object->instance.state = state;
    return MR_OK;
}

static const struct {
    const char *loader;
    mr_status (*read)(struct loader *l, yyjson_val *node, struct mr_object *object);
} node_types[] = {
    {"JsonNode", read_json},
    {"DictNode", read_dict},
    {"ListNode", read_list},
    {"TupleNode", read_tuple},
    {"SetNode", read_set},
    {"ObjectNode", read_object},
    {"NdArrayNode", read_array},
    {"MaskedArrayNode", read_masked},
    {"TypeNode", read_global},
    {"FunctionNode", read_global},
    {"DefaultDictNode", read_main_dict},
    {"_DictWithDeprecatedKeysNode", read_main_dict},
    {"ConstructorFromReduceNode", read_constructor},
    {"TreeNode", read_reduce},
    {"LossNode", read_reduce},
    {"QuantileForestNode", read_reduce},
    {"RandomStateNode", read_object},
    {"BytesNode", read_bytes},
    {"BytearrayNode", read_bytes},
    {"DTypeNode", read_dtype},
    /* SliceNode, PartialNode, MethodNode, OperatorFuncNode, RandomGeneratorNode, SparseMatrixNode
     * and nodes to come: the class alone. */
};

/* Fills a new object, which is an instance until the reader of its node type says otherwise. */
static mr_status fill_object(struct loader *l, yyjson_val *node, struct mr_object *object) {
    yyjson_val *loader = yyjson_obj_get(node, "__loader__");
    object->kind = MR_OBJECT_INSTANCE;
    object->module = text_of(yyjson_obj_get(node, "__module__"));
    object->name = text_of(yyjson_obj_get(node, "__class__"));
    for (size_t i = 0; i < sizeof(node_types) / sizeof(*node_types); i++) {
        if (yyjson_equals_str(loader, node_types[i].loader)) {
            return node_types[i].read(l, node, object);
        }
    }
    return MR_OK;
}

/* get_tree of skops/io/_audit.py: an id that was seen before stands for the object it named. */
static mr_status read_node(struct loader *l, yyjson_val *node, const struct mr_object **out) {
    if (!yyjson_is_obj(node)) return mr_fail(l->err, MR_E_FORMAT, "schema.json: a node is missing");
    yyjson_val *id_value = yyjson_obj_get(node, "__id__");
    uint64_t id = yyjson_get_uint(id_value);
    if (id_value && !yyjson_is_null(id_value) && !yyjson_is_uint(id_value)) {
        return fail_node(l, node, "has an __id__ that is no natural number");
    }
    struct mr_object *object = memo_find(&l->memo, id);
    if (object) {
        *out = object;
        return MR_OK;
    }
    yyjson_val *loader = yyjson_obj_get(node, "__loader__");
    if (!yyjson_is_str(loader)) return fail_node(l, node, "has no __loader__");
    if (yyjson_equals_str(loader, "CachedNode")) {
        return fail_node(l, node, "refers to an id that was not seen before");
    }
    if (!yyjson_is_str(yyjson_obj_get(node, "__module__")) ||
        !yyjson_is_str(yyjson_obj_get(node, "__class__"))) {
        return fail_node(l, node, "has no __module__ or no __class__");
    }
    if (l->depth == MAX_DEPTH) {
        return mr_fail(l->err, MR_E_FORMAT, "schema.json: nodes are nested more than %d deep",
                       MAX_DEPTH);
    }
    object = mr_arena_zalloc(l->arena, sizeof(*object));
    if (!object) return mr_arena_fail(l->arena, l->err);
    l->n_objects++;
    MR_TRY(memo_add(l, id, object));
    l->depth++;
    mr_status status = fill_object(l, node, object);
    l->depth--;
    *out = object;
    return status;
}

/* File -------------------------------------------------------------------------------------- */

/* read_schema of skops/io/_utils.py. */
static mr_status check_protocol(yyjson_val *root, struct mr_skops *out, struct mr_error *err) {
    yyjson_val *protocol = yyjson_obj_get(root, "protocol");
    if (!yyjson_is_int(protocol)) {
        return mr_fail(err, MR_E_FORMAT, "schema.json: protocol is missing or no integer");
    }
    int64_t value = yyjson_get_sint(protocol);
    if (value > MAX_PROTOCOL || (yyjson_is_uint(protocol) && value < 0)) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "the file has skops protocol %lld; protocols up to %d are known",
                       (long long)value, MAX_PROTOCOL);
    }
    if (value < 0) return mr_fail(err, MR_E_FORMAT, "schema.json: protocol is negative");
    out->protocol = (int)value;
    out->skops_version = text_of(yyjson_obj_get(root, "_skops_version"));
    return MR_OK;
}

static mr_status load(struct mr_archive *archive, struct mr_arena *arena, struct mr_skops *out,
                      struct mr_error *err) {
    struct mr_str schema;
    MR_TRY(mr_archive_read(archive, "schema.json", YYJSON_PADDING_SIZE, arena, &schema, err));
    struct loader l = {
        .archive = archive,
        .arena = arena,
        .err = err,
        .alc = {json_malloc, json_realloc, json_free, arena},
    };
    yyjson_read_err json_err;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)schema.data, schema.size,
                                       YYJSON_READ_INSITU | YYJSON_READ_ALLOW_INF_AND_NAN, &l.alc,
                                       &json_err);
    if (!doc && json_err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return mr_arena_fail(arena, err);
    }
    if (!doc) {
        return mr_fail(err, MR_E_FORMAT, "schema.json is not valid JSON at byte %zu: %s",
                       json_err.pos, json_err.msg);
    }
    struct mr_skops skops = {0};
    yyjson_val *root = yyjson_doc_get_root(doc);
    MR_TRY(check_protocol(root, &skops, err));
    MR_TRY(read_node(&l, root, &skops.root));
    *out = skops;
    return MR_OK;
}

static mr_status open_and_load(const char *path, struct mr_str memory,
                               const struct mr_skops_options *options, struct mr_arena *arena,
                               struct mr_skops *out, struct mr_error *err) {
    size_t max_bytes = options && options->max_bytes ? options->max_bytes : DEFAULT_MAX_BYTES;
    struct mr_archive *archive;
    MR_TRY(mr_archive_open(path, memory, max_bytes, &archive, err));
    mr_status status = load(archive, arena, out, err);
    mr_archive_close(archive);
    return status;
}

mr_status mr_skops_load(const char *path, const struct mr_skops_options *options,
                        struct mr_arena *arena, struct mr_skops *out, struct mr_error *err) {
    return open_and_load(path, (struct mr_str){0}, options, arena, out, err);
}

mr_status mr_skops_parse(struct mr_str file, const struct mr_skops_options *options,
                         struct mr_arena *arena, struct mr_skops *out, struct mr_error *err) {
    return open_and_load(NULL, file, options, arena, out, err);
}
