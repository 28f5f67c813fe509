/* `params` of a request, and the defaults of a signature, for every type. The input is a JSON
 * value. */
#include "schema/enforce.h"

#define PARAM(name, type, value, shape)                                                            \
    "{\"name\":\"" name "\",\"type\":\"" type "\",\"default\":" value ",\"shape\":" shape "}"

/* clang-format off */
static const char signature_json[] = "["
    PARAM("b", "boolean", "true", "null") ","
    PARAM("i", "integer", "1", "null") ","
    PARAM("l", "long", "[1]", "[-1]") ","
    PARAM("f", "float", "1", "null") ","
    PARAM("d", "double", "[NaN]", "[-1]") ","
    PARAM("s", "string", "\"x\"", "null") ","
    PARAM("t", "datetime", "\"2020\"", "null") "]";
/* clang-format on */

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    yyjson_doc *doc = yyjson_read((const char *)data, size,
                                  YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_BIGNUM_AS_RAW);
    struct mr_signature signature;
    struct mr_params params;
    struct mr_error err;
    struct mr_str none = {0};
    if (arena && doc &&
        mr_signature_read(none, none, mr_str_from(signature_json), arena, &signature, &err) ==
            MR_OK &&
        mr_enforce_params(&signature, yyjson_doc_get_root(doc), arena, &params, &err) == MR_OK) {
        for (size_t i = 0; i < params.n; i++) {
            struct mr_str json = params.items[i].json;
            for (size_t k = 0; k < json.size; k++) sink += (uint8_t)json.data[k];
        }
    }
    yyjson_doc_free(doc);
    mr_arena_free(arena);
    return 0;
}
