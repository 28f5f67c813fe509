/* Reads all of a decoded input, so that a sanitizer sees what points nowhere. */
#ifndef MR_FUZZ_TOUCH_H
#define MR_FUZZ_TOUCH_H

#include <yyjson.h>

#include "schema/table.h"

static volatile uint64_t sink;

static void touch(const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) sink += ((const uint8_t *)bytes)[i];
}

static void touch_values(mr_dtype dtype, const void *values, int64_t n) {
    if (dtype == MR_OBJECT) {
        for (int64_t i = 0; i < n; i++)
            sink += (uint64_t)yyjson_get_len(((yyjson_val **)values)[i]);
    } else if (dtype == MR_STRING || dtype == MR_BINARY) {
        const struct mr_str *texts = values;
        for (int64_t i = 0; i < n; i++) touch(texts[i].data, texts[i].size);
    } else {
        touch(values, (size_t)n * mr_dtype_size(dtype));
    }
}

static void touch_column(const struct mr_column *column) {
    if (column->dtype == MR_STRING || column->dtype == MR_BINARY) {
        touch(column->bytes, (size_t)column->offsets[column->n_rows]);
        for (int64_t row = 0; row < column->n_rows; row++) sink += mr_column_is_valid(column, row);
    } else {
        touch_values(column->dtype, column->values, column->n_rows);
    }
}

static void touch_input(const struct mr_input *input) {
    bool is_table = input->kind == MR_INPUT_TABLE;
    for (size_t i = 0; is_table && i < input->table.n_cols; i++) {
        touch_column(&input->table.columns[i]);
    }
    if (is_table && input->table.index) touch_column(input->table.index);
    bool has_tensors = input->kind == MR_INPUT_TENSOR || input->kind == MR_INPUT_TENSORS;
    for (size_t i = 0; has_tensors && i < input->n_tensors; i++) {
        const struct mr_tensor *tensor = &input->tensors[i];
        touch_values(tensor->dtype, tensor->values, tensor->n_values);
    }
}

#endif
