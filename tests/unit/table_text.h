/* Tables and signatures as short texts, for tests that compare them. Include after cmocka.h. */
#ifndef MR_TESTS_TABLE_TEXT_H
#define MR_TESTS_TABLE_TEXT_H

#include <stdlib.h>
#include <yyjson.h>

#include "base/buf.h"
#include "schema/signature.h"
#include "schema/table.h"

static inline void render_value(const struct mr_column *column, int64_t i, struct mr_buf *out) {
    switch (column->dtype) {
    case MR_BOOL: mr_buf_text(out, ((const uint8_t *)column->values)[i] ? "true" : "false"); break;
    case MR_INT32: mr_buf_int(out, ((const int32_t *)column->values)[i]); break;
    case MR_INT64:
    case MR_DATETIME: mr_buf_int(out, ((const int64_t *)column->values)[i]); break;
    case MR_UINT8: mr_buf_int(out, ((const uint8_t *)column->values)[i]); break;
    case MR_UINT64:
        mr_buf_format(out, "%llu", (unsigned long long)((const uint64_t *)column->values)[i]);
        break;
    case MR_FLOAT32: mr_buf_double(out, (double)((const float *)column->values)[i]); break;
    case MR_FLOAT64: mr_buf_double(out, ((const double *)column->values)[i]); break;
    case MR_STRING:
    case MR_BINARY:
        mr_buf_append(out, column->bytes + column->offsets[i],
                      (size_t)(column->offsets[i + 1] - column->offsets[i]));
        break;
    case MR_OBJECT: {
        char *text = yyjson_val_write(((yyjson_val *const *)column->values)[i], 0, NULL);
        mr_buf_text(out, text);
        free(text);
        break;
    }
    default: mr_buf_text(out, "?");
    }
}

static inline bool is_present(const struct mr_column *column, int64_t i) {
    if (column->dtype != MR_OBJECT) return mr_column_is_valid(column, i);
    yyjson_val *cell = ((yyjson_val *const *)column->values)[i];
    return cell && !yyjson_is_null(cell);
}

/* "a:float64[1.0 - 2.5] b:str[x]": '-' is a missing value. */
static inline void render_table(const struct mr_table *table, struct mr_buf *out) {
    for (size_t c = 0; c < table->n_cols; c++) {
        const struct mr_column *column = &table->columns[c];
        assert_int_equal(column->n_rows, table->n_rows);
        mr_buf_format(out, "%s%.*s:%s[", c ? " " : "", MR_STR_ARGS(column->name),
                      mr_dtype_name(column->dtype));
        int64_t n_nulls = 0;
        for (int64_t i = 0; i < column->n_rows; i++) {
            bool is_there = is_present(column, i);
            n_nulls += !is_there;
            if (i) mr_buf_char(out, ' ');
            if (is_there) {
                render_value(column, i, out);
            } else {
                mr_buf_char(out, '-');
            }
        }
        assert_int_equal(column->n_nulls, n_nulls);
        mr_buf_char(out, ']');
    }
}

/* The row labels as "int64[5 -7]"; "" for 0, 1, 2, ...; "odd" where a table cannot say them. */
static inline const char *index_text(const struct mr_table *table, struct mr_arena *memory) {
    struct mr_buf out;
    mr_buf_init(&out, memory);
    if (table->index) {
        assert_null(table->odd_labels);
        assert_int_equal(table->index->n_rows, table->n_rows);
        struct mr_table labels = {
            .n_rows = table->n_rows, .n_cols = 1, .columns = (struct mr_column *)table->index};
        render_table(&labels, &out);
    }
    if (table->odd_labels) mr_buf_text(&out, "odd");
    mr_buf_char(&out, '\0');
    return out.data[0] == ':' ? out.data + 1 : out.data; /* it has no name */
}

/* "a:double b:string?": names and types, blank between columns, '?' for an optional one; without
 * a name, ":double". "" is no signature. */
static inline struct mr_signature signature_of(const char *columns, struct mr_arena *memory) {
    struct mr_signature signature;
    struct mr_buf json;
    mr_buf_init(&json, memory);
    for (const char *p = columns; *p;) {
        size_t n_name = strcspn(p, ":"), n_type = strcspn(p + n_name + 1, "? ");
        const char *end = p + n_name + 1 + n_type;
        mr_buf_format(&json, "%s{\"type\": \"%.*s\", \"required\": %s", p == columns ? "[" : ", ",
                      (int)n_type, p + n_name + 1, *end == '?' ? "false" : "true");
        if (n_name) mr_buf_format(&json, ", \"name\": \"%.*s\"", (int)n_name, p);
        mr_buf_char(&json, '}');
        p = end + (*end == '?');
        p += *p == ' ';
    }
    if (json.size) mr_buf_char(&json, ']');
    struct mr_error err = {0};
    if (mr_signature_read(mr_buf_str(&json), (struct mr_str){0}, (struct mr_str){0}, memory,
                          &signature, &err) != MR_OK) {
        fail_msg("%s", err.message);
    }
    return signature;
}

#endif
