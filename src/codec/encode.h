/* From a model's answer to bytes: predictions_to_json of mlflow's scoring server.
 *
 * Python's json.dump with default separators: `{"predictions": [0, 1.5, "a\u00e9"]}`. */
#ifndef MR_CODEC_ENCODE_H
#define MR_CODEC_ENCODE_H

#include "base/buf.h"
#include "schema/table.h"

struct mr_encode_options {
    bool is_nan_literal; /* write NaN, Infinity, -Infinity as MLflow does; default: null */
};

/* Append the body of an answer to buf: {"predictions": ...}, or what is to stand without it. Check
 * mr_buf_status afterwards. */
void mr_json_encode(const struct mr_output *output, const struct mr_encode_options *options,
                    struct mr_buf *buf);

/* Append a tensor as nested JSON lists, a 0-d one as its value. */
void mr_json_encode_tensor(const struct mr_tensor *tensor, const struct mr_encode_options *options,
                           struct mr_buf *buf);

/* Append a row of MR_OUTPUT_RECORDS as an object: {"x": 1.5, "y": 2}. */
void mr_json_encode_record(const struct mr_table *records, int64_t row,
                           const struct mr_encode_options *options, struct mr_buf *buf);

/* Append {"error_code": ..., "message": ...} to buf. */
void mr_json_encode_error(const struct mr_error *err, struct mr_buf *buf);

/* Append a JSON string, with quotes, escaped as Python's json does with ensure_ascii. `text` is
 * well-formed UTF-8 (or WTF-8: lone surrogates are written as \udxxx). */
void mr_json_encode_string(struct mr_str text, struct mr_buf *buf);

#endif
