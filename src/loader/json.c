#include "loader/json.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

#define MAX_DEPTH 64 /* a model of XGBoost has 8 */

struct converter {
    struct mr_arena *arena;
    struct mr_error *err;
    unsigned depth;
};

static mr_status convert(struct converter *c, yyjson_val *from, struct mr_object *out);

static mr_status copy_text(struct converter *c, yyjson_val *from, struct mr_str *out) {
    struct mr_str text = {yyjson_get_str(from), yyjson_get_len(from)};
    const char *copy = mr_arena_strdup(c->arena, text);
    if (!copy) return mr_arena_fail(c->arena, c->err);
    *out = (struct mr_str){copy, text.size};
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

/* yyjson was told to leave numbers as their text, which a NUL follows. */
static struct number read_number(yyjson_val *from) {
    const char *text = yyjson_get_raw(from);
    yyjson_val value;
    if (!yyjson_read_number(text, &value, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL)) {
        return (struct number){.real = NAN}; /* it took the same text for a number */
    }
    if (yyjson_is_sint(&value) || (yyjson_is_uint(&value) && value.uni.u64 <= INT64_MAX)) {
        return (struct number){true, value.uni.i64, (double)value.uni.i64};
    }
    struct number number = {.real = yyjson_get_num(&value)};
    if (!is_between_floats(number.real)) return number;
    float rounded = strtof(text, NULL);
    if (rounded != (float)number.real) number.real = nextafter(number.real, (double)rounded);
    return number;
}

static void convert_number(yyjson_val *from, struct mr_object *out) {
    struct number number = read_number(from);
    out->kind = number.is_integer ? MR_OBJECT_INT : MR_OBJECT_FLOAT;
    if (number.is_integer) {
        out->integer = number.integer;
    } else {
        out->real = number.real;
    }
}

/* Containers -------------------------------------------------------------------------------- */

static mr_status convert_numbers(struct converter *c, yyjson_val *from, struct mr_object *out) {
    size_t n = yyjson_arr_size(from);
    union {
        int64_t integer;
        double real;
    } *values = mr_arena_array(c->arena, n, sizeof(*values));
    int64_t *shape = mr_arena_array(c->arena, 1, sizeof(*shape));
    if (!values || !shape) return mr_arena_fail(c->arena, c->err);
    *shape = (int64_t)n;
    size_t i, max;
    yyjson_val *item;
    bool is_integer = true;
    yyjson_arr_foreach(from, i, max, item) {
        struct number number = read_number(item);
        is_integer = number.is_integer;
        if (!is_integer) break;
        values[i].integer = number.integer;
    }
    if (!is_integer) {
        yyjson_arr_foreach(from, i, max, item) values[i].real = read_number(item).real;
    }
    out->kind = MR_OBJECT_ARRAY;
    out->array = (struct mr_ndarray){.is_known = true,
                                     .dtype = is_integer ? MR_INT64 : MR_FLOAT64,
                                     .n_dims = 1,
                                     .shape = shape,
                                     .n_values = (int64_t)n,
                                     .values = values};
    return MR_OK;
}

static bool are_numbers(yyjson_val *array) {
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(array, i, max, item) {
        if (!yyjson_is_raw(item)) return false;
    }
    return yyjson_arr_size(array) > 0;
}

static mr_status convert_array(struct converter *c, yyjson_val *from, struct mr_object *out) {
    if (are_numbers(from)) return convert_numbers(c, from, out);
    size_t n = yyjson_arr_size(from);
    struct mr_object *objects = mr_arena_zalloc(c->arena, n * sizeof(*objects));
    const struct mr_object **items = mr_arena_array(c->arena, n, sizeof(*items));
    if (!objects || !items) return mr_arena_fail(c->arena, c->err);
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(from, i, max, item) {
        MR_TRY(convert(c, item, &objects[i]));
        items[i] = &objects[i];
    }
    out->kind = MR_OBJECT_LIST;
    out->list = (struct mr_object_list){n, items};
    return MR_OK;
}

static mr_status convert_object(struct converter *c, yyjson_val *from, struct mr_object *out) {
    size_t n = yyjson_obj_size(from);
    struct mr_object *objects = mr_arena_zalloc(c->arena, 2 * n * sizeof(*objects));
    const struct mr_object **items = mr_arena_array(c->arena, 2 * n, sizeof(*items));
    if (!objects || !items) return mr_arena_fail(c->arena, c->err);
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(from, i, max, key, value) {
        objects[i].kind = MR_OBJECT_STR;
        MR_TRY(copy_text(c, key, &objects[i].text));
        MR_TRY(convert(c, value, &objects[n + i]));
        items[i] = &objects[i];
        items[n + i] = &objects[n + i];
    }
    out->kind = MR_OBJECT_DICT;
    out->dict = (struct mr_object_dict){n, items, items + n};
    return MR_OK;
}

static mr_status convert_nested(struct converter *c, yyjson_val *from, struct mr_object *out) {
    if (c->depth == MAX_DEPTH) return mr_fail(c->err, MR_E_FORMAT, "JSON nested too deeply");
    c->depth++;
    mr_status status = yyjson_is_arr(from) ? convert_array(c, from, out)
                                           : convert_object(c, from, out);
    c->depth--;
    return status;
}

static mr_status convert(struct converter *c, yyjson_val *from, struct mr_object *out) {
    switch (yyjson_get_type(from)) {
    case YYJSON_TYPE_RAW: convert_number(from, out); return MR_OK;
    case YYJSON_TYPE_BOOL:
        out->kind = MR_OBJECT_BOOL;
        out->boolean = yyjson_get_bool(from);
        return MR_OK;
    case YYJSON_TYPE_STR: out->kind = MR_OBJECT_STR; return copy_text(c, from, &out->text);
    case YYJSON_TYPE_ARR:
    case YYJSON_TYPE_OBJ: return convert_nested(c, from, out);
    default: out->kind = MR_OBJECT_NONE; return MR_OK;
    }
}

/* Document ---------------------------------------------------------------------------------- */

static void *allocate(void *arena, size_t size) {
    return mr_arena_alloc(arena, size);
}

static void *reallocate(void *arena, void *old, size_t old_size, size_t size) {
    return mr_arena_realloc(arena, old, old_size, size);
}

static void release(void *arena, void *block) {
    (void)arena;
    (void)block;
}

/* doc_arena: what yyjson makes of the file; several times its size. */
static mr_status parse(struct mr_str file, struct mr_arena *doc_arena, struct mr_arena *arena,
                       struct mr_object *root, struct mr_error *err) {
    const yyjson_alc allocator = {allocate, reallocate, release, doc_arena};
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)file.data, file.size,
                                       YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_ALLOW_INF_AND_NAN,
                                       &allocator, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    if (!doc) return mr_fail(err, MR_E_FORMAT, "JSON, byte %zu: %s", why.pos, why.msg);
    struct converter c = {arena, err, 0};
    return convert(&c, yyjson_doc_get_root(doc), root);
}

mr_status mr_json_object_parse(struct mr_str file, struct mr_arena *arena,
                               const struct mr_object **out, struct mr_error *err) {
    struct mr_object *root = mr_arena_zalloc(arena, sizeof(*root));
    if (!root) return mr_arena_fail(arena, err);
    struct mr_arena *doc_arena = mr_arena_new_large(0);
    if (!doc_arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = parse(file, doc_arena, arena, root, err);
    mr_arena_free(doc_arena);
    if (status == MR_OK) *out = root;
    return status;
}
