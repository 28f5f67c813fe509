/* Answers as text: JSON as MLflow writes it, JSON lines, or CSV as pandas writes it. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "api/score_file_int.h"

/* A block's answers. */
struct answers {
    struct mr_buf text;
    int64_t n_rows;
    size_t n_columns; /* CSV: values in a row */
    bool is_list;     /* one entry for each row of the input */
};

static size_t value_size(mr_dtype dtype) {
    bool is_text = dtype == MR_STRING || dtype == MR_BINARY;
    return is_text ? sizeof(struct mr_str) : mr_dtype_size(dtype);
}

/* Values [at, at + n) of a tensor as a tensor of `n_dims` trailing dimensions. */
static struct mr_tensor part_of(const struct mr_tensor *tensor, size_t n_dims, int64_t at,
                                int64_t n) {
    struct mr_tensor part = *tensor;
    part.shape = tensor->shape + (tensor->n_dims - n_dims);
    part.n_dims = n_dims;
    part.n_values = n;
    part.values = (const char *)tensor->values + (size_t)at * value_size(tensor->dtype);
    return part;
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* csv.QUOTE_MINIMAL, as DataFrame.to_csv does. */
static void append_csv_text(struct mr_str text, struct mr_buf *buf) {
    bool is_plain = text.size > 0;
    for (size_t i = 0; i < text.size && is_plain; i++) is_plain = !strchr(",\"\r\n", text.data[i]);
    if (is_plain) {
        mr_buf_append(buf, text.data, text.size);
        return;
    }
    mr_buf_char(buf, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') mr_buf_char(buf, '"');
        mr_buf_char(buf, text.data[i]);
    }
    mr_buf_char(buf, '"');
}

static void append_csv_double(double value, struct mr_buf *buf) {
    if (!isnan(value)) mr_buf_double(buf, value); /* "inf" and "-inf" as they are */
}

static void append_csv_value(const struct mr_file_job *job, const struct mr_tensor *tensor,
                             int64_t i, struct mr_buf *buf) {
    switch (tensor->dtype) {
    case MR_FLOAT64: append_csv_double(((const double *)tensor->values)[i], buf); break;
    case MR_FLOAT32: append_csv_double((double)((const float *)tensor->values)[i], buf); break;
    case MR_BOOL: mr_buf_text(buf, ((const uint8_t *)tensor->values)[i] ? "True" : "False"); break;
    case MR_STRING: append_csv_text(((const struct mr_str *)tensor->values)[i], buf); break;
    default: {
        struct mr_tensor value = part_of(tensor, 0, i, 1);
        mr_json_encode_tensor(&value, &job->options->encode, buf);
    }
    }
}

static void append_csv_rows(const struct mr_file_job *job, const struct mr_tensor *tensor,
                            struct answers *answers) {
    int64_t n_columns = (int64_t)answers->n_columns;
    for (int64_t row = 0; row < answers->n_rows; row++) {
        for (int64_t column = 0; column < n_columns; column++) {
            if (column) mr_buf_char(&answers->text, ',');
            append_csv_value(job, tensor, row * n_columns + column, &answers->text);
        }
        mr_buf_char(&answers->text, '\n');
    }
}

/* A column is called as the signature's outputs say, else "predictions", with a number where there
 * are several. */
static void append_csv_header(const struct mr_file_job *job, size_t n_columns, struct mr_buf *buf) {
    struct mr_str json = job->options->model->signature.outputs_json;
    yyjson_doc *doc = json.size ? yyjson_read(json.data, json.size, 0) : NULL;
    yyjson_val *outputs = yyjson_doc_get_root(doc);
    bool is_named = yyjson_arr_size(outputs) == n_columns;
    size_t i, n;
    yyjson_val *output;
    yyjson_arr_foreach(outputs, i, n, output) {
        is_named &= yyjson_get_len(yyjson_obj_get(output, "name")) > 0;
    }
    for (i = 0; i < n_columns; i++) {
        if (i) mr_buf_char(buf, ',');
        yyjson_val *name = yyjson_obj_get(yyjson_arr_get(outputs, i), "name");
        if (is_named) {
            append_csv_text((struct mr_str){yyjson_get_str(name), yyjson_get_len(name)}, buf);
        } else {
            mr_buf_text(buf, "predictions");
            if (n_columns > 1) mr_buf_format(buf, "_%zu", i);
        }
    }
    mr_buf_char(buf, '\n');
    yyjson_doc_free(doc);
}

/* --- encoding --------------------------------------------------------------------------------- */

static void append_lines(const struct mr_file_job *job, const struct mr_tensor *tensor,
                         struct answers *answers) {
    int64_t n = answers->is_list ? answers->n_rows : 1;
    size_t n_dims = tensor->n_dims - answers->is_list;
    int64_t n_values = n ? tensor->n_values / n : 0;
    for (int64_t i = 0; i < n; i++) {
        struct mr_tensor row = part_of(tensor, n_dims, i * n_values, n_values);
        mr_json_encode_tensor(&row, &job->options->encode, &answers->text);
        mr_buf_char(&answers->text, '\n');
    }
}

mr_status mr_file_encode(const struct mr_file_job *job, struct mr_block *block,
                         const struct mr_output *output, int64_t n_rows, struct mr_error *err) {
    const struct mr_tensor *tensor = &output->tensor;
    struct answers *answers = mr_arena_zalloc(block->arena, sizeof(*answers));
    if (!answers) return mr_arena_fail(block->arena, err);
    mr_buf_init(&answers->text, block->arena);
    answers->is_list = tensor->n_dims > 0 && (n_rows < 0 || tensor->shape[0] == n_rows);
    answers->n_rows = answers->is_list ? tensor->shape[0] : n_rows;
    switch (job->options->output_format) {
    case MR_FILE_JSON: mr_json_encode_tensor(tensor, &job->options->encode, &answers->text); break;
    case MR_FILE_JSONL: append_lines(job, tensor, answers); break;
    case MR_FILE_CSV:
        if (!answers->is_list) {
            return mr_fail(err, MR_E_UNSUPPORTED,
                           "the model's answer is no list with an entry for each row, which CSV "
                           "cannot hold: choose JSON for the output");
        }
        answers->n_columns = 1;
        for (size_t i = 1; i < tensor->n_dims; i++) {
            answers->n_columns *= (size_t)tensor->shape[i];
        }
        append_csv_rows(job, tensor, answers);
        break;
    }
    block->result = answers;
    return mr_buf_status(&answers->text, err);
}

/* --- writing ---------------------------------------------------------------------------------- */

static mr_status write_text(const struct mr_file_job *job, struct mr_str text,
                            struct mr_error *err) {
    while (text.size) {
        ssize_t n = write(job->options->output, text.data, text.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mr_fail(err, MR_E_IO, "cannot write the output: %s", strerror(errno));
        text.data += n;
        text.size -= (size_t)n;
    }
    return MR_OK;
}

/* All blocks' lists become one. */
static mr_status write_json(struct mr_file_job *job, const struct answers *answers,
                            struct mr_error *err) {
    struct mr_str text = mr_buf_str(&answers->text);
    if (job->has_output && (job->is_unlisted || !answers->is_list)) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "the model's answer is no list with an entry for each row: it cannot be put "
                       "together from blocks of rows");
    }
    if (!job->has_output) {
        job->is_unlisted = !answers->is_list;
        const char *start = answers->is_list ? "{\"predictions\": [" : "{\"predictions\": ";
        MR_TRY(write_text(job, mr_str_from(start), err));
    }
    if (answers->is_list) text = (struct mr_str){text.data + 1, text.size - 2}; /* no brackets */
    if (job->has_entries && text.size) MR_TRY(write_text(job, mr_str_from(", "), err));
    job->has_entries |= text.size > 0;
    return write_text(job, text, err);
}

static mr_status write_csv(struct mr_file_job *job, struct mr_block *block,
                           const struct answers *answers, struct mr_error *err) {
    if (!job->has_output) {
        struct mr_buf header;
        mr_buf_init(&header, block->arena);
        append_csv_header(job, answers->n_columns, &header);
        MR_TRY(mr_buf_status(&header, err));
        MR_TRY(write_text(job, mr_buf_str(&header), err));
        job->n_columns = answers->n_columns;
    } else if (job->n_columns != answers->n_columns) {
        return mr_fail(err, MR_E_INTERNAL, "the model answers %zu values for a row, then %zu",
                       job->n_columns, answers->n_columns);
    }
    return write_text(job, mr_buf_str(&answers->text), err);
}

mr_status mr_file_write(struct mr_file_job *job, struct mr_block *block, struct mr_error *err) {
    const struct answers *answers = block->result;
    mr_status status = MR_OK;
    switch (job->options->output_format) {
    case MR_FILE_JSON: status = write_json(job, answers, err); break;
    case MR_FILE_JSONL: status = write_text(job, mr_buf_str(&answers->text), err); break;
    case MR_FILE_CSV: status = write_csv(job, block, answers, err); break;
    }
    job->has_output = true;
    return status;
}

mr_status mr_file_write_end(struct mr_file_job *job, struct mr_error *err) {
    if (job->options->output_format != MR_FILE_JSON) return MR_OK;
    return write_text(job, mr_str_from(job->is_unlisted ? "}" : "]}"), err);
}
