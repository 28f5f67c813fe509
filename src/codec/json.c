#include <stdio.h>

#include "base/utf8.h"
#include "codec/json_int.h"
#include "schema/py_value.h"

/* SUPPORTED_FORMATS of the scoring server, and who decodes each. */
static const struct {
    const char *key;
    mr_status (*decode)(yyjson_val *value, const struct mr_signature *signature,
                        struct mr_arena *arena, struct mr_decoded *out, struct mr_error *err);
} formats[] = {{"dataframe_split", mr_json_decode_split},
               {"dataframe_records", mr_json_decode_records},
               {"instances", mr_json_decode_instances},
               {"inputs", mr_json_decode_inputs}};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

/* What stands at the top level of a body. */
struct top_level {
    yyjson_val *values[N_FORMATS]; /* the last value under each format key; NULL: none */
    yyjson_val *params;
    yyjson_val *stream;
    bool is_llm; /* is_unified_llm_input: mlflow/pyfunc/utils/serving_data_parser.py */
};

static void read_top_level(yyjson_val *root, struct top_level *top) {
    static const char *const llm_keys[] = {"messages", "prompt", "input"};
    *top = (struct top_level){0};
    yyjson_obj_iter iter = yyjson_obj_iter_with(root);
    yyjson_val *name;
    while ((name = yyjson_obj_iter_next(&iter))) {
        struct mr_str key = {yyjson_get_str(name), yyjson_get_len(name)};
        for (size_t i = 0; i < N_FORMATS; i++) {
            if (mr_str_is(key, formats[i].key)) top->values[i] = yyjson_obj_iter_get_val(name);
        }
        if (mr_str_is(key, "params")) top->params = yyjson_obj_iter_get_val(name);
        if (mr_str_is(key, "stream")) top->stream = yyjson_obj_iter_get_val(name);
        for (size_t i = 0; i < 3; i++) top->is_llm |= mr_str_is(key, llm_keys[i]);
    }
}

/* The keys of an object for a message, cut to fit. */
static void list_keys(yyjson_val *root, char *out, size_t size) {
    size_t used = 0;
    yyjson_obj_iter iter = yyjson_obj_iter_with(root);
    yyjson_val *name;
    snprintf(out, size, "none");
    while ((name = yyjson_obj_iter_next(&iter)) && used < size) {
        struct mr_str key = {yyjson_get_str(name), yyjson_get_len(name)};
        if (key.size > 40) key.size = mr_utf8_floor(key.data, 40);
        int n = snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", MR_STR_ARGS(key));
        used += n > 0 ? (size_t)n : 0;
    }
}

static mr_status format_error(yyjson_val *root, struct mr_error *err) {
    char keys[256];
    list_keys(root, keys, sizeof(keys));
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "expected a JSON object with exactly one of dataframe_split, "
                   "dataframe_records, instances, inputs; received the keys: %s",
                   keys);
}

static mr_status raw_lane(const char *reason, struct mr_decoded *out) {
    out->input.kind = MR_INPUT_RAW;
    out->input.raw_reason = reason;
    return MR_OK;
}

/* MLflow answers a bare list with 400 although its documentation shows one: here it is records. */
static bool is_bare_records(yyjson_val *root) {
    return yyjson_is_obj(yyjson_arr_get_first(root));
}

/* _decode_json_input, _split_data_and_params and infer_and_parse_data
 * (mlflow/pyfunc/scoring_server/__init__.py). */
static mr_status decode_root(yyjson_val *root, const struct mr_signature *signature,
                             struct mr_arena *arena, struct mr_decoded *out, struct mr_error *err) {
    if (is_bare_records(root)) {
        if (signature->is_nested) return raw_lane("a nested column", out);
        return mr_json_decode_records(root, signature, arena, out, err);
    }
    if (!yyjson_is_obj(root)) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "expected a JSON object with exactly one of dataframe_split, "
                       "dataframe_records, instances, inputs; received %s",
                       mr_py_kind_name(mr_py_kind_of(root)));
    }
    struct top_level top;
    read_top_level(root, &top);
    out->wants_stream = yyjson_is_true(top.is_llm ? top.stream
                                                  : yyjson_obj_get(top.params, "stream"));
    if (top.is_llm) return mr_json_decode_llm(root, signature, arena, out, err);
    out->params = top.params;
    size_t n_found = 0, format = 0;
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (!top.values[i]) continue;
        format = i;
        n_found++;
    }
    if (n_found != 1) return format_error(root, err);
    if (signature->is_nested) return raw_lane("a nested column", out);
    return formats[format].decode(top.values[format], signature, arena, out, err);
}

mr_status mr_json_decode(char *body, size_t body_size, size_t body_capacity,
                         const struct mr_signature *signature, struct mr_arena *arena,
                         struct mr_decoded *out, struct mr_error *err) {
    *out = (struct mr_decoded){0};
    yyjson_val *root;
    MR_TRY(mr_json_parse(body, body_size, body_capacity, arena, &root, &out->has_surrogates, err));
    return decode_root(root, signature, arena, out, err);
}
