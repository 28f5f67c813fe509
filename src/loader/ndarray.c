#include "loader/ndarray.h"

#include "base/utf8.h"
#include "schema/table.h"

/* Dtypes ----------------------------------------------------------------------------------- */

static const struct {
    const char *code;
    mr_dtype dtype;
} plain_dtypes[] = {
    {"b1", MR_BOOL},   {"i1", MR_INT8},    {"i2", MR_INT16},   {"i4", MR_INT32},
    {"i8", MR_INT64},  {"u1", MR_UINT8},   {"u2", MR_UINT16},  {"u4", MR_UINT32},
    {"u8", MR_UINT64}, {"f2", MR_FLOAT16}, {"f4", MR_FLOAT32}, {"f8", MR_FLOAT64},
};

static bool parse_length(struct mr_str digits, size_t *out) {
    *out = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || *out > 100000000) return false;
        *out = *out * 10 + (size_t)(digits.data[i] - '0');
    }
    return digits.size > 0;
}

struct mr_item_type mr_item_type_of(struct mr_str descr) {
    struct mr_item_type type = {.descr = descr};
    if (descr.size < 3 || !strchr("<>|=", descr.data[0])) return type;
    type.is_swapped = descr.data[0] == '>';
    struct mr_str code = {descr.data + 1, descr.size - 1};
    for (size_t i = 0; i < sizeof(plain_dtypes) / sizeof(*plain_dtypes); i++) {
        if (!mr_str_is(code, plain_dtypes[i].code)) continue;
        type.is_known = true;
        type.dtype = plain_dtypes[i].dtype;
        type.item_bytes = mr_dtype_size(type.dtype);
        return type;
    }
    size_t length;
    if (!parse_length((struct mr_str){code.data + 1, code.size - 1}, &length)) return type;
    if (code.data[0] == 'V') type.item_bytes = length;
    if (code.data[0] == 'U' || code.data[0] == 'S') {
        type.is_known = length > 0;
        type.dtype = code.data[0] == 'U' ? MR_STRING : MR_BINARY;
        type.item_bytes = code.data[0] == 'U' ? length * 4 : length;
    }
    return type;
}

/* Values ----------------------------------------------------------------------------------- */

static void swap_bytes(unsigned char *values, size_t n, size_t size) {
    for (size_t i = 0; i < n; i++, values += size) {
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char byte = values[k];
            values[k] = values[size - 1 - k];
            values[size - 1 - k] = byte;
        }
    }
}

/* Copies Fortran-ordered items into C order. */
static void reorder(const char *from, char *to, const struct mr_ndarray *array, size_t item_bytes) {
    int64_t index[MR_MAX_DIMS] = {0}; /* of the C-order position i */
    size_t strides[MR_MAX_DIMS];
    size_t stride = 1;
    for (size_t d = 0; d < array->n_dims; d++) {
        strides[d] = stride;
        stride *= (size_t)array->shape[d];
    }
    size_t source = 0;
    for (size_t i = 0; i < (size_t)array->n_values; i++) {
        memcpy(to + i * item_bytes, from + source * item_bytes, item_bytes);
        for (size_t d = array->n_dims; d-- > 0;) {
            source += strides[d];
            if (++index[d] < array->shape[d]) break;
            source -= strides[d] * (size_t)array->shape[d];
            index[d] = 0;
        }
    }
}

/* numpy pads texts with NULs and drops all trailing ones when an item is read. */
static mr_status read_texts(const char *items, const struct mr_item_type *type,
                            struct mr_arena *arena, struct mr_ndarray *out, struct mr_error *err) {
    size_t n = (size_t)out->n_values;
    struct mr_str *texts = mr_arena_array(arena, n, sizeof(*texts));
    char *bytes = mr_arena_alloc(arena, n * type->item_bytes + 4); /* UTF-8 never needs more */
    if (!texts || !bytes) return mr_arena_fail(arena, err);
    size_t width = type->dtype == MR_STRING ? 4 : 1;
    for (size_t i = 0; i < n; i++, items += type->item_bytes) {
        texts[i] = (struct mr_str){bytes, 0};
        size_t length = type->item_bytes / width;
        while (length > 0 && memcmp(items + (length - 1) * width, "\0\0\0", width) == 0) length--;
        for (size_t k = 0; k < length; k++) {
            uint32_t code = (unsigned char)items[k];
            if (width == 1) {
                *bytes++ = items[k];
                continue;
            }
            memcpy(&code, items + k * 4, 4);
            if (code > 0x10ffff) {
                return mr_fail(err, MR_E_FORMAT, "text %zu has U+%X, which is no character", i,
                               code);
            }
            bytes += mr_utf8_encode(code, bytes);
        }
        texts[i].size = (size_t)(bytes - texts[i].data);
    }
    out->values = texts;
    return MR_OK;
}

/* C reads a bool as 0 or 1; numpy takes every byte but 0 for true. */
static bool are_bools(const char *values, size_t n) {
    bool is_clean = true;
    for (size_t i = 0; i < n; i++) is_clean &= (unsigned char)values[i] <= 1;
    return is_clean;
}

static mr_status read_values(const struct mr_item_type *type, bool is_fortran, struct mr_str data,
                             bool is_kept, struct mr_arena *arena, struct mr_ndarray *out,
                             struct mr_error *err) {
    size_t n = (size_t)out->n_values;
    size_t size;
    if (__builtin_mul_overflow(n, type->item_bytes, &size) || size > data.size) {
        return mr_fail(err, MR_E_FORMAT, "%zu bytes are too few for %zu values of dtype %.*s",
                       data.size, n, MR_STR_ARGS(type->descr));
    }
    bool is_reordered = is_fortran && out->n_dims > 1;
    bool is_text = type->is_known && (type->dtype == MR_STRING || type->dtype == MR_BINARY);
    bool is_bool = type->is_known && type->dtype == MR_BOOL;
    bool is_as_stored = !is_reordered && !type->is_swapped &&
                        !(is_bool && !are_bools(data.data, n));
    if (is_as_stored && is_text) return read_texts(data.data, type, arena, out, err);
    out->values = data.data;
    if (is_as_stored && is_kept) return MR_OK;
    char *values = mr_arena_alloc(arena, size);
    if (!values) return mr_arena_fail(arena, err);
    out->values = values;
    if (is_reordered) {
        reorder(data.data, values, out, type->item_bytes);
    } else if (size) {
        memcpy(values, data.data, size);
    }
    size_t word = type->dtype == MR_STRING ? 4 : is_text ? 1 : type->item_bytes;
    if (type->is_swapped && type->is_known) swap_bytes((unsigned char *)values, size / word, word);
    if (is_text) return read_texts(values, type, arena, out, err);
    for (size_t i = 0; is_bool && i < n; i++) values[i] = values[i] != 0;
    return MR_OK;
}

/* Arrays ----------------------------------------------------------------------------------- */

static mr_status copy_shape(const struct mr_array_layout *layout, struct mr_arena *arena,
                            struct mr_ndarray *out, struct mr_error *err) {
    int64_t *shape = mr_arena_array(arena, layout->n_dims, sizeof(*shape));
    if (!shape) return mr_arena_fail(arena, err);
    bool is_empty = false;
    bool is_overflow = false;
    out->n_values = 1;
    for (size_t d = 0; d < layout->n_dims; d++) {
        shape[d] = layout->shape[d];
        is_empty |= shape[d] == 0;
        is_overflow |= __builtin_mul_overflow(out->n_values, shape[d], &out->n_values);
    }
    if (is_empty) out->n_values = 0;
    if (is_overflow && !is_empty) {
        return mr_fail(err, MR_E_FORMAT, "the shape of the array overflows");
    }
    out->n_dims = layout->n_dims;
    out->shape = shape;
    return MR_OK;
}

mr_status mr_ndarray_make(const struct mr_item_type *type, const struct mr_array_layout *layout,
                          struct mr_str data, bool is_kept, struct mr_arena *arena,
                          struct mr_ndarray *out, struct mr_error *err) {
    struct mr_ndarray array = {
        .is_known = type->is_known, .dtype = type->dtype, .record = type->record};
    MR_TRY(copy_shape(layout, arena, &array, err));
    char *descr = mr_arena_strdup(arena, type->descr);
    if (!descr) return mr_arena_fail(arena, err);
    array.descr = (struct mr_str){descr, type->descr.size};
    if (type->is_known || type->record) {
        MR_TRY(read_values(type, layout->is_fortran, data, is_kept, arena, &array, err));
    }
    *out = array;
    return MR_OK;
}

mr_status mr_ndarray_of_objects(const struct mr_object_list *items,
                                const struct mr_array_layout *layout, struct mr_arena *arena,
                                struct mr_ndarray *out, struct mr_error *err) {
    struct mr_ndarray array = {.is_known = true, .dtype = MR_OBJECT, .values = items->items};
    MR_TRY(copy_shape(layout, arena, &array, err));
    if ((uint64_t)array.n_values != items->n) {
        return mr_fail(err, MR_E_FORMAT, "an array of %lld objects comes with %zu",
                       (long long)array.n_values, items->n);
    }
    if (layout->is_fortran && layout->n_dims > 1) {
        char *values = mr_arena_array(arena, items->n, sizeof(*items->items));
        if (!values) return mr_arena_fail(arena, err);
        reorder((const char *)items->items, values, &array, sizeof(*items->items));
        array.values = values;
    }
    *out = array;
    return MR_OK;
}
