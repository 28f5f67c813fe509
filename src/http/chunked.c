#include "http/chunked.h"

#include "http/hex.h"

enum state {
    STATE_SIZE,      /* digits of the chunk size */
    STATE_EXTENSION, /* behind the size, up to CR */
    STATE_SIZE_LF,   /* LF that ends the size line */
    STATE_DATA,      /* chunk data */
    STATE_DATA_CR,   /* CR LF behind the data */
    STATE_DATA_LF,
    STATE_TRAILER, /* a trailer line, up to CR; an empty one ends the body */
    STATE_TRAILER_LF,
    STATE_DONE,
};

void mr_http_chunked_init(struct mr_http_chunked *chunked, size_t max_overhead_bytes) {
    *chunked = (struct mr_http_chunked){.state = STATE_SIZE, .max_overhead = max_overhead_bytes};
}

bool mr_http_chunked_is_done(const struct mr_http_chunked *chunked) {
    return chunked->state == STATE_DONE;
}

static bool is_control(char c) {
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* One byte of framing; chunk data does not come here. Returns what is wrong with it, or NULL. */
static const char *step(struct mr_http_chunked *chunked, char c) {
    switch ((enum state)chunked->state) {
    case STATE_SIZE: {
        int digit = mr_http_hex_value(c);
        if (digit >= 0) {
            if (chunked->left > INT64_MAX >> 4) return "a chunk size is too large";
            chunked->left = chunked->left << 4 | (unsigned)digit;
            chunked->n_digits++;
            if (chunked->n_digits > 16) return "a chunk size has too many digits";
            return NULL;
        }
        if (!chunked->n_digits) return "a chunk does not start with its size in hexadecimal";
        if (c != '\r' && c != ';' && c != ' ' && c != '\t')
            return "a chunk size is not a hexadecimal number";
        chunked->state = c == '\r' ? STATE_SIZE_LF : STATE_EXTENSION;
        return NULL;
    }
    case STATE_EXTENSION:
        chunked->overhead++;
        if (c == '\r') {
            chunked->state = STATE_SIZE_LF;
            return NULL;
        }
        return is_control(c) ? "a chunk extension has a control character" : NULL;
    case STATE_SIZE_LF:
        if (c != '\n') return "a chunk size line does not end with CR LF";
        chunked->state = chunked->left ? STATE_DATA : STATE_TRAILER;
        chunked->is_trailer_line_empty = true;
        chunked->n_digits = 0;
        return NULL;
    case STATE_DATA_CR:
        if (c != '\r') return "a chunk is longer than its size";
        chunked->state = STATE_DATA_LF;
        return NULL;
    case STATE_DATA_LF:
        if (c != '\n') return "a chunk does not end with CR LF";
        chunked->state = STATE_SIZE;
        return NULL;
    case STATE_TRAILER:
        chunked->overhead++;
        if (c == '\r') {
            chunked->state = STATE_TRAILER_LF;
            return NULL;
        }
        chunked->is_trailer_line_empty = false;
        return is_control(c) ? "a trailer field has a control character" : NULL;
    case STATE_TRAILER_LF:
        if (c != '\n') return "a trailer line does not end with CR LF";
        chunked->state = chunked->is_trailer_line_empty ? STATE_DONE : STATE_TRAILER;
        chunked->is_trailer_line_empty = true;
        return NULL;
    case STATE_DATA:
    case STATE_DONE: break;
    }
    return NULL;
}

mr_status mr_http_chunked_next(struct mr_http_chunked *chunked, struct mr_str *input,
                               struct mr_str *piece, struct mr_error *err) {
    *piece = (struct mr_str){NULL, 0};
    while (input->size && chunked->state != STATE_DONE) {
        if (chunked->state == STATE_DATA) {
            size_t size = input->size;
            if (chunked->left < size) size = (size_t)chunked->left;
            *piece = (struct mr_str){input->data, size};
            input->data += size;
            input->size -= size;
            chunked->left -= size;
            if (!chunked->left) chunked->state = STATE_DATA_CR;
            return MR_OK;
        }
        const char *fault = step(chunked, *input->data);
        if (fault) return mr_fail(err, MR_E_BAD_REQUEST, "%s", fault);
        if (chunked->overhead > chunked->max_overhead)
            return mr_fail(err, MR_E_HEADERS_TOO_LARGE,
                           "chunk extensions and trailers are over the limit of %zu bytes",
                           chunked->max_overhead);
        input->data++;
        input->size--;
    }
    return MR_OK;
}
