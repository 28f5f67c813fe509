#include "codec/encode.h"

#include <math.h>

#include "base/half.h"
#include "base/number.h"
#include "base/utf8.h"

static void escape(unsigned code, struct mr_buf *buf) {
    static const char hex[] = "0123456789abcdef";
    char text[6] = {
        '\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
    mr_buf_append(buf, text, sizeof(text));
}

static void escape_char(struct mr_str text, size_t *at, struct mr_buf *buf) {
    unsigned char c = (unsigned char)text.data[*at];
    if (c < 0x80) {
        static const char short_from[] = "\"\\\b\f\n\r\t", short_to[] = "\"\\bfnrt";
        const char *found = c ? strchr(short_from, c) : NULL;
        *at += 1;
        if (found) {
            mr_buf_char(buf, '\\');
            mr_buf_char(buf, short_to[found - short_from]);
        } else {
            escape(c, buf);
        }
        return;
    }
    unsigned code = mr_utf8_next(text.data, text.size, at);
    if (code >= 0x10000) {
        escape(0xD800 + ((code - 0x10000) >> 10), buf);
        escape(0xDC00 + ((code - 0x10000) & 0x3FF), buf);
    } else {
        escape(code, buf);
    }
}

void mr_json_encode_string(struct mr_str text, struct mr_buf *buf) {
    mr_buf_char(buf, '"');
    size_t plain = 0;
    for (size_t at = 0; at < text.size;) {
        unsigned char c = (unsigned char)text.data[at];
        /* DEL (0x7f) stays as it is in Python's json. */
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            at++;
            continue;
        }
        mr_buf_append(buf, text.data + plain, at - plain);
        escape_char(text, &at, buf);
        plain = at;
    }
    mr_buf_append(buf, text.data + plain, text.size - plain);
    mr_buf_char(buf, '"');
}

static void encode_double(double value, bool is_nan_literal, struct mr_buf *buf) {
    if (isfinite(value)) {
        mr_buf_double(buf, value);
    } else if (!is_nan_literal) {
        mr_buf_text(buf, "null");
    } else {
        mr_buf_text(buf, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
    }
}

/* Value i of an array, as item() followed by json.dump writes it: float32 widened to Python's
 * float, datetime64[ns] as an integer. */
static void encode_value(mr_dtype dtype, const void *values, int64_t i,
                         const struct mr_encode_options *options, struct mr_buf *buf) {
    bool is_literal = options->is_nan_literal;
    switch (dtype) {
    case MR_BOOL: mr_buf_text(buf, ((const uint8_t *)values)[i] ? "true" : "false"); break;
    case MR_INT8: mr_buf_int(buf, ((const int8_t *)values)[i]); break;
    case MR_INT16: mr_buf_int(buf, ((const int16_t *)values)[i]); break;
    case MR_INT32: mr_buf_int(buf, ((const int32_t *)values)[i]); break;
    case MR_INT64:
    case MR_DATETIME: mr_buf_int(buf, ((const int64_t *)values)[i]); break;
    case MR_UINT8: mr_buf_int(buf, ((const uint8_t *)values)[i]); break;
    case MR_UINT16: mr_buf_int(buf, ((const uint16_t *)values)[i]); break;
    case MR_UINT32: mr_buf_int(buf, ((const uint32_t *)values)[i]); break;
    case MR_UINT64:
        mr_buf_format(buf, "%llu", (unsigned long long)((const uint64_t *)values)[i]);
        break;
    case MR_FLOAT16:
        encode_double(mr_half_to_double(((const uint16_t *)values)[i]), is_literal, buf);
        break;
    case MR_FLOAT32: encode_double((double)((const float *)values)[i], is_literal, buf); break;
    case MR_FLOAT64: encode_double(((const double *)values)[i], is_literal, buf); break;
    case MR_STRING: mr_json_encode_string(((const struct mr_str *)values)[i], buf); break;
    case MR_BINARY:
    case MR_OBJECT:
    case MR_N_DTYPES: mr_buf_text(buf, "null"); break; /* no engine answers with these */
    }
}

/* The sub-array at `depth` that starts at value `from`; n values in all. Depth is bounded by
 * MR_MAX_DIMS. Ends early when buf is full: of an array without values, a shape may promise more
 * empty lists than any memory holds. */
static void encode_array(const struct mr_tensor *tensor, size_t depth, int64_t from, int64_t n,
                         const struct mr_encode_options *options, struct mr_buf *buf) {
    if (depth == tensor->n_dims) {
        encode_value(tensor->dtype, tensor->values, from, options, buf);
        return;
    }
    mr_buf_char(buf, '[');
    int64_t size = tensor->shape[depth];
    for (int64_t i = 0; i < size && !buf->is_failed; i++) {
        if (i) mr_buf_append(buf, ", ", 2);
        if (depth + 1 == tensor->n_dims) {
            encode_value(tensor->dtype, tensor->values, from + i, options, buf);
        } else {
            encode_array(tensor, depth + 1, from + i * (n / size), n / size, options, buf);
        }
    }
    mr_buf_char(buf, ']');
}

void mr_json_encode_tensor(const struct mr_tensor *tensor, const struct mr_encode_options *options,
                           struct mr_buf *buf) {
    encode_array(tensor, 0, 0, tensor->n_values, options, buf);
}

void mr_json_encode_record(const struct mr_table *records, int64_t row,
                           const struct mr_encode_options *options, struct mr_buf *buf) {
    mr_buf_char(buf, '{');
    for (size_t i = 0; i < records->n_cols; i++) {
        const struct mr_column *column = &records->columns[i];
        if (i) mr_buf_append(buf, ", ", 2);
        mr_buf_append(buf, column->name.data, column->name.size);
        mr_buf_append(buf, ": ", 2);
        encode_value(column->dtype, column->values, row, options, buf);
    }
    mr_buf_char(buf, '}');
}

static void encode_records(const struct mr_table *records, const struct mr_encode_options *options,
                           struct mr_buf *buf) {
    mr_buf_char(buf, '[');
    for (int64_t row = 0; row < records->n_rows; row++) {
        if (row) mr_buf_append(buf, ", ", 2);
        mr_json_encode_record(records, row, options, buf);
    }
    mr_buf_char(buf, ']');
}

void mr_json_encode(const struct mr_output *output, const struct mr_encode_options *options,
                    struct mr_buf *buf) {
    bool is_bare = output->is_bare || output->http_status;
    if (!is_bare) mr_buf_text(buf, "{\"predictions\": ");
    switch (output->kind) {
    case MR_OUTPUT_TENSOR: mr_json_encode_tensor(&output->tensor, options, buf); break;
    case MR_OUTPUT_RECORDS: encode_records(&output->records, options, buf); break;
    case MR_OUTPUT_JSON: mr_buf_append(buf, output->json.data, output->json.size); break;
    }
    if (!is_bare) mr_buf_char(buf, '}');
}

void mr_json_encode_error(const struct mr_error *err, struct mr_buf *buf) {
    mr_buf_text(buf, "{\"error_code\": ");
    mr_json_encode_string(mr_str_from(mr_status_error_code(err->status)), buf);
    mr_buf_text(buf, ", \"message\": ");
    mr_json_encode_string(mr_str_from(err->message), buf);
    mr_buf_char(buf, '}');
}
