/* Decodes request bodies as the server would and says, as JSON, what a model would be given.
 *
 * Reads a JSON object a line (request.h) and writes one a line: {"error_code", "message"} or
 * {"kind", "columns" | "tensors", "params"}. The differential tests compare it with MLflow's own
 * functions in one Python process. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "codec/encode.h"
#include "request.h"

static void write_hex(struct mr_str bytes, struct mr_buf *out) {
    mr_buf_char(out, '"');
    for (size_t i = 0; i < bytes.size; i++) {
        mr_buf_format(out, "%02x", (unsigned char)bytes.data[i]);
    }
    mr_buf_char(out, '"');
}

static void write_value(mr_dtype dtype, const void *values, int64_t i, struct mr_buf *out) {
    switch (dtype) {
    case MR_BOOL: mr_buf_text(out, ((const uint8_t *)values)[i] ? "true" : "false"); break;
    case MR_INT8: mr_buf_int(out, ((const int8_t *)values)[i]); break;
    case MR_INT16: mr_buf_int(out, ((const int16_t *)values)[i]); break;
    case MR_INT32: mr_buf_int(out, ((const int32_t *)values)[i]); break;
    case MR_INT64:
    case MR_DATETIME: mr_buf_int(out, ((const int64_t *)values)[i]); break;
    case MR_UINT8: mr_buf_int(out, ((const uint8_t *)values)[i]); break;
    case MR_UINT16: mr_buf_int(out, ((const uint16_t *)values)[i]); break;
    case MR_UINT32: mr_buf_int(out, ((const uint32_t *)values)[i]); break;
    case MR_UINT64:
        mr_buf_format(out, "%llu", (unsigned long long)((const uint64_t *)values)[i]);
        break;
    case MR_FLOAT16: mr_buf_format(out, "\"%04x\"", ((const uint16_t *)values)[i]); break;
    case MR_FLOAT32:
    case MR_FLOAT64: {
        double value = dtype == MR_FLOAT32 ? (double)((const float *)values)[i]
                                           : ((const double *)values)[i];
        if (isnan(value)) {
            mr_buf_text(out, "NaN");
        } else if (isinf(value)) {
            mr_buf_text(out, value < 0 ? "-Infinity" : "Infinity");
        } else {
            mr_buf_double(out, value);
        }
        break;
    }
    case MR_STRING: mr_json_encode_string(((const struct mr_str *)values)[i], out); break;
    case MR_BINARY: write_hex(((const struct mr_str *)values)[i], out); break;
    case MR_OBJECT: {
        yyjson_val *cell = ((yyjson_val *const *)values)[i];
        char *text = cell ? yyjson_val_write(cell, YYJSON_WRITE_ALLOW_INF_AND_NAN, NULL) : NULL;
        mr_buf_text(out, text ? text : "NaN");
        free(text);
        break;
    }
    default: mr_buf_text(out, "null");
    }
}

static void write_column(const struct mr_column *column, struct mr_buf *out) {
    mr_buf_text(out, "{\"name\": ");
    mr_json_encode_string(column->name, out);
    mr_buf_format(out, ", \"is_named\": %s, \"dtype\": \"%s\", \"values\": [",
                  column->is_named ? "true" : "false", mr_dtype_name(column->dtype));
    for (int64_t i = 0; i < column->n_rows; i++) {
        if (i) mr_buf_text(out, ", ");
        if (column->dtype == MR_STRING || column->dtype == MR_BINARY) {
            if (!mr_column_is_valid(column, i)) {
                mr_buf_text(out, "null");
                continue;
            }
            struct mr_str text = {column->bytes + column->offsets[i],
                                  (size_t)(column->offsets[i + 1] - column->offsets[i])};
            if (column->dtype == MR_STRING) {
                mr_json_encode_string(text, out);
            } else {
                write_hex(text, out);
            }
        } else if (column->validity && !mr_column_is_valid(column, i)) {
            mr_buf_text(out, "null");
        } else {
            write_value(column->dtype, column->values, i, out);
        }
    }
    mr_buf_text(out, "]}");
}

static void write_tensor(const struct mr_tensor *tensor, struct mr_buf *out) {
    mr_buf_text(out, "{\"name\": ");
    mr_json_encode_string(tensor->name, out);
    mr_buf_format(out, ", \"is_named\": %s, \"dtype\": \"%s\", \"shape\": [",
                  tensor->is_numbered ? "false" : "true", mr_dtype_name(tensor->dtype));
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (i) mr_buf_text(out, ", ");
        mr_buf_int(out, tensor->shape[i]);
    }
    mr_buf_text(out, "], \"values\": [");
    for (int64_t i = 0; i < tensor->n_values; i++) {
        if (i) mr_buf_text(out, ", ");
        write_value(tensor->dtype, tensor->values, i, out);
    }
    mr_buf_text(out, "]}");
}

static void write_input(const struct mr_input *input, struct mr_buf *out) {
    static const char *const kinds[] = {"table", "tensor", "tensors", "raw"};
    mr_buf_format(out, "{\"kind\": \"%s\"", kinds[input->kind]);
    if (input->kind == MR_INPUT_TABLE) {
        mr_buf_format(out, ", \"n_rows\": %lld, \"columns\": [", (long long)input->table.n_rows);
        for (size_t i = 0; i < input->table.n_cols; i++) {
            if (i) mr_buf_text(out, ", ");
            write_column(&input->table.columns[i], out);
        }
        mr_buf_char(out, ']');
    } else if (input->kind != MR_INPUT_RAW) {
        mr_buf_text(out, ", \"tensors\": [");
        for (size_t i = 0; i < input->n_tensors; i++) {
            if (i) mr_buf_text(out, ", ");
            write_tensor(&input->tensors[i], out);
        }
        mr_buf_char(out, ']');
    }
    mr_buf_text(out, ", \"params\": {");
    for (size_t i = 0; i < input->params.n; i++) {
        if (i) mr_buf_text(out, ", ");
        mr_json_encode_string(input->params.items[i].name, out);
        mr_buf_text(out, ": ");
        mr_buf_append(out, input->params.items[i].json.data, input->params.items[i].json.size);
    }
    mr_buf_text(out, "}}");
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    while (arena && (length = getline(&line, &capacity, stdin)) > 0) {
        yyjson_doc *doc = yyjson_read(line, (size_t)length, 0);
        struct mr_decoded decoded = {0};
        struct mr_error err = {0};
        struct mr_buf out;
        mr_buf_init(&out, arena);
        if (decode_request(yyjson_doc_get_root(doc), arena, &decoded, &err) == MR_OK) {
            write_input(&decoded.input, &out);
        } else {
            mr_json_encode_error(&err, &out);
        }
        mr_buf_char(&out, '\n');
        fwrite(out.data, 1, out.size, stdout);
        fflush(stdout);
        yyjson_doc_free(doc);
        mr_arena_reset(arena);
    }
    free(line);
    mr_arena_free(arena);
    return 0;
}
