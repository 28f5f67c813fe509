/* Requests: how one input, or several as one, are laid out, and their bytes. */
#include "codec/encode.h"
#include "engine/pyproc/wire_int.h"

#define BUFFER_ALIGNMENT ((size_t)64)

enum {
    REQUEST_STREAM = 1,
    REQUEST_NAN_LITERAL = 2,
    REQUEST_INDEX = 4,
    REQUEST_PARTS = 8,
    REQUEST_TRACE = 16
};
enum { ITEM_OBJECTS = 1, ITEM_FORTRAN = 2 };

/* What follows header and items, in this order. Each part holds a piece of each item, or none of
 * it. The bytes of texts come last, and the offsets of all count from where the first begins, so
 * that items are the same from request to request. */
enum part { NAMES, SHAPES, VALUES, OFFSETS, VALIDITY, BYTES, N_PARTS };

/* The values of an item that one of the inputs has. */
struct piece {
    uint64_t n_values;
    const void *values;         /* of fixed size */
    const int64_t *offsets;     /* texts of a column */
    const char *bytes;          /* the same */
    const struct mr_str *texts; /* texts of a tensor */
    const uint8_t *validity;
};

/* An item and where it comes from. */
struct entry {
    struct wire_item item;
    struct mr_str name;
    const int64_t *shape;
    struct piece *pieces; /* of each input one */
    size_t n_pieces;
    bool has_validity;
    bool continues; /* values follow those of the item before without a gap */
    int64_t first;  /* offset of the first text */
};

struct mr_wire_request {
    struct wire_request header;
    struct entry *entries;
    struct mr_str text;
    const struct mr_input *const *inputs;
    size_t n_inputs;
    struct mr_str trace;
    size_t tail_offset; /* of several: where their numbers of rows stand; else the trace */
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

int64_t mr_wire_n_rows(const struct mr_input *input) {
    if (input->kind == MR_INPUT_TABLE) return input->table.n_rows;
    if (input->kind == MR_INPUT_RAW || input->n_tensors == 0) return 1;
    const struct mr_tensor *first = &input->tensors[0];
    return first->n_dims ? first->shape[0] : 1;
}

bool mr_wire_can_carry(const struct mr_input *input, const char **reason) {
    const char *why_not = reason_against(input);
    if (why_not) *reason = why_not;
    return !why_not;
}

bool mr_wire_needs_validity(const struct mr_column *column) {
    bool tells_itself = column->dtype == MR_DATETIME || mr_dtype_kind(column->dtype) == 'f';
    return column->validity && column->n_nulls > 0 && !tells_itself;
}

static void set_name(struct entry *entry, uint8_t name_kind, struct mr_str name) {
    entry->item.name_kind = name_kind;
    if (name_kind != MR_WIRE_NAME_NONE) entry->name = name;
}

/* columns: one of each input. */
static void add_column(const struct mr_column *column, size_t i_input, uint8_t name_kind,
                       struct entry *entry) {
    struct piece *piece = &entry->pieces[i_input];
    *piece = (struct piece){.n_values = (uint64_t)column->n_rows, .values = column->values};
    if (is_text(column->dtype)) {
        piece->offsets = column->offsets;
        piece->bytes = column->bytes;
    }
    if (mr_wire_needs_validity(column)) {
        piece->validity = column->validity;
        entry->has_validity = true;
    }
    entry->item.n_values += piece->n_values;
    if (i_input > 0) return;
    set_name(entry, name_kind, column->name);
    entry->item.dtype = (uint8_t)column->dtype;
    entry->item.flags = column->is_object ? ITEM_OBJECTS : 0;
}

static void add_tensor(const struct mr_tensor *tensor, size_t i_input, uint8_t name_kind,
                       struct entry *entry) {
    struct piece *piece = &entry->pieces[i_input];
    *piece = (struct piece){.n_values = (uint64_t)tensor->n_values, .values = tensor->values};
    if (is_text(tensor->dtype)) piece->texts = tensor->values;
    entry->item.n_values += piece->n_values;
    if (i_input > 0) return;
    set_name(entry, name_kind, tensor->name);
    entry->shape = tensor->shape;
    entry->item.dtype = (uint8_t)tensor->dtype;
    entry->item.flags = tensor->is_fortran ? ITEM_FORTRAN : 0;
    entry->item.n_dims = (uint8_t)tensor->n_dims;
}

static void add_table(const struct mr_table *table, size_t i_input,
                      struct mr_wire_request *request) {
    struct entry *entry = request->entries;
    request->header.n_rows += (uint64_t)table->n_rows;
    if (table->index) {
        request->header.flags |= REQUEST_INDEX;
        add_column(table->index, i_input, MR_WIRE_NAME_NONE, entry++);
    }
    for (size_t i = 0; i < table->n_cols; i++, entry++) {
        const struct mr_column *column = &table->columns[i];
        uint8_t name_kind = column->is_named ? MR_WIRE_NAME_TEXT : MR_WIRE_NAME_INTEGER;
        add_column(column, i_input, name_kind, entry);
        entry->continues = i > 0 && column->dtype == column[-1].dtype &&
                           mr_dtype_size(column->dtype) > 0;
    }
}

static void add_tensors(const struct mr_input *input, size_t i_input,
                        struct mr_wire_request *request) {
    for (size_t i = 0; i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        uint8_t name_kind = tensor->is_numbered ? MR_WIRE_NAME_INTEGER : MR_WIRE_NAME_TEXT;
        if (input->kind == MR_INPUT_TENSOR) name_kind = MR_WIRE_NAME_NONE;
        add_tensor(tensor, i_input, name_kind, &request->entries[i]);
    }
}

/* Of tensors laid one after the other the first size is the sum of theirs. */
static mr_status join_shapes(struct mr_wire_request *request, struct mr_arena *arena,
                             struct mr_error *err) {
    for (size_t i = 0; i < request->header.n_items; i++) {
        struct entry *entry = &request->entries[i];
        if (entry->item.n_dims == 0) continue;
        int64_t *shape = mr_arena_array(arena, entry->item.n_dims, sizeof(*shape));
        if (!shape) return mr_arena_fail(arena, err);
        memcpy(shape, entry->shape, entry->item.n_dims * sizeof(*shape));
        for (size_t j = 1; j < request->n_inputs; j++) {
            shape[0] += request->inputs[j]->tensors[i].shape[0];
        }
        entry->shape = shape;
    }
    return MR_OK;
}

static size_t bytes_of_texts(const struct piece *piece) {
    uint64_t n = piece->n_values;
    if (piece->offsets) return (size_t)(piece->offsets[n] - piece->offsets[0]);
    size_t size = 0;
    for (uint64_t i = 0; i < n; i++) size += piece->texts[i].size;
    return size;
}

static size_t bytes_of_all_texts(const struct entry *entry) {
    size_t size = 0;
    for (size_t i = 0; i < entry->n_pieces; i++) size += bytes_of_texts(&entry->pieces[i]);
    return size;
}

static bool has_part(const struct entry *entry, enum part part) {
    bool has_texts = is_text((mr_dtype)entry->item.dtype);
    switch (part) {
    case SHAPES: return entry->item.n_dims > 0;
    case VALUES: return !has_texts;
    case OFFSETS:
    case BYTES: return has_texts;
    case VALIDITY: return entry->has_validity;
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
    default: return bytes_of_all_texts(entry);
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

static mr_status new_entries(size_t n, struct mr_arena *arena, struct mr_wire_request *request,
                             struct mr_error *err) {
    if (n > UINT32_MAX) return mr_fail(err, MR_E_TOO_LARGE, "a request of %zu columns", n);
    request->header.n_items = (uint32_t)n;
    request->entries = mr_arena_array(arena, n, sizeof(*request->entries));
    size_t n_pieces;
    if (__builtin_mul_overflow(n, request->n_inputs, &n_pieces)) n_pieces = SIZE_MAX;
    struct piece *pieces = mr_arena_array(arena, n_pieces, sizeof(*pieces));
    if (!request->entries || !pieces) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n; i++) {
        request->entries[i] = (struct entry){.pieces = pieces + i * request->n_inputs,
                                             .n_pieces = request->n_inputs};
    }
    return MR_OK;
}

static mr_status add_items(struct mr_arena *arena, struct mr_wire_request *request,
                           struct mr_error *err) {
    const struct mr_input *first = request->inputs[0];
    bool is_table = first->kind == MR_INPUT_TABLE;
    size_t n = is_table ? first->table.n_cols + (first->table.index ? 1 : 0) : first->n_tensors;
    MR_TRY(new_entries(n, arena, request, err));
    for (size_t i = 0; i < request->n_inputs; i++) {
        if (is_table) {
            add_table(&request->inputs[i]->table, i, request);
        } else {
            add_tensors(request->inputs[i], i, request);
        }
    }
    if (!is_table && request->n_inputs > 1) MR_TRY(join_shapes(request, arena, err));
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
    claim(size, 1, MR_WIRE_REQUEST_BYTES, &is_overflown);
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
    size_t tail_size = request->n_inputs > 1 ? request->n_inputs * sizeof(int64_t)
                                             : request->trace.size;
    if (tail_size) request->tail_offset = claim(size, sizeof(int64_t), tail_size, &is_overflown);
    return !is_overflown;
}

mr_status mr_wire_plan_request(const struct mr_input *const *inputs, size_t n_inputs,
                               const struct mr_wire_request_options *options,
                               struct mr_arena *arena, struct mr_wire_request **out, size_t *size,
                               struct mr_error *err) {
    struct mr_wire_request *request = mr_arena_zalloc(arena, sizeof(*request));
    if (!request) return mr_arena_fail(arena, err);
    request->inputs = inputs;
    request->n_inputs = n_inputs;
    request->header.kind = (uint32_t)inputs[0]->kind;
    if (options->wants_stream) request->header.flags |= REQUEST_STREAM;
    if (options->is_nan_literal) request->header.flags |= REQUEST_NAN_LITERAL;
    if (n_inputs > 1) {
        request->header.flags |= REQUEST_PARTS;
    } else if (options->trace.size) {
        request->header.flags |= REQUEST_TRACE;
        request->trace = options->trace;
    }
    if (inputs[0]->kind == MR_INPUT_RAW) {
        request->header.format = (uint32_t)inputs[0]->raw_format;
        request->text = inputs[0]->raw_body;
    } else {
        MR_TRY(add_items(arena, request, err));
        MR_TRY(params_text(&inputs[0]->params, arena, &request->text, err));
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
    for (size_t p = 0; p < entry->n_pieces; p++) {
        const struct piece *piece = &entry->pieces[p];
        for (uint64_t i = 0; i < piece->n_values; i++) {
            end += piece->offsets ? piece->offsets[i + 1] - piece->offsets[i]
                                  : (int64_t)piece->texts[i].size;
            put_i64(writer, end);
        }
    }
}

static void put_bytes(struct writer *writer, const struct entry *entry) {
    put(writer, entry->item.values_offset + (uint64_t)entry->first, NULL, 0);
    for (size_t p = 0; p < entry->n_pieces; p++) {
        const struct piece *piece = &entry->pieces[p];
        if (piece->offsets) {
            put(writer, writer->at, piece->bytes + piece->offsets[0], bytes_of_texts(piece));
            continue;
        }
        for (uint64_t i = 0; i < piece->n_values; i++) {
            put(writer, writer->at, piece->texts[i].data, piece->texts[i].size);
        }
    }
}

static void put_values(struct writer *writer, const struct entry *entry) {
    size_t value_size = mr_dtype_size((mr_dtype)entry->item.dtype);
    put(writer, entry->item.values_offset, NULL, 0);
    for (size_t p = 0; p < entry->n_pieces; p++) {
        const struct piece *piece = &entry->pieces[p];
        put(writer, writer->at, piece->values, (size_t)piece->n_values * value_size);
    }
}

static void put_validity(struct writer *writer, const struct entry *entry) {
    size_t size = part_size(entry, VALIDITY);
    if (entry->n_pieces == 1) {
        put(writer, entry->item.validity_offset, entry->pieces[0].validity, size);
        return;
    }
    put(writer, entry->item.validity_offset, NULL, 0);
    uint8_t *bits = (uint8_t *)writer->to + writer->at;
    memset(bits, 0, size);
    uint64_t at = 0;
    for (size_t p = 0; p < entry->n_pieces; p++) {
        const struct piece *piece = &entry->pieces[p];
        for (uint64_t i = 0; i < piece->n_values; i++, at++) {
            bool is_there = !piece->validity || (piece->validity[i / 8] >> (i % 8) & 1);
            if (is_there) bits[at / 8] |= (uint8_t)(1 << (at % 8));
        }
    }
    writer->at += size;
}

static void put_part(struct writer *writer, const struct entry *entry, enum part part) {
    const struct wire_item *item = &entry->item;
    size_t size = part_size(entry, part);
    switch (part) {
    case NAMES: put(writer, item->name_offset, entry->name.data, size); break;
    case SHAPES: put(writer, item->shape_offset, entry->shape, size); break;
    case VALUES: put_values(writer, entry); break;
    case OFFSETS: put_offsets(writer, entry); break;
    case VALIDITY: put_validity(writer, entry); break;
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
    if (request->trace.size) {
        put(&writer, request->tail_offset, request->trace.data, request->trace.size);
    }
    if (request->n_inputs == 1) return;
    put(&writer, request->tail_offset, NULL, 0);
    for (size_t i = 0; i < request->n_inputs; i++) {
        put_i64(&writer, mr_wire_n_rows(request->inputs[i]));
    }
}
