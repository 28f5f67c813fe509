#include "engine/pipeline/categories.h"

#include <math.h>

#include "engine/cell.h"

/* Reading -------------------------------------------------------------------------------------- */

struct reader {
    const struct mr_sk_estimator *estimator;
    struct mr_arena *arena;
    struct mr_categories *out;
    uint32_t *text_index;
    struct mr_error *err;
};

static mr_status refuse(const struct reader *reader, const char *what) {
    return mr_fail(reader->err, MR_E_UNSUPPORTED, "no native engine for %s with categories %s yet",
                   reader->estimator->name, what);
}

static mr_status add_text(struct reader *reader, uint32_t i, struct mr_str text) {
    char *copy = mr_arena_strdup(reader->arena, text);
    if (!copy) return mr_arena_fail(reader->arena, reader->err);
    size_t place;
    bool is_new = false;
    MR_TRY(mr_name_map_add(&reader->out->texts, (struct mr_str){copy, text.size}, &place, &is_new,
                           reader->err));
    if (!is_new) return refuse(reader, "that are there twice");
    reader->text_index[place] = i;
    return MR_OK;
}

static mr_status add_nan(struct reader *reader, uint32_t i) {
    if (i + 1 != reader->out->n) return refuse(reader, "that follow NaN");
    reader->out->nan = i;
    return MR_OK;
}

/* A number that is not NaN; only booleans can be equal to it. */
static mr_status add_bool(struct reader *reader, uint32_t i, double value) {
    if (value != 0 && value != 1) return MR_OK;
    uint32_t *index = &reader->out->of_bool[value == 1];
    if (*index != MR_CATEGORY_NONE) return refuse(reader, "that are there twice");
    *index = i;
    return MR_OK;
}

/* The number that an object is; false: it is none. */
static bool number_of(const struct mr_object *object, double *out) {
    switch (object->kind) {
    case MR_OBJECT_BOOL: *out = object->boolean; return true;
    case MR_OBJECT_INT: *out = (double)object->integer; return true;
    case MR_OBJECT_FLOAT: *out = object->real; return true;
    case MR_OBJECT_ARRAY:
        return object->array.n_dims == 0 && object->array.is_known &&
               strchr("biuf", mr_dtype_kind(object->array.dtype)) &&
               mr_cell_of_array(object->array.dtype, object->array.values, 0, out);
    default: return false;
    }
}

static mr_status add_object(struct reader *reader, uint32_t i, const struct mr_object *object) {
    double number;
    if (object->kind == MR_OBJECT_STR) return add_text(reader, i, object->text);
    if (object->kind == MR_OBJECT_NONE) {
        if (reader->out->none != MR_CATEGORY_NONE) return refuse(reader, "that are there twice");
        reader->out->none = i;
        return MR_OK;
    }
    if (number_of(object, &number)) {
        return isnan(number) ? add_nan(reader, i) : add_bool(reader, i, number);
    }
    if (object->kind == MR_OBJECT_ARRAY && object->array.n_dims == 0 && object->array.is_known &&
        object->array.dtype == MR_STRING) {
        return add_text(reader, i, *(const struct mr_str *)object->array.values);
    }
    char text[200];
    return mr_fail(reader->err, MR_E_UNSUPPORTED,
                   "no native engine for %s with a category of type %s yet",
                   reader->estimator->name, mr_object_describe(object, text, sizeof(text)));
}

/* Whether what unknown booleans are replaced by, the first category as a boolean, is a category:
 * _transform assigns it to the column that it looks up. */
static bool takes_bool(const struct mr_categories *categories, bool is_number, double first) {
    return is_number && categories->of_bool[first != 0] != MR_CATEGORY_NONE;
}

static mr_status read_objects(struct reader *reader, const struct mr_ndarray *array) {
    struct mr_categories *out = reader->out;
    reader->text_index = mr_arena_array(reader->arena, out->n, sizeof(*reader->text_index));
    if (!reader->text_index) return mr_arena_fail(reader->arena, reader->err);
    out->text_index = reader->text_index;
    if (array->dtype == MR_STRING) {
        const struct mr_str *texts = array->values;
        for (uint32_t i = 0; i < out->n; i++) MR_TRY(add_text(reader, i, texts[i]));
        return MR_OK;
    }
    const struct mr_object *const *objects = array->values;
    for (uint32_t i = 0; i < out->n; i++) MR_TRY(add_object(reader, i, objects[i]));
    double first;
    out->takes_bool = mr_sk_is_at_least(reader->estimator, 1, 6) &&
                      takes_bool(out, number_of(objects[0], &first), first);
    return MR_OK;
}

static mr_status read_reals(struct reader *reader, const struct mr_ndarray *array) {
    struct mr_categories *out = reader->out;
    const double *reals;
    MR_TRY(mr_sk_copy_doubles(array, reader->arena, &reals, reader->err));
    out->reals = reals;
    if (isnan(reals[out->n - 1])) out->nan = out->n - 1;
    out->n_numbers = out->n - (out->nan != MR_CATEGORY_NONE);
    for (size_t i = 0; i < out->n_numbers; i++) {
        if (!isfinite(reals[i])) return refuse(reader, "that are infinite, or follow NaN");
        if (i && !(reals[i - 1] < reals[i])) return refuse(reader, "that do not ascend");
        out->are_float32 &= (double)(float)reals[i] == reals[i];
    }
    return MR_OK;
}

static mr_status read_integers(struct reader *reader, const struct mr_ndarray *array) {
    struct mr_categories *out = reader->out;
    double *reals = mr_arena_array(reader->arena, out->n, sizeof(*reals));
    int64_t *integers = mr_arena_array(reader->arena, out->n, sizeof(*integers));
    if (!reals || !integers) return mr_arena_fail(reader->arena, reader->err);
    const int64_t limit = INT64_C(1) << 24; /* float32 has all integers up to it */
    for (size_t i = 0; i < out->n; i++) {
        if (!mr_sk_integer_at(array, (int64_t)i, &integers[i])) {
            return refuse(reader, "that are no numbers of up to 63 bits, or texts");
        }
        if (i && integers[i - 1] >= integers[i]) return refuse(reader, "that do not ascend");
        reals[i] = (double)integers[i];
        out->are_float32 &= integers[i] >= -limit && integers[i] <= limit;
    }
    out->n_numbers = out->n;
    out->reals = reals;
    out->integers = integers;
    return MR_OK;
}

static mr_status read_numbers(struct reader *reader, const struct mr_ndarray *array) {
    struct mr_categories *out = reader->out;
    bool is_real = array->dtype == MR_FLOAT32 || array->dtype == MR_FLOAT64;
    out->are_float32 = true;
    MR_TRY(is_real ? read_reals(reader, array) : read_integers(reader, array));
    for (uint32_t i = 0; i < out->n_numbers; i++) MR_TRY(add_bool(reader, i, out->reals[i]));
    out->takes_bool = out->are_float32 && takes_bool(out, out->n_numbers > 0, out->reals[0]);
    return MR_OK;
}

mr_status mr_categories_read(const struct mr_sk_estimator *estimator,
                             const struct mr_object *object, struct mr_arena *arena,
                             struct mr_categories *out, struct mr_error *err) {
    struct reader reader = {.estimator = estimator, .arena = arena, .out = out, .err = err};
    if (object->kind != MR_OBJECT_ARRAY || object->array.n_dims != 1 || !object->array.is_known) {
        return refuse(&reader, "that are no array of one dimension of numbers, texts or objects");
    }
    const struct mr_ndarray *array = &object->array;
    if (array->n_values < 1 || array->n_values > (int64_t)MR_PIPE_MAX_COLUMNS) {
        return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for %s with %lld categories yet",
                       estimator->name, (long long)array->n_values);
    }
    *out = (struct mr_categories){.n = (uint32_t)array->n_values,
                                  .nan = MR_CATEGORY_NONE,
                                  .none = MR_CATEGORY_NONE,
                                  .of_bool = {MR_CATEGORY_NONE, MR_CATEGORY_NONE}};
    mr_name_map_init(&out->texts, arena);
    bool is_text = array->dtype == MR_STRING || array->dtype == MR_OBJECT;
    return is_text ? read_objects(&reader, array) : read_numbers(&reader, array);
}

/* Dtypes --------------------------------------------------------------------------------------- */

struct mr_cells mr_cells_of(const struct mr_pipe_x *x, size_t c) {
    if (x->input.kind == MR_INPUT_TABLE) {
        const struct mr_column *column = &x->input.table.columns[c];
        return (struct mr_cells){.dtype = column->dtype,
                                 .column = column,
                                 .values = column->values,
                                 .stride = mr_dtype_size(column->dtype),
                                 .n_rows = (size_t)column->n_rows};
    }
    const struct mr_tensor *tensor = &x->input.tensors[0];
    size_t size = mr_dtype_size(tensor->dtype);
    return (struct mr_cells){.dtype = tensor->dtype,
                             .values = (const char *)tensor->values + c * size,
                             .stride = size * (size_t)tensor->shape[1],
                             .n_rows = (size_t)tensor->shape[0]};
}

/* Whether an integer dtype has the first category, which _transform assigns to unknown values: else
 * what became of it may belong behind the last one. */
static bool has_first(mr_dtype dtype, const struct mr_categories *categories) {
    double first = categories->n_numbers ? categories->reals[0] : 0.5;
    if (dtype == MR_INT64 && categories->integers) return true;
    double limit = ldexp(1, (int)mr_dtype_size(dtype) * 8 - (mr_dtype_kind(dtype) == 'i'));
    double lowest = mr_dtype_kind(dtype) == 'i' ? -limit : 0;
    return first == floor(first) && first >= lowest && first < limit;
}

/* numpy 1 compares an array to single float64s as narrow as the array is. */
static bool compares_exactly(mr_dtype dtype, const struct mr_categories *categories) {
    bool are_integers = mr_dtype_kind(dtype) != 'f' && categories->integers;
    bool is_wide = dtype == MR_FLOAT64 || dtype == MR_INT64 || dtype == MR_INT32;
    return are_integers || is_wide || categories->are_float32;
}

/* pandas before version 3 has None where a text of JSON is missing, later ones have NaN; an object
 * of a CSV is NaN to all. */
static bool can_take_texts(const struct mr_categories *categories, const struct mr_cells *cells,
                           const char **reason) {
    const struct mr_column *column = cells->column;
    *reason = "an array of texts for an encoder";
    if (!column) return false;
    *reason = "a missing text that only pandas knows to be None or NaN, for an encoder";
    bool has_missing = column->validity && column->n_nulls > 0;
    return !has_missing || column->is_object || categories->is_missing_text_nan ||
           (categories->nan == MR_CATEGORY_NONE && categories->none == MR_CATEGORY_NONE);
}

bool mr_categories_can_take(const struct mr_categories *categories, const struct mr_cells *cells,
                            bool uses_unknown, const char **reason) {
    mr_dtype dtype = cells->dtype;
    if (dtype == MR_STRING) return can_take_texts(categories, cells, reason);
    *reason = "a column that is neither texts nor numbers, or lacks some, for an encoder";
    if (!mr_pipe_is_number(dtype)) return false;
    bool has_missing = cells->column && cells->column->validity && cells->column->n_nulls > 0;
    if (has_missing && mr_dtype_kind(dtype) != 'f') return false;
    *reason = "a column of a dtype that an encoder was not fitted to";
    if (dtype == MR_BOOL) return categories->takes_bool;
    return categories->reals && compares_exactly(dtype, categories) &&
           (!uses_unknown || mr_dtype_kind(dtype) == 'f' || has_first(dtype, categories));
}

/* Values --------------------------------------------------------------------------------------- */

static uint32_t or_unknown(const struct mr_categories *categories, uint32_t index) {
    return index == MR_CATEGORY_NONE ? categories->n : index;
}

static void find_texts(const struct mr_categories *categories, const struct mr_cells *cells,
                       uint32_t *out) {
    const struct mr_column *column = cells->column;
    bool has_missing = column->validity && column->n_nulls > 0;
    for (size_t r = 0; r < cells->n_rows; r++) {
        if (has_missing && !(column->validity[r / 8] >> (r % 8) & 1)) {
            out[r] = or_unknown(categories, categories->nan);
            continue;
        }
        int64_t start = column->offsets[r];
        struct mr_str text = {column->bytes + start, (size_t)(column->offsets[r + 1] - start)};
        size_t place = mr_name_map_find(&categories->texts, text);
        out[r] = place == MR_NAME_NONE ? categories->n : categories->text_index[place];
    }
}

/* The first number that is not less than the value: numpy.searchsorted. */
#define SEARCH(numbers, value)                                                                     \
    size_t at = 0;                                                                                 \
    for (size_t n = categories->n_numbers; n > 0;) {                                               \
        size_t half = n / 2;                                                                       \
        bool is_after = (numbers)[at + half] < (value);                                            \
        at = is_after ? at + half + 1 : at;                                                        \
        n = is_after ? n - half - 1 : half;                                                        \
    }                                                                                              \
    bool is_known = at < categories->n_numbers && (numbers)[at] == (value);                        \
    return is_known ? (uint32_t)at : categories->n

static uint32_t find_integer(const struct mr_categories *categories, int64_t value) {
    SEARCH(categories->integers, value);
}

static uint32_t find_real(const struct mr_categories *categories, double value) {
    if (isnan(value)) return or_unknown(categories, categories->nan);
    SEARCH(categories->reals, value);
}

#define FIND_INTEGERS(type)                                                                        \
    for (size_t r = 0; r < cells->n_rows; r++) {                                                   \
        type value = *(const type *)(const void *)(cells->values + r * cells->stride);             \
        out[r] = categories->integers ? find_integer(categories, (int64_t)value)                   \
                                      : find_real(categories, (double)value);                      \
    }                                                                                              \
    return cells->n_rows

#define FIND_REALS(type)                                                                           \
    for (size_t r = 0; r < cells->n_rows; r++) {                                                   \
        double value = (double)*(const type *)(const void *)(cells->values + r * cells->stride);   \
        if (isinf(value)) return r;                                                                \
        out[r] = find_real(categories, value);                                                     \
    }                                                                                              \
    return cells->n_rows

static size_t find_bools(const struct mr_categories *categories, const struct mr_cells *cells,
                         uint32_t *out) {
    for (size_t r = 0; r < cells->n_rows; r++) {
        bool value = cells->values[r * cells->stride] != 0;
        out[r] = or_unknown(categories, categories->of_bool[value]);
    }
    return cells->n_rows;
}

size_t mr_categories_find(const struct mr_categories *categories, const struct mr_cells *cells,
                          uint32_t *out) {
    switch (cells->dtype) {
    case MR_STRING: find_texts(categories, cells, out); return cells->n_rows;
    case MR_BOOL: return find_bools(categories, cells, out);
    case MR_INT8: FIND_INTEGERS(int8_t);
    case MR_INT16: FIND_INTEGERS(int16_t);
    case MR_INT32: FIND_INTEGERS(int32_t);
    case MR_INT64: FIND_INTEGERS(int64_t);
    case MR_UINT8: FIND_INTEGERS(uint8_t);
    case MR_UINT16: FIND_INTEGERS(uint16_t);
    case MR_UINT32: FIND_INTEGERS(uint32_t);
    case MR_FLOAT32: FIND_REALS(float);
    default: FIND_REALS(double);
    }
}
