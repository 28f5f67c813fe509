#include "schema/signature.h"

#include <yyjson.h>

#include "base/number.h"
#include "schema/params.h"
#include "schema/table.h"

static const struct {
    const char *name;
    mr_dtype dtype;
    bool is_nested;
} col_types[] = {
#define MR_COL_TYPE_ROW(name, text, dtype, is_nested) [name] = {text, dtype, is_nested},
    MR_COL_TYPE_TABLE(MR_COL_TYPE_ROW)
#undef MR_COL_TYPE_ROW
};

const char *mr_col_type_name(mr_col_type type) {
    return col_types[type].name;
}

mr_dtype mr_col_type_dtype(mr_col_type type) {
    return col_types[type].dtype;
}

bool mr_col_type_is_nested(mr_col_type type) {
    return col_types[type].is_nested;
}

bool mr_col_type_find(struct mr_str name, mr_col_type *out) {
    for (int i = 0; i < MR_N_COL_TYPES; i++) {
        if (mr_str_is(name, col_types[i].name)) {
            *out = (mr_col_type)i;
            return true;
        }
    }
    return false;
}

static struct mr_str text_of(yyjson_val *value) {
    return (struct mr_str){yyjson_get_str(value), yyjson_get_len(value)};
}

/* Copies a text into the arena; MR_OK also for an absent one, which becomes size 0. */
static mr_status keep(struct mr_str text, struct mr_arena *arena, struct mr_str *out,
                      struct mr_error *err) {
    *out = (struct mr_str){0};
    if (!text.data) return MR_OK;
    char *copy = mr_arena_strdup(arena, text);
    if (!copy) return mr_arena_fail(arena, err);
    *out = (struct mr_str){copy, text.size};
    return MR_OK;
}

/* Parses one of the signature's JSON lists; *out is NULL when the text is absent or null. The
 * document's memory is the arena's. */
static mr_status parse_list(struct mr_str json, const char *what, struct mr_arena *arena,
                            yyjson_val **out, struct mr_error *err) {
    *out = NULL;
    if (json.size == 0) return MR_OK;
    /* Defaults of params may be what Python's json writes: NaN, integers of any size. */
    yyjson_read_flag flags = YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_BIGNUM_AS_RAW;
    size_t bytes = yyjson_read_max_memory_usage(json.size, flags);
    void *memory = mr_arena_alloc(arena, bytes);
    if (!memory) return mr_arena_fail(arena, err);
    yyjson_alc allocator;
    yyjson_alc_pool_init(&allocator, memory, bytes);
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)json.data, json.size, flags, &allocator,
                                       &fault);
    if (!doc) {
        return mr_fail(err, MR_E_FORMAT, "signature %s: not JSON at byte %zu: %s", what, fault.pos,
                       fault.msg);
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (yyjson_is_null(root)) return MR_OK;
    if (!yyjson_is_arr(root)) {
        return mr_fail(err, MR_E_FORMAT, "signature %s: expected a JSON list, found %s", what,
                       yyjson_get_type_desc(root));
    }
    *out = root;
    return MR_OK;
}

static mr_status read_column(yyjson_val *item, size_t i, struct mr_col_spec *out,
                             struct mr_error *err) {
    struct mr_str type = text_of(yyjson_obj_get(item, "type"));
    if (!mr_col_type_find(type, &out->type)) {
        return mr_fail(err, MR_E_FORMAT, "signature inputs[%zu]: unknown column type \"%.*s\"", i,
                       MR_STR_ARGS(type));
    }
    yyjson_val *required = yyjson_obj_get(item, "required");
    out->is_required = !yyjson_is_false(required);
    return MR_OK;
}

static mr_status read_tensor(yyjson_val *item, size_t i, struct mr_arena *arena,
                             struct mr_tensor_spec *out, struct mr_error *err) {
    yyjson_val *spec = yyjson_obj_get(item, "tensor-spec");
    struct mr_str dtype = text_of(yyjson_obj_get(spec, "dtype"));
    yyjson_val *shape = yyjson_obj_get(spec, "shape");
    if (!dtype.data || !yyjson_is_arr(shape)) {
        return mr_fail(err, MR_E_FORMAT,
                       "signature inputs[%zu]: tensor-spec needs a dtype and a shape", i);
    }
    out->n_dims = yyjson_arr_size(shape);
    if (out->n_dims > MR_MAX_DIMS) {
        return mr_fail(err, MR_E_FORMAT, "signature inputs[%zu]: more than %d dimensions", i,
                       MR_MAX_DIMS);
    }
    int64_t *sizes = mr_arena_array(arena, out->n_dims, sizeof(*sizes));
    if (!sizes) return mr_arena_fail(arena, err);
    yyjson_val *size;
    size_t k, n;
    yyjson_arr_foreach(shape, k, n, size) {
        if (!yyjson_is_int(size) || yyjson_get_sint(size) < -1) {
            return mr_fail(err, MR_E_FORMAT,
                           "signature inputs[%zu]: shape[%zu] is not a size or -1", i, k);
        }
        sizes[k] = yyjson_get_sint(size);
    }
    out->shape = sizes;
    /* np.dtype(...).name: a datetime64 of another unit, or of none, is not ours. */
    out->is_known = mr_dtype_find(dtype, &out->dtype);
    return keep(dtype, arena, &out->dtype_name, err);
}

/* A name is a text, or a number where a DataFrame without column names was looked at. */
static mr_status read_name(yyjson_val *item, size_t i, struct mr_arena *arena, struct mr_str *out,
                           struct mr_signature *signature, struct mr_error *err) {
    yyjson_val *name = yyjson_obj_get(item, "name");
    bool is_number = yyjson_is_int(name);
    if (!name || yyjson_is_null(name)) return MR_OK;
    if (!is_number && !yyjson_is_str(name)) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "signature inputs[%zu]: the name is no text and no integer", i);
    }
    /* x.name or i */
    signature->is_lost |= is_number ? yyjson_get_sint(name) == 0 && i > 0
                                    : yyjson_get_len(name) == 0;
    signature->is_numbered |= is_number;
    if (!is_number) return keep(text_of(name), arena, out, err);
    char digits[MR_INT_CHARS];
    return keep((struct mr_str){digits, mr_int_write(yyjson_get_sint(name), digits)}, arena, out,
                err);
}

static mr_status read_inputs(yyjson_val *list, struct mr_arena *arena, struct mr_signature *out,
                             struct mr_error *err) {
    size_t n = yyjson_arr_size(list);
    if (n == 0) return mr_fail(err, MR_E_FORMAT, "signature inputs: the list is empty");
    bool is_tensor = yyjson_equals_str(yyjson_obj_get(yyjson_arr_get_first(list), "type"),
                                       "tensor");
    struct mr_col_spec *columns = mr_arena_array(arena, is_tensor ? 0 : n, sizeof(*columns));
    struct mr_tensor_spec *tensors = mr_arena_array(arena, is_tensor ? n : 0, sizeof(*tensors));
    if (!columns || !tensors) return mr_arena_fail(arena, err);
    size_t n_named = 0, n_numbered = 0;
    yyjson_val *item;
    size_t i, max;
    yyjson_arr_foreach(list, i, max, item) {
        if (yyjson_equals_str(yyjson_obj_get(item, "type"), "tensor") != is_tensor) {
            return mr_fail(err, MR_E_FORMAT, "signature inputs[%zu]: columns and tensors are mixed",
                           i);
        }
        if (is_tensor) {
            tensors[i] = (struct mr_tensor_spec){0};
            MR_TRY(read_tensor(item, i, arena, &tensors[i], err));
        } else {
            columns[i] = (struct mr_col_spec){0};
            MR_TRY(read_column(item, i, &columns[i], err));
            out->is_nested |= mr_col_type_is_nested(columns[i].type);
        }
        struct mr_str *name = is_tensor ? &tensors[i].name : &columns[i].name;
        MR_TRY(read_name(item, i, arena, name, out, err));
        n_named += name->data != NULL;
        n_numbered += yyjson_is_int(yyjson_obj_get(item, "name"));
    }
    if (n_named != 0 && n_named != n) {
        return mr_fail(err, MR_E_FORMAT, "signature inputs: named and unnamed inputs are mixed");
    }
    if (n_numbered != 0 && n_numbered != n) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "signature inputs: names that are texts and numbers are mixed");
    }
    if (is_tensor && n > 1 && n_named == 0) {
        return mr_fail(err, MR_E_FORMAT, "signature inputs: more than one tensor without a name");
    }
    out->kind = is_tensor ? MR_SCHEMA_TENSORS : MR_SCHEMA_COLUMNS;
    out->has_names = n_named == n;
    out->n_inputs = n;
    out->columns = columns;
    out->tensors = tensors;
    mr_name_map_init(&out->names, arena);
    for (i = 0; out->has_names && i < n; i++) {
        size_t index;
        bool is_new;
        MR_TRY(mr_name_map_add(&out->names, mr_signature_name(out, i), &index, &is_new, err));
    }
    return MR_OK;
}

static mr_status read_param(yyjson_val *item, size_t i, struct mr_arena *arena,
                            struct mr_param_spec *out, struct mr_error *err) {
    /* "dtype" is what MLflow wrote before 2.10 (ParamSpec.from_json_dict). */
    yyjson_val *type = yyjson_obj_get(item, "type");
    if (!type) type = yyjson_obj_get(item, "dtype");
    yyjson_val *name = yyjson_obj_get(item, "name");
    yyjson_val *fallback = yyjson_obj_get(item, "default");
    if (!yyjson_is_str(name) || !fallback || !mr_col_type_find(text_of(type), &out->type) ||
        (mr_col_type_is_nested(out->type) && out->type != MR_COL_OBJECT)) {
        return mr_fail(err, MR_E_FORMAT,
                       "signature params[%zu]: expected a name, a known type and a default", i);
    }
    yyjson_val *shape = yyjson_obj_get(item, "shape");
    out->is_list = yyjson_is_arr(shape);
    if (out->is_list &&
        (yyjson_arr_size(shape) != 1 || yyjson_get_sint(yyjson_arr_get_first(shape)) != -1)) {
        return mr_fail(err, MR_E_FORMAT, "signature params[%zu]: expected shape null or [-1]", i);
    }
    MR_TRY(keep(text_of(name), arena, &out->name, err));
    out->object = item;
    /* ParamSpec.__init__ converts the default as it does a value of a request. */
    mr_status status = mr_param_convert(out, fallback, arena, &out->default_json, err);
    if (status != MR_E_INVALID_PARAMETER && status != MR_E_BAD_REQUEST) return status;
    if (err) err->status = MR_E_FORMAT;
    return MR_E_FORMAT;
}

static mr_status read_params(yyjson_val *list, struct mr_arena *arena, struct mr_signature *out,
                             struct mr_error *err) {
    size_t n = yyjson_arr_size(list);
    struct mr_param_spec *params = mr_arena_array(arena, n, sizeof(*params));
    if (!params) return mr_arena_fail(arena, err);
    yyjson_val *item;
    size_t i, max;
    yyjson_arr_foreach(list, i, max, item) {
        params[i] = (struct mr_param_spec){0};
        MR_TRY(read_param(item, i, arena, &params[i], err));
        for (size_t k = 0; k < i; k++) {
            if (mr_str_equal(params[k].name, params[i].name)) {
                return mr_fail(err, MR_E_FORMAT, "signature params[%zu]: \"%.*s\" is there twice",
                               i, MR_STR_ARGS(params[i].name));
            }
        }
    }
    out->has_params = true;
    out->n_params = n;
    out->params = params;
    return MR_OK;
}

mr_status mr_signature_read(struct mr_str inputs_json, struct mr_str outputs_json,
                            struct mr_str params_json, struct mr_arena *arena,
                            struct mr_signature *out, struct mr_error *err) {
    *out = (struct mr_signature){.kind = MR_SCHEMA_NONE};
    yyjson_val *inputs, *params;
    MR_TRY(parse_list(inputs_json, "inputs", arena, &inputs, err));
    MR_TRY(parse_list(params_json, "params", arena, &params, err));
    if (inputs) MR_TRY(read_inputs(inputs, arena, out, err));
    if (params) MR_TRY(read_params(params, arena, out, err));
    MR_TRY(keep(inputs_json, arena, &out->inputs_json, err));
    MR_TRY(keep(outputs_json, arena, &out->outputs_json, err));
    return keep(params_json, arena, &out->params_json, err);
}

size_t mr_signature_find(const struct mr_signature *signature, struct mr_str name, size_t hint) {
    size_t n = signature->has_names && !signature->is_numbered ? signature->n_inputs : 0;
    if (!n) return MR_NAME_NONE;
    if (hint < n && mr_str_equal(mr_signature_name(signature, hint), name)) return hint;
    if (signature->names.n == n) return mr_name_map_find(&signature->names, name);
    /* Two inputs share a name. */
    while (n > 0 && !mr_str_equal(mr_signature_name(signature, n - 1), name)) n--;
    return n > 0 ? n - 1 : MR_NAME_NONE;
}
