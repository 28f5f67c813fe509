/* dataframe_split and dataframe_records: dataframe_from_parsed_json and
 * cast_df_types_according_to_schema in mlflow/utils/proto_json_utils.py.
 *
 * A frame (frame.h) says which cells each column has; here the signature says which columns are
 * wanted and as what. Columns that the signature does not name are not built: enforcement would
 * drop them, and making them cannot fail. */
#include "base/number.h"
#include "codec/frame.h"
#include "codec/json_int.h"
#include "schema/py_value.h"

#define NOT_WANTED UINT32_MAX
#define ONLY_PYTHON "values that only Python can convert to the column's type"

#define BLOCK_VALUES 16384 /* 256 KB of them: what a core's own cache holds */
#define MIN_BLOCK_ROWS 16
#define DISCARD_BYTES (8 << 20) /* letting go of less costs more than it saves */

/* Which column of the frame goes where in the table. */
struct plan {
    const struct mr_signature *signature;
    struct mr_table *table;
    uint32_t *targets; /* column of the frame -> column of the table */
    uint32_t *specs;   /* column of the table -> index in the signature; NULL: the same */
    bool *is_twice;    /* column of the frame: another one has its name too; NULL: none has */
    struct mr_error *rejection; /* what enforcement will refuse; NULL: nothing so far */
};

/* What the labels of the signature's columns are. */
static mr_label_kind wanted_kind(const struct mr_signature *signature) {
    return signature->is_numbered ? MR_LABEL_INT : MR_LABEL_TEXT;
}

/* The input of that name, be it a text or a number; hint: tried first. */
static size_t find_spec(const struct mr_signature *signature, struct mr_str name, size_t hint) {
    return signature->is_numbered ? mr_name_map_find(&signature->names, name)
                                  : mr_signature_find(signature, name, hint);
}

/* Whether the frame's columns are those of the signature, in its order: the common case. */
static bool is_in_order(const struct mr_frame *frame, const struct mr_signature *signature) {
    if (frame->n_cols != signature->n_inputs || !frame->labels) return false;
    for (size_t i = 0; i < frame->n_cols; i++) {
        if (frame->labels[i].kind != wanted_kind(signature)) return false;
        if (!mr_str_equal(frame->labels[i].name, mr_signature_name(signature, i))) return false;
    }
    return true;
}

/* Two columns of the frame have the same name. */
static mr_status mark_twice(const struct mr_frame *frame, struct plan *plan, size_t a, size_t b,
                            struct mr_error *err) {
    if (!plan->is_twice) {
        plan->is_twice = mr_arena_zalloc(frame->arena, frame->n_cols * sizeof(*plan->is_twice));
        if (!plan->is_twice) return mr_arena_fail(frame->arena, err);
    }
    plan->is_twice[a] = plan->is_twice[b] = true;
    return MR_OK;
}

/* The signature's columns in the signature's order, as far as the frame has them. A column that
 * the frame has twice is cast twice, as MLflow does, and refused afterwards. */
static mr_status plan_by_name(const struct mr_frame *frame, struct plan *plan,
                              struct mr_error *err) {
    const struct mr_signature *signature = plan->signature;
    size_t n_specs = signature->n_inputs, n = 0;
    uint32_t *places = mr_arena_array(frame->arena, n_specs, sizeof(*places));
    plan->specs = mr_arena_array(frame->arena, n_specs, sizeof(*plan->specs));
    if (!places || !plan->specs) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < n_specs; i++) places[i] = NOT_WANTED;
    for (size_t i = 0; i < frame->n_cols; i++) {
        plan->targets[i] = NOT_WANTED;
        if (!frame->labels || frame->labels[i].kind != wanted_kind(signature)) continue;
        size_t spec = find_spec(signature, frame->labels[i].name, i);
        if (spec == MR_NAME_NONE) continue;
        plan->targets[i] = (uint32_t)spec;
        if (places[spec] != NOT_WANTED && frame->may_repeat) {
            plan->targets[places[spec]] = NOT_WANTED;
        } else if (places[spec] != NOT_WANTED) {
            MR_TRY(mark_twice(frame, plan, places[spec], i, err));
        }
        places[spec] = (uint32_t)i;
    }
    for (size_t i = 0; i < n_specs; i++) {
        if (places[i] == NOT_WANTED) continue;
        places[i] = (uint32_t)n; /* from here on: the column of the table */
        plan->specs[n++] = (uint32_t)i;
    }
    for (size_t i = 0; i < frame->n_cols; i++) {
        if (plan->targets[i] != NOT_WANTED) plan->targets[i] = places[plan->targets[i]];
    }
    MR_TRY(mr_table_new(frame->arena, frame->n_rows, n, plan->table, err));
    for (size_t i = 0; i < n; i++) {
        plan->table->columns[i].name = mr_signature_name(signature, plan->specs[i]);
        plan->table->columns[i].is_named = !signature->is_numbered;
    }
    return MR_OK;
}

/* Whether any two labels are equal. Texts and integers are told apart. */
static mr_status find_duplicates(const struct mr_frame *frame, bool *has_duplicates,
                                 struct mr_error *err) {
    struct mr_name_map maps[2];
    mr_name_map_init(&maps[0], frame->arena);
    mr_name_map_init(&maps[1], frame->arena);
    for (size_t i = 0; frame->labels && i < frame->n_cols; i++) {
        size_t index;
        bool is_new, is_text = frame->labels[i].kind == MR_LABEL_TEXT;
        if (frame->labels[i].kind == MR_LABEL_ODD) continue;
        MR_TRY(mr_name_map_add(&maps[is_text], frame->labels[i].name, &index, &is_new, err));
        *has_duplicates |= !is_new;
    }
    return MR_OK;
}

static mr_status number_label(struct mr_arena *arena, size_t i, struct mr_str *out,
                              struct mr_error *err) {
    static const char digits[] = "0123456789";
    if (i < 10) {
        *out = (struct mr_str){digits + i, 1};
        return MR_OK;
    }
    char text[MR_INT_CHARS];
    struct mr_str name = {text, mr_int_write((int64_t)i, text)};
    name.data = mr_arena_strdup(arena, name);
    if (!name.data) return mr_arena_fail(arena, err);
    *out = name;
    return MR_OK;
}

/* Labels 0, 1, 2, ... for a frame without any. */
static mr_status number_columns(struct mr_frame *frame, struct mr_error *err) {
    struct mr_label *labels = mr_arena_array(frame->arena, frame->n_cols, sizeof(*labels));
    if (!labels) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < frame->n_cols; i++) {
        labels[i].kind = MR_LABEL_INT;
        MR_TRY(number_label(frame->arena, i, &labels[i].name, err));
    }
    frame->labels = labels;
    return MR_OK;
}

/* The first n columns of the frame as they come, under their own labels. */
static mr_status plan_by_position(struct mr_frame *frame, struct plan *plan, size_t n,
                                  struct mr_error *err) {
    MR_TRY(mr_table_new(frame->arena, frame->n_rows, n, plan->table, err));
    if (plan->signature->kind != MR_SCHEMA_NONE) {
        bool has_duplicates = false;
        MR_TRY(find_duplicates(frame, &has_duplicates, err));
        if (has_duplicates) {
            frame->raw_reason = "columns that share a name";
            return MR_OK;
        }
    }
    for (size_t i = 0; i < frame->n_cols; i++) {
        plan->targets[i] = i < n ? (uint32_t)i : NOT_WANTED;
        if (i >= n) continue;
        struct mr_column *column = &plan->table->columns[i];
        if (!frame->labels) {
            MR_TRY(number_label(frame->arena, i, &column->name, err));
            continue;
        }
        if (frame->labels[i].kind == MR_LABEL_ODD) {
            frame->raw_reason = "column labels that are neither texts nor integers";
            return MR_OK;
        }
        column->name = frame->labels[i].name;
        column->is_named = frame->labels[i].kind == MR_LABEL_TEXT;
    }
    return MR_OK;
}

static mr_status make_plan(struct mr_frame *frame, struct plan *plan, struct mr_error *err) {
    const struct mr_signature *signature = plan->signature;
    plan->targets = mr_arena_array(frame->arena, frame->n_cols, sizeof(*plan->targets));
    if (!plan->targets) return mr_arena_fail(frame->arena, err);
    if (signature->kind == MR_SCHEMA_NONE) {
        return plan_by_position(frame, plan, frame->n_cols, err);
    }
    if (!signature->has_names) {
        bool is_tensor = signature->kind == MR_SCHEMA_TENSORS;
        size_t n = frame->n_cols < signature->n_inputs || is_tensor ? frame->n_cols
                                                                    : signature->n_inputs;
        return plan_by_position(frame, plan, n, err);
    }
    if (signature->is_numbered && !frame->labels) MR_TRY(number_columns(frame, err));
    if (!is_in_order(frame, signature)) return plan_by_name(frame, plan, err);
    MR_TRY(mr_table_new(frame->arena, frame->n_rows, frame->n_cols, plan->table, err));
    for (size_t i = 0; i < frame->n_cols; i++) {
        plan->targets[i] = (uint32_t)i;
        plan->table->columns[i].name = mr_signature_name(signature, i);
        plan->table->columns[i].is_named = !signature->is_numbered;
    }
    return MR_OK;
}

static void init_cast(struct mr_cast *cast, const struct plan *plan, size_t target) {
    const struct mr_signature *signature = plan->signature;
    struct mr_column *column = &plan->table->columns[target];
    size_t spec = plan->specs ? plan->specs[target] : target;
    switch (signature->kind) {
    case MR_SCHEMA_NONE: mr_cast_init_infer(cast, column); break;
    case MR_SCHEMA_COLUMNS: mr_cast_init_type(cast, column, signature->columns[spec].type); break;
    case MR_SCHEMA_TENSORS:
        if (!signature->has_names) spec = 0;
        mr_cast_init_dtype(cast, column, signature->tensors[spec].dtype);
        break;
    }
}

/* Where two columns share a name pdf[name] is a frame: making str or datetime of it fails at once,
 * the other types fail in enforcement. */
static mr_status refuse_twice(const struct plan *plan, size_t target, struct mr_error *err) {
    const struct mr_signature *signature = plan->signature;
    mr_status status = MR_E_INVALID_PARAMETER;
    if (signature->kind == MR_SCHEMA_COLUMNS) {
        mr_col_type type = signature->columns[plan->specs ? plan->specs[target] : target].type;
        if (type == MR_COL_STRING || type == MR_COL_DATETIME) status = MR_E_BAD_REQUEST;
    }
    return mr_fail(err, status, "column '%.*s' is given more than once",
                   MR_STR_ARGS(plan->table->columns[target].name));
}

/* Keep what enforcement will refuse until all columns are cast, for what casting refuses comes
 * first. Passes any other status on. */
static mr_status reject_later(struct plan *plan, mr_status status, struct mr_arena *arena,
                              struct mr_error *err) {
    if (status != MR_E_INVALID_PARAMETER) return status;
    if (plan->rejection) return MR_OK; /* the first one is told */
    plan->rejection = mr_arena_zalloc(arena, sizeof(*plan->rejection));
    if (!plan->rejection) return mr_arena_fail(arena, err);
    if (err) *plan->rejection = *err;
    return MR_OK;
}

/* Columns of objects keep pointing at their cells. */
static bool keeps_cells(const struct mr_cast *cast) {
    return cast->column->dtype == MR_OBJECT;
}

/* Convert cells that lie side by side, and let go of them on the way. */
static mr_status convert_list(struct mr_cast *cast, const struct mr_cells *cells,
                              struct mr_arena *arena, struct mr_error *err) {
    const int64_t step = DISCARD_BYTES / (int64_t)sizeof(yyjson_val);
    for (int64_t row = 0; row < cells->n; row += step) {
        int64_t n = cells->n - row < step ? cells->n - row : step;
        struct mr_cells block = mr_cells_slice(cells, row, n);
        MR_TRY(mr_cast_convert(cast, &block, row, err));
        if (n == step && !keeps_cells(cast)) mr_arena_discard(arena, block.first, DISCARD_BYTES);
    }
    return MR_OK;
}

static mr_status cast_column(struct mr_frame *frame, struct mr_cast *cast,
                             const struct mr_cells *cells, struct mr_error *err) {
    if (cells->items || cells->stride != 1 || frame->is_shared) {
        return mr_cast_all(cast, cells, frame->form == MR_FRAME_EMPTY, frame->arena, err);
    }
    if (cast->needs_scan) mr_cast_scan(cast, cells);
    yyjson_val *first_cell = cells->n ? mr_cell(cells, 0) : NULL;
    MR_TRY(mr_cast_begin(cast, cells->n, first_cell, false, frame->arena, err));
    MR_TRY(convert_list(cast, cells, frame->arena, err));
    return mr_cast_end(cast, err);
}

static mr_status fill_column(struct mr_frame *frame, struct plan *plan, size_t i,
                             struct mr_error *err) {
    uint32_t target = plan->targets[i];
    /* Making a column that nobody wants can fail for a lone surrogate only. */
    if (target == NOT_WANTED && !frame->has_surrogates) return MR_OK;
    struct mr_cells cells;
    struct mr_cast cast;
    MR_TRY(mr_frame_cells(frame, i, &cells, err));
    if (target == NOT_WANTED) {
        struct mr_column unused = {.name = mr_str_from("?")};
        mr_cast_init_infer(&cast, &unused);
        return mr_cast_all(&cast, &cells, false, frame->arena, err);
    }
    if (plan->is_twice && plan->is_twice[i]) {
        MR_TRY(reject_later(plan, refuse_twice(plan, target, err), frame->arena, err));
    }
    init_cast(&cast, plan, target);
    mr_status status = cast_column(frame, &cast, &cells, err);
    if (status != MR_OK) return reject_later(plan, status, frame->arena, err);
    if (cast.is_raw) frame->raw_reason = ONLY_PYTHON;
    return MR_OK;
}

/* A column of an even frame that is being cast block by block. */
struct lane {
    struct mr_cells cells;
    struct mr_cast cast;
    bool is_rejected; /* enforcement will refuse it, whatever its cells are */
};

/* The wanted columns, ready to be cast. */
static mr_status make_lanes(struct mr_frame *frame, const struct plan *plan, struct lane **lanes,
                            bool *needs_scan, struct mr_error *err) {
    *lanes = mr_arena_array(frame->arena, plan->table->n_cols, sizeof(**lanes));
    if (!*lanes) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < frame->n_cols; i++) {
        if (plan->targets[i] == NOT_WANTED) continue;
        struct lane *lane = &(*lanes)[plan->targets[i]];
        init_cast(&lane->cast, plan, plan->targets[i]);
        lane->is_rejected = false;
        *needs_scan |= lane->cast.needs_scan;
        MR_TRY(mr_frame_cells(frame, i, &lane->cells, err));
    }
    return MR_OK;
}

/* An even frame of many rows: all columns of a block of rows, which stays in the cache, before the
 * next block. Converted rows are let go of, for values take far more room than a table does. */
static mr_status fill_blocks(struct mr_frame *frame, struct plan *plan, int64_t block_rows,
                             struct mr_error *err) {
    struct lane *lanes;
    bool needs_scan = false, keeps_any = false;
    size_t n_lanes = plan->table->n_cols;
    MR_TRY(make_lanes(frame, plan, &lanes, &needs_scan, err));
    for (int64_t row = 0; needs_scan && row < frame->n_rows; row += block_rows) {
        int64_t n = frame->n_rows - row < block_rows ? frame->n_rows - row : block_rows;
        for (size_t i = 0; i < n_lanes; i++) {
            struct mr_cells block = mr_cells_slice(&lanes[i].cells, row, n);
            if (lanes[i].cast.needs_scan) mr_cast_scan(&lanes[i].cast, &block);
        }
    }
    for (size_t i = 0; i < n_lanes; i++) {
        struct lane *lane = &lanes[i];
        mr_status status = mr_cast_begin(&lane->cast, frame->n_rows, mr_cell(&lane->cells, 0),
                                         false, frame->arena, err);
        lane->is_rejected = status == MR_E_INVALID_PARAMETER;
        MR_TRY(reject_later(plan, status, frame->arena, err));
        keeps_any |= keeps_cells(&lane->cast);
    }
    yyjson_val *discarded = frame->first;
    for (int64_t row = 0; row < frame->n_rows; row += block_rows) {
        int64_t n = frame->n_rows - row < block_rows ? frame->n_rows - row : block_rows;
        for (size_t i = 0; i < n_lanes; i++) {
            struct mr_cells block = mr_cells_slice(&lanes[i].cells, row, n);
            if (lanes[i].is_rejected) continue;
            MR_TRY(mr_cast_convert(&lanes[i].cast, &block, row, err));
        }
        yyjson_val *done = frame->first + (size_t)(row + n) * frame->stride;
        size_t n_bytes = (size_t)(done - discarded) * sizeof(*done);
        if (keeps_any || n_bytes < DISCARD_BYTES) continue;
        mr_arena_discard(frame->arena, discarded, n_bytes);
        discarded = done;
    }
    for (size_t i = 0; i < n_lanes; i++) {
        if (lanes[i].cast.is_raw) frame->raw_reason = ONLY_PYTHON;
        mr_status status = lanes[i].is_rejected ? MR_OK : mr_cast_end(&lanes[i].cast, err);
        MR_TRY(reject_later(plan, status, frame->arena, err));
    }
    return MR_OK;
}

static mr_status fill_table(struct mr_frame *frame, struct plan *plan, struct mr_error *err) {
    bool is_simple = frame->stride && !plan->is_twice && !frame->has_surrogates;
    if (is_simple) {
        int64_t block_rows = BLOCK_VALUES / (int64_t)frame->stride;
        if (block_rows < MIN_BLOCK_ROWS) block_rows = MIN_BLOCK_ROWS;
        if (frame->n_rows > block_rows) return fill_blocks(frame, plan, block_rows, err);
    }
    for (size_t i = 0; i < frame->n_cols && !frame->raw_reason; i++) {
        MR_TRY(fill_column(frame, plan, i, err));
    }
    return MR_OK;
}

/* Tensors that a frame of scalars cannot be cast to without numpy. */
static bool is_foreign(const struct mr_signature *signature) {
    if (signature->kind != MR_SCHEMA_TENSORS) return false;
    for (size_t i = 0; i < signature->n_inputs; i++) {
        if (!signature->tensors[i].is_known || signature->tensors[i].dtype == MR_OBJECT)
            return true;
    }
    return false;
}

static mr_status leave_raw(const char *reason, struct mr_decoded *out) {
    out->input.kind = MR_INPUT_RAW;
    out->input.raw_reason = reason;
    return MR_OK;
}

/* Column labels that are not what pandas.DataFrame makes of a dict's keys. After a signature of
 * columns they always are, since MLflow makes a DataFrame of a dict then. */
static const char *odd_column_labels(const struct mr_frame *frame) {
    if (!frame->labels) return frame->n_cols == 1 ? "a column without a label" : NULL;
    bool has_texts = false;
    for (size_t i = 0; i < frame->n_cols; i++) {
        has_texts |= frame->labels[i].kind == MR_LABEL_TEXT;
    }
    if (has_texts) return NULL;
    return frame->n_cols ? "column labels that are integers" : "an empty list of column labels";
}

static mr_status decode_frame(struct mr_frame *frame, const struct mr_signature *signature,
                              struct mr_decoded *out, struct mr_error *err) {
    if (frame->raw_reason) return leave_raw(frame->raw_reason, out);
    struct plan plan = {.signature = signature, .table = &out->input.table};
    MR_TRY(make_plan(frame, &plan, err));
    if (!frame->raw_reason) MR_TRY(fill_table(frame, &plan, err));
    if (frame->raw_reason) return leave_raw(frame->raw_reason, out);
    if (plan.rejection) {
        if (err) *err = *plan.rejection;
        return MR_E_INVALID_PARAMETER;
    }
    out->input.kind = MR_INPUT_TABLE;
    if (signature->kind == MR_SCHEMA_NONE) out->input.table.odd_labels = odd_column_labels(frame);
    return MR_OK;
}

/* A signature that says by name which keys of a record count; NULL: all do. */
static const struct mr_signature *with_names(const struct mr_signature *signature) {
    return signature->has_names && !signature->is_numbered ? signature : NULL;
}

/* The row that pandas finds under the label 0, -1 when there is not exactly one; *is_odd: a label
 * is neither a number nor a text. */
static int64_t row_of_label_0(yyjson_val *index, bool *is_odd) {
    int64_t row = -1;
    size_t i, n, n_zeros = 0;
    yyjson_val *label;
    yyjson_arr_foreach(index, i, n, label) {
        *is_odd |= !yyjson_is_num(label) && !yyjson_is_str(label);
        if (!yyjson_is_num(label) || yyjson_get_num(label) != 0) continue;
        row = (int64_t)i;
        n_zeros++;
    }
    return n_zeros == 1 ? row : -1;
}

/* The row labels as pandas.Index has them. check_index (frame.c) has seen that they are values, one
 * for each row. */
static mr_status read_row_labels(yyjson_val *index, struct mr_arena *arena, struct mr_table *table,
                                 struct mr_error *err) {
    struct mr_column *labels = mr_arena_zalloc(arena, sizeof(*labels));
    if (!labels) return mr_arena_fail(arena, err);
    struct mr_cells cells = {
        .n = (int64_t)yyjson_arr_size(index), .first = yyjson_arr_get_first(index), .stride = 1};
    struct mr_cast cast;
    mr_cast_init_infer(&cast, labels);
    mr_status status = mr_cast_all(&cast, &cells, true, arena, err);
    if (status != MR_OK) return status;
    bool is_text = labels->dtype == MR_STRING && labels->n_nulls == 0;
    if (!cast.is_raw && (is_text || labels->dtype == MR_INT64)) {
        table->index = labels;
    } else {
        table->odd_labels = "row labels that are neither integers nor texts";
    }
    return MR_OK;
}

mr_status mr_json_decode_split(yyjson_val *value, const struct mr_signature *signature,
                               struct mr_arena *arena, struct mr_decoded *out,
                               struct mr_error *err) {
    if (!yyjson_is_obj(value)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "dataframe_split: expected an object, received %s",
                       mr_py_kind_name(mr_py_kind_of(value)));
    }
    yyjson_val *data = NULL, *columns = NULL, *index = NULL, *name;
    yyjson_obj_iter iter = yyjson_obj_iter_with(value);
    while ((name = yyjson_obj_iter_next(&iter))) {
        struct mr_str key = {yyjson_get_str(name), yyjson_get_len(name)};
        yyjson_val *item = yyjson_obj_iter_get_val(name);
        if (mr_str_is(key, "data")) {
            data = item;
        } else if (mr_str_is(key, "columns")) {
            columns = item;
        } else if (mr_str_is(key, "index")) {
            index = item;
        } else {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "dataframe_split: unknown key '%.*s'; it has data and, if need be, "
                           "columns and index",
                           MR_STR_ARGS(key));
        }
    }
    if (!data) return mr_fail(err, MR_E_BAD_REQUEST, "dataframe_split: the key data is missing");
    if (is_foreign(signature)) return leave_raw("a tensor of a dtype that only numpy has", out);
    struct mr_frame frame = {.arena = arena, .has_surrogates = out->has_surrogates};
    MR_TRY(mr_frame_read(&frame, data, columns, index, with_names(signature), err));
    MR_TRY(decode_frame(&frame, signature, out, err));
    if (out->input.kind == MR_INPUT_TABLE && yyjson_is_arr(index) &&
        signature->kind != MR_SCHEMA_TENSORS) {
        MR_TRY(read_row_labels(index, arena, &out->input.table, err));
    }
    if (signature->kind == MR_SCHEMA_TENSORS && yyjson_arr_size(index)) {
        bool is_odd = false;
        out->input.table.row_of_label_0 = row_of_label_0(index, &is_odd);
        if (is_odd) return leave_raw("row labels that are neither numbers nor texts", out);
    }
    return MR_OK;
}

mr_status mr_json_decode_records(yyjson_val *value, const struct mr_signature *signature,
                                 struct mr_arena *arena, struct mr_decoded *out,
                                 struct mr_error *err) {
    if (!yyjson_is_arr(value)) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "dataframe_records: expected a list of objects, received %s",
                       mr_py_kind_name(mr_py_kind_of(value)));
    }
    if (is_foreign(signature)) return leave_raw("a tensor of a dtype that only numpy has", out);
    struct mr_frame frame = {.arena = arena, .has_surrogates = out->has_surrogates};
    MR_TRY(mr_frame_read(&frame, value, NULL, NULL, with_names(signature), err));
    return decode_frame(&frame, signature, out, err);
}
