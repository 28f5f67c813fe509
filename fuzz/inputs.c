/* `inputs` and `instances`: an array, or a dict of arrays, for each kind of signature.
 *
 * The first byte chooses the signature and the format, the rest is the JSON value. What comes out
 * is read to its last byte, so that a sanitizer sees what points nowhere. */
#include "codec/json_int.h"
#include "schema/enforce.h"

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

static volatile uint64_t sink;

static void touch(const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) sink += ((const uint8_t *)bytes)[i];
}

static void touch_values(mr_dtype dtype, const void *values, int64_t n) {
    if (dtype == MR_OBJECT) {
        for (int64_t i = 0; i < n; i++)
            sink += (uint64_t)yyjson_get_len(((yyjson_val **)values)[i]);
    } else if (dtype == MR_STRING || dtype == MR_BINARY) {
        const struct mr_str *texts = values;
        for (int64_t i = 0; i < n; i++) touch(texts[i].data, texts[i].size);
    } else {
        touch(values, (size_t)n * mr_dtype_size(dtype));
    }
}

static void touch_input(const struct mr_input *input) {
    for (size_t i = 0; input->kind == MR_INPUT_TABLE && i < input->table.n_cols; i++) {
        const struct mr_column *column = &input->table.columns[i];
        if (column->dtype == MR_STRING || column->dtype == MR_BINARY) {
            touch(column->bytes, (size_t)column->offsets[column->n_rows]);
            for (int64_t row = 0; row < column->n_rows; row++)
                sink += mr_column_is_valid(column, row);
        } else {
            touch_values(column->dtype, column->values, column->n_rows);
        }
    }
    bool has_tensors = input->kind == MR_INPUT_TENSOR || input->kind == MR_INPUT_TENSORS;
    for (size_t i = 0; has_tensors && i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        touch_values(tensor->dtype, tensor->values, tensor->n_values);
    }
}

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
