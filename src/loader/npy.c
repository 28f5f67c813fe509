#include "loader/npy.h"

#include "schema/table.h"

/* numpy.load's own limit without allow_pickle (numpy/lib/_format_impl.py, _MAX_HEADER_SIZE). */
#define MAX_HEADER_BYTES 10000

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

/* Dtypes ----------------------------------------------------------------------------------- */

struct format {
    bool is_known;
    mr_dtype dtype;
    size_t item_bytes;
    bool is_swapped; /* stored big-endian; every machine mlrace runs on is little-endian */
};

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

/* What a descr such as "<f8", "|b1" or "<U12" stands for. */
static mr_status find_format(const struct header *header, struct format *out,
                             struct mr_error *err) {
    struct mr_str descr = header->descr;
    *out = (struct format){0};
    if (header->is_structured) return MR_OK;
    if (mr_str_is(descr, "|O")) {
        return mr_fail(err, MR_E_UNSUPPORTED, "the .npy file holds pickled Python objects");
    }
    if (descr.size < 3 || !strchr("<>|=", descr.data[0])) return MR_OK;
    out->is_swapped = descr.data[0] == '>';
    struct mr_str code = {descr.data + 1, descr.size - 1};
    for (size_t i = 0; i < sizeof(plain_dtypes) / sizeof(*plain_dtypes); i++) {
        if (!mr_str_is(code, plain_dtypes[i].code)) continue;
        out->is_known = true;
        out->dtype = plain_dtypes[i].dtype;
        out->item_bytes = mr_dtype_size(out->dtype);
        return MR_OK;
    }
    size_t length;
    struct mr_str digits = {code.data + 1, code.size - 1};
    if ((code.data[0] != 'U' && code.data[0] != 'S') || !parse_length(digits, &length)) {
        return MR_OK;
    }
    out->is_known = length > 0;
    out->dtype = code.data[0] == 'U' ? MR_STRING : MR_BINARY;
    out->item_bytes = code.data[0] == 'U' ? length * 4 : length;
    return MR_OK;
}

/* Data ------------------------------------------------------------------------------------- */

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
static void reorder(const char *from, char *to, const struct header *header, size_t n,
                    size_t item_bytes) {
    int64_t index[MR_MAX_DIMS] = {0}; /* of the C-order position i */
    size_t strides[MR_MAX_DIMS];
    size_t stride = 1;
    for (size_t d = 0; d < header->n_dims; d++) {
        strides[d] = stride;
        stride *= (size_t)header->shape[d];
    }
    size_t source = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(to + i * item_bytes, from + source * item_bytes, item_bytes);
        for (size_t d = header->n_dims; d-- > 0;) {
            source += strides[d];
            if (++index[d] < header->shape[d]) break;
            source -= strides[d] * (size_t)header->shape[d];
            index[d] = 0;
        }
    }
}

/* One code point as UTF-8; lone surrogates too (WTF-8). Returns its length, 0 if it is none. */
static size_t put_utf8(uint32_t code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    if (code > 0x10ffff) return 0;
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* numpy pads texts with NULs and drops all trailing ones when an item is read. */
static mr_status read_texts(const char *items, size_t n, const struct format *format,
                            struct mr_arena *arena, struct mr_ndarray *out, struct mr_error *err) {
    struct mr_str *texts = mr_arena_array(arena, n, sizeof(*texts));
    char *bytes = mr_arena_alloc(arena, n * format->item_bytes); /* UTF-8 never needs more */
    if (!texts || !bytes) return mr_arena_fail(arena, err);
    size_t width = format->dtype == MR_STRING ? 4 : 1;
    for (size_t i = 0; i < n; i++, items += format->item_bytes) {
        texts[i] = (struct mr_str){bytes, 0};
        size_t length = format->item_bytes / width;
        while (length > 0 && memcmp(items + (length - 1) * width, "\0\0\0", width) == 0) length--;
        for (size_t k = 0; k < length; k++) {
            uint32_t code = (unsigned char)items[k];
            if (width == 4) memcpy(&code, items + k * 4, 4);
            if (width == 1) {
                *bytes++ = items[k];
                continue;
            }
            size_t size = put_utf8(code, bytes);
            if (size == 0) {
                return mr_fail(err, MR_E_FORMAT, "text %zu has U+%X, which is no character", i,
                               code);
            }
            bytes += size;
        }
        texts[i].size = (size_t)(bytes - texts[i].data);
    }
    out->values = texts;
    return MR_OK;
}

static mr_status read_values(struct mr_str data, const struct header *header,
                             const struct format *format, struct mr_arena *arena,
                             struct mr_ndarray *out, struct mr_error *err) {
    size_t n = (size_t)out->n_values;
    size_t size;
    if (__builtin_mul_overflow(n, format->item_bytes, &size) || size > data.size) {
        return mr_fail(err, MR_E_FORMAT,
                       "the .npy file has %zu bytes of data, too few for %zu values of dtype %.*s",
                       data.size, n, MR_STR_ARGS(header->descr));
    }
    char *values = mr_arena_alloc(arena, size);
    if (!values) return mr_arena_fail(arena, err);
    if (header->is_fortran && header->n_dims > 1) {
        reorder(data.data, values, header, n, format->item_bytes);
    } else if (size) {
        memcpy(values, data.data, size);
    }
    bool is_text = format->dtype == MR_STRING || format->dtype == MR_BINARY;
    size_t word = format->dtype == MR_STRING ? 4 : is_text ? 1 : format->item_bytes;
    if (format->is_swapped) swap_bytes((unsigned char *)values, size / word, word);
    if (is_text) return read_texts(values, n, format, arena, out, err);
    if (format->dtype == MR_BOOL) {
        for (size_t i = 0; i < n; i++) values[i] = values[i] != 0; /* C reads a bool as 0 or 1 */
    }
    out->values = values;
    return MR_OK;
}

static mr_status copy_shape(const struct header *header, struct mr_arena *arena,
                            struct mr_ndarray *out, struct mr_error *err) {
    int64_t *shape = mr_arena_array(arena, header->n_dims, sizeof(*shape));
    if (!shape) return mr_arena_fail(arena, err);
    bool is_empty = false;
    bool is_overflow = false;
    out->n_values = 1;
    for (size_t d = 0; d < header->n_dims; d++) {
        shape[d] = header->shape[d];
        is_empty |= shape[d] == 0;
        is_overflow |= __builtin_mul_overflow(out->n_values, shape[d], &out->n_values);
    }
    if (is_empty) out->n_values = 0;
    if (is_overflow && !is_empty) {
        return mr_fail(err, MR_E_FORMAT, "the shape of the .npy file overflows");
    }
    out->n_dims = header->n_dims;
    out->shape = shape;
    return MR_OK;
}

static mr_status copy_text(struct mr_str from, struct mr_arena *arena, struct mr_str *out,
                           struct mr_error *err) {
    char *copy = mr_arena_strdup(arena, from);
    if (!copy) return mr_arena_fail(arena, err);
    *out = (struct mr_str){copy, from.size};
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
    struct format format;
    MR_TRY(find_format(&header, &format, err));
    struct mr_ndarray array = {.is_known = format.is_known, .dtype = format.dtype};
    MR_TRY(copy_shape(&header, arena, &array, err));
    MR_TRY(copy_text(header.descr, arena, &array.descr, err));
    if (format.is_known) {
        MR_TRY(read_values(data, &header, &format, arena, &array, err));
    } else {
        array.is_raw_fortran = header.is_fortran;
        MR_TRY(copy_text(data, arena, &array.raw, err));
    }
    *out = array;
    return MR_OK;
}
