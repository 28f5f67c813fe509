/* Messages from Python: the first byte picks a header, a result or a part of one, the rest
 * is it. */
#include <stdlib.h>

#include "codec/encode.h"
#include "engine/pyproc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_header(const uint8_t *data, size_t size) {
    struct mr_wire_header header;
    if (mr_wire_read_header(data, size, &header, NULL) != MR_OK) return;
    char again[MR_WIRE_HEADER_BYTES];
    mr_wire_write_header(&header, again);
    if (memcmp(again, data, sizeof(again)) != 0) abort();
    if (header.payload_size != size - sizeof(again) && !header.is_in_memfd) abort();
}

static void read_result(const uint8_t *data, size_t size, struct mr_arena *arena) {
    struct mr_output output;
    struct mr_error err = {0};
    if (mr_wire_read_result(data, size, arena, &output, &err) != MR_OK) {
        if (!err.message[0]) abort();
        return;
    }
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_json_encode(&output, &(struct mr_encode_options){.is_nan_literal = true}, &text);
    if (text.size == 0 && mr_buf_status(&text, NULL) == MR_OK) abort();
}

/* The answer of one of four calls of two rows each. */
static void read_part(size_t i, const uint8_t *data, size_t size, struct mr_arena *arena) {
    const struct mr_wire_part part = {
        .i = i, .n_parts = 4, .first_row = 2 * (int64_t)i, .n_rows = 2, .n_all_rows = 8};
    struct mr_output output;
    struct mr_error err = {0};
    bool is_final;
    mr_status status = mr_wire_read_part(data, size, &part, arena, &output, &is_final, &err);
    if (status != MR_OK && !err.message[0]) abort();
    if (status != MR_OK || output.kind == MR_OUTPUT_JSON) return;
    int64_t n_rows = output.kind == MR_OUTPUT_TENSOR ? output.tensor.shape[0]
                                                     : output.records.n_rows;
    if (n_rows != 2) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct mr_arena *arena = mr_arena_new((size_t)1 << 18, NULL);
    if (!arena) return 0;
    if (data[0] % 2) {
        read_header(data + 1, size - 1);
    } else if (data[0] >= 128) {
        read_part(data[0] / 2 % 4, data + 1, size - 1, arena);
    } else {
        read_result(data + 1, size - 1, arena);
    }
    mr_arena_free(arena);
    return 0;
}
