#include "loader/json.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

#include "loader/items_int.h"

#define MAX_DEPTH 64 /* a model of XGBoost has 8 */

/* A number of an array, while it is not known whether all are integers. */
union value {
    int64_t integer;
    double real;
};

struct parser {
    const char *start, *at, *end;
    unsigned depth;
    const char *const *unread;
    union value *values; /* of the array of numbers that is being read */
    size_t capacity;
    struct mr_arena *arena;
    struct mr_error *err;
};

static mr_status parse_value(struct parser *p, struct mr_object *out);

static mr_status fail(const struct parser *p, const char *what) {
    return mr_fail(p->err, MR_E_FORMAT, "JSON, byte %zu: %s", (size_t)(p->at - p->start), what);
}

/* The next character behind white space; NUL at the end. */
static char skip_space(struct parser *p) {
    while (p->at < p->end &&
           (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r')) {
        p->at++;
    }
    return p->at < p->end ? *p->at : '\0';
}

/* The same behind a comma, or behind `close`, which ends a container: false. */
static mr_status parse_comma(struct parser *p, char close, bool *goes_on) {
    char next = skip_space(p);
    *goes_on = next == ',';
    if (next != ',' && next != close) return fail(p, "expected a comma, or the end of a container");
    p->at++;
    return MR_OK;
}

/* Texts ------------------------------------------------------------------------------------- */

/* Where the text ends that begins behind the opening quote; NULL: nowhere. is_plain: whether it
 * means what it says, without escapes, and is ASCII. */
static const char *find_quote(const struct parser *p, bool *is_plain) {
    *is_plain = true;
    for (const char *at = p->at + 1; at < p->end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"') return at;
        if (c < 0x20 || c >= 0x7f) *is_plain = false;
        if (c != '\\') continue;
        *is_plain = false;
        at++;
    }
    return NULL;
}

/* A text with escapes or other letters, quotes included, is a document for yyjson. */
static mr_status parse_escaped(struct parser *p, size_t size, struct mr_str *out) {
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)p->at, size, 0, NULL, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return mr_fail(p->err, MR_E_NO_MEMORY, "out of memory");
    }
    p->at += doc ? 0 : why.pos;
    if (!doc) return fail(p, why.msg);
    yyjson_val *text = yyjson_doc_get_root(doc);
    *out = (struct mr_str){.size = yyjson_get_len(text)};
    out->data = mr_arena_strdup(p->arena, (struct mr_str){yyjson_get_str(text), out->size});
    yyjson_doc_free(doc);
    return out->data ? MR_OK : mr_arena_fail(p->arena, p->err);
}

static mr_status parse_text(struct parser *p, struct mr_str *out) {
    bool is_plain;
    const char *quote = find_quote(p, &is_plain);
    if (!quote) return fail(p, "a text does not end");
    size_t size = (size_t)(quote + 1 - p->at);
    if (is_plain) {
        *out = (struct mr_str){.size = size - 2};
        out->data = mr_arena_strdup(p->arena, (struct mr_str){p->at + 1, size - 2});
        if (!out->data) return mr_arena_fail(p->arena, p->err);
    } else {
        MR_TRY(parse_escaped(p, size, out));
    }
    p->at = quote + 1;
    return MR_OK;
}

/* Numbers ----------------------------------------------------------------------------------- */

struct number {
    bool is_integer; /* one that fits int64 */
    int64_t integer;
    double real;
};

/* Whether a double lies midway between two floats. Only then are its last 28 bits zero, but for
 * those of a float itself. */
static bool is_between_floats(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (bits & 0x0fffffff) return false;
    float rounded = (float)value;
    double error = fabs(value - (double)rounded);
    float other = nextafterf(rounded, value > (double)rounded ? INFINITY : -INFINITY);
    return error > 0 && error == fabs((double)other - value);
}

/* Reads a number, or one of the literals NaN and Infinity. False: there is none. */
static bool take_number(struct parser *p, struct number *out) {
    yyjson_val value;
    const char *text = p->at;
    const char *end = yyjson_read_number(text, &value, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
    if (!end || end > p->end) return false;
    p->at = end;
    if (yyjson_is_sint(&value) || (yyjson_is_uint(&value) && value.uni.u64 <= INT64_MAX)) {
        *out = (struct number){true, value.uni.i64, (double)value.uni.i64};
        return true;
    }
    *out = (struct number){.real = yyjson_get_num(&value)};
    if (!is_between_floats(out->real)) return true;
    float rounded = strtof(text, NULL);
    if (rounded != (float)out->real) out->real = nextafter(out->real, (double)rounded);
    return true;
}

static mr_status parse_number(struct parser *p, struct mr_object *out) {
    struct number number;
    if (!take_number(p, &number)) return fail(p, "expected a value");
    out->kind = number.is_integer ? MR_OBJECT_INT : MR_OBJECT_FLOAT;
    if (number.is_integer) {
        out->integer = number.integer;
    } else {
        out->real = number.real;
    }
    return MR_OK;
}

/* Arrays of numbers ------------------------------------------------------------------------- */

static const char *skip_digits(const char *at) {
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

/* Behind a number by the grammar of JSON; NULL: there is none. What follows the file ends it. */
static const char *skip_number(const char *at) {
    if (*at == '-') at++;
    const char *digits = at;
    at = skip_digits(at);
    if (at == digits || (*digits == '0' && at > digits + 1)) return NULL;
    if (*at == '.') {
        digits = ++at;
        at = skip_digits(at);
        if (at == digits) return NULL;
    }
    if (*at != 'e' && *at != 'E') return at;
    at++;
    if (*at == '+' || *at == '-') at++;
    digits = at;
    at = skip_digits(at);
    return at > digits ? at : NULL;
}

/* Goes behind an array of numbers, from its first item on; false: it is something else, too. */
static bool skip_numbers(struct parser *p) {
    for (;;) {
        if (skip_space(p) == '\0') return false;
        const char *at = skip_number(p->at);
        if (!at || at > p->end) return false;
        p->at = at;
        char next = skip_space(p);
        if (next != ',' && next != ']') return false;
        p->at++;
        if (next == ']') return true;
    }
}

static mr_status add_value(struct parser *p, size_t n, union value value) {
    if (n == p->capacity) {
        size_t capacity = n ? 2 * n : 1024;
        void *grown = realloc(p->values, capacity * sizeof(*p->values));
        if (!grown) return mr_fail(p->err, MR_E_NO_MEMORY, "out of memory");
        p->values = grown;
        p->capacity = capacity;
    }
    p->values[n] = value;
    return MR_OK;
}

/* Reads an array of numbers, from its first item on. *n: how many; 0: it is no such array, though
 * it may begin so. */
static mr_status take_numbers(struct parser *p, size_t *n, bool *are_integers) {
    struct number number;
    size_t n_taken = 0;
    *n = 0;
    *are_integers = true;
    for (bool goes_on = true; goes_on;) {
        char next = skip_space(p);
        bool is_null = next == 'n' && p->end - p->at >= 4 && memcmp(p->at, "null", 4) == 0;
        if (next == '\0' || is_null || !take_number(p, &number)) return MR_OK;
        if (*are_integers && !number.is_integer) {
            *are_integers = false;
            for (size_t i = 0; i < n_taken; i++) {
                p->values[i].real = (double)p->values[i].integer;
            }
        }
        union value value = {.integer = number.integer};
        if (!*are_integers) value.real = number.real;
        MR_TRY(add_value(p, n_taken++, value));
        MR_TRY(parse_comma(p, ']', &goes_on));
    }
    *n = n_taken;
    return MR_OK;
}

static mr_status copy_numbers(struct parser *p, size_t n, bool are_integers,
                              struct mr_object *out) {
    void *values = mr_arena_array(p->arena, n, sizeof(*p->values));
    int64_t *shape = mr_arena_array(p->arena, 1, sizeof(*shape));
    if (!values || !shape) return mr_arena_fail(p->arena, p->err);
    memcpy(values, p->values, n * sizeof(*p->values));
    *shape = (int64_t)n;
    out->kind = MR_OBJECT_ARRAY;
    out->array = (struct mr_ndarray){.is_known = true,
                                     .dtype = are_integers ? MR_INT64 : MR_FLOAT64,
                                     .n_dims = 1,
                                     .shape = shape,
                                     .n_values = (int64_t)n,
                                     .values = values};
    return MR_OK;
}

/* Containers -------------------------------------------------------------------------------- */

static mr_status parse_list(struct parser *p, struct mr_object *out) {
    struct mr_items items = {0};
    bool goes_on = skip_space(p) != ']';
    if (!goes_on) p->at++;
    while (goes_on) {
        struct mr_object *item = mr_items_add(&items, p->arena);
        if (!item) return mr_arena_fail(p->arena, p->err);
        MR_TRY(parse_value(p, item));
        MR_TRY(parse_comma(p, ']', &goes_on));
    }
    out->kind = MR_OBJECT_LIST;
    out->list = (struct mr_object_list){items.n, items.data};
    return MR_OK;
}

static mr_status parse_array(struct parser *p, bool is_unread, struct mr_object *out) {
    const char *first = ++p->at;
    size_t n;
    bool are_integers;
    if (is_unread && skip_numbers(p)) return MR_OK;
    p->at = first;
    MR_TRY(take_numbers(p, &n, &are_integers));
    if (n) return copy_numbers(p, n, are_integers, out);
    p->at = first;
    return parse_list(p, out);
}

static mr_status parse_pair(struct parser *p, struct mr_object *key, struct mr_object *value) {
    if (skip_space(p) != '"') return fail(p, "expected a key");
    key->kind = MR_OBJECT_STR;
    MR_TRY(parse_text(p, &key->text));
    if (skip_space(p) != ':') return fail(p, "expected a colon");
    p->at++;
    bool is_unread = skip_space(p) == '[' && mr_key_is_listed(p->unread, key->text);
    return is_unread ? parse_array(p, true, value) : parse_value(p, value);
}

static mr_status parse_object(struct parser *p, struct mr_object *out) {
    struct mr_items keys = {0}, values = {0};
    p->at++;
    bool goes_on = skip_space(p) != '}';
    if (!goes_on) p->at++;
    while (goes_on) {
        struct mr_object *key = mr_items_add(&keys, p->arena);
        struct mr_object *value = mr_items_add(&values, p->arena);
        if (!key || !value) return mr_arena_fail(p->arena, p->err);
        MR_TRY(parse_pair(p, key, value));
        MR_TRY(parse_comma(p, '}', &goes_on));
    }
    out->kind = MR_OBJECT_DICT;
    out->dict = (struct mr_object_dict){keys.n, keys.data, values.data};
    return MR_OK;
}

static mr_status parse_nested(struct parser *p, struct mr_object *out) {
    if (p->depth == MAX_DEPTH) return fail(p, "nested too deeply");
    p->depth++;
    mr_status status = *p->at == '[' ? parse_array(p, false, out) : parse_object(p, out);
    p->depth--;
    return status;
}

static bool take_literal(struct parser *p, const char *literal) {
    size_t size = strlen(literal);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, literal, size) != 0) return false;
    p->at += size;
    return true;
}

static mr_status parse_value(struct parser *p, struct mr_object *out) {
    switch (skip_space(p)) {
    case '\0': return fail(p, "expected a value");
    case '"': out->kind = MR_OBJECT_STR; return parse_text(p, &out->text);
    case '[':
    case '{': return parse_nested(p, out);
    default: break;
    }
    if (take_literal(p, "null")) return MR_OK;
    out->boolean = take_literal(p, "true");
    if (!out->boolean && !take_literal(p, "false")) return parse_number(p, out);
    out->kind = MR_OBJECT_BOOL;
    return MR_OK;
}

static mr_status parse_document(struct parser *p, struct mr_object *root) {
    MR_TRY(parse_value(p, root));
    skip_space(p);
    return p->at == p->end ? MR_OK : fail(p, "expected the end of the file");
}

mr_status mr_json_object_parse(struct mr_str file, const char *const *unread,
                               struct mr_arena *arena, const struct mr_object **out,
                               struct mr_error *err) {
    struct mr_object *root = mr_arena_zalloc(arena, sizeof(*root));
    if (!root) return mr_arena_fail(arena, err);
    struct parser p = {.start = file.data,
                       .at = file.data,
                       .end = file.data + file.size,
                       .unread = unread,
                       .arena = arena,
                       .err = err};
    mr_status status = parse_document(&p, root);
    free(p.values);
    if (status == MR_OK) *out = root;
    return status;
}
