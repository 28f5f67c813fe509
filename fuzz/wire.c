/* Messages from Python: the first byte picks a header or a result, the rest is it. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct mr_arena *arena = mr_arena_new((size_t)1 << 18, NULL);
    if (!arena) return 0;
    if (data[0] % 2) {
        read_header(data + 1, size - 1);
    } else {
        read_result(data + 1, size - 1, arena);
    }
    mr_arena_free(arena);
    return 0;
}
