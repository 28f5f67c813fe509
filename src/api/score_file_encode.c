/* Answers to a block as text: JSON as MLflow writes it, JSON lines, or CSV as pandas writes it. */
#include <math.h>
#include <string.h>
#include <yyjson.h>

#include "api/score_file_int.h"
#include "base/number.h"

/* --- cells of CSV ----------------------------------------------------------------------------- */

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

static void append_csv_bool(bool value, struct mr_buf *buf) {
    mr_buf_text(buf, value ? "True" : "False");
}

static size_t value_size(mr_dtype dtype) {
    bool is_text = dtype == MR_STRING || dtype == MR_BINARY;
    return is_text ? sizeof(struct mr_str) : mr_dtype_size(dtype);
}

/* Value i of an array as a tensor without dimensions. */
static struct mr_tensor value_of(mr_dtype dtype, const void *values, int64_t i) {
    const char *value = (const char *)values + (size_t)i * value_size(dtype);
    return (struct mr_tensor){.dtype = dtype, .n_values = 1, .values = value};
}

static void append_csv_value(mr_dtype dtype, const void *values, int64_t i, struct mr_buf *buf) {
    switch (dtype) {
    case MR_FLOAT64: append_csv_double(((const double *)values)[i], buf); break;
    case MR_FLOAT32: append_csv_double((double)((const float *)values)[i], buf); break;
    case MR_BOOL: append_csv_bool(((const uint8_t *)values)[i], buf); break;
    case MR_STRING: append_csv_text(((const struct mr_str *)values)[i], buf); break;
    default: {
        struct mr_tensor value = value_of(dtype, values, i);
        mr_json_encode_tensor(&value, &(struct mr_encode_options){0}, buf);
    }
    }
}

/* A number as it is written: an integer beyond 64 bits, or NaN, Infinity, -Infinity. */
static void append_csv_raw(struct mr_str text, struct mr_buf *buf) {
    double value;
    bool is_digits = text.size && text.data[text.size - 1] <= '9';
    if (is_digits || !mr_float_parse(text, &value)) {
        mr_buf_append(buf, text.data, text.size);
    } else {
        append_csv_double(value, buf);
    }
}

static void append_csv_json(yyjson_val *value, struct mr_buf *buf) {
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_STR:
        append_csv_text((struct mr_str){yyjson_get_str(value), yyjson_get_len(value)}, buf);
        break;
    case YYJSON_TYPE_RAW:
        append_csv_raw((struct mr_str){yyjson_get_raw(value), yyjson_get_len(value)}, buf);
        break;
    case YYJSON_TYPE_BOOL: append_csv_bool(yyjson_get_bool(value), buf); break;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_real(value)) {
            append_csv_double(yyjson_get_real(value), buf);
        } else if (yyjson_is_uint(value)) {
            mr_buf_format(buf, "%llu", (unsigned long long)yyjson_get_uint(value));
        } else {
            mr_buf_int(buf, yyjson_get_sint(value));
        }
        break;
    default: break; /* null: an empty cell */
    }
}

/* --- tables of CSV ---------------------------------------------------------------------------- */

/* A column is called as the signature's outputs say, else "predictions", with a number where there
 * are several. */
static void append_csv_names(const struct mr_file_job *job, size_t n_columns, struct mr_buf *buf) {
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
    yyjson_doc_free(doc);
}

static void append_tensor_csv(const struct mr_file_job *job, const struct mr_tensor *tensor,
                              struct mr_answers *answers) {
    int64_t n_columns = 1;
    for (size_t i = 1; i < tensor->n_dims; i++) n_columns *= tensor->shape[i];
    append_csv_names(job, (size_t)n_columns, &answers->header);
    for (int64_t row = 0; row < answers->n_rows; row++) {
        for (int64_t column = 0; column < n_columns; column++) {
            if (column) mr_buf_char(&answers->text, ',');
            append_csv_value(tensor->dtype, tensor->values, row * n_columns + column,
                             &answers->text);
        }
        mr_buf_char(&answers->text, '\n');
    }
}

static void append_records_csv(const struct mr_table *records, struct mr_answers *answers) {
    for (size_t i = 0; i < records->n_cols; i++) {
        struct mr_str name = records->columns[i].name;
        if (i) mr_buf_char(&answers->header, ',');
        yyjson_doc *doc = yyjson_read(name.data, name.size, 0);
        append_csv_json(yyjson_doc_get_root(doc), &answers->header);
        yyjson_doc_free(doc);
    }
    for (int64_t row = 0; row < records->n_rows; row++) {
        for (size_t i = 0; i < records->n_cols; i++) {
            const struct mr_column *column = &records->columns[i];
            if (i) mr_buf_char(&answers->text, ',');
            append_csv_value(column->dtype, column->values, row, &answers->text);
        }
        mr_buf_char(&answers->text, '\n');
    }
}

/* Append a row that is one value, a list, or an object with the keys of `first`; false when it is
 * not like `first`, or holds more than values. */
static bool append_json_row(yyjson_val *row, yyjson_val *first, struct mr_buf *buf) {
    if (yyjson_get_type(row) != yyjson_get_type(first) &&
        (yyjson_is_ctn(row) || yyjson_is_ctn(first))) {
        return false;
    }
    if (!yyjson_is_ctn(row)) {
        append_csv_json(row, buf);
        return true;
    }
    size_t i, n;
    yyjson_val *key, *value;
    if (yyjson_get_len(row) != yyjson_get_len(first)) return false;
    if (yyjson_is_arr(row)) {
        yyjson_arr_foreach(row, i, n, value) {
            if (yyjson_is_ctn(value)) return false;
            if (i) mr_buf_char(buf, ',');
            append_csv_json(value, buf);
        }
        return true;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(row);
    yyjson_obj_foreach(first, i, n, key, value) {
        yyjson_val *cell = yyjson_obj_iter_getn(&iter, yyjson_get_str(key), yyjson_get_len(key));
        if (!cell || yyjson_is_ctn(cell)) return false;
        if (i) mr_buf_char(buf, ',');
        append_csv_json(cell, buf);
    }
    return true;
}

static void append_json_header(const struct mr_file_job *job, yyjson_val *first,
                               struct mr_answers *answers) {
    if (!yyjson_is_obj(first)) {
        size_t n_columns = yyjson_is_arr(first) ? yyjson_arr_size(first) : 1;
        append_csv_names(job, n_columns, &answers->header);
        return;
    }
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(first, i, n, key, value) {
        if (i) mr_buf_char(&answers->header, ',');
        append_csv_json(key, &answers->header);
    }
}

/* false: the list is no table. */
static bool append_json_csv(const struct mr_file_job *job, struct mr_str json,
                            struct mr_answers *answers) {
    yyjson_doc *doc = yyjson_read(json.data, json.size,
                                  YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_val *rows = yyjson_doc_get_root(doc), *first = yyjson_arr_get_first(rows), *row;
    bool is_table = yyjson_is_arr(rows);
    append_json_header(job, first, answers);
    size_t i, n;
    yyjson_arr_foreach(rows, i, n, row) {
        is_table = is_table && append_json_row(row, first, &answers->text);
        mr_buf_char(&answers->text, '\n');
    }
    yyjson_doc_free(doc);
    return is_table;
}

static mr_status append_csv(const struct mr_file_job *job, const struct mr_output *output,
                            struct mr_answers *answers, struct mr_error *err) {
    bool is_table = answers->is_list;
    if (is_table) {
        switch (output->kind) {
        case MR_OUTPUT_TENSOR: append_tensor_csv(job, &output->tensor, answers); break;
        case MR_OUTPUT_RECORDS: append_records_csv(&output->records, answers); break;
        case MR_OUTPUT_JSON: is_table = append_json_csv(job, output->json, answers); break;
        }
    }
    mr_buf_char(&answers->header, '\n');
    if (is_table) return mr_buf_status(&answers->header, err);
    return mr_fail(err, MR_E_UNSUPPORTED,
                   "the model's answer is no table with a row for each row of the input, which CSV "
                   "needs: choose --output-format json");
}

/* --- lists of JSON ---------------------------------------------------------------------------- */

/* Take the first entry from the entries of a list, such as "1, [2, 3]"; false: none is left. */
static bool next_entry(struct mr_str *rest, struct mr_str *entry) {
    size_t depth = 0, at = 0;
    bool is_text = false;
    for (; at < rest->size; at++) {
        char c = rest->data[at];
        if (is_text) {
            if (c == '\\') at++;
            is_text = c != '"';
        } else if (c == '"') {
            is_text = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',' && depth == 0) {
            break;
        }
    }
    if (at > rest->size) at = rest->size;
    *entry = (struct mr_str){rest->data, at};
    if (at < rest->size) at++;
    while (at < rest->size && rest->data[at] == ' ') at++;
    *rest = (struct mr_str){rest->data + at, rest->size - at};
    return entry->size > 0;
}

/* What stands between the brackets of a list; data is NULL: it is no list. */
static struct mr_str entries_of(struct mr_str json) {
    if (json.size < 2 || json.data[0] != '[') return (struct mr_str){0};
    return (struct mr_str){json.data + 1, json.size - 2};
}

/* How many entries a list of rows has; -1: it is none. */
static int64_t count_entries(const struct mr_output *output) {
    if (output->is_by_target) return -1;
    if (output->kind == MR_OUTPUT_RECORDS) return output->records.n_rows;
    if (output->kind == MR_OUTPUT_TENSOR) {
        return output->tensor.n_dims ? output->tensor.shape[0] : -1;
    }
    struct mr_str rest = entries_of(output->json), entry;
    int64_t n = rest.data ? 0 : -1;
    while (next_entry(&rest, &entry)) n++;
    return n;
}

static void append_json(const struct mr_file_job *job, const struct mr_output *output,
                        struct mr_answers *answers) {
    struct mr_output bare = *output;
    bare.is_bare = true;
    mr_json_encode(&bare, &job->options->encode, &answers->text);
}

static void append_tensor_lines(const struct mr_file_job *job, const struct mr_tensor *tensor,
                                struct mr_answers *answers) {
    int64_t n_values = answers->n_rows ? tensor->n_values / answers->n_rows : 0;
    for (int64_t i = 0; i < answers->n_rows; i++) {
        struct mr_tensor row = value_of(tensor->dtype, tensor->values, i * n_values);
        row.n_dims = tensor->n_dims - 1;
        row.shape = tensor->shape + 1;
        row.n_values = n_values;
        mr_json_encode_tensor(&row, &job->options->encode, &answers->text);
        mr_buf_char(&answers->text, '\n');
    }
}

static void append_lines(const struct mr_file_job *job, const struct mr_output *output,
                         struct mr_answers *answers) {
    if (!answers->is_list) {
        append_json(job, output, answers);
        mr_buf_char(&answers->text, '\n');
    } else if (output->kind == MR_OUTPUT_TENSOR) {
        append_tensor_lines(job, &output->tensor, answers);
    } else if (output->kind == MR_OUTPUT_RECORDS) {
        for (int64_t i = 0; i < answers->n_rows; i++) {
            mr_json_encode_record(&output->records, i, &job->options->encode, &answers->text);
            mr_buf_char(&answers->text, '\n');
        }
    } else {
        struct mr_str rest = entries_of(output->json), entry;
        while (next_entry(&rest, &entry)) {
            mr_buf_append(&answers->text, entry.data, entry.size);
            mr_buf_char(&answers->text, '\n');
        }
    }
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* An error that the model raised: its body is {"error_code": ..., "message": ...}. */
static mr_status model_error(const struct mr_output *output, struct mr_error *err) {
    yyjson_doc *doc = yyjson_read(output->json.data, output->json.size, 0);
    yyjson_val *message = yyjson_obj_get(yyjson_doc_get_root(doc), "message");
    struct mr_str text = output->json;
    if (yyjson_is_str(message)) {
        text = (struct mr_str){yyjson_get_str(message), yyjson_get_len(message)};
    }
    mr_status status = mr_fail(err, MR_E_BAD_REQUEST, "%.*s",
                               (int)(text.size < INT32_MAX ? text.size : INT32_MAX), text.data);
    yyjson_doc_free(doc);
    return status;
}

mr_status mr_file_encode(const struct mr_file_job *job, struct mr_block *block,
                         const struct mr_output *output, int64_t n_rows, struct mr_error *err) {
    if (output->http_status) return model_error(output, err);
    struct mr_answers *answers = mr_arena_zalloc(block->arena, sizeof(*answers));
    if (!answers) return mr_arena_fail(block->arena, err);
    mr_buf_init(&answers->text, block->arena);
    mr_buf_init(&answers->header, block->arena);
    int64_t n_entries = count_entries(output);
    answers->is_list = n_entries >= 0 && (n_rows < 0 || n_entries == n_rows);
    answers->n_rows = n_entries;
    answers->is_bare = output->is_bare;
    switch (job->options->output_format) {
    case MR_FILE_JSON: append_json(job, output, answers); break;
    case MR_FILE_JSONL: append_lines(job, output, answers); break;
    case MR_FILE_CSV: MR_TRY(append_csv(job, output, answers, err)); break;
    }
    block->result = answers;
    return mr_buf_status(&answers->text, err);
}
