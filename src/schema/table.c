#include "schema/table.h"

#include <math.h>

mr_status mr_table_new(struct mr_arena *arena, int64_t n_rows, size_t n_cols, struct mr_table *out,
                       struct mr_error *err) {
    struct mr_column *columns = mr_arena_array(arena, n_cols, sizeof(*columns));
    if (!columns) return mr_arena_fail(arena, err);
    memset(columns, 0, n_cols * sizeof(*columns));
    for (size_t i = 0; i < n_cols; i++) columns[i].n_rows = n_rows;
    *out = (struct mr_table){.n_rows = n_rows, .n_cols = n_cols, .columns = columns};
    return MR_OK;
}

struct mr_column *mr_table_find(const struct mr_table *table, struct mr_str name) {
    for (size_t i = 0; i < table->n_cols; i++) {
        struct mr_column *column = &table->columns[i];
        if (column->is_named && mr_str_equal(column->name, name)) return column;
    }
    return NULL;
}

bool mr_column_is_valid(const struct mr_column *column, int64_t i) {
    if (column->validity) return column->validity[i / 8] >> (i % 8) & 1;
    switch (column->dtype) {
    case MR_FLOAT32: return !isnan(((const float *)column->values)[i]);
    case MR_FLOAT64: return !isnan(((const double *)column->values)[i]);
    case MR_DATETIME: return ((const int64_t *)column->values)[i] != INT64_MIN;
    default: return true;
    }
}
