#include "loader/npy.h"

#include "loader/ndarray.h"
#include "schema/table.h"

/* numpy.load's own limit without allow_pickle (numpy/lib/_format_impl.py, _MAX_HEADER_SIZE). */
#define MAX_HEADER_BYTES 10000

/* scikit-learn's own have 13 at most. */
#define MAX_FIELDS 32

/* Header ----------------------------------------------------------------------------------- */

struct header {
    struct mr_str descr; /* without quotes; the list as written for a structured dtype */
    bool is_structured;
    bool is_fortran;
    size_t n_dims;
    int64_t shape[MR_MAX_DIMS];
    bool has_descr, has_fortran, has_shape;
};

struct cursor {
    const char *at;
    const char *end;
};

static void skip_space(struct cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take_char(struct cursor *c, char wanted) {
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word) {
    size_t size = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0) return false;
    c->at += size;
    return true;
}

/* A Python string literal without escapes, in either kind of quotes. */
static bool take_string(struct cursor *c, struct mr_str *out) {
    char quote = '\'';
    if (!take_char(c, quote)) {
        quote = '"';
        if (!take_char(c, quote)) return false;
    }
    const char *start = c->at;
    while (c->at < c->end && *c->at != quote) {
        if (*c->at == '\\') return false;
        c->at++;
    }
    if (c->at == c->end) return false;
    *out = (struct mr_str){start, (size_t)(c->at - start)};
    c->at++;
    return true;
}

/* A bracketed list, kept as written: the descr of a structured dtype. */
static bool take_list(struct cursor *c, struct mr_str *out) {
    if (!take_char(c, '[')) return false;
    const char *start = c->at - 1;
    for (int depth = 1; depth > 0;) {
        struct mr_str ignored;
        skip_space(c);
        if (c->at == c->end) return false;
        if (*c->at == '\'' || *c->at == '"') {
            if (!take_string(c, &ignored)) return false;
            continue;
        }
        depth += (*c->at == '[') - (*c->at == ']');
        c->at++;
    }
    *out = (struct mr_str){start, (size_t)(c->at - start)};
    return true;
}

static bool take_dim(struct cursor *c, int64_t *out) {
    skip_space(c);
    const char *start = c->at;
    int64_t value = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, *c->at - '0', &value)) return false;
        c->at++;
    }
    *out = value;
    return c->at > start;
}

static bool take_shape(struct cursor *c, struct header *header) {
    if (!take_char(c, '(')) return false;
    while (!take_char(c, ')')) {
        if (header->n_dims == MR_MAX_DIMS) return false;
        if (!take_dim(c, &header->shape[header->n_dims])) return false;
        header->n_dims++;
        if (take_char(c, ',')) continue;
        return header->n_dims > 1 && take_char(c, ')'); /* (3) would be a number */
    }
    return true;
}

static bool take_item(struct cursor *c, struct header *header) {
    struct mr_str key;
    if (!take_string(c, &key) || !take_char(c, ':')) return false;
    if (mr_str_is(key, "descr") && !header->has_descr) {
        header->has_descr = true;
        if (take_string(c, &header->descr)) return true;
        header->is_structured = true;
        return take_list(c, &header->descr);
    }
    if (mr_str_is(key, "fortran_order") && !header->has_fortran) {
        header->has_fortran = true;
        header->is_fortran = take_word(c, "True");
        return header->is_fortran || take_word(c, "False");
    }
    if (mr_str_is(key, "shape") && !header->has_shape) {
        header->has_shape = true;
        return take_shape(c, header);
    }
    return false;
}

/* {'descr': '<f8', 'fortran_order': False, 'shape': (3,), } and nothing else. */
static bool parse_header(struct mr_str text, struct header *header) {
    struct cursor c = {text.data, text.data + text.size};
    if (!take_char(&c, '{')) return false;
    while (!take_char(&c, '}')) {
        if (!take_item(&c, header)) return false;
        if (take_char(&c, ',')) continue;
        if (!take_char(&c, '}')) return false;
        break;
    }
    skip_space(&c);
    return c.at == c.end && header->has_descr && header->has_fortran && header->has_shape;
}

/* Splits a file into its header's text and its data. */
static mr_status split(struct mr_str file, struct mr_str *header, struct mr_str *data,
                       struct mr_error *err) {
    const unsigned char *bytes = (const unsigned char *)file.data;
    if (file.size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        return mr_fail(err, MR_E_FORMAT, "not a .npy file: it does not begin with \\x93NUMPY");
    }
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
        return mr_fail(err, MR_E_UNSUPPORTED, ".npy format %d.%d is not one of 1.0, 2.0, 3.0",
                       bytes[6], bytes[7]);
    }
    size_t start = bytes[6] == 1 ? 10 : 12;
    if (file.size < start) return mr_fail(err, MR_E_FORMAT, "the .npy header is cut short");
    size_t size = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1) size |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size > MAX_HEADER_BYTES) {
        return mr_fail(err, MR_E_FORMAT, "the .npy header has %zu bytes, more than the %d allowed",
                       size, MAX_HEADER_BYTES);
    }
    if (size > file.size - start) {
        return mr_fail(err, MR_E_FORMAT, "the .npy header is cut short");
    }
    *header = (struct mr_str){file.data + start, size};
    *data = (struct mr_str){file.data + start + size, file.size - start - size};
    return MR_OK;
}

/* Structured dtypes ------------------------------------------------------------------------ */

/* One field: ('left_child', '<i8'); padding is ('', '|V7') and none. False for what has no known
 * size, and for nested structures, arrays in items and titles. */
static bool take_field(struct cursor *c, struct mr_record *record, struct mr_field *field) {
    struct mr_str name, descr;
    if (!take_char(c, '(') || !take_string(c, &name) || !take_char(c, ',') ||
        !take_string(c, &descr) || !take_char(c, ')')) {
        return false;
    }
    struct mr_item_type type = mr_item_type_of(descr);
    *field = (struct mr_field){.name = name,
                               .is_known = type.is_known && mr_dtype_size(type.dtype) &&
                                           !type.is_swapped,
                               .dtype = type.dtype,
                               .offset_bytes = record->item_bytes};
    record->n_fields += name.size > 0 || descr.size < 2 || descr.data[1] != 'V';
    return type.item_bytes &&
           !__builtin_add_overflow(record->item_bytes, type.item_bytes, &record->item_bytes);
}

/* The fields of a descr that is a list. Where it has others than take_field knows, *out stays as it
 * is: the array's values are not read. The names are copied. */
static mr_status read_record(struct mr_str descr, struct mr_arena *arena,
                             const struct mr_record **out, struct mr_error *err) {
    struct cursor c = {descr.data, descr.data + descr.size};
    struct mr_field *fields = mr_arena_array(arena, MAX_FIELDS, sizeof(*fields));
    struct mr_record *record = mr_arena_zalloc(arena, sizeof(*record));
    if (!fields || !record) return mr_arena_fail(arena, err);
    record->fields = fields;
    if (!take_char(&c, '[')) return MR_OK;
    while (!take_char(&c, ']')) {
        if (record->n_fields == MAX_FIELDS) return MR_OK;
        struct mr_field *field = &fields[record->n_fields];
        if (!take_field(&c, record, field)) return MR_OK;
        char *name = mr_arena_strdup(arena, field->name);
        if (!name) return mr_arena_fail(arena, err);
        field->name.data = name;
        (void)take_char(&c, ',');
    }
    *out = record;
    return MR_OK;
}

mr_status mr_npy_read(struct mr_str file, struct mr_arena *arena, struct mr_ndarray *out,
                      struct mr_error *err) {
    struct mr_str text = {0}, data = {0};
    MR_TRY(split(file, &text, &data, err));
    struct header header = {0};
    if (!parse_header(text, &header)) {
        return mr_fail(err, MR_E_FORMAT, "the .npy header is not one that numpy writes: %.*s",
                       MR_STR_ARGS(text));
    }
    if (mr_str_is(header.descr, "|O")) {
        return mr_fail(err, MR_E_UNSUPPORTED, "the .npy file holds pickled Python objects");
    }
    struct mr_item_type type = {.descr = header.descr};
    if (header.is_structured) {
        MR_TRY(read_record(header.descr, arena, &type.record, err));
        if (type.record) type.item_bytes = type.record->item_bytes;
    } else {
        type = mr_item_type_of(header.descr);
    }
    const struct mr_array_layout layout = {
        .n_dims = header.n_dims, .shape = header.shape, .is_fortran = header.is_fortran};
    return mr_ndarray_make(&type, &layout, data, false, arena, out, err);
}
