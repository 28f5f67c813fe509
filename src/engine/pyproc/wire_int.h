/* The structs of the protocol, whose fields lie in memory as they do in a message: what the files
 * of wire.h share. */
#ifndef MR_ENGINE_PYPROC_WIRE_INT_H
#define MR_ENGINE_PYPROC_WIRE_INT_H

#include "engine/pyproc/wire.h"

#define MR_WIRE_REQUEST_BYTES ((size_t)48)
#define MR_WIRE_RESULT_BYTES ((size_t)48)

enum { MR_WIRE_NAME_NONE, MR_WIRE_NAME_TEXT, MR_WIRE_NAME_INTEGER };

struct wire_item {
    uint64_t name_offset;
    uint32_t name_size;
    uint8_t name_kind, dtype, flags, n_dims;
    uint64_t n_values, shape_offset, values_offset, offsets_offset, validity_offset, zero;
};

struct wire_request {
    uint32_t kind, flags, format, n_items;
    uint64_t n_rows, layout_size, text_offset, text_size;
};

struct wire_result {
    uint32_t kind, flags, n_items, http_status;
    uint64_t n_rows, zero, text_offset, text_size;
};

_Static_assert(sizeof(struct wire_item) == 64, "as on the wire");
_Static_assert(sizeof(struct wire_request) == MR_WIRE_REQUEST_BYTES, "as on the wire");
_Static_assert(sizeof(struct wire_result) == MR_WIRE_RESULT_BYTES, "as on the wire");
_Static_assert(MR_INPUT_TABLE == 0 && MR_INPUT_TENSOR == 1 && MR_INPUT_TENSORS == 2 &&
                   MR_INPUT_RAW == 3,
               "kinds of a request are numbered as those of an input");
_Static_assert(MR_FORMAT_JSON == 0 && MR_FORMAT_CSV == 1 && MR_FORMAT_PARQUET == 2,
               "formats are numbered as on the wire");
_Static_assert(MR_BOOL == 0 && MR_FLOAT64 == 11 && MR_STRING == 12 && MR_BINARY == 13 &&
                   MR_DATETIME == 14,
               "dtypes are numbered as on the wire");

#endif
