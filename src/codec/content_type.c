#include <strings.h>

#include "codec/decode.h"

static bool is_word(struct mr_str text, const char *word) {
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* Everything up to the next ';', trimmed; *rest moves behind it. */
static struct mr_str next_part(struct mr_str *rest) {
    const char *end = rest->size ? memchr(rest->data, ';', rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    struct mr_str part = {rest->data, size};
    size_t used = end ? size + 1 : size;
    rest->data += used;
    rest->size -= used;
    return mr_str_trim(part);
}

/* One `key=value`: only a charset, and only UTF-8. */
static mr_status check_parameter(struct mr_str part, struct mr_error *err) {
    const char *equals = memchr(part.data, '=', part.size);
    struct mr_str key = {part.data, equals ? (size_t)(equals - part.data) : part.size};
    if (!is_word(key, "charset")) {
        return mr_fail(err, MR_E_MEDIA_TYPE,
                       "unrecognized content type parameter '%.*s': only charset=utf-8 is known",
                       MR_STR_ARGS(key));
    }
    struct mr_str value = {part.data + key.size, part.size - key.size};
    if (equals) value.data++, value.size--;
    if (is_word(value, "utf-8") || is_word(value, "utf8")) return MR_OK;
    return mr_fail(err, MR_E_MEDIA_TYPE, "charset '%.*s' is not supported, only utf-8 is",
                   MR_STR_ARGS(value));
}

/* As the first lines of invocations in mlflow/pyfunc/scoring_server/__init__.py, but for case, an
 * empty parameter, utf8 and application/csv, which MLflow answers with 415. */
mr_status mr_format_find(struct mr_str content_type, mr_format *out, struct mr_error *err) {
    static const struct {
        const char *type;
        mr_format format;
    } formats[] = {{"application/json", MR_FORMAT_JSON},
                   {"text/csv", MR_FORMAT_CSV},
                   {"application/csv", MR_FORMAT_CSV},
                   {"application/vnd.apache.parquet", MR_FORMAT_PARQUET}};
    /* MLflow fails with a Python exception here. */
    if (content_type.size == 0) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the request has no Content-Type header: expected application/json, "
                       "text/csv or application/vnd.apache.parquet");
    }
    struct mr_str rest = content_type;
    struct mr_str type = next_part(&rest);
    while (rest.size) {
        struct mr_str part = next_part(&rest);
        if (part.size) MR_TRY(check_parameter(part, err));
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (is_word(type, formats[i].type)) {
            *out = formats[i].format;
            return MR_OK;
        }
    }
    return mr_fail(err, MR_E_MEDIA_TYPE,
                   "unsupported content type '%.*s': expected application/json, text/csv or "
                   "application/vnd.apache.parquet",
                   MR_STR_ARGS(type));
}
