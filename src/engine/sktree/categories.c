/* Categorical features of histogram gradient boosting: how the file describes them, and how values
 * become numbers of categories. */
#include <math.h>
#include <yyjson.h>

#include "engine/sktree/sktree_int.h"

/* Reading ------------------------------------------------------------------------------------- */

static mr_status fail_categories(const struct mr_skt_builder *b, const char *what) {
    return mr_fail(b->err, MR_E_FORMAT, "%s: %s", b->estimator.name, what);
}

/* Finite numbers in ascending order; a NaN at the end stands for missing values. */
static mr_status read_numbers(const struct mr_skt_builder *b, const struct mr_ndarray *array,
                              struct mr_skt_encoding *out) {
    double *numbers = mr_arena_array(b->arena, (size_t)array->n_values, sizeof(*numbers));
    if (!numbers) return mr_arena_fail(b->arena, b->err);
    for (int64_t i = 0; i < array->n_values; i++) {
        double number;
        if (!mr_cell_of_array(array->dtype, array->values, i, &number)) {
            return fail_categories(b, "a category is no number");
        }
        if (isnan(number) && i == array->n_values - 1) continue;
        if (!isfinite(number) || (i > 0 && number <= numbers[i - 1])) {
            return fail_categories(b, "categories_ are not in ascending order");
        }
        numbers[out->n++] = number;
    }
    out->kind = MR_SKT_NUMBERS;
    out->numbers = numbers;
    return MR_OK;
}

static int compare_texts(struct mr_str a, struct mr_str b) {
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Python's order of texts is that of their UTF-8. None and NaN come last, for missing values. */
static mr_status read_texts(const struct mr_skt_builder *b, const struct mr_ndarray *array,
                            struct mr_skt_encoding *out) {
    struct mr_str *texts = mr_arena_array(b->arena, (size_t)array->n_values, sizeof(*texts));
    if (!texts) return mr_arena_fail(b->arena, b->err);
    const struct mr_object *const *items = array->values;
    for (int64_t i = 0; i < array->n_values; i++) {
        const struct mr_object *item = items[i];
        if (item->kind == MR_OBJECT_NONE || item->kind == MR_OBJECT_FLOAT) break;
        if (item->kind != MR_OBJECT_STR) return mr_skt_refuse(b, "with categories of that type");
        if (i > 0 && compare_texts(item->text, texts[i - 1]) <= 0) {
            return fail_categories(b, "categories_ are not in ascending order");
        }
        texts[i].data = mr_arena_strdup(b->arena, item->text);
        texts[i].size = item->text.size;
        if (!texts[i].data) return mr_arena_fail(b->arena, b->err);
        out->n++;
    }
    out->kind = MR_SKT_TEXTS;
    out->texts = texts;
    return MR_OK;
}

static mr_status read_encoding(const struct mr_skt_builder *b, const struct mr_object *categories,
                               struct mr_skt_encoding *out) {
    bool is_array = categories->kind == MR_OBJECT_ARRAY && categories->array.is_known &&
                    categories->array.n_dims == 1;
    if (!is_array) return mr_skt_refuse(b, "with categories that are no array");
    const struct mr_ndarray *array = &categories->array;
    if (array->n_values > MR_SKT_MAX_CATEGORIES) {
        return fail_categories(b, "a feature has more than 256 categories");
    }
    if (array->dtype == MR_OBJECT) return read_texts(b, array, out);
    if (strchr("biuf", mr_dtype_kind(array->dtype))) return read_numbers(b, array, out);
    return mr_skt_refuse(b, "with categories of that type");
}

/* categories_ of the OrdinalEncoder in `_preprocessor`, a ColumnTransformer. */
static mr_status find_categories(const struct mr_skt_builder *b, struct mr_object_list *out) {
    const struct mr_object *preprocessor = mr_object_attr(b->estimator.object, "_preprocessor");
    const struct mr_object *parts = mr_object_attr(preprocessor, "transformers_");
    const struct mr_object *part = parts && parts->kind == MR_OBJECT_LIST && parts->list.n > 0
                                       ? parts->list.items[0]
                                       : NULL;
    const struct mr_object *encoder = part && part->kind == MR_OBJECT_TUPLE && part->list.n == 3
                                          ? part->list.items[1]
                                          : NULL;
    const struct mr_object *infrequent = mr_object_attr(encoder, "_infrequent_enabled");
    if (!mr_object_is(encoder, "sklearn.preprocessing._encoders", "OrdinalEncoder") ||
        !mr_object_is_str(mr_object_attr(encoder, "handle_unknown"), "use_encoded_value") ||
        !infrequent || infrequent->kind != MR_OBJECT_BOOL || infrequent->boolean) {
        return mr_skt_refuse(b, "with another preprocessor than its own");
    }
    struct mr_sk_estimator inside;
    MR_TRY(mr_sk_inside(&b->estimator, encoder, b->scratch, &inside, b->err));
    return mr_sk_list(&inside, "categories_", out, b->err);
}

/* is_categorical_: a boolean for each feature. */
static mr_status read_mask(const struct mr_skt_builder *b, const struct mr_ndarray **out) {
    const struct mr_object *object = mr_object_attr(b->estimator.object, "is_categorical_");
    if (!object || object->kind != MR_OBJECT_ARRAY || !object->array.is_known ||
        object->array.dtype != MR_BOOL || object->array.n_dims != 1 ||
        (uint64_t)object->array.n_values != b->model->features.n_features) {
        return fail_categories(b, "is_categorical_ is no array of a boolean for each feature");
    }
    *out = &object->array;
    return MR_OK;
}

/* Since 1.4: the trees number the categorical features first, then the others. */
static mr_status read_preprocessor(struct mr_skt_builder *b, const bool *mask,
                                   struct mr_skt_encoding *out) {
    size_t n_features = b->model->features.n_features;
    struct mr_object_list categories;
    bool *is_unused = mr_arena_zalloc(b->arena, n_features);
    if (!is_unused) return mr_arena_fail(b->arena, b->err);
    MR_TRY(find_categories(b, &categories));
    uint32_t n_categorical = 0, n_plain = 0;
    for (size_t f = 0; f < n_features; f++) n_categorical += mask[f];
    if (categories.n != n_categorical) {
        return fail_categories(b, "categories_ are not those of the categorical features");
    }
    uint32_t n_read = 0;
    for (size_t f = 0; f < n_features; f++) {
        if (!mask[f]) {
            out[f].place = n_categorical + n_plain++;
            continue;
        }
        out[f].place = n_read;
        MR_TRY(read_encoding(b, categories.items[n_read++], &out[f]));
        is_unused[f] = out[f].kind == MR_SKT_TEXTS;
    }
    b->model->features.is_unused = is_unused;
    b->model->has_preprocessor = true;
    return MR_OK;
}

/* Types --------------------------------------------------------------------------------------- */

static bool is_number(mr_col_type type) {
    return type == MR_COL_BOOLEAN || type == MR_COL_INTEGER || type == MR_COL_LONG ||
           type == MR_COL_FLOAT || type == MR_COL_DOUBLE;
}

/* Which values equal a category depends on their types in Python, so those must be known. */
static bool has_type(const struct mr_skt_builder *b, size_t feature, bool is_text) {
    const struct mr_signature *signature = b->signature;
    const struct mr_str *names = b->model->features.names;
    if (signature->kind == MR_SCHEMA_TENSORS) {
        return !is_text && signature->n_inputs == 1 &&
               strchr("biuf", mr_dtype_kind(signature->tensors[0].dtype));
    }
    size_t i = names ? mr_signature_find(signature, names[feature], feature) : feature;
    if (i >= signature->n_inputs) return false;
    mr_col_type type = signature->columns[i].type;
    return is_text ? type == MR_COL_STRING : is_number(type);
}

static mr_status check_types(const struct mr_skt_builder *b, const struct mr_skt_encoding *all) {
    if (!b->signature || b->signature->kind == MR_SCHEMA_NONE) {
        return mr_skt_refuse(b, "with categorical features and no signature");
    }
    for (size_t f = 0; f < b->model->features.n_features; f++) {
        if (has_type(b, f, all[f].kind == MR_SKT_TEXTS)) continue;
        return mr_fail(b->err, MR_E_UNSUPPORTED,
                       "no native engine for %s when the signature's type of feature %zu is not "
                       "that of its %s yet",
                       b->estimator.name, f, all[f].kind == MR_SKT_PLAIN ? "values" : "categories");
    }
    return MR_OK;
}

mr_status mr_skt_read_categories(struct mr_skt_builder *b) {
    struct mr_skt_model *model = b->model;
    const struct mr_object *flags = mr_object_attr(b->estimator.object, "is_categorical_");
    if (!flags || flags->kind == MR_OBJECT_NONE) return MR_OK;
    size_t n_features = model->features.n_features;
    const struct mr_ndarray *mask = NULL;
    MR_TRY(read_mask(b, &mask));
    struct mr_skt_encoding *encodings = mr_arena_zalloc(b->arena, n_features * sizeof(*encodings));
    if (!encodings) return mr_arena_fail(b->arena, b->err);
    model->encodings = encodings;
    if (mr_sk_is_at_least(&b->estimator, 1, 4)) {
        MR_TRY(read_preprocessor(b, mask->values, encodings));
        return check_types(b, encodings);
    }
    for (size_t f = 0; f < n_features; f++) {
        encodings[f].place = (uint32_t)f;
        if (!((const bool *)mask->values)[f]) continue;
        encodings[f].kind = MR_SKT_BYTE;
        encodings[f].is_negative_missing = mr_sk_is_at_least(&b->estimator, 1, 2);
    }
    return MR_OK;
}

/* Encoding ------------------------------------------------------------------------------------ */

static double find_number(const struct mr_skt_encoding *encoding, double value) {
    size_t low = 0, high = encoding->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (encoding->numbers[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < encoding->n && encoding->numbers[low] == value ? (double)low : NAN;
}

static double find_text(const struct mr_skt_encoding *encoding, struct mr_str text) {
    size_t low = 0, high = encoding->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_texts(encoding->texts[middle], text);
        if (order == 0) return (double)middle;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NAN;
}

static bool text_at(const struct mr_column *column, int64_t row, struct mr_str *out) {
    if (column->dtype == MR_OBJECT) {
        yyjson_val *cell = (yyjson_val *)(uintptr_t)((const yyjson_val *const *)
                                                         column->values)[row];
        *out = (struct mr_str){yyjson_get_str(cell), yyjson_get_len(cell)};
        return yyjson_is_str(cell);
    }
    if (column->dtype != MR_STRING || !mr_column_is_valid(column, row)) return false;
    const int64_t *offsets = column->offsets + row;
    *out = (struct mr_str){column->bytes + offsets[0], (size_t)(offsets[1] - offsets[0])};
    return true;
}

/* <uint8>value as the compilers of the x86-64 wheels make it: by way of 32 bits, where what does
 * not fit becomes the least number. */
static double cut_to_byte(const struct mr_skt_encoding *encoding, double value) {
    if (isnan(value) || (value < 0 && encoding->is_negative_missing)) return NAN;
    if (!(value > -2147483649.0 && value < 2147483648.0)) return 0;
    return (double)((uint32_t)(int32_t)value & 0xff);
}

mr_status mr_skt_encode(const struct mr_skt_model *model, const struct mr_sk_features *x,
                        size_t feature, int64_t row, size_t n, double *values,
                        struct mr_error *err) {
    const struct mr_skt_encoding *encoding = &model->encodings[feature];
    for (size_t r = 0; r < n; r++) {
        struct mr_str text;
        switch (encoding->kind) {
        case MR_SKT_PLAIN: break;
        case MR_SKT_BYTE: values[r] = cut_to_byte(encoding, values[r]); break;
        case MR_SKT_NUMBERS:
            if (isinf(values[r])) {
                return mr_fail(err, MR_E_BAD_REQUEST,
                               "row %lld, feature %zu: %s expects a finite category, received "
                               "infinity",
                               (long long)row + (long long)r, feature, model->type->name);
            }
            values[r] = find_number(encoding, values[r]);
            break;
        case MR_SKT_TEXTS:
            values[r] = x->columns && text_at(&x->columns[feature], row + (int64_t)r, &text)
                            ? find_text(encoding, text)
                            : NAN;
            break;
        }
    }
    return MR_OK;
}

mr_status mr_skt_select_columns(const struct mr_skt_model *model, struct mr_input *input,
                                struct mr_arena *arena, struct mr_error *err) {
    const struct mr_sk_feature_spec *spec = &model->features;
    if (!model->has_preprocessor || !spec->names || input->kind != MR_INPUT_TABLE) return MR_OK;
    struct mr_column *columns = mr_arena_array(arena, spec->n_features, sizeof(*columns));
    if (!columns) return mr_arena_fail(arena, err);
    for (size_t f = 0; f < spec->n_features; f++) {
        const struct mr_column *column = f < input->table.n_cols ? &input->table.columns[f] : NULL;
        if (!column || !column->is_named || !mr_str_equal(column->name, spec->names[f])) {
            column = mr_table_find(&input->table, spec->names[f]);
        }
        if (!column) {
            return mr_fail(err, MR_E_BAD_REQUEST, "%s expects a column \"%.*s\", received none",
                           spec->estimator, MR_STR_ARGS(spec->names[f]));
        }
        columns[f] = *column;
    }
    input->table.columns = columns;
    input->table.n_cols = spec->n_features;
    return MR_OK;
}
