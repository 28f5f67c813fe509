/* The worker protocol in bytes: what is written, and every bound of what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/encode.h"
#include "engine/pyproc/wire.h"
#include "failing_allocator.h"

static struct mr_arena *arena;

static int setup(void **state) {
    (void)state;
    arena = mr_arena_new((size_t)64 << 20, NULL);
    return arena ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    mr_arena_free(arena);
    return 0;
}

/* --- headers ---------------------------------------------------------------------------------- */

/* A datagram of `size` bytes: a header, changed at one place by n_bytes of value. */
static mr_status read_changed(const struct mr_wire_header *header, size_t size, size_t at,
                              uint64_t value, size_t n_bytes) {
    char *datagram = calloc(1, size + MR_WIRE_HEADER_BYTES);
    assert_non_null(datagram);
    mr_wire_write_header(header, datagram);
    memcpy(datagram + at, &value, n_bytes);
    char *exact = malloc(size ? size : 1); /* so that a sanitizer sees reads past its end */
    assert_non_null(exact);
    memcpy(exact, datagram, size);
    struct mr_wire_header out;
    struct mr_error err = {0};
    mr_status status = mr_wire_read_header(exact, size, &out, &err);
    assert_true(status == MR_OK || err.message[0]);
    free(exact);
    free(datagram);
    return status;
}

static void test_header(void **state) {
    (void)state;
    struct mr_wire_header header = {
        .type = MR_WIRE_RESULT, .id = 0x1122334455667788, .payload_size = 5};
    unsigned char bytes[MR_WIRE_HEADER_BYTES + 5] = {0};
    mr_wire_write_header(&header, bytes);
    const unsigned char expected[MR_WIRE_HEADER_BYTES] = {
        'M', 'R', 'W', '1', 20, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 5};
    assert_memory_equal(bytes, expected, sizeof(expected));
    struct mr_wire_header out;
    assert_int_equal(mr_wire_read_header(bytes, sizeof(bytes), &out, NULL), MR_OK);
    assert_int_equal(out.type, MR_WIRE_RESULT);
    assert_true(out.id == header.id && out.payload_size == 5 && out.n_fds == 0);
    assert_false(out.is_in_memfd);
}

static void test_header_faults(void **state) {
    (void)state;
    const struct mr_wire_header plain = {.type = MR_WIRE_CHUNK, .payload_size = 8};
    const struct mr_wire_header memfd = {
        .type = MR_WIRE_RESULT, .is_in_memfd = true, .payload_size = 1 << 20, .n_fds = 1};
    assert_int_equal(read_changed(&plain, 40, 0, MR_WIRE_MAGIC, 4), MR_OK);
    assert_int_equal(read_changed(&memfd, 32, 0, MR_WIRE_MAGIC, 4), MR_OK);
    static const struct {
        size_t size, at;
        uint64_t value;
        size_t n_bytes;
    } faults[] = {
        {0, 0, 0, 0},
        {31, 0, 0, 0},
        {40, 0, 0x3257524D, 4}, /* MRW2 */
        {40, 4, 0, 2},
        {40, 4, MR_WIRE_PREDICT, 2}, /* which the server sends, not Python */
        {40, 4, MR_WIRE_FORK, 2},
        {40, 4, 15, 2},
        {40, 4, 23, 2},
        {40, 4, 65535, 2},
        {40, 6, 2, 2},
        {40, 6, 1, 2}, /* in a memfd that is not there */
        {39, 0, 0, 0},
        {41, 0, 0, 0},
        {40, 16, UINT64_MAX, 8},
        {40, 16, 7, 8},
        {40, 24, 1, 4},
        {40, 28, 1, 4},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_int_equal(
            read_changed(&plain, faults[i].size, faults[i].at, faults[i].value, faults[i].n_bytes),
            MR_E_FORMAT);
    }
    assert_int_equal(read_changed(&memfd, 33, 0, 0, 0), MR_E_FORMAT);
    assert_int_equal(read_changed(&memfd, 32, 24, 0, 4), MR_E_FORMAT);
    assert_int_equal(read_changed(&memfd, 32, 24, 2, 4), MR_E_FORMAT);
    const struct mr_wire_header large = {.type = MR_WIRE_CHUNK, .payload_size = 65505};
    assert_int_equal(read_changed(&large, 65537, 0, 0, 0), MR_E_FORMAT);
}

/* --- requests --------------------------------------------------------------------------------- */

/* A request as it was written, and how to look into it. */
struct written {
    char *bytes;
    size_t size;
};

static uint64_t u64_at(const struct written *request, size_t at) {
    uint64_t value;
    assert_true(at + sizeof(value) <= request->size);
    memcpy(&value, request->bytes + at, sizeof(value));
    return value;
}

static uint32_t u32_at(const struct written *request, size_t at) {
    return (uint32_t)u64_at(request, at);
}

static size_t item_at(size_t i) {
    return 48 + 64 * i;
}

static struct written write_request(const struct mr_input *input,
                                    const struct mr_wire_request_options *options) {
    struct mr_wire_request *plan;
    struct written request;
    const char *reason = NULL;
    assert_true(mr_wire_can_carry(input, &reason));
    assert_int_equal(mr_wire_plan_request(&input, 1, options, arena, &plan, &request.size, NULL),
                     MR_OK);
    /* A block of its own, filled with what must not stay, so that nothing is left out unseen. */
    request.bytes = malloc(request.size);
    assert_non_null(request.bytes);
    memset(request.bytes, 0xEE, request.size);
    mr_wire_write_request(plan, request.bytes);
    return request;
}

static void holds(const struct written *request, uint64_t at, const void *bytes, size_t size) {
    assert_true(at <= request->size && size <= request->size - at);
    assert_memory_equal(request->bytes + at, bytes, size);
}

static struct mr_column numbers(const char *name, mr_dtype dtype, const void *values) {
    return (struct mr_column){
        .name = mr_str_from(name), .is_named = true, .dtype = dtype, .n_rows = 3, .values = values};
}

static void test_table(void **state) {
    (void)state;
    const double a[] = {1, 2, 3}, b[] = {4, 5, 6};
    const int64_t c[] = {7, 8, 9}, labels[] = {10, 20, 30};
    const int64_t offsets[] = {2, 3, 3, 6};
    const uint8_t validity[] = {5};
    struct mr_column index = numbers("", MR_INT64, labels);
    struct mr_column columns[] = {
        numbers("a", MR_FLOAT64, a),
        numbers("7", MR_FLOAT64, b),
        numbers("\xc3\xa9", MR_INT64, c),
        {.name = {"text", 4},
         .is_named = true,
         .dtype = MR_STRING,
         .n_rows = 3,
         .n_nulls = 1,
         .validity = validity,
         .offsets = offsets,
         .bytes = "..xabc",
         .is_object = true},
        {.name = {"bytes", 5},
         .is_named = true,
         .dtype = MR_BINARY,
         .n_rows = 3,
         .validity = validity,
         .offsets = offsets,
         .bytes = "..\xff\x00z1"},
    };
    columns[1].is_named = false;
    columns[0].validity = validity; /* floats say themselves what is missing */
    columns[0].n_nulls = 1;
    const struct mr_input input = {
        .kind = MR_INPUT_TABLE,
        .table = {.n_rows = 3, .n_cols = 5, .columns = columns, .index = &index}};
    const struct mr_wire_request_options options = {.wants_stream = true, .is_nan_literal = true};
    struct written request = write_request(&input, &options);
    assert_int_equal(u32_at(&request, 0), 0);
    assert_int_equal(u32_at(&request, 4), 1 | 2 | 4);
    assert_int_equal(u32_at(&request, 12), 6);
    assert_int_equal(u64_at(&request, 16), 3);
    assert_int_equal(u64_at(&request, 40), 0); /* no params */
    holds(&request, item_at(6), "a7\xc3\xa9textbytes", 13);
    assert_int_equal(u64_at(&request, 24), item_at(6) + 13);

    static const uint8_t kinds[][4] = {/* name_kind, dtype, flags, n_dims */
                                       {0, MR_INT64, 0, 0},   {1, MR_FLOAT64, 0, 0},
                                       {2, MR_FLOAT64, 0, 0}, {1, MR_INT64, 0, 0},
                                       {1, MR_STRING, 1, 0},  {1, MR_BINARY, 0, 0}};
    for (size_t i = 0; i < 6; i++) {
        holds(&request, item_at(i) + 12, kinds[i], 4);
        assert_int_equal(u64_at(&request, item_at(i) + 16), 3);
        assert_int_equal(u64_at(&request, item_at(i) + 24), 0);
        assert_int_equal(u64_at(&request, item_at(i) + 56), 0);
        bool is_first = i != 2; /* the second of two columns of floats follows without a gap */
        assert_int_equal(u64_at(&request, item_at(i) + 32) % 64, is_first ? 0 : 24);
        assert_int_equal(u64_at(&request, item_at(i) + 48) != 0, i == 4);
    }
    holds(&request, u64_at(&request, item_at(0) + 32), labels, sizeof(labels));
    holds(&request, u64_at(&request, item_at(1) + 32), a, sizeof(a));
    assert_int_equal(u64_at(&request, item_at(2) + 32), u64_at(&request, item_at(1) + 32) + 24);
    holds(&request, u64_at(&request, item_at(2) + 32), b, sizeof(b));
    holds(&request, u64_at(&request, item_at(4) + 48), validity, 1);
    const int64_t places[] = {0, 1, 1, 4}, behind_them[] = {4, 5, 5, 8};
    holds(&request, u64_at(&request, item_at(4) + 40), places, sizeof(places));
    holds(&request, u64_at(&request, item_at(5) + 40), behind_them, sizeof(behind_them));
    assert_int_equal(u64_at(&request, item_at(4) + 32), u64_at(&request, item_at(5) + 32));
    holds(&request, u64_at(&request, item_at(4) + 32), "xabc\xff\x00z1", 8);
    free(request.bytes);
}

/* Two requests that differ in their values only have the same layout. */
static void test_layout_of_texts(void **state) {
    (void)state;
    struct written requests[2];
    for (size_t i = 0; i < 2; i++) {
        const int64_t offsets[] = {0, i ? 300 : 1};
        const int64_t value[] = {(int64_t)i};
        char bytes[300] = "x";
        struct mr_column columns[] = {
            {.name = {"a", 1},
             .is_named = true,
             .dtype = MR_STRING,
             .n_rows = 1,
             .offsets = offsets,
             .bytes = bytes},
            {.name = {"b", 1}, .is_named = true, .dtype = MR_INT64, .n_rows = 1, .values = value},
            {.name = {"c", 1},
             .is_named = true,
             .dtype = MR_STRING,
             .n_rows = 1,
             .offsets = offsets,
             .bytes = bytes}};
        const struct mr_input input = {.kind = MR_INPUT_TABLE,
                                       .table = {.n_rows = 1, .n_cols = 3, .columns = columns}};
        requests[i] = write_request(&input, &(struct mr_wire_request_options){0});
    }
    size_t layout_size = u64_at(&requests[0], 24);
    assert_memory_equal(requests[0].bytes, requests[1].bytes, 32);
    assert_memory_equal(requests[0].bytes + 48, requests[1].bytes + 48, layout_size - 48);
    free(requests[0].bytes);
    free(requests[1].bytes);
}

static void test_empty_tables(void **state) {
    (void)state;
    const int64_t offsets[] = {0};
    struct mr_column columns[] = {
        {.name = {"a", 1}, .is_named = true, .dtype = MR_STRING, .offsets = offsets, .bytes = ""},
        {.name = {"b", 1}, .is_named = true, .dtype = MR_FLOAT64}};
    struct mr_input input = {.kind = MR_INPUT_TABLE, .table = {.n_cols = 2, .columns = columns}};
    struct written request = write_request(&input, &(struct mr_wire_request_options){0});
    assert_true(u64_at(&request, item_at(0) + 40) + 8 <= request.size);
    assert_int_equal(u64_at(&request, u64_at(&request, item_at(0) + 40)), 0);
    free(request.bytes);
    input.table = (struct mr_table){.n_rows = 2};
    request = write_request(&input, &(struct mr_wire_request_options){0});
    assert_int_equal(u32_at(&request, 12), 0);
    assert_int_equal(u64_at(&request, 16), 2);
    free(request.bytes);
}

static void test_tensors(void **state) {
    (void)state;
    const int64_t shape[] = {2, 2}, one[] = {2};
    const float values[] = {1, 2, 3, 4};
    const struct mr_str texts[] = {{"ab", 2}, {NULL, 0}};
    struct mr_tensor tensors[] = {
        {.name = {"", 0},
         .is_fortran = true,
         .dtype = MR_FLOAT32,
         .n_dims = 2,
         .shape = shape,
         .n_values = 4,
         .values = values},
        {.name = {"12", 2},
         .is_numbered = true,
         .dtype = MR_STRING,
         .n_dims = 1,
         .shape = one,
         .n_values = 2,
         .values = texts},
        {.name = {"s", 1}, .dtype = MR_FLOAT32, .n_values = 1, .values = values},
    };
    struct mr_input input = {.kind = MR_INPUT_TENSORS, .tensors = tensors, .n_tensors = 3};
    struct written request = write_request(&input, &(struct mr_wire_request_options){0});
    assert_int_equal(u32_at(&request, 0), 2);
    assert_int_equal(u64_at(&request, 16), 0);
    holds(&request, item_at(0) + 12, (const uint8_t[]){1, MR_FLOAT32, 2, 2}, 4);
    holds(&request, item_at(1) + 12, (const uint8_t[]){2, MR_STRING, 0, 1}, 4);
    holds(&request, item_at(2) + 12, (const uint8_t[]){1, MR_FLOAT32, 0, 0}, 4);
    holds(&request, item_at(3), "12s", 3);
    size_t shapes = u64_at(&request, item_at(0) + 24);
    assert_int_equal(shapes % 8, 0);
    assert_int_equal(u64_at(&request, 24), shapes + 24);
    holds(&request, shapes, (const int64_t[]){2, 2, 2}, 24);
    holds(&request, u64_at(&request, item_at(0) + 32), values, sizeof(values));
    holds(&request, u64_at(&request, item_at(1) + 40), (const int64_t[]){0, 2, 2}, 24);
    holds(&request, u64_at(&request, item_at(1) + 32), "ab", 2);
    holds(&request, u64_at(&request, item_at(2) + 32), values, 4);
    free(request.bytes);

    input = (struct mr_input){.kind = MR_INPUT_TENSOR, .tensors = tensors, .n_tensors = 1};
    request = write_request(&input, &(struct mr_wire_request_options){0});
    assert_int_equal(u32_at(&request, 0), 1);
    assert_int_equal(request.bytes[item_at(0) + 12], 0);
    free(request.bytes);
}

static void test_texts_around(void **state) {
    (void)state;
    const struct mr_param params[] = {
        {{"a\"", 2}, {"1.5", 3}}, {{"b", 1}, {"[true]", 6}}, {{"default", 7}, {"null", 4}}};
    struct mr_input input = {.kind = MR_INPUT_TABLE, .params = {true, 3, 2, params}};
    struct written request = write_request(&input, &(struct mr_wire_request_options){0});
    static const char given[] = "{\"a\\\"\": 1.5, \"b\": [true]}";
    assert_int_equal(u64_at(&request, 40), sizeof(given) - 1);
    holds(&request, u64_at(&request, 32), given, sizeof(given) - 1);
    free(request.bytes);

    /* Params that the model does not take, and none. */
    input.params = (struct mr_params){.is_given = true};
    request = write_request(&input, &(struct mr_wire_request_options){0});
    assert_int_equal(u64_at(&request, 40), 2);
    holds(&request, u64_at(&request, 32), "{}", 2);
    free(request.bytes);
    input.params = (struct mr_params){0};
    request = write_request(&input, &(struct mr_wire_request_options){0});
    assert_int_equal(u64_at(&request, 40), 0);
    free(request.bytes);

    input = (struct mr_input){.kind = MR_INPUT_RAW,
                              .raw_format = MR_FORMAT_PARQUET,
                              .raw_body = {"PAR1", 4},
                              .params = {true, 3, 2, params}};
    request = write_request(&input, &(struct mr_wire_request_options){.wants_stream = true});
    assert_int_equal(u32_at(&request, 0), 3);
    assert_int_equal(u32_at(&request, 4), 1);
    assert_int_equal(u32_at(&request, 8), 2);
    assert_int_equal(u32_at(&request, 12), 0);
    assert_int_equal(u64_at(&request, 24), 48);
    assert_int_equal(u64_at(&request, 40), 4);
    holds(&request, u64_at(&request, 32), "PAR1", 4);
    free(request.bytes);
}

static void test_objects_cannot_be_carried(void **state) {
    (void)state;
    const char *reason = NULL;
    struct mr_column column = {.dtype = MR_OBJECT};
    struct mr_tensor tensor = {.dtype = MR_OBJECT};
    struct mr_input input = {.kind = MR_INPUT_TABLE, .table = {.n_cols = 1, .columns = &column}};
    assert_false(mr_wire_can_carry(&input, &reason));
    assert_non_null(reason);
    input = (struct mr_input){.kind = MR_INPUT_TENSORS, .n_tensors = 1, .tensors = &tensor};
    assert_false(mr_wire_can_carry(&input, &reason));
    input.kind = MR_INPUT_RAW;
    assert_true(mr_wire_can_carry(&input, &reason));
    tensor = (struct mr_tensor){.dtype = MR_STRING, .is_wide = true};
    input.kind = MR_INPUT_TENSOR;
    assert_false(mr_wire_can_carry(&input, &reason));
    input = (struct mr_input){.kind = MR_INPUT_TABLE, .table = {.odd_labels = "odd labels"}};
    assert_false(mr_wire_can_carry(&input, &reason));
    assert_string_equal(reason, "odd labels");
}

static void test_out_of_memory(void **state) {
    (void)state;
    const double values[] = {1, 2, 3};
    const struct mr_param params[] = {{{"a", 1}, {"1.5", 3}}};
    struct mr_column column = numbers("a", MR_FLOAT64, values);
    const struct mr_input input = {.kind = MR_INPUT_TABLE,
                                   .table = {.n_rows = 3, .n_cols = 1, .columns = &column},
                                   .params = {true, 1, 1, params}};
    const struct mr_input *const inputs[] = {&input, &input};
    mr_status status = MR_E_NO_MEMORY;
    size_t n_failed = 0;
    for (size_t i = 1; status != MR_OK; i++) {
        struct failing_allocator allocator = {.fail_at = i};
        struct mr_arena *failing = failing_arena(&allocator);
        assert_non_null(failing);
        struct mr_wire_request *plan;
        size_t size;
        status = mr_wire_plan_request(inputs, 2, &(struct mr_wire_request_options){0}, failing,
                                      &plan, &size, NULL);
        assert_true(status == MR_OK || status == MR_E_NO_MEMORY);
        n_failed += status != MR_OK;
        mr_arena_free(failing);
    }
    assert_true(n_failed > 0);
}

/* --- results ---------------------------------------------------------------------------------- */

/* A result in the making, in host order. */
struct result {
    uint32_t kind, flags, n_items, http_status;
    uint64_t n_rows, zero, text_offset, text_size;
    struct {
        uint64_t name_offset;
        uint32_t name_size;
        uint8_t name_kind, dtype, flags, n_dims;
        uint64_t n_values, shape_offset, values_offset, offsets_offset, validity_offset, zero;
    } items[2];
    char data[64]; /* at 176 */
};

#define DATA_AT ((uint64_t)176)

_Static_assert(offsetof(struct result, data) == DATA_AT, "no gaps");

/* Read a result of the first size bytes, at an odd address; JSON of what it says on MR_OK. */
static mr_status read_result(const struct result *result, size_t size, const char **json,
                             struct mr_output *out) {
    char *block = malloc(size + 1);
    assert_non_null(block);
    memcpy(block + 1, result, size);
    struct mr_error err = {0};
    mr_arena_reset(arena);
    mr_status status = mr_wire_read_result(block + 1, size, arena, out, &err);
    assert_true(status == MR_OK || err.message[0]);
    memset(block, 0xEE, size + 1); /* nothing may be borrowed from it */
    free(block);
    if (status != MR_OK) return status;
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_json_encode(out, &(struct mr_encode_options){0}, &buf);
    mr_buf_char(&buf, '\0');
    assert_int_equal(mr_buf_status(&buf, NULL), MR_OK);
    *json = buf.data;
    return MR_OK;
}

static void says(const struct result *result, const char *expected) {
    const char *json;
    struct mr_output out;
    assert_int_equal(read_result(result, sizeof(*result), &json, &out), MR_OK);
    assert_string_equal(json, expected);
}

static void is_refused(const struct result *result) {
    const char *json;
    struct mr_output out;
    assert_int_equal(read_result(result, sizeof(*result), &json, &out), MR_E_FORMAT);
}

/* float32 [[1, 2], [3, 4.5]] */
static struct result tensor_result(void) {
    struct result result = {.kind = 0, .n_items = 1};
    result.items[0].dtype = MR_FLOAT32;
    result.items[0].n_dims = 2;
    result.items[0].n_values = 4;
    result.items[0].shape_offset = DATA_AT;
    result.items[0].values_offset = DATA_AT + 16;
    const int64_t shape[] = {2, 2};
    const float values[] = {1, 2, 3, 4.5};
    memcpy(result.data, shape, sizeof(shape));
    memcpy(result.data + 16, values, sizeof(values));
    return result;
}

/* bool and int16 columns of 3 rows */
static struct result records_result(void) {
    struct result result = {.kind = 1, .n_items = 2, .n_rows = 3};
    for (size_t i = 0; i < 2; i++) {
        result.items[i].name_kind = 1;
        result.items[i].name_offset = DATA_AT + 3 * i;
        result.items[i].name_size = 3;
        result.items[i].n_values = 3;
        result.items[i].dtype = i ? MR_INT16 : MR_BOOL;
        result.items[i].values_offset = DATA_AT + (i ? 16 : 8);
    }
    const int16_t values[] = {-1, 0, 300};
    memcpy(result.data, "\"a\"\"b\"..\1\0\1", 11);
    memcpy(result.data + 16, values, sizeof(values));
    return result;
}

static struct result text_result(uint32_t kind, uint32_t http_status, const char *text) {
    struct result result = {.kind = kind,
                            .http_status = http_status,
                            .text_offset = DATA_AT,
                            .text_size = strlen(text)};
    memcpy(result.data, text, strlen(text));
    return result;
}

static void test_results(void **state) {
    (void)state;
    struct result result = tensor_result();
    says(&result, "{\"predictions\": [[1.0, 2.0], [3.0, 4.5]]}");
    result.flags = 1;
    says(&result, "[[1.0, 2.0], [3.0, 4.5]]");
    result.items[0].n_dims = 0;
    result.items[0].n_values = 1;
    says(&result, "1.0");
    result = records_result();
    says(&result, "{\"predictions\": [{\"a\": true, \"b\": -1}, {\"a\": false, \"b\": 0}, "
                  "{\"a\": true, \"b\": 300}]}");
    result = text_result(2, 0, "[1, null]");
    says(&result, "{\"predictions\": [1, null]}");
    result.flags = 1;
    says(&result, "[1, null]");
    result = text_result(3, 418, "{\"error_code\": \"X\"}");
    const char *json;
    struct mr_output out;
    assert_int_equal(read_result(&result, sizeof(result), &json, &out), MR_OK);
    assert_string_equal(json, "{\"error_code\": \"X\"}");
    assert_int_equal(out.http_status, 418);
}

static void test_empty_results(void **state) {
    (void)state;
    struct result result = tensor_result();
    const int64_t shape[] = {0, INT64_MAX};
    memcpy(result.data, shape, sizeof(shape));
    result.items[0].n_values = 0;
    result.items[0].values_offset = sizeof(result); /* the very end */
    says(&result, "{\"predictions\": []}");
    result = records_result();
    result.n_rows = result.items[0].n_values = result.items[1].n_values = 0;
    says(&result, "{\"predictions\": []}");
}

static void test_result_truncated(void **state) {
    (void)state;
    struct result results[] = {tensor_result(), records_result(), text_result(2, 0, "[1, null]")};
    const size_t needed[] = {DATA_AT + 32, DATA_AT + 22, DATA_AT + 9};
    for (size_t i = 0; i < 3; i++) {
        const char *json;
        struct mr_output out;
        for (size_t size = 0; size < needed[i]; size++) {
            assert_int_equal(read_result(&results[i], size, &json, &out), MR_E_FORMAT);
        }
        assert_int_equal(read_result(&results[i], needed[i], &json, &out), MR_OK);
    }
}

/* Values that no field of an offset, a size or a count may have here. */
static const uint64_t wild[] = {sizeof(struct result) + 1,
                                (uint64_t)1 << 31,
                                (uint64_t)1 << 32,
                                (uint64_t)1 << 61,
                                ((uint64_t)1 << 61) + 1,
                                ((uint64_t)1 << 62) + 1,
                                (uint64_t)1 << 63,
                                ((uint64_t)1 << 63) + 4,
                                UINT64_MAX - sizeof(struct result),
                                UINT64_MAX - 63,
                                UINT64_MAX};

#define N_WILD (sizeof(wild) / sizeof(wild[0]))

static void test_wild_offsets(void **state) {
    (void)state;
    for (size_t i = 0; i < N_WILD; i++) {
        struct result result = tensor_result();
        result.items[0].shape_offset = wild[i];
        is_refused(&result);
        result = tensor_result();
        result.items[0].values_offset = wild[i];
        is_refused(&result);
        result = tensor_result();
        result.items[0].n_values = wild[i];
        is_refused(&result);
        result = records_result();
        result.items[1].values_offset = wild[i];
        is_refused(&result);
        result = records_result();
        result.items[1].name_offset = wild[i];
        is_refused(&result);
        result = records_result();
        result.items[1].n_values = wild[i];
        is_refused(&result);
        result.items[0].n_values = result.n_rows = wild[i];
        is_refused(&result);
        result = text_result(2, 0, "[]");
        result.text_offset = wild[i];
        is_refused(&result);
        result = text_result(2, 0, "[]");
        result.text_size = wild[i];
        is_refused(&result);
    }
    struct result result = tensor_result();
    result.items[0].values_offset = sizeof(result) - 15; /* the last byte is missing */
    is_refused(&result);
    result = records_result();
    result.items[0].name_size = UINT32_MAX;
    is_refused(&result);
    result = records_result();
    result.n_items = 3;
    result.items[0].name_size = 3;
    is_refused(&result);
    result.n_items = UINT32_MAX;
    is_refused(&result);
}

static void test_wrong_shapes(void **state) {
    (void)state;
    static const struct {
        int64_t shape[3];
        uint64_t n_values;
    } faults[] = {{{2, 2, 2}, 4},
                  {{2, 2, 1}, 3},
                  {{-2, -2, 1}, 4},
                  {{2, -2, 1}, 4},
                  {{INT64_MIN, INT64_MIN, 1}, 0},
                  {{(int64_t)1 << 32, (int64_t)1 << 32, 1}, 0},
                  {{(int64_t)1 << 62, 2, 2}, 0},
                  {{(int64_t)1 << 62, 4, 0}, 0},
                  {{0, 2, 2}, 4},
                  {{2, 0, 2}, 1}};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct result result = tensor_result();
        result.items[0].n_dims = 3;
        result.items[0].n_values = faults[i].n_values;
        result.items[0].values_offset = DATA_AT + 24;
        memcpy(result.data, faults[i].shape, 24);
        is_refused(&result);
    }
    struct result result = tensor_result();
    result.items[0].n_dims = 65;
    is_refused(&result);
    result.items[0].n_dims = 255;
    is_refused(&result);
    result = tensor_result();
    result.n_items = 0;
    is_refused(&result);
    result.n_items = 2;
    is_refused(&result);
}

/* An array without values whose shape promises 2^40 empty lists ends when the arena is full. */
static void test_endless_lists(void **state) {
    (void)state;
    struct result result = tensor_result();
    const int64_t shape[] = {(int64_t)1 << 40, 0};
    memcpy(result.data, shape, sizeof(shape));
    result.items[0].n_values = 0;
    struct mr_output out;
    mr_arena_reset(arena);
    assert_int_equal(mr_wire_read_result(&result, sizeof(result), arena, &out, NULL), MR_OK);
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_json_encode(&out, &(struct mr_encode_options){0}, &buf);
    assert_int_equal(mr_buf_status(&buf, NULL), MR_E_TOO_LARGE);
}

static void test_wrong_enums(void **state) {
    (void)state;
    for (unsigned dtype = MR_STRING; dtype < 256; dtype++) {
        struct result result = tensor_result();
        result.items[0].dtype = (uint8_t)dtype;
        is_refused(&result);
        result = records_result();
        result.items[0].dtype = (uint8_t)dtype;
        is_refused(&result);
    }
    struct result result = tensor_result();
    result.kind = 4;
    is_refused(&result);
    result = tensor_result();
    result.flags = 2;
    is_refused(&result);
    result = tensor_result();
    result.zero = 1;
    is_refused(&result);
    result = tensor_result();
    result.items[0].flags = 1;
    is_refused(&result);
    result = tensor_result();
    result.items[0].offsets_offset = DATA_AT;
    is_refused(&result);
    result = tensor_result();
    result.items[0].validity_offset = DATA_AT;
    is_refused(&result);
    result = tensor_result();
    result.items[0].zero = 1;
    is_refused(&result);
    static const uint32_t statuses[] = {1, 200, 399, 600, UINT32_MAX};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        result = text_result(3, statuses[i], "{}");
        is_refused(&result);
        result = text_result(2, statuses[i], "{}");
        is_refused(&result);
    }
    result = text_result(3, 0, "{}");
    is_refused(&result);
    result = text_result(2, 500, "{}");
    is_refused(&result);
}

static void test_wrong_values(void **state) {
    (void)state;
    struct result result = records_result();
    result.data[9] = 2; /* a bool */
    is_refused(&result);
    result = records_result();
    result.items[0].n_dims = 1;
    is_refused(&result);
    result = records_result();
    result.items[0].n_values = 2;
    is_refused(&result);
    result = records_result();
    result.n_items = 0;
    is_refused(&result);
    for (uint8_t kind = 0; kind < 4; kind++) {
        result = records_result();
        result.items[0].name_kind = kind;
        if (kind != 1) is_refused(&result);
    }
    static const char *const names[] = {"abc", "\"ab", "ab\"", "\"\xc3\"", "'a'"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        result = records_result();
        memcpy(result.data, names[i], 3);
        is_refused(&result);
    }
    for (uint32_t size = 0; size < 2; size++) {
        result = records_result();
        result.items[0].name_size = size;
        is_refused(&result);
    }
    result = text_result(2, 0, "\"\xc3\xa9\"");
    is_refused(&result);
    result = text_result(2, 0, "");
    is_refused(&result);
}

/* --- results of several calls ------------------------------------------------------------------
 */

/* The answer of one part in JSON; NULL, and the status, when it has none. */
static const char *part_of(const struct result *result, struct mr_wire_part part,
                           mr_status *status) {
    struct mr_output out;
    struct mr_error err = {0};
    bool is_final;
    mr_arena_reset(arena);
    *status = mr_wire_read_part(result, sizeof(*result), &part, arena, &out, &is_final, &err);
    if (*status != MR_OK) {
        assert_true(err.message[0]);
        return is_final ? "final" : NULL;
    }
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_json_encode(&out, &(struct mr_encode_options){0}, &buf);
    mr_buf_char(&buf, '\0');
    return buf.data;
}

static void part_says(const struct result *result, struct mr_wire_part part, const char *expected) {
    mr_status status;
    const char *json = part_of(result, part, &status);
    assert_int_equal(status, MR_OK);
    assert_string_equal(json, expected);
}

static void has_no_part(const struct result *result, struct mr_wire_part part, mr_status expected) {
    mr_status status;
    assert_null(part_of(result, part, &status));
    assert_int_equal(status, expected);
}

static void test_parts_of_arrays(void **state) {
    (void)state;
    struct result result = tensor_result();
    part_says(&result, (struct mr_wire_part){0, 2, 0, 1, 2}, "{\"predictions\": [[1.0, 2.0]]}");
    part_says(&result, (struct mr_wire_part){1, 2, 1, 1, 2}, "{\"predictions\": [[3.0, 4.5]]}");
    has_no_part(&result, (struct mr_wire_part){1, 3, 1, 1, 3}, MR_E_UNAVAILABLE); /* 3 rows */
    result.items[0].values_offset = sizeof(result) - 8; /* the last rows are not there */
    has_no_part(&result, (struct mr_wire_part){0, 2, 0, 1, 2}, MR_E_FORMAT);
    result = tensor_result();
    result.items[0].n_dims = 0;
    result.items[0].n_values = 1;
    has_no_part(&result, (struct mr_wire_part){0, 2, 0, 1, 2}, MR_E_UNAVAILABLE);
    result = records_result();
    part_says(&result, (struct mr_wire_part){1, 2, 1, 2, 3},
              "{\"predictions\": [{\"a\": false, \"b\": 0}, {\"a\": true, \"b\": 300}]}");
    has_no_part(&result, (struct mr_wire_part){1, 2, 1, 1, 2}, MR_E_UNAVAILABLE);
}

/* Texts for three parts, whose sizes stand behind the header. */
static struct result texts_result(void) {
    struct result result = {.kind = 4, .n_rows = 3, .text_offset = DATA_AT, .text_size = 9};
    const uint64_t sizes[] = {3, 2, 4};
    memcpy((char *)&result + 48, sizes, sizeof(sizes));
    memcpy(result.data, "[1][]null", 9);
    return result;
}

static void test_parts_of_texts(void **state) {
    (void)state;
    struct result result = texts_result();
    part_says(&result, (struct mr_wire_part){0, 3, 0, 1, 3}, "{\"predictions\": [1]}");
    part_says(&result, (struct mr_wire_part){1, 3, 1, 1, 3}, "{\"predictions\": []}");
    part_says(&result, (struct mr_wire_part){2, 3, 2, 1, 3}, "{\"predictions\": null}");
    has_no_part(&result, (struct mr_wire_part){0, 2, 0, 1, 2}, MR_E_FORMAT);
    const uint64_t huge = UINT64_MAX - 8;
    memcpy((char *)&result + 48 + 8, &huge, sizeof(huge));
    has_no_part(&result, (struct mr_wire_part){1, 3, 1, 1, 3}, MR_E_FORMAT);
    has_no_part(&result, (struct mr_wire_part){2, 3, 2, 1, 3}, MR_E_FORMAT);
    result = texts_result();
    result.n_rows = UINT64_MAX / 8;
    has_no_part(&result, (struct mr_wire_part){0, UINT64_MAX / 8, 0, 1, 3}, MR_E_FORMAT);
    result = texts_result();
    is_refused(&result); /* for one call */
}

static void test_no_parts(void **state) {
    (void)state;
    const struct mr_wire_part part = {0, 2, 0, 1, 2};
    struct result result = {.kind = 5};
    has_no_part(&result, part, MR_E_UNAVAILABLE);
    result.flags = 2;
    mr_status status;
    assert_string_equal(part_of(&result, part, &status), "final");
    assert_int_equal(status, MR_E_UNAVAILABLE);
    result.flags = 1;
    has_no_part(&result, part, MR_E_FORMAT);
    result = text_result(3, 400, "{}");
    has_no_part(&result, part, MR_E_UNAVAILABLE);
    result = text_result(2, 0, "[1, 2]");
    has_no_part(&result, part, MR_E_FORMAT);
    result = (struct result){.kind = 5};
    is_refused(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),         cmocka_unit_test(test_header_faults),
        cmocka_unit_test(test_table),          cmocka_unit_test(test_layout_of_texts),
        cmocka_unit_test(test_empty_tables),   cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_texts_around),   cmocka_unit_test(test_objects_cannot_be_carried),
        cmocka_unit_test(test_out_of_memory),  cmocka_unit_test(test_results),
        cmocka_unit_test(test_empty_results),  cmocka_unit_test(test_result_truncated),
        cmocka_unit_test(test_wild_offsets),   cmocka_unit_test(test_wrong_shapes),
        cmocka_unit_test(test_endless_lists),  cmocka_unit_test(test_wrong_enums),
        cmocka_unit_test(test_wrong_values),   cmocka_unit_test(test_parts_of_arrays),
        cmocka_unit_test(test_parts_of_texts), cmocka_unit_test(test_no_parts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
