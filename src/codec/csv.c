/* Reading CSV: blocks of text -> batches of cells -> columns. The order of things is that of
 * parse_csv_input (mlflow/pyfunc/scoring_server/__init__.py), which calls pandas.read_csv. */
#include "codec/csv.h"

#include <stdio.h>

#include "base/utf8.h"
#include "codec/csv_header_int.h"
#include "codec/decode.h"

/* Cells in a batch: few enough to stay in the processor's first caches. */
#define BATCH_CELLS ((size_t)2048)
#define MAX_BATCH_ROWS ((size_t)512)

/* --- what goes wrong -------------------------------------------------------------------------- */

static mr_status fail_cut(mr_csv_cut cut, const struct mr_csv_scan *scan, size_t width, size_t n,
                          struct mr_error *err) {
    switch (cut) {
    case MR_CSV_CUT_TOO_WIDE:
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "line %lld of the CSV has %zu cells, the lines before it have %zu",
                       (long long)scan->record_line, n, width);
    case MR_CSV_CUT_UNCLOSED:
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the CSV ends inside the quotes that open on line %lld",
                       (long long)scan->record_line);
    case MR_CSV_CUT_NO_MEMORY: return mr_arena_fail(scan->arena, err);
    default:
        return mr_fail(err, MR_E_INTERNAL, "a block of CSV ends inside line %lld",
                       (long long)scan->record_line);
    }
}

static const char *expected_text(mr_col_type type) {
    switch (type) {
    case MR_COL_BOOLEAN: return "true or false";
    case MR_COL_INTEGER: return "a whole number of 32 bits";
    case MR_COL_LONG: return "a whole number of 64 bits";
    case MR_COL_FLOAT:
    case MR_COL_DOUBLE: return "a number";
    default: return "a value that CSV can hold";
    }
}

static mr_status fail_cell(const struct mr_csv_column *column, struct mr_str cell, int64_t line,
                           struct mr_error *err) {
    char name[256];
    if (column->name.data) {
        snprintf(name, sizeof(name), "column \"%.*s\"", MR_STR_ARGS(column->name));
    } else {
        snprintf(name, sizeof(name), "column %zu", column->position + 1);
    }
    if (column->type == MR_COL_DATETIME) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s is a datetime, which MLflow does not read from CSV: send JSON", name);
    }
    if (mr_csv_is_missing(cell)) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "line %lld of the CSV, %s: expected %s (%s), received a missing value%s",
                       (long long)line, name, expected_text(column->type),
                       mr_col_type_name(column->type), cell.size ? " (NA)" : " (an empty cell)");
    }
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "line %lld of the CSV, %s: expected %s (%s), received \"%.*s\"", (long long)line,
                   name, expected_text(column->type), mr_col_type_name(column->type),
                   MR_STR_ARGS(cell));
}

/* text starts on line `first_line` of the CSV. */
static mr_status check_utf8(struct mr_str text, int64_t first_line, struct mr_error *err) {
    size_t at = mr_utf8_check(text.data, text.size);
    if (at == text.size) return MR_OK;
    char offset[48] = "";
    if (first_line == 1) snprintf(offset, sizeof(offset), " at offset %zu", at);
    return mr_fail(err, MR_E_BAD_REQUEST, "the CSV is not UTF-8: byte 0x%02x%s, on line %lld",
                   (unsigned char)text.data[at], offset,
                   (long long)(first_line + mr_csv_count_lines(text.data, at)));
}

/* --- batches ---------------------------------------------------------------------------------- */

/* n_rows: no more will come. */
static mr_status batch_new(const struct mr_csv_layout *layout, size_t n_rows,
                           struct mr_arena *arena, struct mr_csv_batch *out, struct mr_error *err) {
    size_t n = layout->n_columns ? layout->n_columns : 1;
    size_t max_rows = BATCH_CELLS / n;
    if (max_rows > MAX_BATCH_ROWS) max_rows = MAX_BATCH_ROWS;
    if (max_rows > n_rows) max_rows = n_rows;
    if (max_rows == 0) max_rows = 1;
    *out = (struct mr_csv_batch){.width = layout->width,
                                 .slots = layout->slots,
                                 .n_slots = layout->n_columns,
                                 .positions = layout->positions,
                                 .max_rows = max_rows};
    out->cells = mr_arena_array(arena, n * max_rows, sizeof(*out->cells));
    out->lines = mr_arena_array(arena, max_rows, sizeof(*out->lines));
    return out->cells && out->lines ? MR_OK : mr_arena_fail(arena, err);
}

/* --- one pass over the records of a block ----------------------------------------------------- */

/* A column while a block is read. */
struct column_state {
    struct mr_csv_builder builder;
    struct mr_csv_recipe recipe; /* convert is NULL: leave the column alone */
    struct mr_csv_facts *facts;  /* NULL: nobody wants to know */
    bool is_hopeless;            /* pandas has no way to the dtype */
    bool has_fault;              /* this cell does not fit the recipe */
    int64_t fault_line;
    struct mr_str fault;
};

struct pass {
    const struct mr_csv_layout *layout;
    struct mr_csv_batch batch;
    struct column_state *states; /* of layout->columns */
    struct mr_arena *arena;
    size_t max_rows; /* no more are in the block */
    size_t n_rows;
};

static mr_status pass_init(struct pass *pass, const struct mr_csv_layout *layout,
                           const struct mr_csv_scan *scan, struct mr_arena *arena,
                           struct mr_error *err) {
    *pass = (struct pass){.layout = layout, .arena = arena, .max_rows = mr_csv_max_rows(scan)};
    pass->states = mr_arena_zalloc(arena, (layout->n_columns + 1) * sizeof(*pass->states));
    if (!pass->states) return mr_arena_fail(arena, err);
    return batch_new(layout, pass->max_rows, arena, &pass->batch, err);
}

/* Remember the first cell that does not fit. */
static mr_status note_fault(struct pass *pass, struct column_state *state, struct mr_str cell,
                            int64_t line, struct mr_error *err) {
    if (state->builder.is_out_of_memory) return mr_arena_fail(pass->arena, err);
    if (cell.size > 200) cell.size = mr_utf8_floor(cell.data, 200);
    char *copy = mr_arena_strdup(pass->arena, cell);
    if (!copy) return mr_arena_fail(pass->arena, err);
    state->has_fault = true;
    state->fault_line = line;
    state->fault = (struct mr_str){copy, cell.size};
    return MR_OK;
}

static mr_status take_batch(struct pass *pass, struct mr_error *err) {
    const struct mr_csv_batch *batch = &pass->batch;
    for (size_t i = 0; i < pass->layout->n_columns; i++) {
        struct column_state *state = &pass->states[i];
        const struct mr_str *cells = batch->cells + i * batch->max_rows;
        if (state->facts) mr_csv_infer(state->facts, cells, batch->n_rows);
        if (state->has_fault || !state->recipe.convert) continue;
        size_t n = state->recipe.convert(&state->builder, cells, batch->n_rows);
        state->builder.n_rows += n;
        if (n < batch->n_rows) MR_TRY(note_fault(pass, state, cells[n], batch->lines[n], err));
    }
    pass->n_rows += batch->n_rows;
    return MR_OK;
}

/* Go through all records: learn what is to be learnt, convert what has a recipe; a column stops at
 * its first fault. The scan is a copy, so that the records can be gone through again. */
static mr_status run_pass(struct pass *pass, struct mr_csv_scan scan, struct mr_error *err) {
    pass->n_rows = 0;
    for (;;) {
        mr_csv_cut cut = mr_csv_cut_batch(&scan, &pass->batch);
        MR_TRY(take_batch(pass, err));
        if (cut == MR_CSV_CUT_END) return MR_OK;
        if (cut != MR_CSV_CUT_FULL) {
            return fail_cut(cut, &scan, pass->layout->width, pass->batch.n_found, err);
        }
    }
}

/* --- reading a block -------------------------------------------------------------------------- */

/* What read_csv is told a column to be: Schema.pandas_types() (mlflow/types/schema.py). Objects
 * hold nothing but texts here. */
static mr_dtype told_dtype(mr_col_type type) {
    return type == MR_COL_BINARY ? MR_STRING : mr_col_type_dtype(type);
}

/* The first try: each column as its dtype, or as what is known to be its kind. */
static mr_status first_try(struct pass *pass, const struct mr_csv_scan *scan,
                           struct mr_error *err) {
    const struct mr_csv_layout *layout = pass->layout;
    for (size_t i = 0; i < layout->n_columns; i++) {
        const struct mr_csv_column *column = &layout->columns[i];
        struct column_state *state = &pass->states[i];
        if (column->has_dtype) {
            state->recipe = mr_csv_recipe_of_dtype(told_dtype(column->type));
        } else if (layout->is_settled) {
            state->recipe = mr_csv_recipe_of_kind(column->kind);
        } else {
            state->recipe.dtype = MR_OBJECT; /* of the size of any */
            state->facts = mr_arena_zalloc(pass->arena, sizeof(*state->facts));
            if (!state->facts) return mr_arena_fail(pass->arena, err);
        }
        MR_TRY(mr_csv_builder_init(&state->builder, state->recipe.dtype, pass->max_rows,
                                   pass->arena, err));
    }
    return run_pass(pass, *scan, err);
}

/* Learn what those columns hold that are not of their dtype. */
static mr_status learn_faulty(struct pass *pass, const struct mr_csv_scan *scan,
                              struct mr_error *err) {
    bool is_needed = false;
    for (size_t i = 0; i < pass->layout->n_columns; i++) {
        struct column_state *state = &pass->states[i];
        state->recipe.convert = NULL;
        state->facts = NULL;
        if (!state->has_fault) continue;
        is_needed = true;
        state->facts = mr_arena_zalloc(pass->arena, sizeof(*state->facts));
        if (!state->facts) return mr_arena_fail(pass->arena, err);
    }
    return is_needed ? run_pass(pass, *scan, err) : MR_OK;
}

/* The second try, for columns without dtype, whose kind is known now, and for those that are not of
 * their dtype: they are cast to it. Where pandas has no cast, a similar one is tried for its
 * fault, so that the error names the right cell. */
static mr_status second_try(struct pass *pass, const struct mr_csv_scan *scan,
                            struct mr_error *err) {
    const struct mr_csv_layout *layout = pass->layout;
    struct mr_csv_facts **unknown = mr_arena_array(pass->arena, layout->n_columns,
                                                   sizeof(*unknown));
    if (!unknown) return mr_arena_fail(pass->arena, err);
    for (size_t i = 0; i < layout->n_columns; i++) unknown[i] = pass->states[i].facts;
    MR_TRY(learn_faulty(pass, scan, err));
    for (size_t i = 0; i < layout->n_columns; i++) {
        struct column_state *state = &pass->states[i];
        if (unknown[i]) {
            state->recipe = mr_csv_recipe_of_kind(mr_csv_kind_of(unknown[i]));
        } else if (state->facts) {
            mr_dtype dtype = state->builder.dtype;
            state->recipe = mr_csv_recipe_of_cast(mr_csv_kind_of(state->facts), dtype);
            state->is_hopeless = !state->recipe.convert;
            if (state->is_hopeless) state->recipe = mr_csv_recipe_for_fault(dtype);
            state->has_fault = false;
        }
        state->facts = NULL;
        if (state->recipe.convert) mr_csv_builder_reset(&state->builder, state->recipe.dtype);
    }
    return run_pass(pass, *scan, err);
}

/* Whether pandas makes a RangeIndex of integers: maybe_sequence_to_range. */
static bool is_range(const struct mr_column *index) {
    const int64_t *values = index->values;
    if (index->n_rows < 2) return false;
    uint64_t step = (uint64_t)values[1] - (uint64_t)values[0];
    for (int64_t i = 1; i < index->n_rows; i++) {
        if ((uint64_t)values[i] - (uint64_t)values[i - 1] != step) return false;
    }
    return step != 0;
}

/* pandas.Index of the cells before the named ones. */
static mr_status finish_index(struct column_state *state, struct mr_arena *arena,
                              struct mr_table *out, struct mr_error *err) {
    struct mr_column *index = mr_arena_alloc(arena, sizeof(*index));
    if (!index) return mr_arena_fail(arena, err);
    mr_csv_builder_finish(&state->builder, (struct mr_str){0}, index);
    bool is_text = index->dtype == MR_STRING && index->n_nulls == 0;
    if (is_text || (index->dtype == MR_INT64 && !is_range(index))) out->index = index;
    return MR_OK;
}

static mr_status finish_table(struct pass *pass, struct mr_table *out, struct mr_error *err) {
    const struct mr_csv_layout *layout = pass->layout;
    MR_TRY(mr_table_new(pass->arena, (int64_t)pass->n_rows, layout->n_visible, out, err));
    for (size_t i = 0, n = 0; i < layout->n_columns; i++) {
        const struct mr_csv_column *column = &layout->columns[i];
        struct column_state *state = &pass->states[i];
        if (!column->has_dtype && pass->n_rows == 0) state->builder.dtype = MR_OBJECT;
        if (column->is_index) MR_TRY(finish_index(state, pass->arena, out, err));
        if (column->is_hidden) continue;
        mr_csv_builder_finish(&state->builder, column->name, &out->columns[n]);
        out->columns[n].is_object = column->is_object && out->columns[n].dtype == MR_STRING;
        out->columns[n++].is_named = !column->is_numbered;
    }
    if (layout->n_index && !out->index) {
        out->odd_labels = "row labels that are neither texts nor uneven integers";
    }
    return MR_OK;
}

static mr_status read_scan(const struct mr_csv_layout *layout, const struct mr_csv_scan *scan,
                           struct mr_arena *arena, struct mr_table *out, struct mr_error *err) {
    struct pass pass;
    MR_TRY(pass_init(&pass, layout, scan, arena, err));
    MR_TRY(first_try(&pass, scan, err));
    bool is_done = true;
    for (size_t i = 0; i < layout->n_columns; i++) {
        const struct column_state *state = &pass.states[i];
        is_done &= !state->has_fault && !state->facts;
        if (layout->columns[i].type == MR_COL_DATETIME && pass.n_rows > 0) {
            return fail_cell(&layout->columns[i], (struct mr_str){0}, 0, err);
        }
    }
    if (!is_done) MR_TRY(second_try(&pass, scan, err));
    for (size_t i = 0; i < layout->n_columns; i++) {
        const struct column_state *state = &pass.states[i];
        if (!state->has_fault && !state->is_hopeless) continue;
        return fail_cell(&layout->columns[i], state->fault, state->fault_line, err);
    }
    return finish_table(&pass, out, err);
}

mr_status mr_csv_read(const struct mr_csv_layout *layout, struct mr_str text, int64_t first_line,
                      struct mr_arena *arena, struct mr_table *out, struct mr_error *err) {
    struct mr_csv_scan scan;
    MR_TRY(check_utf8(text, first_line, err));
    mr_csv_scan_init(&scan, text, true, first_line, arena);
    return read_scan(layout, &scan, arena, out, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

static const char byte_order_mark[] = "\xEF\xBB\xBF";

/* Schema.pandas_types fails for these, so parse_csv_input does, whatever the body is. */
static mr_status check_signature(const struct mr_signature *signature, struct mr_error *err) {
    const char *kind = signature->kind == MR_SCHEMA_TENSORS ? "a tensor"
                       : signature->is_nested               ? "an array, object, map or any"
                                                            : NULL;
    if (!kind) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "the model's signature has %s, which MLflow does not read from CSV: send JSON",
                   kind);
}

/* Cut the first record, whose width nobody knows yet. */
static mr_csv_cut cut_first(struct mr_csv_scan *scan, struct mr_str **cells, size_t *n) {
    struct mr_csv_scan counting = *scan;
    mr_csv_cut cut = mr_csv_cut_record(&counting, NULL, 0, n);
    if (cut != MR_CSV_CUT_FULL) {
        *scan = counting;
        return cut;
    }
    *cells = mr_arena_array(scan->arena, *n, sizeof(**cells));
    return *cells ? mr_csv_cut_record(scan, *cells, *n, n) : MR_CSV_CUT_NO_MEMORY;
}

static mr_status open_scan(struct mr_csv_scan *scan, const struct mr_signature *signature,
                           struct mr_arena *arena, struct mr_csv_layout **out,
                           struct mr_error *err) {
    struct mr_csv_scan start = *scan;
    struct mr_str *cells = NULL;
    size_t n_cells = 0, n_first = 0;
    mr_csv_cut cut = cut_first(scan, &cells, &n_cells);
    if (cut == MR_CSV_CUT_PARTIAL) return MR_OK;
    if (cut == MR_CSV_CUT_END) {
        return mr_fail(err, MR_E_BAD_REQUEST, "the CSV is empty: expected a line of column names");
    }
    if (cut != MR_CSV_CUT_FULL) return fail_cut(cut, scan, 0, 0, err);
    if (mr_csv_is_data(cells, n_cells, signature)) {
        *scan = start;
        return mr_csv_lay_out(NULL, n_cells, n_cells, signature, arena, out, err);
    }
    /* The first line of data may be longer than the header: it has an index then. */
    struct mr_csv_scan next = *scan;
    next.scratch_size = next.scratch_used = 0; /* the header's cells may be in the scratch */
    cut = mr_csv_cut_record(&next, NULL, 0, &n_first);
    if (cut == MR_CSV_CUT_PARTIAL) return MR_OK;
    if (cut == MR_CSV_CUT_END) n_first = 0;
    if (cut != MR_CSV_CUT_FULL && cut != MR_CSV_CUT_END) return fail_cut(cut, &next, 0, 0, err);
    return mr_csv_lay_out(cells, n_cells, n_first, signature, arena, out, err);
}

mr_status mr_csv_open(struct mr_str text, bool is_last, const struct mr_signature *signature,
                      struct mr_arena *arena, struct mr_csv_layout **out, size_t *n_used,
                      int64_t *first_line, struct mr_error *err) {
    *out = NULL;
    MR_TRY(check_signature(signature, err));
    const char *start = text.data;
    if (text.size >= 3 && memcmp(text.data, byte_order_mark, 3) == 0) {
        text = (struct mr_str){text.data + 3, text.size - 3};
    }
    struct mr_csv_scan scan;
    mr_csv_scan_init(&scan, text, is_last, 1, arena);
    MR_TRY(open_scan(&scan, signature, arena, out, err));
    *n_used = (size_t)(scan.at - (start ? start : scan.at));
    *first_line = scan.line;
    return MR_OK;
}

mr_status mr_csv_decode(struct mr_str body, const struct mr_signature *signature,
                        struct mr_arena *arena, struct mr_decoded *out, struct mr_error *err) {
    MR_TRY(check_utf8(body, 1, err));
    struct mr_csv_layout *layout;
    size_t n_used;
    int64_t first_line;
    MR_TRY(mr_csv_open(body, true, signature, arena, &layout, &n_used, &first_line, err));
    struct mr_csv_scan scan;
    struct mr_str rows = {body.data + n_used, body.size - n_used};
    mr_csv_scan_init(&scan, rows, true, first_line, arena);
    *out = (struct mr_decoded){.input = {.kind = MR_INPUT_TABLE}};
    return read_scan(layout, &scan, arena, &out->input.table, err);
}

/* --- blocks ----------------------------------------------------------------------------------- */

mr_status mr_csv_whole_size(struct mr_str text, struct mr_arena *arena, size_t *size,
                            int64_t *n_lines, struct mr_error *err) {
    struct mr_csv_scan scan;
    mr_csv_scan_init(&scan, text, false, 0, arena);
    /* Without a quote every newline ends a record. */
    const char *newline = memrchr(text.data, '\n', text.size);
    if (newline && !memchr(text.data, '"', text.size)) {
        *size = (size_t)(newline + 1 - text.data);
        *n_lines = mr_csv_count_lines(text.data, *size);
        return MR_OK;
    }
    mr_csv_cut cut;
    do {
        size_t n;
        cut = mr_csv_cut_record(&scan, NULL, 0, &n);
    } while (cut == MR_CSV_CUT_FULL);
    if (cut == MR_CSV_CUT_NO_MEMORY) return mr_arena_fail(arena, err);
    *size = (size_t)(scan.at - text.data);
    *n_lines = scan.line;
    return MR_OK;
}

size_t mr_csv_n_unknown(const struct mr_csv_layout *layout) {
    return layout->is_settled ? 0 : layout->n_unknown;
}

struct mr_csv_facts *mr_csv_facts_new(const struct mr_csv_layout *layout, struct mr_arena *arena) {
    return mr_arena_zalloc(arena, (layout->n_unknown + 1) * sizeof(struct mr_csv_facts));
}

mr_status mr_csv_learn(const struct mr_csv_layout *layout, struct mr_str text, int64_t first_line,
                       struct mr_arena *arena, struct mr_csv_facts *facts, struct mr_error *err) {
    MR_TRY(check_utf8(text, first_line, err));
    struct mr_csv_scan scan;
    mr_csv_scan_init(&scan, text, true, first_line, arena);
    struct pass pass;
    MR_TRY(pass_init(&pass, layout, &scan, arena, err));
    for (size_t i = 0; i < layout->n_columns; i++) {
        if (!layout->columns[i].has_dtype) pass.states[i].facts = facts++;
    }
    return run_pass(&pass, scan, err);
}

void mr_csv_facts_merge(const struct mr_csv_layout *layout, struct mr_csv_facts *facts,
                        const struct mr_csv_facts *next) {
    for (size_t i = 0; i < layout->n_unknown; i++) mr_csv_merge(&facts[i], &next[i]);
}

void mr_csv_settle(struct mr_csv_layout *layout, const struct mr_csv_facts *facts) {
    for (size_t i = 0; i < layout->n_columns; i++) {
        struct mr_csv_column *column = &layout->columns[i];
        if (!column->has_dtype) column->kind = mr_csv_kind_of(facts++);
    }
    layout->is_settled = true;
}
