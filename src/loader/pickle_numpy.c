#include "loader/ndarray.h"
#include "loader/pickle_int.h"
#include "schema/table.h"

/* scikit-learn's own records have 13 fields at most. */
#define MAX_FIELDS 32

/* Dtypes ------------------------------------------------------------------------------------ */

/* Items of numpy.dtype's state, as its __reduce__ gives it
 * (numpy/_core/src/multiarray/descriptor.c, arraydescr_reduce). */
enum {
    STATE_ORDER = 1,
    STATE_SUBARRAY,
    STATE_NAMES,
    STATE_FIELDS,
    STATE_ITEM_BYTES,
    STATE_MIN = 6
};

static bool is_none(const struct mr_object *object) {
    return object->kind == MR_OBJECT_NONE;
}

/* The descr of a dtype without fields: its byte order and its code, "<" and "f8". */
static mr_status compose_descr(struct mr_unpickler *u, struct mr_str order, struct mr_str code,
                               struct mr_str *out) {
    char *text = mr_pickle_alloc(u, code.size + 2, 1);
    if (!text) return mr_pickle_no_memory(u);
    text[0] = order.data[0];
    memcpy(text + 1, code.data, code.size);
    text[code.size + 1] = '\0';
    *out = (struct mr_str){text, code.size + 1};
    return MR_OK;
}

static mr_status read_plain_type(struct mr_unpickler *u, const struct mr_object *dtype,
                                 struct mr_item_type *out);

/* fields[name]: (dtype, offset) or (dtype, offset, title). NULL when it is neither. */
static const struct mr_object_list *find_field(const struct mr_object *fields, struct mr_str name) {
    for (size_t i = 0; fields->kind == MR_OBJECT_DICT && i < fields->dict.n; i++) {
        const struct mr_object *key = fields->dict.keys[i], *value = fields->dict.values[i];
        if (key->kind != MR_OBJECT_STR || !mr_str_equal(key->text, name)) continue;
        bool is_entry = value->kind == MR_OBJECT_TUPLE && value->list.n >= 2 &&
                        value->list.items[1]->kind == MR_OBJECT_INT;
        return is_entry ? &value->list : NULL;
    }
    return NULL;
}

/* The field of that name; *is_valid is false when there is none within the item. */
static mr_status read_field(struct mr_unpickler *u, const struct mr_object *fields,
                            struct mr_str name, size_t item_bytes, struct mr_field *out,
                            bool *is_valid) {
    const struct mr_object_list *entry = find_field(fields, name);
    *is_valid = entry != NULL;
    if (!entry) return MR_OK;
    struct mr_item_type type;
    MR_TRY(read_plain_type(u, entry->items[0], &type));
    int64_t offset = entry->items[1]->integer;
    size_t size = type.is_known ? type.item_bytes : 0;
    *is_valid = offset >= 0 && size <= item_bytes && (uint64_t)offset <= item_bytes - size;
    *out = (struct mr_field){.name = name,
                             .is_known = type.is_known && mr_dtype_size(type.dtype) &&
                                         !type.is_swapped,
                             .dtype = type.dtype,
                             .offset_bytes = (size_t)offset};
    return MR_OK;
}

/* The fields of a structured dtype. What is not as numpy writes it gives none: then the values of
 * the array are not read. */
static mr_status read_record(struct mr_unpickler *u, const struct mr_object_list *state,
                             const struct mr_record **out) {
    const struct mr_object *names = state->items[STATE_NAMES];
    const struct mr_object *size = state->items[STATE_ITEM_BYTES];
    if (names->kind != MR_OBJECT_TUPLE || names->list.n > MAX_FIELDS ||
        size->kind != MR_OBJECT_INT || size->integer <= 0) {
        return MR_OK;
    }
    struct mr_record *record = mr_pickle_alloc(u, 1, sizeof(*record));
    struct mr_field *fields = mr_pickle_alloc(u, names->list.n, sizeof(*fields));
    if (!record || !fields) return mr_pickle_no_memory(u);
    for (size_t i = 0; i < names->list.n; i++) {
        const struct mr_object *name = names->list.items[i];
        bool is_valid = false;
        if (name->kind == MR_OBJECT_STR) {
            MR_TRY(read_field(u, state->items[STATE_FIELDS], name->text, (size_t)size->integer,
                              &fields[i], &is_valid));
        }
        if (!is_valid) return MR_OK;
    }
    *record = (struct mr_record){names->list.n, fields, (size_t)size->integer};
    *out = record;
    return MR_OK;
}

/* The code and state of a dtype object, numpy.dtype("f8", False, True) with its state set. NULL
 * when it is none, or one of a subarray. */
static const struct mr_object_list *state_of(const struct mr_object *dtype,
                                             const struct mr_object **code) {
    if (dtype->kind != MR_OBJECT_INSTANCE || !mr_object_is(dtype, "numpy", "dtype")) return NULL;
    const struct mr_object *args = dtype->instance.args;
    const struct mr_object *state = dtype->instance.state;
    if (!args || args->list.items[0]->kind != MR_OBJECT_STR || !state ||
        state->kind != MR_OBJECT_TUPLE || state->list.n < STATE_MIN ||
        state->list.items[STATE_ORDER]->kind != MR_OBJECT_STR ||
        state->list.items[STATE_ORDER]->text.size != 1 ||
        !is_none(state->list.items[STATE_SUBARRAY])) {
        return NULL;
    }
    *code = args->list.items[0];
    return &state->list;
}

/* A dtype without fields; others are not known. */
static mr_status read_plain_type(struct mr_unpickler *u, const struct mr_object *dtype,
                                 struct mr_item_type *out) {
    const struct mr_object *code;
    const struct mr_object_list *state = state_of(dtype, &code);
    *out = (struct mr_item_type){.descr = dtype->name};
    if (!state || !is_none(state->items[STATE_NAMES])) return MR_OK;
    struct mr_str descr;
    MR_TRY(compose_descr(u, state->items[STATE_ORDER]->text, code->text, &descr));
    *out = mr_item_type_of(descr);
    /* Texts have their length twice. */
    const struct mr_object *size = state->items[STATE_ITEM_BYTES];
    if (size->kind == MR_OBJECT_INT && size->integer >= 0 &&
        (uint64_t)size->integer != out->item_bytes) {
        *out = (struct mr_item_type){.descr = descr};
    }
    return MR_OK;
}

static mr_status read_type(struct mr_unpickler *u, const struct mr_object *dtype,
                           struct mr_item_type *out) {
    const struct mr_object *code;
    const struct mr_object_list *state = state_of(dtype, &code);
    if (!state || is_none(state->items[STATE_NAMES])) return read_plain_type(u, dtype, out);
    *out = (struct mr_item_type){.descr = code->text};
    MR_TRY(read_record(u, state, &out->record));
    if (out->record) out->item_bytes = out->record->item_bytes;
    return MR_OK;
}

static bool is_object_type(const struct mr_item_type *type) {
    return mr_str_is(type->descr, "|O") || mr_str_is(type->descr, "|O8");
}

/* Arrays ------------------------------------------------------------------------------------ */

static mr_status read_layout(struct mr_unpickler *u, const struct mr_object *shape, bool is_fortran,
                             struct mr_array_layout *out) {
    bool is_valid = shape->kind == MR_OBJECT_TUPLE && shape->list.n <= MR_MAX_DIMS;
    size_t n = is_valid ? shape->list.n : 0;
    int64_t *dims = mr_pickle_alloc(u, n, sizeof(*dims));
    if (!dims) return mr_pickle_no_memory(u);
    for (size_t i = 0; i < n; i++) {
        const struct mr_object *dim = shape->list.items[i];
        dims[i] = dim->kind == MR_OBJECT_INT ? dim->integer : -1;
        is_valid &= dims[i] >= 0;
    }
    if (!is_valid) return mr_pickle_fail(u, MR_E_FORMAT, "the shape of an array is none");
    *out = (struct mr_array_layout){.n_dims = n, .shape = dims, .is_fortran = is_fortran};
    return MR_OK;
}

/* Bytes of all items. */
static mr_status count_bytes(struct mr_unpickler *u, const struct mr_item_type *type,
                             const struct mr_array_layout *layout, size_t *out) {
    *out = type->item_bytes;
    bool is_overflow = false;
    for (size_t i = 0; i < layout->n_dims; i++) {
        if (layout->shape[i] == 0) *out = 0;
        if (layout->shape[i] == 0) return MR_OK;
        is_overflow |= __builtin_mul_overflow(*out, (size_t)layout->shape[i], out);
    }
    return is_overflow ? mr_pickle_fail(u, MR_E_FORMAT, "the shape of an array overflows") : MR_OK;
}

/* Makes an array of bytes that lie in the arena for good. */
static mr_status make_array(struct mr_unpickler *u, const struct mr_item_type *type,
                            const struct mr_array_layout *layout, struct mr_str data,
                            struct mr_object *out) {
    size_t size;
    MR_TRY(count_bytes(u, type, layout, &size));
    if (type->item_bytes && size != data.size) {
        return mr_pickle_fail(u, MR_E_FORMAT, "an array of %zu bytes comes with %zu", size,
                              data.size);
    }
    bool is_text = type->is_known && mr_dtype_size(type->dtype) == 0;
    MR_TRY(mr_pickle_count(u, 1, size));
    if (is_text) MR_TRY(mr_pickle_count(u, size / type->item_bytes, sizeof(struct mr_str) * 2));
    struct mr_ndarray array;
    struct mr_error detail = {0};
    mr_status status = mr_ndarray_make(type, layout, data, true, u->arena, &array, &detail);
    if (status != MR_OK) return mr_pickle_fail(u, status, "%s", detail.message);
    out->kind = MR_OBJECT_ARRAY;
    out->array = array;
    return MR_OK;
}

static mr_status fail_array(struct mr_unpickler *u) {
    return mr_pickle_fail(u, MR_E_FORMAT, "an array is not as numpy writes it");
}

/* ndarray.__setstate__((version, shape, dtype, is_fortran, data)). */
mr_status mr_pickle_build_array(struct mr_unpickler *u, struct mr_object *object,
                                const struct mr_object *state) {
    if (state->kind != MR_OBJECT_TUPLE || state->list.n != 5 ||
        state->list.items[3]->kind != MR_OBJECT_BOOL) {
        return fail_array(u);
    }
    const struct mr_object *data = state->list.items[4];
    struct mr_array_layout layout;
    struct mr_item_type type;
    MR_TRY(read_layout(u, state->list.items[1], state->list.items[3]->boolean, &layout));
    MR_TRY(read_type(u, state->list.items[2], &type));
    if (data->kind == MR_OBJECT_BYTES) return make_array(u, &type, &layout, data->text, object);
    if (data->kind != MR_OBJECT_LIST || !is_object_type(&type)) return fail_array(u);
    struct mr_ndarray array;
    MR_TRY(mr_pickle_count(u, data->list.n, sizeof(*data->list.items)));
    struct mr_error detail = {0};
    mr_status status = mr_ndarray_of_objects(&data->list, &layout, u->arena, &array, &detail);
    if (status != MR_OK) return mr_pickle_fail(u, status, "%s", detail.message);
    object->kind = MR_OBJECT_ARRAY;
    object->array = array;
    return MR_OK;
}

/* An instance of numpy's class for scalars, "float64". */
mr_status mr_pickle_scalar(struct mr_unpickler *u, const struct mr_object *args,
                           struct mr_object **out) {
    if (args->list.n != 2 || args->list.items[1]->kind != MR_OBJECT_BYTES) return fail_array(u);
    struct mr_item_type type;
    MR_TRY(read_type(u, args->list.items[0], &type));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_ARRAY, "", out));
    (*out)->module = mr_str_from("numpy");
    (*out)->name = mr_str_from(type.is_known ? mr_dtype_name(type.dtype) : "generic");
    return make_array(u, &type, &(struct mr_array_layout){0}, args->list.items[1]->text, *out);
}

mr_status mr_pickle_from_buffer(struct mr_unpickler *u, const struct mr_object *args,
                                struct mr_object **out) {
    const struct mr_object *const *items = args->list.items;
    size_t n = args->list.n;
    if (n < 4 || n > 5 || items[0]->kind != MR_OBJECT_BYTES || (n == 5 && !is_none(items[4]))) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python knows how an array lies in memory");
    }
    bool is_fortran = mr_object_is_str(items[3], "F");
    if (!is_fortran && !mr_object_is_str(items[3], "C")) return fail_array(u);
    struct mr_array_layout layout;
    struct mr_item_type type;
    MR_TRY(read_layout(u, items[2], is_fortran, &layout));
    MR_TRY(read_type(u, items[1], &type));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_ARRAY, "ndarray", out));
    (*out)->module = mr_str_from("numpy");
    return make_array(u, &type, &layout, items[0]->text, *out);
}

/* joblib ------------------------------------------------------------------------------------ */

/* Arrays of objects are a pickle of their own within the file, with its own memo. */
static mr_status read_nested(struct mr_unpickler *u, struct mr_object *out) {
    struct mr_unpickler nested = {.stream = u->stream,
                                  .arena = u->arena,
                                  .err = u->err,
                                  .used_bytes = u->used_bytes,
                                  .is_nested = true,
                                  .none = u->none,
                                  .true_ = u->true_,
                                  .false_ = u->false_,
                                  .empty_tuple = u->empty_tuple};
    struct mr_object *root = NULL;
    MR_TRY(mr_pickle_run(&nested, &root));
    u->used_bytes = nested.used_bytes;
    if (root->kind != MR_OBJECT_ARRAY) return fail_array(u);
    *out = *root;
    return MR_OK;
}

/* Since joblib 1.2 a byte that says how much padding follows, and the padding. */
static mr_status skip_padding(struct mr_unpickler *u) {
    uint64_t n;
    struct mr_str padding;
    MR_TRY(mr_pickle_read_uint(u, 1, &n));
    return mr_pickle_read_bytes(u, n, &padding);
}

mr_status mr_pickle_read_joblib_array(struct mr_unpickler *u, struct mr_object *object) {
    const struct mr_object *class_ = mr_object_attr(object, "subclass");
    const struct mr_object *shape = mr_object_attr(object, "shape");
    const struct mr_object *order = mr_object_attr(object, "order");
    const struct mr_object *dtype = mr_object_attr(object, "dtype");
    const struct mr_object *alignment = mr_object_attr(object, "numpy_array_alignment_bytes");
    bool is_fortran = mr_object_is_str(order, "F");
    if (!shape || !dtype || (!is_fortran && !mr_object_is_str(order, "C"))) return fail_array(u);
    if (!mr_object_is(class_, "numpy", "ndarray") && !mr_object_is(class_, "numpy", "memmap")) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python reads arrays of other classes");
    }
    struct mr_array_layout layout;
    struct mr_item_type type;
    size_t size;
    struct mr_str data;
    MR_TRY(read_layout(u, shape, is_fortran, &layout));
    MR_TRY(read_type(u, dtype, &type));
    MR_TRY(count_bytes(u, &type, &layout, &size));
    object->module = mr_str_from("numpy");
    object->name = mr_str_from("ndarray");
    if (is_object_type(&type)) return read_nested(u, object);
    if (type.item_bytes == 0) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python reads arrays of dtype %.*s",
                              MR_STR_ARGS(type.descr));
    }
    if (alignment && !is_none(alignment)) MR_TRY(skip_padding(u));
    MR_TRY(mr_pickle_read_bytes(u, size, &data));
    return make_array(u, &type, &layout, data, object);
}
