#include "engine/pyproc/loaded.h"

#include <yyjson.h>

#include "base/utf8.h"
#include "engine/pyproc/wire.h"

/* The document of a JSON object; NULL with *err when it is none. */
static yyjson_doc *read_object(struct mr_str json, const char *what, struct mr_error *err) {
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_opts((char *)json.data, json.size, 0, NULL, &fault);
    if (doc && yyjson_is_obj(yyjson_doc_get_root(doc))) return doc;
    yyjson_doc_free(doc);
    mr_fail(err, MR_E_FORMAT, "%s holds no JSON object%s%s", what, doc ? "" : ": ",
            doc ? "" : fault.msg);
    return NULL;
}

static mr_status wrong_member(const char *key, const char *expected, struct mr_error *err) {
    return mr_fail(err, MR_E_FORMAT, "LOADED: \"%s\" is missing or not %s", key, expected);
}

static mr_status read_text(yyjson_val *object, const char *key, size_t capacity, char *out,
                           struct mr_error *err) {
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_str(value)) return wrong_member(key, "a text", err);
    const char *text = yyjson_get_str(value);
    size_t size = yyjson_get_len(value);
    if (size >= capacity) size = mr_utf8_floor(text, capacity - 1);
    memcpy(out, text, size);
    out[size] = '\0';
    return MR_OK;
}

static mr_status read_bool(yyjson_val *object, const char *key, bool *out, struct mr_error *err) {
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_bool(value)) return wrong_member(key, "a boolean", err);
    *out = yyjson_get_bool(value);
    return MR_OK;
}

static mr_status read_warm_up_end(yyjson_val *object, mr_warm_up *out, struct mr_error *err) {
    yyjson_val *value = yyjson_obj_get(object, "is_warm");
    bool is_warm = false;
    *out = MR_WARM_UP_UNKNOWN;
    if (yyjson_is_null(value)) return MR_OK;
    MR_TRY(read_bool(object, "is_warm", &is_warm, err));
    *out = is_warm ? MR_WARM_UP_DONE : MR_WARM_UP_FAILED;
    return MR_OK;
}

static mr_status read_members(yyjson_val *object, struct mr_loaded *out, struct mr_error *err) {
    yyjson_val *protocol = yyjson_obj_get(object, "protocol");
    if (!yyjson_is_uint(protocol) || yyjson_get_uint(protocol) != MR_WIRE_VERSION) {
        return mr_fail(err, MR_E_FORMAT, "LOADED for protocol %lld, expected %d",
                       (long long)yyjson_get_sint(protocol), MR_WIRE_VERSION);
    }
    yyjson_val *load_ms = yyjson_obj_get(object, "load_ms");
    if (!yyjson_is_uint(load_ms)) return wrong_member("load_ms", "a number", err);
    out->load_ms = yyjson_get_uint(load_ms);
    MR_TRY(read_text(object, "python", sizeof(out->python), out->python, err));
    MR_TRY(read_text(object, "mlflow", sizeof(out->mlflow), out->mlflow, err));
    MR_TRY(read_text(object, "reason", sizeof(out->reason), out->reason, err));
    MR_TRY(read_text(object, "warm_up", sizeof(out->warm_up), out->warm_up, err));
    MR_TRY(read_warm_up_end(object, &out->warm_up_end, err));
    MR_TRY(read_bool(object, "can_fork", &out->can_fork, err));
    MR_TRY(read_bool(object, "is_async", &out->is_async, err));
    MR_TRY(read_bool(object, "is_rowwise", &out->is_rowwise, err));
    return read_bool(object, "is_stream", &out->is_stream, err);
}

mr_status mr_loaded_read(struct mr_str json, struct mr_loaded *out, struct mr_error *err) {
    yyjson_doc *doc = read_object(json, "LOADED", err);
    if (!doc) return MR_E_FORMAT;
    *out = (struct mr_loaded){0};
    mr_status status = read_members(yyjson_doc_get_root(doc), out, err);
    yyjson_doc_free(doc);
    return status;
}

mr_status mr_loaded_read_failure(struct mr_str json, struct mr_error *err) {
    yyjson_doc *doc = read_object(json, "FAILED", err);
    if (!doc) return MR_E_FORMAT;
    yyjson_val *message = yyjson_obj_get(yyjson_doc_get_root(doc), "message");
    bool is_text = yyjson_is_str(message) && yyjson_get_len(message) > 0;
    mr_fail(err, MR_E_UNSUPPORTED, "%s", is_text ? yyjson_get_str(message) : "no reason was given");
    yyjson_doc_free(doc);
    return MR_E_UNSUPPORTED;
}
