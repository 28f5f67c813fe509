#include "engine/pyproc/wire_int.h"

enum { HEADER_IN_MEMFD = 1 };
enum { RESULT_BARE = 1, RESULT_NEVER = 2 };
enum { RESULT_TENSOR, RESULT_RECORDS, RESULT_JSON, RESULT_ERROR, RESULT_TEXTS, RESULT_ALONE };

struct wire_header {
    uint32_t magic;
    uint16_t type, flags;
    uint64_t id, payload_size;
    uint32_t n_fds, zero;
};

_Static_assert(sizeof(struct wire_header) == MR_WIRE_HEADER_BYTES, "as on the wire");

/* --- headers ---------------------------------------------------------------------------------- */

void mr_wire_write_header(const struct mr_wire_header *header, void *to) {
    struct wire_header wire = {.magic = MR_WIRE_MAGIC,
                               .type = (uint16_t)header->type,
                               .flags = header->is_in_memfd ? HEADER_IN_MEMFD : 0,
                               .id = header->id,
                               .payload_size = header->payload_size,
                               .n_fds = header->n_fds};
    memcpy(to, &wire, sizeof(wire));
}

mr_status mr_wire_read_header(const void *datagram, size_t size, struct mr_wire_header *out,
                              struct mr_error *err) {
    struct wire_header wire;
    if (size < sizeof(wire) || size > MR_WIRE_MAX_DATAGRAM_BYTES) {
        return mr_fail(err, MR_E_FORMAT, "a message from Python has %zu bytes, expected %zu to %zu",
                       size, sizeof(wire), MR_WIRE_MAX_DATAGRAM_BYTES);
    }
    memcpy(&wire, datagram, sizeof(wire));
    if (wire.magic != MR_WIRE_MAGIC || wire.flags > HEADER_IN_MEMFD || wire.zero) {
        return mr_fail(err, MR_E_FORMAT,
                       "a message from Python has magic 0x%08x, flags %u, reserved %u; expected "
                       "0x%08x, 0 or 1, 0",
                       wire.magic, wire.flags, wire.zero, MR_WIRE_MAGIC);
    }
    if (wire.type < MR_WIRE_LOADED || wire.type > MR_WIRE_END) {
        return mr_fail(err, MR_E_FORMAT, "a message from Python has type %u, expected %d to %d",
                       wire.type, MR_WIRE_LOADED, MR_WIRE_END);
    }
    bool is_in_memfd = wire.flags == HEADER_IN_MEMFD;
    if (wire.n_fds != is_in_memfd) {
        return mr_fail(err, MR_E_FORMAT,
                       "a message from Python comes with %u file descriptors, expected %d",
                       wire.n_fds, is_in_memfd);
    }
    uint64_t rest = size - sizeof(wire);
    if (rest != (is_in_memfd ? 0 : wire.payload_size)) {
        return mr_fail(err, MR_E_FORMAT,
                       "a message from Python has %llu bytes after its header, its payload %llu%s",
                       (unsigned long long)rest, (unsigned long long)wire.payload_size,
                       is_in_memfd ? " in a memfd" : "");
    }
    *out = (struct mr_wire_header){.type = (mr_wire_type)wire.type,
                                   .is_in_memfd = is_in_memfd,
                                   .id = wire.id,
                                   .payload_size = wire.payload_size,
                                   .n_fds = wire.n_fds};
    return MR_OK;
}

/* --- results ---------------------------------------------------------------------------------- */

/* A payload that is being read. */
struct reader {
    const char *data;
    size_t size;
    struct mr_arena *arena;
    struct mr_error *err;
    struct mr_wire_part part; /* what of it is read; n_parts 1: all */
};

/* Whether all answers are wanted, or there is one for each of the rows that were sent. */
static bool has_rows(const struct reader *reader, int64_t n_rows) {
    return reader->part.n_parts == 1 || n_rows == reader->part.n_all_rows;
}

static mr_status cannot_part(const struct reader *reader) {
    return mr_fail(reader->err, MR_E_UNAVAILABLE, "the model has not answered each row");
}

static mr_status wrong(const struct reader *reader, const char *what, uint64_t received,
                       const char *expected) {
    return mr_fail(reader->err, MR_E_FORMAT, "a worker's result: %s is %llu, expected %s", what,
                   (unsigned long long)received, expected);
}

/* Check that n values of a size lie in the payload from an offset on. */
static mr_status check_range(const struct reader *reader, const char *what, uint64_t offset,
                             uint64_t n, size_t value_size) {
    if (offset <= reader->size && n <= (reader->size - offset) / value_size) return MR_OK;
    return mr_fail(reader->err, MR_E_FORMAT,
                   "a worker's result of %zu bytes: %s lies at %llu and has %llu values of %zu "
                   "bytes",
                   reader->size, what, (unsigned long long)offset, (unsigned long long)n,
                   value_size);
}

/* A copy of such values, 16-byte aligned at least. */
static mr_status copy_range(const struct reader *reader, const char *what, uint64_t offset,
                            uint64_t n, size_t value_size, const void **out) {
    MR_TRY(check_range(reader, what, offset, n, value_size));
    void *copy = mr_arena_array(reader->arena, (size_t)n, value_size);
    if (!copy) return mr_arena_fail(reader->arena, reader->err);
    if (n) memcpy(copy, reader->data + offset, (size_t)n * value_size);
    *out = copy;
    return MR_OK;
}

/* A text that can go into an answer as it is: not empty, ASCII. */
static mr_status read_text(const struct reader *reader, const char *what, uint64_t offset,
                           uint64_t size, struct mr_str *out) {
    const void *copy = NULL;
    MR_TRY(copy_range(reader, what, offset, size, 1, &copy));
    *out = (struct mr_str){copy, (size_t)size};
    if (size == 0) return wrong(reader, what, 0, "a text");
    unsigned char bits = 0;
    for (size_t i = 0; i < out->size; i++) bits |= (unsigned char)out->data[i];
    return bits < 0x80 ? MR_OK : wrong(reader, what, bits, "ASCII");
}

static mr_status read_item(const struct reader *reader, size_t i, struct wire_item *item) {
    memcpy(item, reader->data + MR_WIRE_RESULT_BYTES + i * sizeof(*item), sizeof(*item));
    if (item->dtype > MR_FLOAT64) return wrong(reader, "a dtype", item->dtype, "0 to 11");
    if (item->n_values > INT64_MAX) return wrong(reader, "n_values", item->n_values, "an i64");
    if (item->flags || item->offsets_offset || item->validity_offset || item->zero) {
        return mr_fail(reader->err, MR_E_FORMAT,
                       "a worker's result: item %zu has flags, offsets, validity or a reserved "
                       "field, which a result has not",
                       i);
    }
    return MR_OK;
}

/* Of an item with n_each values for each row, those of the part. */
static mr_status read_values(const struct reader *reader, const struct wire_item *item,
                             uint64_t n_each, uint64_t *n, const void **out) {
    size_t value_size = mr_dtype_size((mr_dtype)item->dtype);
    uint64_t offset = item->values_offset;
    *n = item->n_values;
    MR_TRY(check_range(reader, "an array", offset, *n, value_size));
    if (reader->part.n_parts > 1) {
        offset += (uint64_t)reader->part.first_row * n_each * value_size;
        *n = (uint64_t)reader->part.n_rows * n_each;
    }
    MR_TRY(copy_range(reader, "an array", offset, *n, value_size, out));
    if (item->dtype != MR_BOOL) return MR_OK;
    const uint8_t *bools = *out;
    uint8_t bits = 0;
    for (uint64_t i = 0; i < *n; i++) bits |= bools[i];
    return bits <= 1 ? MR_OK : wrong(reader, "a bool", bits, "0 or 1");
}

/* Sizes that are none below zero, as many values as their product says. As in numpy, sizes other
 * than 0 must not overflow even where there are no values. */
static mr_status check_shape(const struct reader *reader, const int64_t *shape, size_t n_dims,
                             uint64_t n_values) {
    int64_t product = 1;
    bool is_empty = false, is_overflown = false;
    for (size_t i = 0; i < n_dims; i++) {
        if (shape[i] < 0) return wrong(reader, "a size", (uint64_t)shape[i], "none below zero");
        is_empty |= shape[i] == 0;
        if (shape[i]) is_overflown |= __builtin_mul_overflow(product, shape[i], &product);
    }
    if (!is_overflown && n_values == (is_empty ? 0 : (uint64_t)product)) return MR_OK;
    return wrong(reader, "n_values", n_values, "the product of the shape");
}

static mr_status read_tensor(const struct reader *reader, uint32_t n_items, struct mr_tensor *out) {
    if (n_items != 1) return wrong(reader, "n_items of a tensor", n_items, "1");
    struct wire_item item;
    MR_TRY(read_item(reader, 0, &item));
    if (item.n_dims > MR_MAX_DIMS) return wrong(reader, "n_dims", item.n_dims, "at most 64");
    const void *shape = NULL;
    MR_TRY(copy_range(reader, "a shape", item.shape_offset, item.n_dims, sizeof(int64_t), &shape));
    MR_TRY(check_shape(reader, shape, item.n_dims, item.n_values));
    *out = (struct mr_tensor){.dtype = (mr_dtype)item.dtype, .n_dims = item.n_dims, .shape = shape};
    int64_t n_rows = item.n_dims ? out->shape[0] : -1;
    if (!has_rows(reader, n_rows)) return cannot_part(reader);
    uint64_t n, n_each = n_rows > 0 ? item.n_values / (uint64_t)n_rows : 0;
    MR_TRY(read_values(reader, &item, n_each, &n, &out->values));
    out->n_values = (int64_t)n;
    if (reader->part.n_parts > 1) *(int64_t *)(uintptr_t)shape = reader->part.n_rows;
    return MR_OK;
}

static mr_status read_column(const struct reader *reader, const struct wire_item *item,
                             struct mr_column *out) {
    if (item->n_dims) return wrong(reader, "n_dims of a column", item->n_dims, "0");
    bool is_whole = reader->part.n_parts == 1;
    if ((int64_t)item->n_values != (is_whole ? out->n_rows : reader->part.n_all_rows)) {
        return wrong(reader, "n_values of a column", item->n_values, "n_rows");
    }
    if (item->name_kind != MR_WIRE_NAME_TEXT)
        return wrong(reader, "name_kind", item->name_kind, "1");
    MR_TRY(read_text(reader, "a name", item->name_offset, item->name_size, &out->name));
    const char *name = out->name.data;
    if (item->name_size < 2 || name[0] != '"' || name[item->name_size - 1] != '"') {
        return wrong(reader, "the first byte of a name", (unsigned char)name[0], "a JSON text");
    }
    out->is_named = true;
    out->dtype = (mr_dtype)item->dtype;
    uint64_t n;
    return read_values(reader, item, 1, &n, &out->values);
}

static mr_status read_records(const struct reader *reader, const struct wire_result *result,
                              struct mr_table *out) {
    if (result->n_items == 0) return wrong(reader, "n_items of records", 0, "1 at least");
    if (result->n_rows > INT64_MAX) return wrong(reader, "n_rows", result->n_rows, "an i64");
    if (!has_rows(reader, (int64_t)result->n_rows)) return cannot_part(reader);
    int64_t n_rows = (int64_t)result->n_rows;
    if (reader->part.n_parts > 1) n_rows = reader->part.n_rows;
    MR_TRY(mr_table_new(reader->arena, n_rows, result->n_items, out, reader->err));
    for (size_t i = 0; i < result->n_items; i++) {
        struct wire_item item;
        MR_TRY(read_item(reader, i, &item));
        MR_TRY(read_column(reader, &item, &out->columns[i]));
    }
    return MR_OK;
}

/* The text of a part, among those of all parts that lie one after the other. */
static mr_status read_part_text(const struct reader *reader, const struct wire_result *result,
                                struct mr_str *out) {
    const struct mr_wire_part *part = &reader->part;
    if (result->n_rows != part->n_parts) {
        return wrong(reader, "its number of texts", result->n_rows, "one for each call");
    }
    MR_TRY(check_range(reader, "the sizes of its texts", MR_WIRE_RESULT_BYTES, part->n_parts,
                       sizeof(uint64_t)));
    uint64_t offset = result->text_offset, size = 0;
    for (size_t i = 0; i <= part->i; i++) {
        offset += size; /* in the payload, as the text before does */
        memcpy(&size, reader->data + MR_WIRE_RESULT_BYTES + i * sizeof(size), sizeof(size));
        MR_TRY(check_range(reader, "a text", offset, size, 1));
    }
    return read_text(reader, "a text", offset, size, out);
}

static mr_status check_result(const struct reader *reader, struct wire_result *out) {
    if (reader->size < sizeof(*out)) return wrong(reader, "its size", reader->size, "48 at least");
    memcpy(out, reader->data, sizeof(*out));
    MR_TRY(check_range(reader, "its items", MR_WIRE_RESULT_BYTES, out->n_items,
                       sizeof(struct wire_item)));
    uint32_t known_flags = out->kind == RESULT_ALONE ? RESULT_NEVER : RESULT_BARE;
    if (out->flags & ~known_flags) return wrong(reader, "flags", out->flags, "0, or a known one");
    if (out->zero) return wrong(reader, "a reserved field", out->zero, "0");
    bool is_error = out->kind == RESULT_ERROR;
    if (is_error ? out->http_status < 400 || out->http_status > 599 : out->http_status) {
        return wrong(reader, "http_status", out->http_status,
                     is_error ? "400 to 599" : "0 without an error");
    }
    return MR_OK;
}

static mr_status read_arrays(const struct reader *reader, const struct wire_result *result,
                             struct mr_output *out) {
    if (result->kind == RESULT_TENSOR) {
        out->kind = MR_OUTPUT_TENSOR;
        return read_tensor(reader, result->n_items, &out->tensor);
    }
    out->kind = MR_OUTPUT_RECORDS;
    return read_records(reader, result, &out->records);
}

mr_status mr_wire_read_result(const void *payload, size_t size, struct mr_arena *arena,
                              struct mr_output *out, struct mr_error *err) {
    const struct reader reader = {payload, size, arena, err, {.n_parts = 1}};
    struct wire_result result;
    MR_TRY(check_result(&reader, &result));
    *out = (struct mr_output){.kind = MR_OUTPUT_JSON,
                              .http_status = (int)result.http_status,
                              .is_bare = result.flags & RESULT_BARE};
    switch (result.kind) {
    case RESULT_TENSOR:
    case RESULT_RECORDS: return read_arrays(&reader, &result, out);
    case RESULT_JSON:
    case RESULT_ERROR:
        return read_text(&reader, "its text", result.text_offset, result.text_size, &out->json);
    default: return wrong(&reader, "its kind", result.kind, "0 to 3");
    }
}

mr_status mr_wire_read_part(const void *payload, size_t size, const struct mr_wire_part *part,
                            struct mr_arena *arena, struct mr_output *out, bool *is_final,
                            struct mr_error *err) {
    const struct reader reader = {payload, size, arena, err, *part};
    struct wire_result result;
    *is_final = false;
    MR_TRY(check_result(&reader, &result));
    *is_final = result.kind == RESULT_ALONE && result.flags & RESULT_NEVER;
    *out = (struct mr_output){.kind = MR_OUTPUT_JSON, .is_bare = result.flags & RESULT_BARE};
    switch (result.kind) {
    case RESULT_TENSOR:
    case RESULT_RECORDS: return read_arrays(&reader, &result, out);
    case RESULT_TEXTS: return read_part_text(&reader, &result, &out->json);
    case RESULT_ERROR:
    case RESULT_ALONE: return cannot_part(&reader);
    default: return wrong(&reader, "its kind", result.kind, "0, 1, 3 to 5");
    }
}
