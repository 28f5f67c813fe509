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

/* Values [from, from + n) of one dtype, as ndarray.tolist() followed by json.dump writes them:
 * float32 widened to Python's float, datetime64[ns] as integers. */
static void encode_values(const struct mr_tensor *tensor, int64_t from, int64_t n,
                          const struct mr_encode_options *options, struct mr_buf *buf) {
    bool is_literal = options->is_nan_literal;
    for (int64_t i = from; i < from + n; i++) {
        if (i > from) mr_buf_append(buf, ", ", 2);
        switch (tensor->dtype) {
        case MR_BOOL:
            mr_buf_text(buf, ((const uint8_t *)tensor->values)[i] ? "true" : "false");
            break;
        case MR_INT8: mr_buf_int(buf, ((const int8_t *)tensor->values)[i]); break;
        case MR_INT16: mr_buf_int(buf, ((const int16_t *)tensor->values)[i]); break;
        case MR_INT32: mr_buf_int(buf, ((const int32_t *)tensor->values)[i]); break;
        case MR_INT64:
        case MR_DATETIME: mr_buf_int(buf, ((const int64_t *)tensor->values)[i]); break;
        case MR_UINT8: mr_buf_int(buf, ((const uint8_t *)tensor->values)[i]); break;
        case MR_UINT16: mr_buf_int(buf, ((const uint16_t *)tensor->values)[i]); break;
        case MR_UINT32: mr_buf_int(buf, ((const uint32_t *)tensor->values)[i]); break;
        case MR_UINT64:
            mr_buf_format(buf, "%llu", (unsigned long long)((const uint64_t *)tensor->values)[i]);
            break;
        case MR_FLOAT16:
            encode_double(mr_half_to_double(((const uint16_t *)tensor->values)[i]), is_literal,
                          buf);
            break;
        case MR_FLOAT32:
            encode_double((double)((const float *)tensor->values)[i], is_literal, buf);
            break;
        case MR_FLOAT64: encode_double(((const double *)tensor->values)[i], is_literal, buf); break;
        case MR_STRING:
            mr_json_encode_string(((const struct mr_str *)tensor->values)[i], buf);
            break;
        case MR_BINARY:
        case MR_OBJECT:
        case MR_N_DTYPES: mr_buf_text(buf, "null"); break; /* no engine answers with these */
        }
    }
}

/* The sub-array at `depth` that starts at value `from`; n values in all. Depth is bounded by
 * MR_MAX_DIMS. */
static void encode_array(const struct mr_tensor *tensor, size_t depth, int64_t from, int64_t n,
                         const struct mr_encode_options *options, struct mr_buf *buf) {
    if (depth == tensor->n_dims) {
        encode_values(tensor, from, 1, options, buf);
        return;
    }
    mr_buf_char(buf, '[');
    if (depth + 1 == tensor->n_dims) {
        encode_values(tensor, from, n, options, buf);
    } else {
        int64_t size = tensor->shape[depth];
        for (int64_t i = 0; i < size; i++) {
            if (i) mr_buf_append(buf, ", ", 2);
            encode_array(tensor, depth + 1, from + i * (n / size), n / size, options, buf);
        }
    }
    mr_buf_char(buf, ']');
}

void mr_json_encode_tensor(const struct mr_tensor *tensor, const struct mr_encode_options *options,
                           struct mr_buf *buf) {
    encode_array(tensor, 0, 0, tensor->n_values, options, buf);
}

void mr_json_encode(const struct mr_output *output, const struct mr_encode_options *options,
                    struct mr_buf *buf) {
    if (!output->is_bare) mr_buf_text(buf, "{\"predictions\": ");
    mr_json_encode_tensor(&output->tensor, options, buf);
    if (!output->is_bare) mr_buf_char(buf, '}');
}

void mr_json_encode_error(const struct mr_error *err, struct mr_buf *buf) {
    mr_buf_text(buf, "{\"error_code\": ");
    mr_json_encode_string(mr_str_from(mr_status_error_code(err->status)), buf);
    mr_buf_text(buf, ", \"message\": ");
    mr_json_encode_string(mr_str_from(err->message), buf);
    mr_buf_char(buf, '}');
}
