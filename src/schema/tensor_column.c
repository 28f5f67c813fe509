#include "schema/tensor_column.h"

#include <math.h>

#include "base/utf8.h"
#include "schema/numpy_datetime.h"

static bool is_present(const struct mr_tensor_slice *slice, int64_t i) {
    return !slice->present || slice->present[i / 8] >> (i % 8) & 1;
}

static int64_t count_present(const struct mr_tensor_slice *slice) {
    int64_t n = 0;
    for (int64_t i = 0; i < slice->n; i++) n += is_present(slice, i);
    return n;
}

/* Texts as offsets and bytes. */
static mr_status texts(const struct mr_tensor_slice *slice, struct mr_arena *arena,
                       struct mr_column *column, struct mr_error *err) {
    const struct mr_str *values = slice->tensor->values;
    int64_t n_present = count_present(slice);
    size_t size = 0;
    for (int64_t i = 0; i < n_present; i++) size += values[slice->start + i * slice->stride].size;
    int64_t *offsets = mr_arena_array(arena, (size_t)slice->n + 1, sizeof(*offsets));
    char *bytes = mr_arena_alloc(arena, size);
    if (!offsets || !bytes) return mr_arena_fail(arena, err);
    const struct mr_str *next = values + slice->start;
    offsets[0] = 0;
    for (int64_t i = 0; i < slice->n; i++) {
        offsets[i + 1] = offsets[i];
        if (!is_present(slice, i)) continue;
        if (next->size) memcpy(bytes + offsets[i], next->data, next->size);
        offsets[i + 1] += (int64_t)next->size;
        next += slice->stride;
    }
    if (column->dtype == MR_STRING && mr_utf8_check(bytes, size) != size) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "column '%.*s': a text holds half of a UTF-16 pair, which is no character",
                       MR_STR_ARGS(column->name));
    }
    column->offsets = offsets;
    column->bytes = bytes;
    column->validity = slice->present;
    column->n_nulls = slice->n - n_present;
    return MR_OK;
}

/* Elements side by side. */
static mr_status copy(const struct mr_tensor_slice *slice, struct mr_arena *arena,
                      struct mr_column *column, struct mr_error *err) {
    size_t size = mr_dtype_size(column->dtype);
    const char *from = (const char *)slice->tensor->values + (size_t)slice->start * size;
    if (slice->stride == 1 || slice->n == 1) {
        column->values = from;
        return MR_OK;
    }
    char *to = mr_arena_array(arena, (size_t)slice->n, size);
    if (!to) return mr_arena_fail(arena, err);
    for (int64_t i = 0; i < slice->n; i++) {
        memcpy(to + (size_t)i * size, from + (size_t)(i * slice->stride) * size, size);
    }
    column->values = to;
    return MR_OK;
}

static double number_at(const struct mr_tensor *tensor, int64_t i) {
    switch (tensor->dtype) {
    case MR_INT32: return ((const int32_t *)tensor->values)[i];
    case MR_INT64: return (double)((const int64_t *)tensor->values)[i];
    case MR_FLOAT32: return ((const float *)tensor->values)[i];
    default: return ((const double *)tensor->values)[i];
    }
}

static mr_status spread_numbers(const struct mr_tensor_slice *slice, struct mr_arena *arena,
                                struct mr_column *column, struct mr_error *err) {
    double *to = mr_arena_array(arena, (size_t)slice->n, sizeof(*to));
    if (!to) return mr_arena_fail(arena, err);
    for (int64_t i = 0, k = 0; i < slice->n; i++) {
        to[i] = is_present(slice, i) ? number_at(slice->tensor, k++) : NAN;
    }
    column->dtype = MR_FLOAT64;
    column->values = to;
    return MR_OK;
}

static mr_status spread_dates(const struct mr_tensor_slice *slice, struct mr_arena *arena,
                              struct mr_column *column, struct mr_error *err) {
    const int64_t *from = slice->tensor->values;
    int64_t *to = mr_arena_array(arena, (size_t)slice->n, sizeof(*to));
    if (!to) return mr_arena_fail(arena, err);
    for (int64_t i = 0; i < slice->n; i++) to[i] = is_present(slice, i) ? *from++ : MR_NAT;
    column->values = to;
    return MR_OK;
}

static void count_nulls(struct mr_column *column) {
    bool has_nulls = column->dtype == MR_FLOAT64 || column->dtype == MR_FLOAT32 ||
                     column->dtype == MR_DATETIME;
    column->n_nulls = 0;
    for (int64_t i = 0; has_nulls && i < column->n_rows; i++) {
        column->n_nulls += !mr_column_is_valid(column, i);
    }
}

mr_status mr_tensor_column(const struct mr_tensor_slice *slice, struct mr_arena *arena,
                           struct mr_column *column, struct mr_error *err) {
    mr_dtype dtype = slice->tensor->dtype;
    column->dtype = dtype;
    column->n_rows = slice->n;
    column->validity = NULL;
    mr_status status;
    if (dtype == MR_STRING || dtype == MR_BINARY) return texts(slice, arena, column, err);
    if (!slice->present) {
        status = copy(slice, arena, column, err);
    } else if (dtype == MR_DATETIME) {
        status = spread_dates(slice, arena, column, err);
    } else {
        status = spread_numbers(slice, arena, column, err);
    }
    if (status == MR_OK) count_nulls(column);
    return status;
}

bool mr_column_takes_objects(mr_col_type type) {
    return type == MR_COL_STRING || type == MR_COL_BOOLEAN || type == MR_COL_BINARY;
}
