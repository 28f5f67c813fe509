#include "codec/frame.h"

#include <stdio.h>

#include "base/utf8.h"
#include "codec/json_int.h"
#include "schema/py_value.h"

static struct mr_str text_of(yyjson_val *value) {
    return (struct mr_str){unsafe_yyjson_get_str(value), unsafe_yyjson_get_len(value)};
}

static mr_status leave_raw(struct mr_frame *frame, const char *reason) {
    frame->raw_reason = reason;
    return MR_OK;
}

static bool is_missing(yyjson_val *value) {
    return !value || yyjson_is_null(value);
}

/* Whether a container holds no filled container, so that its children lie side by side. */
static bool is_flat(yyjson_val *container) {
    size_t size = unsafe_yyjson_get_len(container);
    size_t n = unsafe_yyjson_is_obj(container) ? size * 2 : size;
    return (size_t)(unsafe_yyjson_get_next(container) - container - 1) == n;
}

/* pandas gives every row all columns, so that a short body can ask for any number of cells. */
#define MAX_PADDED_CELLS ((size_t)1 << 28)

/* Refuse more cells than that, unless they are all there: then n_values is no smaller. */
static mr_status check_padding(const struct mr_frame *frame, size_t n_cols, struct mr_error *err) {
    size_t n_rows = (size_t)frame->n_rows, n_cells;
    if (!__builtin_mul_overflow(n_rows, n_cols, &n_cells) &&
        (n_cells <= MAX_PADDED_CELLS || n_cells <= frame->n_values)) {
        return MR_OK;
    }
    return mr_fail(err, MR_E_TOO_LARGE,
                   "%zu rows of %zu columns, most of them empty: more than %zu cells are too many",
                   n_rows, n_cols, MAX_PADDED_CELLS);
}

/* --- Labels ---------------------------------------------------------------------------------- */

static mr_status int_label(struct mr_arena *arena, yyjson_val *value, struct mr_label *label,
                           struct mr_error *err) {
    char digits[24];
    int size = unsafe_yyjson_is_uint(value)
                   ? snprintf(digits, sizeof(digits), "%llu",
                              (unsigned long long)unsafe_yyjson_get_uint(value))
                   : snprintf(digits, sizeof(digits), "%lld",
                              (long long)unsafe_yyjson_get_sint(value));
    char *name = mr_arena_strdup(arena, (struct mr_str){digits, (size_t)size});
    if (!name) return mr_arena_fail(arena, err);
    *label = (struct mr_label){{name, (size_t)size}, MR_LABEL_INT};
    return MR_OK;
}

/* The labels under "columns", as pandas.Index holds them: among numbers, one that is no integer
 * (or a null) makes all of them floats. */
static mr_status read_labels(struct mr_frame *frame, yyjson_val *columns, struct mr_error *err) {
    if (is_missing(columns)) return MR_OK;
    if (yyjson_is_obj(columns)) return leave_raw(frame, "columns given as an object");
    if (!yyjson_is_arr(columns)) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "dataframe_split.columns: expected a list, received %s",
                       mr_py_kind_name(mr_py_kind_of(columns)));
    }
    size_t n = unsafe_yyjson_get_len(columns);
    struct mr_label *labels = mr_arena_array(frame->arena, n, sizeof(*labels));
    if (!labels) return mr_arena_fail(frame->arena, err);
    bool has_odd = false;
    yyjson_arr_iter iter = yyjson_arr_iter_with(columns);
    for (size_t i = 0; i < n; i++) {
        yyjson_val *value = yyjson_arr_iter_next(&iter);
        if (unsafe_yyjson_is_str(value)) {
            labels[i] = (struct mr_label){text_of(value), MR_LABEL_TEXT};
        } else if (yyjson_is_int(value)) {
            MR_TRY(int_label(frame->arena, value, &labels[i], err));
        } else if (unsafe_yyjson_is_ctn(value)) {
            return leave_raw(frame, "column labels that are lists or objects");
        } else {
            labels[i] = (struct mr_label){mr_str_from("?"), MR_LABEL_ODD};
            has_odd = true;
        }
    }
    for (size_t i = 0; has_odd && i < n; i++) {
        if (labels[i].kind == MR_LABEL_INT) labels[i].kind = MR_LABEL_ODD;
    }
    frame->labels = labels;
    frame->n_cols = n;
    return MR_OK;
}

static mr_status check_label_count(const struct mr_frame *frame, size_t n_cols,
                                   struct mr_error *err) {
    if (!frame->labels || frame->n_cols == n_cols) return MR_OK;
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "dataframe_split: columns has %zu names, but the rows of data have %zu values",
                   frame->n_cols, n_cols);
}

/* "index" says how many rows there are; what the labels are is read later, by json_frame.c. pandas
 * repeats a single row as often as it has labels. */
static mr_status check_index(struct mr_frame *frame, yyjson_val *index, struct mr_error *err) {
    if (is_missing(index)) return MR_OK;
    if (yyjson_is_obj(index)) return leave_raw(frame, "row labels given as an object");
    if (!yyjson_is_arr(index)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "dataframe_split.index: expected a list, received %s",
                       mr_py_kind_name(mr_py_kind_of(index)));
    }
    size_t n = unsafe_yyjson_get_len(index), i, max;
    yyjson_val *label;
    yyjson_arr_foreach(index, i, max, label) {
        if (unsafe_yyjson_is_ctn(label)) return leave_raw(frame, "row labels that are lists");
    }
    if ((int64_t)n == frame->n_rows) return MR_OK;
    bool is_repeated = frame->form == MR_FRAME_EMPTY ||
                       (frame->form != MR_FRAME_LIST && frame->n_rows == 1) || !frame->n_cols;
    if (is_repeated) return leave_raw(frame, "more row labels than rows");
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "dataframe_split: index has %zu labels, but data has %lld rows", n,
                   (long long)frame->n_rows);
}

/* --- A list of lists ------------------------------------------------------------------------- */

/* What a row that is too short has in its missing columns: None (lib.to_object_array). */
static yyjson_val padding = {.tag = YYJSON_TYPE_NULL};

static mr_status row_error(int64_t row, const char *expected, yyjson_val *value,
                           struct mr_error *err) {
    return mr_fail(err, MR_E_BAD_REQUEST, "row %lld of data: expected %s as in row 0, received %s",
                   (long long)row, expected, mr_py_kind_name(mr_py_kind_of(value)));
}

/* Every row in turn, for nested cells or rows of different lengths. */
static mr_status read_uneven_rows(struct mr_frame *frame, size_t *n_cols, struct mr_error *err) {
    size_t n = (size_t)frame->n_rows;
    bool is_ragged = false;
    yyjson_val *row = frame->first;
    *n_cols = unsafe_yyjson_get_len(row);
    for (size_t i = 0; i < n; i++, row = unsafe_yyjson_get_next(row)) {
        if (!yyjson_is_arr(row)) {
            if (yyjson_is_str(row) || yyjson_is_obj(row)) {
                return leave_raw(frame, "texts or objects among lists");
            }
            return row_error((int64_t)i, "a list", row, err);
        }
        size_t size = unsafe_yyjson_get_len(row);
        if (size == *n_cols) continue;
        is_ragged = true;
        if (size > *n_cols) *n_cols = size;
    }
    MR_TRY(check_padding(frame, *n_cols, err));
    frame->cursors = mr_arena_array(frame->arena, n, sizeof(*frame->cursors));
    if (!frame->cursors) return mr_arena_fail(frame->arena, err);
    if (is_ragged) {
        frame->ends = mr_arena_array(frame->arena, n, sizeof(*frame->ends));
        frame->open_rows = mr_arena_array(frame->arena, n, sizeof(*frame->open_rows));
        if (!frame->ends || !frame->open_rows) return mr_arena_fail(frame->arena, err);
    }
    row = frame->first;
    for (size_t i = 0; i < n; i++, row = unsafe_yyjson_get_next(row)) {
        bool is_empty = unsafe_yyjson_get_len(row) == 0;
        frame->cursors[i] = is_empty ? &padding : row + 1;
        if (!is_ragged) continue;
        frame->ends[i] = unsafe_yyjson_get_next(row);
        if (!is_empty) frame->open_rows[frame->n_open_rows++] = i;
    }
    return MR_OK;
}

/* A ragged row that has ended is not looked at again: one long row among many short ones would
 * cost their product. */
static void advance_rows(struct mr_frame *frame) {
    bool is_ragged = frame->ends != NULL;
    size_t n = is_ragged ? frame->n_open_rows : (size_t)frame->n_rows, n_open = 0;
    frame->at++;
    for (size_t k = 0; k < n; k++) {
        size_t i = is_ragged ? frame->open_rows[k] : k;
        yyjson_val *next = unsafe_yyjson_get_next(frame->cursors[i]);
        bool is_end = is_ragged && next == frame->ends[i];
        frame->cursors[i] = is_end ? &padding : next;
        if (is_ragged && !is_end) frame->open_rows[n_open++] = i;
    }
    frame->n_open_rows = n_open;
}

static mr_status read_rows(struct mr_frame *frame, struct mr_error *err) {
    size_t n_cols = unsafe_yyjson_get_len(frame->first);
    size_t stride = n_cols + 1;
    bool is_even = is_flat(frame->first);
    const yyjson_val *row = frame->first;
    for (int64_t i = 1; is_even && i < frame->n_rows; i++) {
        row += stride;
        is_even = row->tag == frame->first->tag && row->uni.ofs == frame->first->uni.ofs;
    }
    if (is_even) {
        frame->stride = stride;
    } else {
        MR_TRY(read_uneven_rows(frame, &n_cols, err));
        if (frame->raw_reason) return MR_OK;
    }
    MR_TRY(check_label_count(frame, n_cols, err));
    frame->n_cols = n_cols;
    return MR_OK;
}

/* --- A list of records ----------------------------------------------------------------------- */

/* Whether every record has the keys of the first one, in its order, and only scalars. */
static bool is_even_records(const struct mr_frame *frame) {
    yyjson_val *first = frame->first, *record = first;
    size_t n_keys = unsafe_yyjson_get_len(first);
    size_t stride = 2 * n_keys + 1;
    if (!is_flat(frame->first)) return false;
    for (int64_t i = 1; i < frame->n_rows; i++) {
        record += stride;
        if (record->tag != first->tag || record->uni.ofs != first->uni.ofs) return false;
        for (size_t k = 1; k < stride; k += 2) {
            if (record[k].tag != first[k].tag ||
                memcmp(record[k].uni.str, first[k].uni.str, record[k].tag >> YYJSON_TAG_BIT)) {
                return false;
            }
        }
    }
    return true;
}

/* Columns of even records: as the keys come or, when labels are given, where each is.
 * *has_duplicates: a key is given twice, and nobody who knows which ones matter looks for it. */
static mr_status read_even_records(struct mr_frame *frame, bool is_wanted, bool *has_duplicates,
                                   struct mr_error *err) {
    size_t n_keys = unsafe_yyjson_get_len(frame->first);
    struct mr_label *labels = mr_arena_array(frame->arena, n_keys, sizeof(*labels));
    if (!labels) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < n_keys; i++) {
        labels[i] = (struct mr_label){text_of(frame->first + 1 + 2 * i), MR_LABEL_TEXT};
    }
    frame->may_repeat = is_wanted && !frame->labels;
    struct mr_name_map map;
    mr_name_map_init(&map, frame->arena);
    if (!frame->may_repeat) MR_TRY(mr_name_map_reserve(&map, n_keys, err));
    for (size_t i = 0; !frame->may_repeat && i < n_keys; i++) {
        size_t index;
        bool is_new;
        MR_TRY(mr_name_map_add(&map, labels[i].name, &index, &is_new, err));
        if (!is_new) *has_duplicates = true;
    }
    if (*has_duplicates) return MR_OK;
    frame->stride = 2 * n_keys + 1;
    if (!frame->labels) {
        frame->labels = labels;
        frame->n_cols = n_keys;
        return MR_OK;
    }
    size_t *slots = mr_arena_array(frame->arena, frame->n_cols, sizeof(*slots));
    if (!slots) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < frame->n_cols; i++) {
        bool is_text = frame->labels[i].kind == MR_LABEL_TEXT;
        slots[i] = is_text ? mr_name_map_find(&map, frame->labels[i].name) : MR_NAME_NONE;
    }
    frame->slots = slots;
    return MR_OK;
}

/* Uneven records, sorted by column. */
struct record_sort {
    const struct mr_signature *wanted; /* columns are its inputs; NULL: those of the map */
    struct mr_name_map map;            /* given labels, or all keys */
    bool is_closed;                    /* keys that are not in the map are not wanted */
    size_t n_pairs;
    uint32_t *columns; /* pair -> column, or UINT32_MAX */
};

static size_t n_columns(const struct record_sort *sort) {
    return sort->wanted ? sort->wanted->n_inputs : sort->map.n;
}

/* The column of a key; MR_NAME_NONE when it is not wanted. hint: tried first. */
static mr_status find_column(struct record_sort *sort, struct mr_str name, size_t hint,
                             size_t *column, struct mr_error *err) {
    bool is_new;
    if (sort->wanted) {
        *column = mr_signature_find(sort->wanted, name, hint);
    } else if (hint < sort->map.n && mr_str_equal(sort->map.names[hint], name)) {
        *column = hint;
    } else if (sort->is_closed) {
        *column = mr_name_map_find(&sort->map, name);
    } else {
        return mr_name_map_add(&sort->map, name, column, &is_new, err);
    }
    return MR_OK;
}

/* pandas takes dict(row) of each row that is no dict. */
static mr_status check_records(struct mr_frame *frame, size_t *n_pairs, struct mr_error *err) {
    yyjson_val *row = frame->first;
    *n_pairs = 0;
    for (int64_t i = 0; i < frame->n_rows; i++, row = unsafe_yyjson_get_next(row)) {
        size_t size = unsafe_yyjson_is_obj(row) || yyjson_is_arr(row) || yyjson_is_str(row)
                          ? unsafe_yyjson_get_len(row)
                          : 1;
        if (unsafe_yyjson_is_obj(row)) {
            *n_pairs += size;
        } else if (size) {
            if (yyjson_is_arr(row)) return leave_raw(frame, "lists among records");
            return row_error(i, "an object", row, err);
        }
    }
    return MR_OK;
}

/* Find the column of every key. Records mostly repeat each other: the column that a key at the
 * same place had last time is tried first. */
static mr_status sort_keys(struct mr_frame *frame, struct record_sort *sort, struct mr_error *err) {
    yyjson_val *row = frame->first;
    size_t pair = 0, last = 0, n_last = 0; /* pairs of the record before start at `last` */
    for (int64_t i = 0; i < frame->n_rows; i++, row = unsafe_yyjson_get_next(row)) {
        size_t n = unsafe_yyjson_is_obj(row) ? unsafe_yyjson_get_len(row) : 0;
        yyjson_val *key = row + 1;
        size_t first_pair = pair;
        for (size_t k = 0; k < n; k++, pair++, key = unsafe_yyjson_get_next(key + 1)) {
            struct mr_str name = text_of(key);
            size_t column, hint = k < n_last ? sort->columns[last + k] : k;
            MR_TRY(find_column(sort, name, hint, &column, err));
            sort->columns[pair] = column == MR_NAME_NONE ? UINT32_MAX : (uint32_t)column;
        }
        last = first_pair;
        n_last = n;
    }
    return MR_OK;
}

/* Counting sort of the cells by column; within a column they stay in the order of rows, so that
 * the last value of a key given twice wins. */
static mr_status sort_cells(struct mr_frame *frame, const struct record_sort *sort,
                            struct mr_error *err) {
    size_t n = n_columns(sort);
    size_t *starts = mr_arena_zalloc(frame->arena, (n + 2) * sizeof(*starts));
    frame->entries = mr_arena_array(frame->arena, sort->n_pairs, sizeof(*frame->entries));
    if (!starts || !frame->entries) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < sort->n_pairs; i++) {
        if (sort->columns[i] != UINT32_MAX) starts[sort->columns[i] + 2]++;
    }
    for (size_t i = 2; i < n + 2; i++) starts[i] += starts[i - 1];
    size_t pair = 0;
    yyjson_val *row = frame->first;
    for (int64_t i = 0; i < frame->n_rows; i++, row = unsafe_yyjson_get_next(row)) {
        size_t n_keys = unsafe_yyjson_is_obj(row) ? unsafe_yyjson_get_len(row) : 0;
        yyjson_val *key = row + 1;
        for (size_t k = 0; k < n_keys; k++, pair++, key = unsafe_yyjson_get_next(key + 1)) {
            uint32_t column = sort->columns[pair];
            if (column == UINT32_MAX) continue;
            frame->entries[starts[column + 1]++] = (struct mr_frame_entry){i, key + 1};
        }
    }
    frame->starts = starts;
    return MR_OK;
}

/* The columns of uneven records: given labels, or the keys that occur. */
static mr_status label_records(struct mr_frame *frame, const struct record_sort *sort,
                               struct mr_error *err) {
    size_t n = frame->labels ? frame->n_cols : n_columns(sort);
    size_t *slots = mr_arena_array(frame->arena, n, sizeof(*slots));
    struct mr_label *labels = mr_arena_array(frame->arena, n, sizeof(*labels));
    if (!slots || !labels) return mr_arena_fail(frame->arena, err);
    if (frame->labels) {
        for (size_t i = 0; i < n; i++) {
            bool is_text = frame->labels[i].kind == MR_LABEL_TEXT;
            slots[i] = is_text ? mr_name_map_find(&sort->map, frame->labels[i].name) : MR_NAME_NONE;
        }
        frame->slots = slots;
        return MR_OK;
    }
    size_t n_cols = 0;
    for (size_t i = 0; i < n; i++) {
        if (frame->starts[i] == frame->starts[i + 1]) continue; /* wanted, but in no record */
        slots[n_cols] = i;
        struct mr_str name = sort->wanted ? mr_signature_name(sort->wanted, i) : sort->map.names[i];
        labels[n_cols++] = (struct mr_label){name, MR_LABEL_TEXT};
    }
    frame->slots = slots;
    frame->labels = labels;
    frame->n_cols = n_cols;
    return MR_OK;
}

static mr_status read_uneven_records(struct mr_frame *frame, const struct mr_signature *wanted,
                                     struct mr_error *err) {
    struct record_sort sort = {.wanted = frame->labels ? NULL : wanted,
                               .is_closed = frame->labels != NULL};
    MR_TRY(check_records(frame, &sort.n_pairs, err));
    if (frame->raw_reason) return MR_OK;
    mr_name_map_init(&sort.map, frame->arena);
    for (size_t i = 0; frame->labels && i < frame->n_cols; i++) {
        if (frame->labels[i].kind != MR_LABEL_TEXT) continue;
        size_t index;
        bool is_new;
        MR_TRY(mr_name_map_add(&sort.map, frame->labels[i].name, &index, &is_new, err));
    }
    sort.columns = mr_arena_array(frame->arena, sort.n_pairs, sizeof(*sort.columns));
    frame->scratch = mr_arena_array(frame->arena, (size_t)frame->n_rows, sizeof(*frame->scratch));
    if (!sort.columns || !frame->scratch) return mr_arena_fail(frame->arena, err);
    MR_TRY(sort_keys(frame, &sort, err));
    MR_TRY(sort_cells(frame, &sort, err));
    return label_records(frame, &sort, err);
}

static mr_status read_records(struct mr_frame *frame, const struct mr_signature *wanted,
                              struct mr_error *err) {
    bool has_duplicates = false;
    if (is_even_records(frame)) {
        MR_TRY(read_even_records(frame, wanted != NULL, &has_duplicates, err));
        if (!has_duplicates) return MR_OK;
    }
    return read_uneven_records(frame, wanted, err);
}

/* --- An object of lists ---------------------------------------------------------------------- */

/* The columns that "columns" names, in its order. */
static mr_status pick_columns(struct mr_frame *frame, const struct mr_name_map *map,
                              struct mr_error *err) {
    yyjson_val **picked = mr_arena_array(frame->arena, frame->n_cols, sizeof(*picked));
    if (!picked) return mr_arena_fail(frame->arena, err);
    for (size_t i = 0; i < frame->n_cols; i++) {
        bool is_text = frame->labels[i].kind == MR_LABEL_TEXT;
        size_t index = is_text ? mr_name_map_find(map, frame->labels[i].name) : MR_NAME_NONE;
        if (index == MR_NAME_NONE) return leave_raw(frame, "a column that data does not have");
        picked[i] = frame->values[index];
    }
    frame->values = picked;
    return MR_OK;
}

/* All columns must be lists of one length; what pandas does with others is left to it. */
static mr_status measure_columns(struct mr_frame *frame, bool has_index, struct mr_error *err) {
    size_t n_lists = 0, size = 0;
    bool has_object = false, is_ragged = false;
    for (size_t i = 0; i < frame->n_cols; i++) {
        yyjson_val *value = frame->values[i];
        has_object |= yyjson_is_obj(value);
        if (!yyjson_is_arr(value)) continue;
        if (n_lists && unsafe_yyjson_get_len(value) != size) is_ragged = true;
        if (!n_lists++) size = unsafe_yyjson_get_len(value);
    }
    frame->n_rows = (int64_t)size;
    if (has_object) return leave_raw(frame, "columns given as objects");
    if (is_ragged && has_index) return leave_raw(frame, "columns of different lengths");
    if (is_ragged) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "dataframe_split.data: the columns are lists of different lengths");
    }
    if (n_lists == frame->n_cols) return MR_OK;
    if (n_lists || has_index || frame->labels)
        return leave_raw(frame, "a column given as a scalar");
    return mr_fail(err, MR_E_BAD_REQUEST,
                   "dataframe_split.data: expected a list for each column, received scalars only");
}

static mr_status read_columns(struct mr_frame *frame, yyjson_val *data, bool has_index,
                              struct mr_error *err) {
    size_t n = unsafe_yyjson_get_len(data);
    struct mr_label *labels = mr_arena_array(frame->arena, n, sizeof(*labels));
    frame->values = mr_arena_array(frame->arena, n, sizeof(*frame->values));
    if (!labels || !frame->values) return mr_arena_fail(frame->arena, err);
    struct mr_name_map map;
    mr_name_map_init(&map, frame->arena);
    yyjson_obj_iter iter = yyjson_obj_iter_with(data);
    yyjson_val *key;
    while ((key = yyjson_obj_iter_next(&iter))) {
        size_t index;
        bool is_new;
        MR_TRY(mr_name_map_add(&map, text_of(key), &index, &is_new, err));
        labels[index] = (struct mr_label){text_of(key), MR_LABEL_TEXT};
        frame->values[index] = yyjson_obj_iter_get_val(key);
    }
    bool is_picked = frame->labels != NULL;
    if (is_picked) {
        frame->is_shared = true;
        MR_TRY(pick_columns(frame, &map, err));
        if (frame->raw_reason) return MR_OK;
    } else {
        frame->n_cols = map.n;
    }
    MR_TRY(measure_columns(frame, has_index, err));
    if (!is_picked) frame->labels = labels;
    return MR_OK;
}

/* --- All of it ------------------------------------------------------------------------------- */

static mr_status read_list(struct mr_frame *frame, yyjson_val *data,
                           const struct mr_signature *wanted, struct mr_error *err) {
    frame->n_rows = (int64_t)unsafe_yyjson_get_len(data);
    frame->n_values = (size_t)(unsafe_yyjson_get_next(data) - data);
    frame->first = data + 1;
    if (unsafe_yyjson_is_arr(frame->first)) {
        frame->form = MR_FRAME_ROWS;
        return read_rows(frame, err);
    }
    if (unsafe_yyjson_is_obj(frame->first)) {
        frame->form = MR_FRAME_RECORDS;
        MR_TRY(read_records(frame, wanted, err));
        return frame->raw_reason ? MR_OK : check_padding(frame, frame->n_cols, err);
    }
    frame->form = MR_FRAME_LIST;
    frame->values = mr_arena_alloc(frame->arena, sizeof(*frame->values));
    if (!frame->values) return mr_arena_fail(frame->arena, err);
    frame->values[0] = data;
    MR_TRY(check_label_count(frame, 1, err));
    frame->n_cols = 1;
    return MR_OK;
}

/* A text among labels that pandas' str type cannot hold. */
static mr_status check_label_texts(struct mr_frame *frame, struct mr_error *err) {
    size_t n_texts = 0;
    bool has_bad = false;
    for (size_t i = 0; frame->labels && i < frame->n_cols; i++) {
        if (frame->labels[i].kind != MR_LABEL_TEXT) continue;
        struct mr_str name = frame->labels[i].name;
        has_bad |= mr_utf8_check(name.data, name.size) < name.size;
        n_texts++;
    }
    if (!has_bad) return MR_OK;
    if (n_texts < frame->n_cols) return leave_raw(frame, "a column name with a lone surrogate");
    return mr_fail(err, MR_E_BAD_REQUEST, "a column name has a lone surrogate, which is no text");
}

mr_status mr_frame_read(struct mr_frame *frame, yyjson_val *data, yyjson_val *columns,
                        yyjson_val *index, const struct mr_signature *wanted,
                        struct mr_error *err) {
    MR_TRY(read_labels(frame, columns, err));
    if (frame->raw_reason) return MR_OK;
    if (yyjson_is_null(data) || (yyjson_is_arr(data) && !unsafe_yyjson_get_len(data))) {
        frame->form = MR_FRAME_EMPTY;
    } else if (yyjson_is_arr(data)) {
        MR_TRY(read_list(frame, data, frame->has_surrogates ? NULL : wanted, err));
    } else if (yyjson_is_obj(data)) {
        frame->form = MR_FRAME_COLUMNS;
        MR_TRY(read_columns(frame, data, !is_missing(index), err));
    } else {
        bool is_filled = frame->labels && !is_missing(index);
        if (is_filled) return leave_raw(frame, "one scalar for all cells");
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "dataframe_split.data: expected a list of rows, received %s",
                       mr_py_kind_name(mr_py_kind_of(data)));
    }
    if (frame->raw_reason) return MR_OK;
    if (frame->has_surrogates) {
        if (!is_missing(index)) return leave_raw(frame, "row labels beside a lone surrogate");
        MR_TRY(check_label_texts(frame, err));
    }
    return check_index(frame, index, err);
}

/* The elements of a list that is not flat. */
static mr_status list_cells(struct mr_frame *frame, yyjson_val *list, struct mr_cells *cells,
                            struct mr_error *err) {
    size_t n = unsafe_yyjson_get_len(list);
    if (!frame->scratch) {
        frame->scratch = mr_arena_array(frame->arena, n, sizeof(*frame->scratch));
        if (!frame->scratch) return mr_arena_fail(frame->arena, err);
    }
    yyjson_val *value = list + 1;
    for (size_t i = 0; i < n; i++, value = unsafe_yyjson_get_next(value)) frame->scratch[i] = value;
    cells->items = frame->scratch;
    return MR_OK;
}

static void entry_cells(struct mr_frame *frame, size_t slot, struct mr_cells *cells) {
    memset(frame->scratch, 0, (size_t)frame->n_rows * sizeof(*frame->scratch));
    for (size_t i = frame->starts[slot]; i < frame->starts[slot + 1]; i++) {
        frame->scratch[frame->entries[i].row] = frame->entries[i].cell;
    }
    cells->items = frame->scratch;
}

/* A column that no record has. */
static mr_status missing_cells(struct mr_frame *frame, struct mr_cells *cells,
                               struct mr_error *err) {
    if (!frame->scratch) {
        frame->scratch = mr_arena_array(frame->arena, (size_t)frame->n_rows,
                                        sizeof(*frame->scratch));
        if (!frame->scratch) return mr_arena_fail(frame->arena, err);
    }
    memset(frame->scratch, 0, (size_t)frame->n_rows * sizeof(*frame->scratch));
    cells->items = frame->scratch;
    return MR_OK;
}

mr_status mr_frame_cells(struct mr_frame *frame, size_t column, struct mr_cells *cells,
                         struct mr_error *err) {
    *cells = (struct mr_cells){.n = frame->n_rows, .stride = frame->stride};
    size_t slot = frame->slots ? frame->slots[column] : column;
    switch (frame->form) {
    case MR_FRAME_EMPTY: return MR_OK;
    case MR_FRAME_LIST:
    case MR_FRAME_COLUMNS: {
        yyjson_val *list = frame->values[column];
        if (!is_flat(list)) return list_cells(frame, list, cells, err);
        cells->first = list + 1;
        cells->stride = 1;
        return MR_OK;
    }
    case MR_FRAME_ROWS:
        if (frame->stride) {
            cells->first = frame->first + 1 + column;
            return MR_OK;
        }
        while (frame->at < column) advance_rows(frame);
        cells->items = frame->cursors;
        return MR_OK;
    case MR_FRAME_RECORDS:
        if (slot == MR_NAME_NONE) return missing_cells(frame, cells, err);
        if (frame->stride) {
            cells->first = frame->first + 2 + 2 * slot;
        } else {
            entry_cells(frame, slot, cells);
        }
        return MR_OK;
    }
    return MR_OK;
}
