#include "schema/params.h"

#include <math.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "schema/enforce.h"
#include "schema/ndarray.h"
#include "schema/ndarray_item.h"
#include "schema/numpy_datetime.h"
#include "schema/param_object.h"
#include "schema/py_value.h"

#define MR_PY_ANY_INT (MR_PY_INT | MR_PY_UINT | MR_PY_BIG)

/* --- JSON out -------------------------------------------------------------------------------- */

/* Texts may hold lone surrogates, which JSON has as escapes only. */
static void write_string(struct mr_str text, struct mr_buf *out) {
    mr_buf_char(out, '"');
    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        unsigned c = mr_utf8_next(text.data, text.size, &at);
        if (c < 0x20 || (c >= 0xD800 && c <= 0xDFFF)) {
            mr_buf_format(out, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') mr_buf_char(out, '\\');
            mr_buf_append(out, text.data + start, at - start);
        }
    }
    mr_buf_char(out, '"');
}

static void write_double(double value, struct mr_buf *out) {
    if (isnan(value)) {
        mr_buf_text(out, "NaN");
    } else if (isinf(value)) {
        mr_buf_text(out, value < 0 ? "-Infinity" : "Infinity");
    } else {
        mr_buf_double(out, value);
    }
}

static void *arena_malloc(void *arena, size_t size) {
    return mr_arena_alloc(arena, size);
}

static void *arena_realloc(void *arena, void *old, size_t old_size, size_t size) {
    return mr_arena_realloc(arena, old, old_size, size);
}

static void arena_free(void *arena, void *block) {
    (void)arena;
    (void)block;
}

/* A dict as it came. */
static mr_status write_any(yyjson_val *value, struct mr_buf *out, struct mr_error *err) {
    const yyjson_alc allocator = {arena_malloc, arena_realloc, arena_free, out->arena};
    size_t size;
    char *text = yyjson_val_write_opts(
        value, YYJSON_WRITE_ALLOW_INF_AND_NAN | YYJSON_WRITE_ALLOW_INVALID_UNICODE, &allocator,
        &size, NULL);
    if (!text) return mr_arena_fail(out->arena, err);
    mr_buf_append(out, text, size);
    return MR_OK;
}

/* --- one value ------------------------------------------------------------------------------- */

static mr_status fail(const struct mr_param_spec *spec, yyjson_val *value, const char *fault,
                      struct mr_error *err) {
    char received[96];
    mr_py_describe(value, received, sizeof(received));
    return mr_fail(err, MR_E_INVALID_PARAMETER, "param '%.*s': expected %s%s, received %s%s%s",
                   MR_STR_ARGS(spec->name), mr_col_type_name(spec->type),
                   spec->is_list ? " (a list of them)" : "", received, fault ? ": " : "",
                   fault ? fault : "");
}

/* np.datetime64(value).item() */
static mr_status convert_datetime(const struct mr_param_spec *spec, yyjson_val *value,
                                  struct mr_buf *out, struct mr_error *err) {
    char text[MR_NUMPY_ISO_CHARS];
    size_t size;
    const char *fault = NULL;
    if (!yyjson_is_str(value) || !mr_numpy_datetime_iso(mr_py_text(value), text, &size, &fault)) {
        return fail(spec, value, fault, err);
    }
    if (size == 0) {
        mr_buf_text(out, "null"); /* the item of NaT is None */
    } else {
        write_string((struct mr_str){text, size}, out);
    }
    return MR_OK;
}

/* Types must match exactly (DataType.check_type), but ints may be floats. */
static bool is_allowed(mr_col_type type, mr_py_kind kind) {
    switch (type) {
    case MR_COL_BOOLEAN: return kind == MR_PY_BOOL;
    case MR_COL_INTEGER:
    case MR_COL_LONG: return kind & MR_PY_ANY_INT;
    case MR_COL_FLOAT:
    case MR_COL_DOUBLE: return kind & (MR_PY_FLOAT | MR_PY_ANY_INT);
    case MR_COL_STRING: return kind == MR_PY_STR;
    default: return false;
    }
}

/* _enforce_param_datatype */
static mr_status convert_value(const struct mr_param_spec *spec, yyjson_val *value,
                               struct mr_buf *out, struct mr_error *err) {
    mr_py_kind kind = mr_py_kind_of(value);
    if (kind == MR_PY_NONE) {
        mr_buf_text(out, "null");
        return MR_OK;
    }
    if (spec->type == MR_COL_DATETIME) return convert_datetime(spec, value, out, err);
    if (!is_allowed(spec->type, kind)) return fail(spec, value, NULL, err);
    if (spec->type == MR_COL_FLOAT || spec->type == MR_COL_DOUBLE) {
        double number;
        if (mr_item_double(value, &number) != MR_ITEM_OK) {
            return fail(spec, value, "it is too large for a float", err);
        }
        write_double(number, out);
    } else if (kind == MR_PY_STR) {
        write_string(mr_py_text(value), out);
    } else if (kind == MR_PY_BOOL) {
        mr_buf_text(out, yyjson_get_bool(value) ? "true" : "false");
    } else {
        char room[MR_PY_STR_CHARS];
        struct mr_str text = mr_py_str(value, room);
        mr_buf_append(out, text.data, text.size);
    }
    return MR_OK;
}

/* --- lists ----------------------------------------------------------------------------------- */

/* np.array(value).ndim must be 1; ragged lists raise a ValueError that MLflow does not expect. */
static mr_status check_flat(const struct mr_param_spec *spec, yyjson_val *list,
                            struct mr_arena *arena, struct mr_error *err) {
    yyjson_val *item;
    size_t i, n;
    bool has_lists = false;
    yyjson_arr_foreach(list, i, n, item) has_lists |= yyjson_is_arr(item);
    if (!has_lists) return MR_OK;
    struct mr_ndarray_source source = {"param", spec->name, &list, MR_NDARRAY_ONE};
    struct mr_tensor dropped;
    MR_TRY(mr_ndarray_infer(&source, arena, &dropped, err));
    return fail(spec, list, "it holds lists", err);
}

static mr_status convert_list(const struct mr_param_spec *spec, yyjson_val *list,
                              struct mr_arena *arena, struct mr_buf *out, struct mr_error *err) {
    if (!yyjson_is_arr(list)) return fail(spec, list, NULL, err);
    MR_TRY(check_flat(spec, list, arena, err));
    yyjson_val *item;
    size_t i, n;
    mr_buf_char(out, '[');
    yyjson_arr_foreach(list, i, n, item) {
        if (i) mr_buf_text(out, ", ");
        MR_TRY(convert_value(spec, item, out, err));
    }
    mr_buf_char(out, ']');
    return MR_OK;
}

mr_status mr_param_convert(const struct mr_param_spec *spec, yyjson_val *value,
                           struct mr_arena *arena, struct mr_str *json, struct mr_error *err) {
    struct mr_buf out;
    mr_buf_init(&out, arena);
    if (spec->is_list) {
        MR_TRY(convert_list(spec, value, arena, &out, err));
    } else if (spec->type == MR_COL_OBJECT) {
        if (!yyjson_is_obj(value)) return fail(spec, value, NULL, err);
        MR_TRY(mr_param_object_check(value, spec->object, arena, err));
        MR_TRY(write_any(value, &out, err));
    } else {
        MR_TRY(convert_value(spec, value, &out, err));
    }
    *json = mr_buf_str(&out);
    return mr_buf_status(&out, err);
}

/* --- a request ------------------------------------------------------------------------------- */

static size_t find_param(const struct mr_signature *signature, yyjson_val *key) {
    struct mr_str name = {yyjson_get_str(key), yyjson_get_len(key)};
    size_t i = 0;
    while (i < signature->n_params && !mr_str_equal(signature->params[i].name, name)) i++;
    return i;
}

/* The params of a request on their way into the result. */
struct given {
    yyjson_val *value; /* NULL: not given */
    size_t place;      /* in the result */
};

static mr_status convert_given(const struct mr_signature *signature, const struct given *given,
                               size_t n_given, struct mr_arena *arena, struct mr_param *items,
                               struct mr_error *err) {
    mr_status result = MR_OK;
    for (size_t i = 0; i < signature->n_params; i++) {
        const struct mr_param_spec *spec = &signature->params[i];
        if (!given[i].value) {
            items[n_given++] = (struct mr_param){spec->name, spec->default_json};
            continue;
        }
        struct mr_param *item = &items[given[i].place];
        item->name = spec->name;
        /* MLflow collects what is invalid; any other exception ends the request at once. */
        struct mr_error later;
        mr_status status = mr_param_convert(spec, given[i].value, arena, &item->json,
                                            result == MR_OK ? err : &later);
        if (status != MR_OK && status != MR_E_INVALID_PARAMETER) {
            if (err && result != MR_OK) *err = later;
            return status;
        }
        if (result == MR_OK) result = status;
    }
    return result;
}

mr_status mr_enforce_params(const struct mr_signature *signature, yyjson_val *params,
                            struct mr_arena *arena, struct mr_params *out, struct mr_error *err) {
    *out = (struct mr_params){.is_given = params && !yyjson_is_null(params)};
    if (!signature->has_params) return MR_OK;
    if (params && !yyjson_is_null(params) && !yyjson_is_obj(params)) {
        char received[96];
        mr_py_describe(params, received, sizeof(received));
        return mr_fail(err, MR_E_INVALID_PARAMETER, "params: expected a dict, received %s",
                       received);
    }
    size_t n_given = 0;
    struct given *given = mr_arena_zalloc(arena, signature->n_params * sizeof(*given));
    struct mr_param *items = mr_arena_array(arena, signature->n_params, sizeof(*items));
    if (!given || !items) return mr_arena_fail(arena, err);
    yyjson_obj_iter iter = yyjson_obj_iter_with(params); /* none for NULL and null */
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        size_t k = find_param(signature, key);
        if (k == signature->n_params) continue; /* MLflow warns in its log and goes on */
        if (!given[k].value) given[k].place = n_given++;
        given[k].value = yyjson_obj_iter_get_val(key);
    }
    MR_TRY(convert_given(signature, given, n_given, arena, items, err));
    out->n = signature->n_params;
    out->n_given = n_given;
    out->items = items;
    return MR_OK;
}
