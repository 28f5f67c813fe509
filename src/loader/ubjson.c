#include "loader/ubjson.h"

#include "loader/items_int.h"

#define MAX_DEPTH 64 /* a model of XGBoost has 8 */

struct parser {
    const char *start, *at, *end;
    unsigned depth;
    const char *const *unread;
    struct mr_arena *arena;
    struct mr_error *err;
};

static mr_status parse_value(struct parser *p, char marker, struct mr_object *out);

static mr_status fail(const struct parser *p, const char *what) {
    return mr_fail(p->err, MR_E_FORMAT, "UBJSON, byte %zu: %s", (size_t)(p->at - p->start), what);
}

/* Numbers ----------------------------------------------------------------------------------- */

/* The dtype of a marker of numbers; false when it is another marker. */
static bool find_dtype(char marker, mr_dtype *out) {
    static const struct {
        char marker;
        mr_dtype dtype;
    } numbers[] = {{'i', MR_INT8},  {'U', MR_UINT8},   {'I', MR_INT16},  {'l', MR_INT32},
                   {'L', MR_INT64}, {'d', MR_FLOAT32}, {'D', MR_FLOAT64}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        if (numbers[i].marker != marker) continue;
        *out = numbers[i].dtype;
        return true;
    }
    return false;
}

/* Copies n big-endian values of item_bytes each to the machine's order. */
static void copy_values(const char *from, size_t n, size_t item_bytes, void *to) {
    for (size_t i = 0; i < n; i++, from += item_bytes) {
        uint16_t two;
        uint32_t four;
        uint64_t eight;
        switch (item_bytes) {
        case 2:
            memcpy(&two, from, 2);
            ((uint16_t *)to)[i] = __builtin_bswap16(two);
            break;
        case 4:
            memcpy(&four, from, 4);
            ((uint32_t *)to)[i] = __builtin_bswap32(four);
            break;
        case 8:
            memcpy(&eight, from, 8);
            ((uint64_t *)to)[i] = __builtin_bswap64(eight);
            break;
        default: ((char *)to)[i] = *from;
        }
    }
}

static mr_status take(struct parser *p, size_t size, const char **out) {
    if ((size_t)(p->end - p->at) < size) return fail(p, "the file ends too early");
    *out = p->at;
    p->at += size;
    return MR_OK;
}

static mr_status take_char(struct parser *p, char *out) {
    if (p->at == p->end) return fail(p, "the file ends too early");
    *out = *p->at++;
    return MR_OK;
}

static mr_status parse_number(struct parser *p, mr_dtype dtype, struct mr_object *out) {
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
    } value;
    const char *bytes = NULL;
    MR_TRY(take(p, mr_dtype_size(dtype), &bytes));
    copy_values(bytes, 1, mr_dtype_size(dtype), &value);
    out->kind = MR_OBJECT_INT;
    switch (dtype) {
    case MR_INT8: out->integer = value.i8; break;
    case MR_UINT8: out->integer = value.u8; break;
    case MR_INT16: out->integer = value.i16; break;
    case MR_INT32: out->integer = value.i32; break;
    case MR_INT64: out->integer = value.i64; break;
    default:
        out->kind = MR_OBJECT_FLOAT;
        out->real = dtype == MR_FLOAT32 ? (double)value.f32 : value.f64;
    }
    return MR_OK;
}

/* A length or a count: an integer, not negative. */
static mr_status parse_count(struct parser *p, size_t *out) {
    char marker = 0;
    MR_TRY(take_char(p, &marker));
    mr_dtype dtype;
    if (!find_dtype(marker, &dtype) || dtype == MR_FLOAT32 || dtype == MR_FLOAT64) {
        return fail(p, "expected a length");
    }
    struct mr_object number;
    MR_TRY(parse_number(p, dtype, &number));
    if (number.integer < 0) return fail(p, "a length is negative");
    *out = (size_t)number.integer;
    return MR_OK;
}

static mr_status parse_text(struct parser *p, struct mr_str *out) {
    size_t size = 0;
    MR_TRY(parse_count(p, &size));
    const char *bytes = NULL;
    MR_TRY(take(p, size, &bytes));
    const char *copy = mr_arena_strdup(p->arena, (struct mr_str){bytes, size});
    if (!copy) return mr_arena_fail(p->arena, p->err);
    *out = (struct mr_str){copy, size};
    return MR_OK;
}

/* Containers -------------------------------------------------------------------------------- */

static mr_status parse_item(struct parser *p, char marker, struct mr_items *items) {
    struct mr_object *item = mr_items_add(items, p->arena);
    return item ? parse_value(p, marker, item) : mr_arena_fail(p->arena, p->err);
}

/* After "[$": type, "#", count and, found but not yet read, the values side by side. */
static mr_status parse_numbers_head(struct parser *p, mr_dtype *dtype, size_t *n) {
    char marker = 0;
    MR_TRY(take_char(p, &marker));
    if (!find_dtype(marker, dtype)) return fail(p, "arrays of that type are not known");
    MR_TRY(take_char(p, &marker));
    if (marker != '#') return fail(p, "expected the length of an array");
    MR_TRY(parse_count(p, n));
    size_t n_most = (size_t)(p->end - p->at) / mr_dtype_size(*dtype);
    return *n <= n_most ? MR_OK : fail(p, "the file ends too early");
}

static mr_status parse_numbers(struct parser *p, struct mr_object *out) {
    mr_dtype dtype;
    size_t n = 0;
    MR_TRY(parse_numbers_head(p, &dtype, &n));
    size_t item_bytes = mr_dtype_size(dtype);
    void *values = mr_arena_array(p->arena, n, item_bytes);
    int64_t *shape = mr_arena_array(p->arena, 1, sizeof(*shape));
    if (!values || !shape) return mr_arena_fail(p->arena, p->err);
    copy_values(p->at, n, item_bytes, values);
    p->at += n * item_bytes;
    *shape = (int64_t)n;
    out->kind = MR_OBJECT_ARRAY;
    out->array = (struct mr_ndarray){.is_known = true,
                                     .dtype = dtype,
                                     .n_dims = 1,
                                     .shape = shape,
                                     .n_values = (int64_t)n,
                                     .values = values};
    return MR_OK;
}

static mr_status parse_array(struct parser *p, struct mr_object *out) {
    char marker = 0;
    MR_TRY(take_char(p, &marker));
    if (marker == '$') return parse_numbers(p, out);
    struct mr_items items = {0};
    if (marker == '#') {
        size_t n = 0;
        MR_TRY(parse_count(p, &n));
        while (items.n < n) {
            MR_TRY(take_char(p, &marker));
            MR_TRY(parse_item(p, marker, &items));
        }
    } else {
        while (marker != ']') {
            MR_TRY(parse_item(p, marker, &items));
            MR_TRY(take_char(p, &marker));
        }
    }
    out->kind = MR_OBJECT_LIST;
    out->list = (struct mr_object_list){items.n, items.data};
    return MR_OK;
}

/* The value of a key. */
static mr_status parse_item_of(struct parser *p, struct mr_str key, char marker,
                               struct mr_items *values) {
    bool is_typed = marker == '[' && p->at < p->end && *p->at == '$';
    if (!is_typed || !mr_key_is_listed(p->unread, key)) return parse_item(p, marker, values);
    mr_dtype dtype;
    size_t n = 0;
    p->at++;
    MR_TRY(parse_numbers_head(p, &dtype, &n));
    p->at += n * mr_dtype_size(dtype);
    return mr_items_add(values, p->arena) ? MR_OK : mr_arena_fail(p->arena, p->err);
}

static mr_status parse_object(struct parser *p, struct mr_object *out) {
    struct mr_items keys = {0}, values = {0};
    while (p->at < p->end && *p->at != '}') {
        struct mr_object *key = mr_items_add(&keys, p->arena);
        if (!key) return mr_arena_fail(p->arena, p->err);
        key->kind = MR_OBJECT_STR;
        MR_TRY(parse_text(p, &key->text));
        char marker = 0;
        MR_TRY(take_char(p, &marker));
        MR_TRY(parse_item_of(p, key->text, marker, &values));
    }
    char brace = 0;
    MR_TRY(take_char(p, &brace));
    out->kind = MR_OBJECT_DICT;
    out->dict = (struct mr_object_dict){keys.n, keys.data, values.data};
    return MR_OK;
}

static mr_status parse_value(struct parser *p, char marker, struct mr_object *out) {
    mr_dtype dtype;
    if (find_dtype(marker, &dtype)) return parse_number(p, dtype, out);
    mr_status status;
    switch (marker) {
    case 'Z': out->kind = MR_OBJECT_NONE; return MR_OK;
    case 'T':
    case 'F':
        out->kind = MR_OBJECT_BOOL;
        out->boolean = marker == 'T';
        return MR_OK;
    case 'C': return parse_number(p, MR_INT8, out);
    case 'S': out->kind = MR_OBJECT_STR; return parse_text(p, &out->text);
    case '[':
    case '{':
        if (p->depth == MAX_DEPTH) return fail(p, "nested too deeply");
        p->depth++;
        status = marker == '[' ? parse_array(p, out) : parse_object(p, out);
        p->depth--;
        return status;
    default: return fail(p, "expected a value");
    }
}

mr_status mr_ubjson_parse(struct mr_str file, const char *const *unread, struct mr_arena *arena,
                          const struct mr_object **out, struct mr_error *err) {
    struct parser p = {.start = file.data,
                       .at = file.data,
                       .end = file.data + file.size,
                       .unread = unread,
                       .arena = arena,
                       .err = err};
    struct mr_object *root = mr_arena_zalloc(arena, sizeof(*root));
    if (!root) return mr_arena_fail(arena, err);
    char marker = 0;
    MR_TRY(take_char(&p, &marker));
    MR_TRY(parse_value(&p, marker, root));
    if (p.at != p.end) return fail(&p, "expected the end of the file");
    *out = root;
    return MR_OK;
}
