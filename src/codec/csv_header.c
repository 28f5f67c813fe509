#include "codec/csv_header_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int compare_texts(struct mr_str a, struct mr_str b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* --- names ------------------------------------------------------------------------------------ */

/* A column name on its way through mangle_dupe_names. */
struct label {
    struct mr_str text;
    size_t position;
    bool is_unnamed;
};

/* Equal names stand together, in the order in which mangle_dupe_names goes through them: columns
 * without a name come last. */
static int compare_labels(const void *a, const void *b) {
    const struct label *x = a, *y = b;
    int order = compare_texts(x->text, y->text);
    if (order) return order;
    if (x->is_unnamed != y->is_unnamed) return x->is_unnamed ? 1 : -1;
    return (x->position > y->position) - (x->position < y->position);
}

static int compare_text_to_label(const void *text, const void *label) {
    return compare_texts(*(const struct mr_str *)text, ((const struct label *)label)->text);
}

/* "text.number", or with no text "Unnamed: number"; data is NULL when out of memory. */
static struct mr_str numbered(struct mr_arena *arena, struct mr_str text, size_t number) {
    char *out = mr_arena_alloc(arena, text.size + 32);
    if (!out) return (struct mr_str){0};
    if (text.size) memcpy(out, text.data, text.size);
    const char *format = text.size ? ".%zu" : "Unnamed: %zu";
    return (struct mr_str){out, text.size + (size_t)snprintf(out + text.size, 32, format, number)};
}

mr_status mr_csv_mangle(struct mr_str *names, struct mr_str *origins, size_t n,
                        struct mr_arena *arena, struct mr_error *err) {
    struct label *labels = mr_arena_array(arena, n, sizeof(*labels));
    if (!labels) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n; i++) {
        bool is_unnamed = names[i].size == 0;
        if (is_unnamed) names[i] = numbered(arena, names[i], i);
        if (!names[i].data) return mr_arena_fail(arena, err);
        origins[i] = names[i];
        labels[i] = (struct label){names[i], i, is_unnamed};
    }
    qsort(labels, n, sizeof(*labels), compare_labels);
    size_t suffix = 1;
    for (size_t i = 1; i < n; i++) {
        if (!mr_str_equal(labels[i].text, labels[i - 1].text)) {
            suffix = 1;
            continue;
        }
        /* A new name must be none of those in the header; it can be no other new name, since the
         * part before the last point and the number behind it tell new names apart. */
        struct mr_str name;
        do {
            name = numbered(arena, labels[i].text, suffix++);
            if (!name.data) return mr_arena_fail(arena, err);
        } while (bsearch(&name, labels, n, sizeof(*labels), compare_text_to_label));
        names[labels[i].position] = name;
    }
    return MR_OK;
}

/* --- a first line that is data ---------------------------------------------------------------- */

static bool is_value(struct mr_str cell, mr_col_type type, bool *is_evidence) {
    double number;
    bool truth;
    bool is_number = mr_csv_double(cell, &number);
    *is_evidence = true;
    switch (type) {
    case MR_COL_BOOLEAN:
        return mr_csv_bool(cell, &truth) || (is_number && (number == 0 || number == 1));
    case MR_COL_INTEGER: return is_number && fabs(number) <= 0x1p31 && number == trunc(number);
    case MR_COL_LONG: return is_number && fabs(number) <= 0x1p63 && number == trunc(number);
    case MR_COL_FLOAT:
    case MR_COL_DOUBLE: *is_evidence = is_number; return is_number || mr_csv_is_missing(cell);
    case MR_COL_STRING:
    case MR_COL_BINARY: *is_evidence = false; return true;
    default: return false;
    }
}

bool mr_csv_is_data(const struct mr_str *cells, size_t n, const struct mr_signature *signature) {
    if (signature->kind != MR_SCHEMA_COLUMNS || !signature->has_names) return false;
    if (n != signature->n_inputs) return false;
    bool has_evidence = false;
    for (size_t i = 0; i < n; i++) {
        bool is_evidence;
        if (mr_name_map_find(&signature->names, cells[i]) != MR_NAME_NONE) return false;
        if (!is_value(cells[i], signature->columns[i].type, &is_evidence)) return false;
        has_evidence |= is_evidence;
    }
    return has_evidence;
}

/* --- the columns to be read ------------------------------------------------------------------- */

static int compare_specs(const void *a, const void *b) {
    return compare_texts((*(const struct mr_col_spec *const *)a)->name,
                         (*(const struct mr_col_spec *const *)b)->name);
}

static int compare_text_to_spec(const void *text, const void *spec) {
    return compare_texts(*(const struct mr_str *)text,
                         (*(const struct mr_col_spec *const *)spec)->name);
}

/* The `dtype` that parse_csv_input gives read_csv: by name, or by position in the record for a
 * signature without names, which covers the columns of the index too. */
struct dtypes {
    const struct mr_signature *signature;
    const struct mr_col_spec **sorted; /* by name */
    bool is_headerless;                /* the names are the signature's own */
};

/* Whether the keys of `dtype` are numbers: those are positions. */
static bool is_positional(const struct mr_signature *signature) {
    return signature->kind == MR_SCHEMA_COLUMNS &&
           (!signature->has_names || signature->is_numbered);
}

static const struct mr_col_spec *find_by_name(const struct dtypes *dtypes, struct mr_str name) {
    const struct mr_col_spec **found = bsearch(&name, dtypes->sorted, dtypes->signature->n_inputs,
                                               sizeof(const void *), compare_text_to_spec);
    return found ? *found : NULL;
}

/* What dtype[position] is: names that MLflow takes for missing are their places there. */
static const struct mr_col_spec *find_by_position(const struct dtypes *dtypes, size_t position) {
    const struct mr_signature *signature = dtypes->signature;
    if (signature->kind != MR_SCHEMA_COLUMNS || position >= signature->n_inputs) return NULL;
    const struct mr_col_spec *spec = &signature->columns[position];
    return signature->is_numbered || spec->name.size == 0 ? spec : NULL;
}

/* Describes the column at a position; false when it need not be read. name: NULL for a column of
 * the index, which has none. */
static bool plan(const struct dtypes *dtypes, size_t position, const struct mr_str *name,
                 struct mr_str origin, struct mr_csv_column *out) {
    const struct mr_signature *signature = dtypes->signature;
    const struct mr_col_spec *spec = NULL;
    bool is_hidden = !name;
    bool is_numbered = signature->is_numbered && dtypes->is_headerless;
    bool has_texts = signature->kind == MR_SCHEMA_COLUMNS && !is_positional(signature);
    if (name && (has_texts || is_numbered)) {
        /* A renamed column keeps the dtype of its old name, but the schema drops it. */
        spec = find_by_name(dtypes, *name);
        is_hidden = !spec;
        if (!spec) spec = find_by_name(dtypes, origin);
    }
    bool is_by_name = spec != NULL;
    if (!spec) spec = find_by_position(dtypes, position);
    *out = (struct mr_csv_column){.name = name ? *name : (struct mr_str){0},
                                  .position = position,
                                  .has_dtype = spec != NULL,
                                  .type = spec ? spec->type : MR_COL_ANY,
                                  .is_numbered = is_numbered,
                                  .is_hidden = is_hidden,
                                  .is_object = is_by_name};
    return spec || !is_hidden;
}

static mr_status plan_columns(const struct dtypes *dtypes, const struct mr_str *names,
                              size_t n_names, struct mr_csv_layout *layout, struct mr_arena *arena,
                              struct mr_error *err) {
    struct mr_str *final = mr_arena_array(arena, n_names, sizeof(*final));
    struct mr_str *origins = mr_arena_array(arena, n_names, sizeof(*origins));
    if (!final || !origins) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n_names; i++) {
        struct mr_str name = names ? names[i] : dtypes->signature->columns[i].name;
        final[i] = (struct mr_str){mr_arena_strdup(arena, name), name.size};
        if (!final[i].data) return mr_arena_fail(arena, err);
    }
    MR_TRY(mr_csv_mangle(final, origins, n_names, arena, err));

    size_t n_index = layout->width - n_names; /* implicit index: lines longer than the header */
    layout->n_index = n_index;
    for (size_t i = 0; i < layout->width; i++) {
        struct mr_csv_column *column = &layout->columns[layout->n_columns];
        bool is_index = i < n_index;
        size_t n = is_index ? 0 : i - n_index;
        bool is_read = plan(dtypes, i, is_index ? NULL : &final[n],
                            is_index ? (struct mr_str){0} : origins[n], column);
        if (n_index == 1 && is_index && !column->has_dtype) {
            column->is_index = is_read = true;
        }
        layout->slots[i] = is_read ? (uint32_t)layout->n_columns : MR_CSV_NO_SLOT;
        if (!is_read) continue;
        layout->positions[layout->n_columns++] = i;
        layout->n_visible += !column->is_hidden;
        layout->n_unknown += !column->has_dtype;
    }
    return MR_OK;
}

static mr_status sort_specs(const struct mr_signature *signature, struct mr_arena *arena,
                            const struct mr_col_spec ***out, struct mr_error *err) {
    const struct mr_col_spec **specs = mr_arena_array(arena, signature->n_inputs, sizeof(*specs));
    if (!specs) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < signature->n_inputs; i++) specs[i] = &signature->columns[i];
    qsort(specs, signature->n_inputs, sizeof(*specs), compare_specs);
    *out = specs;
    return MR_OK;
}

mr_status mr_csv_lay_out(const struct mr_str *names, size_t n_names, size_t n_first,
                         const struct mr_signature *signature, struct mr_arena *arena,
                         struct mr_csv_layout **out, struct mr_error *err) {
    struct dtypes dtypes = {.signature = signature, .is_headerless = !names};
    if (signature->kind == MR_SCHEMA_COLUMNS) {
        MR_TRY(sort_specs(signature, arena, &dtypes.sorted, err));
        if (is_positional(signature) && n_first == 0 && n_names < signature->n_inputs) {
            /* _get_empty_meta: "list index out of range" */
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "the CSV has %zu columns and no rows, the model needs %zu columns",
                           n_names, signature->n_inputs);
        }
    }
    struct mr_csv_layout *layout = mr_arena_zalloc(arena, sizeof(*layout));
    if (!layout) return mr_arena_fail(arena, err);
    layout->width = n_first > n_names ? n_first : n_names;
    if (layout->width >= MR_CSV_NO_SLOT) {
        return mr_fail(err, MR_E_BAD_REQUEST, "the CSV has too many columns: %zu", layout->width);
    }
    layout->columns = mr_arena_array(arena, layout->width, sizeof(*layout->columns));
    layout->slots = mr_arena_array(arena, layout->width, sizeof(*layout->slots));
    layout->positions = mr_arena_array(arena, layout->width, sizeof(*layout->positions));
    if (!layout->columns || !layout->slots || !layout->positions) return mr_arena_fail(arena, err);
    MR_TRY(plan_columns(&dtypes, names, n_names, layout, arena, err));
    *out = layout;
    return MR_OK;
}
