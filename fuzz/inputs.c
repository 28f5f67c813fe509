/* `inputs` and `instances`: an array, or a dict of arrays, for each kind of signature.
 *
 * The first byte chooses the signature and the format, the rest is the JSON value. */
#include "codec/json_int.h"
#include "schema/enforce.h"
#include "touch.h"

static const char *const signatures[] = {
    NULL,
#define TENSOR(name, dtype, shape)                                                                 \
    "{" name "\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"" dtype "\",\"shape\":" shape "}}"
    "[" TENSOR("", "float64", "[-1,4]") "]",
    "[" TENSOR("", "float16", "[-1]") "]",
    "[" TENSOR("", "object", "[-1,-1]") "]",
    "[" TENSOR("", "str", "[-1,2]") "]",
    "[" TENSOR("\"name\":\"a\",", "int8", "[-1]") "," TENSOR("\"name\":\"b\",", "bytes", "[2]") "]",
    "[" TENSOR("\"name\":\"a\",", "datetime64[ns]", "[-1]") "]",
    "[" TENSOR("\"name\":\"a\",", "uint64", "[-1]") "," TENSOR("\"name\":\"b\",", "bool", "[]") "]",
#undef TENSOR
    "[{\"type\":\"double\"}]",
    "[{\"type\":\"string\"},{\"type\":\"long\"}]",
    "[{\"type\":\"double\",\"name\":\"a\"}]",
    "[{\"type\":\"double\",\"name\":\"a\"},{\"type\":\"string\",\"name\":\"b\"}]",
    "[{\"type\":\"boolean\",\"name\":\"a\"},{\"type\":\"binary\",\"name\":\"b\",\"required\":false}"
    "]",
    "[{\"type\":\"integer\",\"name\":\"a\"},{\"type\":\"datetime\",\"name\":\"b\"}]",
};

static void run(yyjson_val *value, uint8_t choice, struct mr_arena *arena) {
    const char *inputs = signatures[choice / 2 % (sizeof(signatures) / sizeof(signatures[0]))];
    struct mr_signature signature;
    struct mr_decoded decoded = {.params = NULL};
    struct mr_str none = {0};
    struct mr_error err;
    if (mr_signature_read(mr_str_from(inputs), none, none, arena, &signature, &err) != MR_OK)
        return;
    mr_status status = choice % 2
                           ? mr_json_decode_instances(value, &signature, arena, &decoded, &err)
                           : mr_json_decode_inputs(value, &signature, arena, &decoded, &err);
    if (status != MR_OK) return;
    touch_input(&decoded.input);
    if (mr_enforce_inputs(&signature, &decoded.input, arena, &err) == MR_OK) {
        touch_input(&decoded.input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    yyjson_doc *doc = yyjson_read((const char *)data + 1, size - 1,
                                  YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_BIGNUM_AS_RAW);
    if (arena && doc) run(yyjson_doc_get_root(doc), (uint8_t)(data[0] - '0'), arena);
    yyjson_doc_free(doc);
    mr_arena_free(arena);
    return 0;
}
