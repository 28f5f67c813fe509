#include "schema/param_object.h"

#include <math.h>

#include "base/name_map.h"
#include "schema/cast.h"
#include "schema/datetime.h"
#include "schema/enforce_int.h"
#include "schema/ndarray_item.h"
#include "schema/py_value.h"

#define MAX_DEPTH 64 /* of types within types; MLflow's own have two or three */

struct check {
    struct mr_arena *arena;
    struct mr_str name; /* of the innermost property, for messages */
    int depth;
};

static mr_status check_type(struct check *check, yyjson_val *value, yyjson_val *type,
                            bool is_required, struct mr_error *err);

static mr_status fail(const struct check *check, const char *expected, yyjson_val *value,
                      struct mr_error *err) {
    char received[96];
    mr_py_describe(value, received, sizeof(received));
    return mr_fail(err, MR_E_INVALID_PARAMETER, "property '%.*s': expected %s, received %s",
                   MR_STR_ARGS(check->name), expected, received);
}

/* The value of a key; of several, the last. */
static yyjson_val *last_value(yyjson_val *object, struct mr_str name) {
    yyjson_val *found = NULL;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        if (mr_str_equal(mr_py_text(key), name)) found = yyjson_obj_iter_get_val(key);
    }
    return found;
}

/* Whether pandas.to_numeric converts all of a column of objects, which MLflow lets it try for a
 * double: numbers, their texts, booleans, what is missing, and what has no length. */
static bool is_numeric(yyjson_val *const *values, size_t n) {
    double number;
    for (size_t i = 0; i < n; i++) {
        bool is_empty = yyjson_is_ctn(values[i]) && yyjson_get_len(values[i]) == 0; /* NaN */
        if (!is_empty && mr_item_double(values[i], &number) != MR_ITEM_OK) return false;
    }
    return true;
}

/* Whether pandas.Series.astype("datetime64[ns]") converts all of a column of objects. */
static bool is_dates(yyjson_val *const *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct mr_date date;
        mr_py_kind kind = mr_py_kind_of(values[i]);
        bool is_text = kind == MR_PY_STR &&
                       (mr_date_is_missing(mr_py_text(values[i])) ||
                        mr_date_parse(mr_py_text(values[i]), &date) == MR_DATE_OK);
        if (!is_text && !(kind & (MR_PY_NONE | MR_PY_INT | MR_PY_FLOAT))) return false;
    }
    return true;
}

/* _enforce_mlflow_datatype(pd.Series(values), type), as for a column without a name. */
static mr_status check_series(struct check *check, yyjson_val *const *values, size_t n,
                              mr_col_type type, struct mr_error *err) {
    const struct mr_col_spec spec = {.type = type, .is_required = true};
    const struct mr_signature signature = {
        .kind = MR_SCHEMA_COLUMNS, .n_inputs = 1, .columns = &spec};
    const struct mr_cells cells = {.n = (int64_t)n, .items = values};
    struct mr_input input = {.kind = MR_INPUT_TABLE};
    MR_TRY(mr_table_new(check->arena, (int64_t)n, 1, &input.table, err));
    input.table.columns[0].name = check->name;
    struct mr_cast cast;
    mr_cast_init_infer(&cast, input.table.columns);
    mr_status status = mr_cast_all(&cast, &cells, false, check->arena, err);
    bool is_object = status == MR_OK && input.table.columns[0].dtype == MR_OBJECT;
    if (is_object && type == MR_COL_DOUBLE && is_numeric(values, n)) return MR_OK;
    if (is_object && type == MR_COL_DATETIME && !is_dates(values, n)) {
        return fail(check, "dates", values[0], err);
    }
    if (status == MR_OK) status = mr_enforce_columns(&signature, &input, check->arena, err);
    if (status == MR_E_BAD_REQUEST && err) err->status = MR_E_INVALID_PARAMETER;
    return status == MR_E_BAD_REQUEST ? MR_E_INVALID_PARAMETER : status;
}

static bool is_none_or_nan(yyjson_val *value) {
    mr_py_kind kind = mr_py_kind_of(value);
    return kind == MR_PY_NONE || (kind == MR_PY_FLOAT && isnan(mr_py_float(value)));
}

/* _enforce_datatype */
static mr_status check_scalar(struct check *check, yyjson_val *value, mr_col_type type,
                              bool is_required, struct mr_error *err) {
    if (!is_required && is_none_or_nan(value)) return MR_OK;
    if (yyjson_is_ctn(value) || yyjson_is_null(value)) {
        return fail(check, mr_col_type_name(type), value, err);
    }
    return check_series(check, &value, 1, type, err);
}

/* The end of _enforce_array: to_numpy(dtype), which takes no list for a text, and ASCII for bytes.
 */
static mr_status check_texts(struct check *check, yyjson_val *const *values, size_t n,
                             mr_col_type type, struct mr_error *err) {
    if (type != MR_COL_STRING && type != MR_COL_BINARY) return MR_OK;
    for (size_t i = 0; i < n; i++) {
        struct mr_str text;
        const char *fault;
        mr_dtype dtype = mr_col_type_dtype(type);
        mr_item_result result = yyjson_is_arr(values[i])
                                    ? MR_ITEM_WRONG
                                    : mr_item_store(values[i], dtype, &text, check->arena, &fault);
        if (result == MR_ITEM_NO_MEMORY) return mr_arena_fail(check->arena, err);
        if (result == MR_ITEM_WRONG) return fail(check, mr_col_type_name(type), values[i], err);
    }
    return MR_OK;
}

/* _enforce_array */
static mr_status check_array(struct check *check, yyjson_val *value, yyjson_val *items,
                             bool is_required, struct mr_error *err) {
    mr_col_type type;
    if (!mr_col_type_find(mr_py_text(yyjson_obj_get(items, "type")), &type)) {
        return fail(check, "a known type of items", items, err);
    }
    bool may_be_empty = !is_required || type == MR_COL_ANY;
    if (may_be_empty && yyjson_is_null(value)) return MR_OK;
    if (!yyjson_is_arr(value)) return fail(check, "a list", value, err);
    size_t i, n = yyjson_arr_size(value);
    if (n == 0) return MR_OK;
    yyjson_val *item, **values = mr_arena_array(check->arena, n, sizeof(*values));
    if (!values) return mr_arena_fail(check->arena, err);
    yyjson_arr_foreach(value, i, n, item) values[i] = item;
    if (!mr_col_type_is_nested(type)) {
        MR_TRY(check_series(check, values, n, type, err));
        return check_texts(check, values, n, type, err);
    }
    for (i = 0; i < n; i++) MR_TRY(check_type(check, values[i], items, is_required, err));
    return MR_OK;
}

/* _enforce_map */
static mr_status check_map(struct check *check, yyjson_val *value, yyjson_val *values,
                           bool is_required, struct mr_error *err) {
    bool is_any = yyjson_equals_str(yyjson_obj_get(values, "type"), "any");
    if ((!is_required || is_any) && yyjson_is_null(value)) return MR_OK;
    if (!yyjson_is_obj(value)) return fail(check, "a dict", value, err);
    /* Keys come from the request and may be many: of a key given twice the last value counts. */
    struct mr_name_map names;
    mr_name_map_init(&names, check->arena);
    size_t i, n = yyjson_obj_size(value), index;
    yyjson_val *key, *item, **items = mr_arena_array(check->arena, n, sizeof(*items));
    if (!items) return mr_arena_fail(check->arena, err);
    yyjson_obj_foreach(value, i, n, key, item) {
        bool is_new;
        MR_TRY(mr_name_map_add(&names, mr_py_text(key), &index, &is_new, err));
        items[index] = item;
    }
    for (i = 0; i < names.n; i++) {
        check->name = names.names[i];
        MR_TRY(check_type(check, items[i], values, is_required, err));
    }
    return MR_OK;
}

/* _enforce_object */
static mr_status check_object(struct check *check, yyjson_val *value, yyjson_val *type,
                              bool is_required, struct mr_error *err) {
    bool is_nothing = yyjson_is_null(value) || (yyjson_is_obj(value) && !yyjson_obj_size(value));
    if (!is_required && is_nothing) return MR_OK;
    if (!yyjson_is_obj(value)) return fail(check, "a dict", value, err);
    yyjson_val *properties = yyjson_obj_get(type, "properties"), *key, *property;
    size_t i, n;
    yyjson_obj_foreach(value, i, n, key, property) {
        if (last_value(properties, mr_py_text(key))) continue;
        check->name = mr_py_text(key);
        return fail(check, "only properties that the type has", property, err);
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(properties);
    while ((key = yyjson_obj_iter_next(&iter))) {
        property = yyjson_obj_iter_get_val(key);
        check->name = mr_py_text(key);
        bool is_needed = !yyjson_is_false(yyjson_obj_get(property, "required"));
        yyjson_val *item = last_value(value, check->name);
        if (item) MR_TRY(check_type(check, item, property, is_needed, err));
        if (!item && is_needed) {
            return mr_fail(err, MR_E_INVALID_PARAMETER, "property '%.*s' is missing",
                           MR_STR_ARGS(check->name));
        }
    }
    return MR_OK;
}

/* _enforce_type */
static mr_status check_type(struct check *check, yyjson_val *value, yyjson_val *type,
                            bool is_required, struct mr_error *err) {
    mr_col_type found;
    if (check->depth == MAX_DEPTH ||
        !mr_col_type_find(mr_py_text(yyjson_obj_get(type, "type")), &found)) {
        return fail(check, "a type that is known", type, err);
    }
    mr_status status = MR_OK;
    check->depth++;
    switch (found) {
    case MR_COL_ANY: break;
    case MR_COL_OBJECT: status = check_object(check, value, type, is_required, err); break;
    case MR_COL_ARRAY:
        status = check_array(check, value, yyjson_obj_get(type, "items"), is_required, err);
        break;
    case MR_COL_MAP:
        status = check_map(check, value, yyjson_obj_get(type, "values"), is_required, err);
        break;
    default: status = check_scalar(check, value, found, is_required, err); break;
    }
    check->depth--;
    return status;
}

mr_status mr_param_object_check(yyjson_val *value, yyjson_val *type, struct mr_arena *arena,
                                struct mr_error *err) {
    struct check check = {.arena = arena};
    return check_object(&check, value, type, true, err);
}
