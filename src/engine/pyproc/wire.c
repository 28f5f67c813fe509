#include "engine/pyproc/wire.h"

#include "codec/encode.h"

#define REQUEST_BYTES ((size_t)48)
#define RESULT_BYTES ((size_t)48)
#define BUFFER_ALIGNMENT ((size_t)64)

enum { HEADER_IN_MEMFD = 1 };
enum { REQUEST_STREAM = 1, REQUEST_NAN_LITERAL = 2, REQUEST_INDEX = 4 };
enum { RESULT_BARE = 1 };
enum { RESULT_TENSOR, RESULT_RECORDS, RESULT_JSON, RESULT_ERROR };
enum { NAME_NONE, NAME_TEXT, NAME_INTEGER };
enum { ITEM_OBJECTS = 1, ITEM_FORTRAN = 2 };

/* The structs of the protocol, whose fields lie in memory as they do in a message. */
struct wire_header {
    uint32_t magic;
    uint16_t type, flags;
    uint64_t id, payload_size;
    uint32_t n_fds, zero;
};

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

_Static_assert(sizeof(struct wire_header) == MR_WIRE_HEADER_BYTES, "as on the wire");
_Static_assert(sizeof(struct wire_item) == 64, "as on the wire");
_Static_assert(sizeof(struct wire_request) == REQUEST_BYTES, "as on the wire");
_Static_assert(sizeof(struct wire_result) == RESULT_BYTES, "as on the wire");
_Static_assert(MR_INPUT_TABLE == 0 && MR_INPUT_TENSOR == 1 && MR_INPUT_TENSORS == 2 &&
                   MR_INPUT_RAW == 3,
               "kinds of a request are numbered as those of an input");
_Static_assert(MR_FORMAT_JSON == 0 && MR_FORMAT_CSV == 1 && MR_FORMAT_PARQUET == 2,
               "formats are numbered as on the wire");
_Static_assert(MR_BOOL == 0 && MR_FLOAT64 == 11 && MR_STRING == 12 && MR_BINARY == 13 &&
                   MR_DATETIME == 14,
               "dtypes are numbered as on the wire");

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

/* --- requests --------------------------------------------------------------------------------- */

/* What follows header and items, in this order. Each part holds a piece of each item, or none of
 * it. The bytes of texts come last, and the offsets of all count from where the first begins, so
 * that items are the same from request to request. */
enum part { NAMES, SHAPES, VALUES, OFFSETS, VALIDITY, BYTES, N_PARTS };

/* An item and where it comes from. */
struct entry {
    struct wire_item item;
    struct mr_str name;
    const int64_t *shape;
    const void *values;         /* of fixed size */
    const int64_t *offsets;     /* texts of a column */
    const char *bytes;          /* the same */
    const struct mr_str *texts; /* texts of a tensor */
    const uint8_t *validity;
    bool continues; /* values follow those of the item before without a gap */
    int64_t first;  /* offset of the first text */
};

struct mr_wire_request {
    struct wire_request header;
    struct entry *entries;
    struct mr_str text;
};

static bool is_text(mr_dtype dtype) {
    return dtype == MR_STRING || dtype == MR_BINARY;
}

/* Why an input must go raw; NULL: it need not. */
static const char *reason_against(const struct mr_input *input) {
    static const char *const objects = "values of mixed types";
    if (input->kind == MR_INPUT_TABLE) {
        for (size_t i = 0; i < input->table.n_cols; i++) {
            if (input->table.columns[i].dtype == MR_OBJECT) return objects;
        }
        return input->table.odd_labels;
    }
    bool has_tensors = input->kind == MR_INPUT_TENSOR || input->kind == MR_INPUT_TENSORS;
    for (size_t i = 0; has_tensors && i < input->n_tensors; i++) {
        if (input->tensors[i].dtype == MR_OBJECT) return objects;
        if (input->tensors[i].is_wide) return "an array of texts with room for longer ones";
    }
    return NULL;
}

bool mr_wire_can_carry(const struct mr_input *input, const char **reason) {
    const char *why_not = reason_against(input);
    if (why_not) *reason = why_not;
    return !why_not;
}

/* Whether missing values must be told: floats and datetimes hold them as NaN and NaT. */
static bool needs_validity(const struct mr_column *column) {
    bool tells_itself = column->dtype == MR_DATETIME || mr_dtype_kind(column->dtype) == 'f';
    return column->validity && column->n_nulls > 0 && !tells_itself;
}

static struct entry column_entry(const struct mr_column *column, uint8_t name_kind) {
    struct entry entry = {.values = column->values,
                          .validity = needs_validity(column) ? column->validity : NULL};
    if (name_kind != NAME_NONE) entry.name = column->name;
    if (is_text(column->dtype)) {
        entry.offsets = column->offsets;
        entry.bytes = column->bytes;
    }
    entry.item = (struct wire_item){.name_kind = name_kind,
                                    .dtype = (uint8_t)column->dtype,
                                    .flags = column->is_object ? ITEM_OBJECTS : 0,
                                    .n_values = (uint64_t)column->n_rows};
    return entry;
}

static struct entry tensor_entry(const struct mr_tensor *tensor, uint8_t name_kind) {
    struct entry entry = {.values = tensor->values, .shape = tensor->shape};
    if (name_kind != NAME_NONE) entry.name = tensor->name;
    if (is_text(tensor->dtype)) entry.texts = tensor->values;
    entry.item = (struct wire_item){.name_kind = name_kind,
                                    .dtype = (uint8_t)tensor->dtype,
                                    .flags = tensor->is_fortran ? ITEM_FORTRAN : 0,
                                    .n_dims = (uint8_t)tensor->n_dims,
                                    .n_values = (uint64_t)tensor->n_values};
    return entry;
}

static void add_table(const struct mr_table *table, struct mr_wire_request *request) {
    struct entry *entry = request->entries;
    request->header.n_rows = (uint64_t)table->n_rows;
    if (table->index) {
        request->header.flags |= REQUEST_INDEX;
        *entry++ = column_entry(table->index, NAME_NONE);
    }
    for (size_t i = 0; i < table->n_cols; i++, entry++) {
        const struct mr_column *column = &table->columns[i];
        *entry = column_entry(column, column->is_named ? NAME_TEXT : NAME_INTEGER);
        entry->continues = i > 0 && column->dtype == column[-1].dtype &&
                           mr_dtype_size(column->dtype) > 0;
    }
}

static void add_tensors(const struct mr_input *input, struct mr_wire_request *request) {
    for (size_t i = 0; i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        uint8_t name_kind = tensor->is_numbered ? NAME_INTEGER : NAME_TEXT;
        if (input->kind == MR_INPUT_TENSOR) name_kind = NAME_NONE;
        request->entries[i] = tensor_entry(tensor, name_kind);
    }
}

static size_t bytes_of_texts(const struct entry *entry) {
    uint64_t n = entry->item.n_values;
    if (entry->offsets) return (size_t)(entry->offsets[n] - entry->offsets[0]);
    size_t size = 0;
    for (uint64_t i = 0; i < n; i++) size += entry->texts[i].size;
    return size;
}

static bool has_part(const struct entry *entry, enum part part) {
    bool has_texts = is_text((mr_dtype)entry->item.dtype);
    switch (part) {
    case SHAPES: return entry->item.n_dims > 0;
    case VALUES: return !has_texts;
    case OFFSETS:
    case BYTES: return has_texts;
    case VALIDITY: return entry->validity;
    default: return true;
    }
}

/* Bytes of an item's piece of a part that it has. */
static size_t part_size(const struct entry *entry, enum part part) {
    uint64_t n = entry->item.n_values;
    switch (part) {
    case NAMES: return entry->name.size;
    case SHAPES: return entry->item.n_dims * sizeof(int64_t);
    case VALUES: return (size_t)n * mr_dtype_size((mr_dtype)entry->item.dtype);
    case OFFSETS: return (size_t)(n + 1) * sizeof(int64_t);
    case VALIDITY: return (size_t)(n + 7) / 8;
    default: return bytes_of_texts(entry);
    }
}

static uint64_t *part_offset(struct entry *entry, enum part part) {
    switch (part) {
    case NAMES: return &entry->item.name_offset;
    case SHAPES: return &entry->item.shape_offset;
    case OFFSETS: return &entry->item.offsets_offset;
    case VALIDITY: return &entry->item.validity_offset;
    default: return &entry->item.values_offset;
    }
}

static size_t part_alignment(const struct entry *entry, enum part part) {
    if (part == NAMES || part == BYTES || (part == VALUES && entry->continues)) return 1;
    return part == SHAPES ? sizeof(int64_t) : BUFFER_ALIGNMENT;
}

/* Move *at to the next multiple and over size bytes from there; where these start is returned.
 * *is_overflown is set when that is more than memory can hold. */
static size_t claim(size_t *at, size_t alignment, size_t size, bool *is_overflown) {
    size_t start = 0;
    *is_overflown |= __builtin_add_overflow(*at, alignment - 1, &start);
    start -= start % alignment;
    *is_overflown |= __builtin_add_overflow(start, size, at);
    return start;
}

/* The params that the request gave, as a JSON object; size 0: it gave none. */
static mr_status params_text(const struct mr_params *params, struct mr_arena *arena,
                             struct mr_str *out, struct mr_error *err) {
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    if (params->is_given) mr_buf_char(&buf, '{');
    for (size_t i = 0; i < params->n_given; i++) {
        if (i) mr_buf_text(&buf, ", ");
        mr_json_encode_string(params->items[i].name, &buf);
        mr_buf_text(&buf, ": ");
        mr_buf_append(&buf, params->items[i].json.data, params->items[i].json.size);
    }
    if (params->is_given) mr_buf_char(&buf, '}');
    *out = mr_buf_str(&buf);
    return mr_buf_status(&buf, err);
}

static mr_status add_items(const struct mr_input *input, struct mr_arena *arena,
                           struct mr_wire_request *request, struct mr_error *err) {
    size_t n = input->n_tensors;
    if (input->kind == MR_INPUT_TABLE) n = input->table.n_cols + (input->table.index ? 1 : 0);
    request->entries = mr_arena_array(arena, n, sizeof(*request->entries));
    if (!request->entries) return mr_arena_fail(arena, err);
    request->header.n_items = (uint32_t)n;
    if (n > UINT32_MAX) return mr_fail(err, MR_E_TOO_LARGE, "a request of %zu columns", n);
    if (input->kind == MR_INPUT_TABLE) {
        add_table(&input->table, request);
    } else {
        add_tensors(input, request);
    }
    for (size_t i = 0; i < n; i++) {
        size_t name_size = request->entries[i].name.size;
        request->entries[i].item.name_size = (uint32_t)name_size;
        if (name_size > UINT32_MAX) {
            return mr_fail(err, MR_E_TOO_LARGE, "the name of a column has %zu bytes", name_size);
        }
    }
    return MR_OK;
}

/* Give everything its place; false when the sum of it overflows. */
static bool lay_out(struct mr_wire_request *request, size_t *size) {
    struct wire_request *header = &request->header;
    bool is_overflown = false;
    *size = 0;
    claim(size, 1, REQUEST_BYTES, &is_overflown);
    claim(size, 1, header->n_items * sizeof(struct wire_item), &is_overflown);
    size_t bytes_start = 0;
    for (enum part part = NAMES; part < N_PARTS; part++) {
        if (part == BYTES) bytes_start = claim(size, BUFFER_ALIGNMENT, 0, &is_overflown);
        for (size_t i = 0; i < header->n_items; i++) {
            struct entry *entry = &request->entries[i];
            if (!has_part(entry, part)) continue;
            size_t start = claim(size, part_alignment(entry, part), part_size(entry, part),
                                 &is_overflown);
            *part_offset(entry, part) = part == BYTES ? bytes_start : start;
            if (part == BYTES) entry->first = (int64_t)(start - bytes_start);
        }
        if (part == SHAPES) header->layout_size = *size;
    }
    header->text_size = request->text.size;
    header->text_offset = claim(size, BUFFER_ALIGNMENT, request->text.size, &is_overflown);
    return !is_overflown;
}

mr_status mr_wire_plan_request(const struct mr_input *input,
                               const struct mr_wire_request_options *options,
                               struct mr_arena *arena, struct mr_wire_request **out, size_t *size,
                               struct mr_error *err) {
    struct mr_wire_request *request = mr_arena_zalloc(arena, sizeof(*request));
    if (!request) return mr_arena_fail(arena, err);
    request->header.kind = (uint32_t)input->kind;
    if (options->wants_stream) request->header.flags |= REQUEST_STREAM;
    if (options->is_nan_literal) request->header.flags |= REQUEST_NAN_LITERAL;
    if (input->kind == MR_INPUT_RAW) {
        request->header.format = (uint32_t)input->raw_format;
        request->text = input->raw_body;
    } else {
        MR_TRY(add_items(input, arena, request, err));
        MR_TRY(params_text(&input->params, arena, &request->text, err));
    }
    if (!lay_out(request, size)) return mr_fail(err, MR_E_TOO_LARGE, "the request is too large");
    *out = request;
    return MR_OK;
}

/* Where the next byte of a message goes. */
struct writer {
    char *to;
    size_t at;
};

/* Write bytes at an offset, behind all that was written; what lies between becomes zero. */
static void put(struct writer *writer, uint64_t offset, const void *data, size_t size) {
    memset(writer->to + writer->at, 0, offset - writer->at);
    if (size) memcpy(writer->to + offset, data, size);
    writer->at = offset + size;
}

static void put_i64(struct writer *writer, int64_t value) {
    memcpy(writer->to + writer->at, &value, sizeof(value));
    writer->at += sizeof(value);
}

static void put_offsets(struct writer *writer, const struct entry *entry) {
    put(writer, entry->item.offsets_offset, NULL, 0);
    int64_t end = entry->first;
    put_i64(writer, end);
    for (uint64_t i = 0; i < entry->item.n_values; i++) {
        if (entry->offsets) {
            end = entry->first + entry->offsets[i + 1] - entry->offsets[0];
        } else {
            end += (int64_t)entry->texts[i].size;
        }
        put_i64(writer, end);
    }
}

static void put_bytes(struct writer *writer, const struct entry *entry) {
    uint64_t offset = entry->item.values_offset + (uint64_t)entry->first;
    if (entry->offsets) {
        put(writer, offset, entry->bytes + entry->offsets[0], bytes_of_texts(entry));
        return;
    }
    put(writer, offset, NULL, 0);
    for (uint64_t i = 0; i < entry->item.n_values; i++) {
        put(writer, writer->at, entry->texts[i].data, entry->texts[i].size);
    }
}

static void put_part(struct writer *writer, const struct entry *entry, enum part part) {
    const struct wire_item *item = &entry->item;
    size_t size = part_size(entry, part);
    switch (part) {
    case NAMES: put(writer, item->name_offset, entry->name.data, size); break;
    case SHAPES: put(writer, item->shape_offset, entry->shape, size); break;
    case VALUES: put(writer, item->values_offset, entry->values, size); break;
    case OFFSETS: put_offsets(writer, entry); break;
    case VALIDITY: put(writer, item->validity_offset, entry->validity, size); break;
    default: put_bytes(writer, entry); break;
    }
}

void mr_wire_write_request(const struct mr_wire_request *request, void *to) {
    struct writer writer = {.to = to};
    size_t n = request->header.n_items;
    put(&writer, 0, &request->header, sizeof(request->header));
    for (size_t i = 0; i < n; i++) {
        put(&writer, writer.at, &request->entries[i].item, sizeof(struct wire_item));
    }
    for (enum part part = NAMES; part < N_PARTS; part++) {
        for (size_t i = 0; i < n; i++) {
            const struct entry *entry = &request->entries[i];
            if (has_part(entry, part)) put_part(&writer, entry, part);
        }
    }
    put(&writer, request->header.text_offset, request->text.data, request->text.size);
}

/* --- results ---------------------------------------------------------------------------------- */

/* A payload that is being read. */
struct reader {
    const char *data;
    size_t size;
    struct mr_arena *arena;
    struct mr_error *err;
};

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
    memcpy(item, reader->data + RESULT_BYTES + i * sizeof(*item), sizeof(*item));
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

static mr_status read_values(const struct reader *reader, const struct wire_item *item,
                             const void **out) {
    size_t value_size = mr_dtype_size((mr_dtype)item->dtype);
    MR_TRY(copy_range(reader, "an array", item->values_offset, item->n_values, value_size, out));
    if (item->dtype != MR_BOOL) return MR_OK;
    const uint8_t *bools = *out;
    uint8_t bits = 0;
    for (uint64_t i = 0; i < item->n_values; i++) bits |= bools[i];
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
    *out = (struct mr_tensor){.dtype = (mr_dtype)item.dtype,
                              .n_dims = item.n_dims,
                              .shape = shape,
                              .n_values = (int64_t)item.n_values};
    return read_values(reader, &item, &out->values);
}

static mr_status read_column(const struct reader *reader, const struct wire_item *item,
                             struct mr_column *out) {
    if (item->n_dims) return wrong(reader, "n_dims of a column", item->n_dims, "0");
    if ((int64_t)item->n_values != out->n_rows) {
        return wrong(reader, "n_values of a column", item->n_values, "n_rows");
    }
    if (item->name_kind != NAME_TEXT) return wrong(reader, "name_kind", item->name_kind, "1");
    MR_TRY(read_text(reader, "a name", item->name_offset, item->name_size, &out->name));
    const char *name = out->name.data;
    if (item->name_size < 2 || name[0] != '"' || name[item->name_size - 1] != '"') {
        return wrong(reader, "the first byte of a name", (unsigned char)name[0], "a JSON text");
    }
    out->is_named = true;
    out->dtype = (mr_dtype)item->dtype;
    return read_values(reader, item, &out->values);
}

static mr_status read_records(const struct reader *reader, const struct wire_result *result,
                              struct mr_table *out) {
    if (result->n_items == 0) return wrong(reader, "n_items of records", 0, "1 at least");
    if (result->n_rows > INT64_MAX) return wrong(reader, "n_rows", result->n_rows, "an i64");
    MR_TRY(mr_table_new(reader->arena, (int64_t)result->n_rows, result->n_items, out, reader->err));
    for (size_t i = 0; i < result->n_items; i++) {
        struct wire_item item;
        MR_TRY(read_item(reader, i, &item));
        MR_TRY(read_column(reader, &item, &out->columns[i]));
    }
    return MR_OK;
}

mr_status mr_wire_read_result(const void *payload, size_t size, struct mr_arena *arena,
                              struct mr_output *out, struct mr_error *err) {
    const struct reader reader = {payload, size, arena, err};
    struct wire_result result;
    if (size < sizeof(result)) return wrong(&reader, "its size", size, "48 at least");
    memcpy(&result, payload, sizeof(result));
    MR_TRY(
        check_range(&reader, "its items", RESULT_BYTES, result.n_items, sizeof(struct wire_item)));
    if (result.flags & ~(uint32_t)RESULT_BARE) return wrong(&reader, "flags", result.flags, "0, 1");
    if (result.zero) return wrong(&reader, "a reserved field", result.zero, "0");
    bool is_error = result.kind == RESULT_ERROR;
    if (is_error ? result.http_status < 400 || result.http_status > 599 : result.http_status) {
        return wrong(&reader, "http_status", result.http_status,
                     is_error ? "400 to 599" : "0 without an error");
    }
    *out = (struct mr_output){.http_status = (int)result.http_status,
                              .is_bare = result.flags & RESULT_BARE};
    switch (result.kind) {
    case RESULT_TENSOR:
        out->kind = MR_OUTPUT_TENSOR;
        return read_tensor(&reader, result.n_items, &out->tensor);
    case RESULT_RECORDS:
        out->kind = MR_OUTPUT_RECORDS;
        return read_records(&reader, &result, &out->records);
    case RESULT_JSON:
    case RESULT_ERROR:
        out->kind = MR_OUTPUT_JSON;
        return read_text(&reader, "its text", result.text_offset, result.text_size, &out->json);
    default: return wrong(&reader, "its kind", result.kind, "0 to 3");
    }
}
