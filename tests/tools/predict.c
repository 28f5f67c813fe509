/* Loads model files and predicts: how the Python tests compare engines with the original libraries.
 *
 * Reads a JSON object a line and writes one a line.
 * {"load": {"flavor", "folder", "data_path", "serialization_format", "model_class", "predict_fn",
 *           "nested": bool, "inputs", "params": the signature's, as the texts in MLmodel}}
 *     replaces the model; answers {"engine", "reason", "description"}
 * {"table": {"n_rows", "columns": [{"name", "is_named", "dtype", "values", "is_object"}]}}
 *     a null among the values is a missing one
 * {"tensor": {"dtype", "shape", "values"}}, {"tensors": [the same, ...]}, {"raw": reason}
 *     answers {"dtype", "shape", "values"}; with {"params": {name: value}} beside it
 * {"bench": seconds, and an input as above}
 *     answers {"calls", "ns_per_call", "best_ns_per_call"}
 * Everything that fails answers {"error_code", "message"}. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <yyjson.h>

#include "base/half.h"
#include "engine/engine.h"

static struct mr_str text_of(yyjson_val *value) {
    return (struct mr_str){yyjson_get_str(value), yyjson_get_len(value)};
}

/* Input ------------------------------------------------------------------------------------- */

static mr_status fail_request(struct mr_error *err, const char *what) {
    return mr_fail(err, MR_E_INTERNAL, "the test asks for something this tool cannot do: %s", what);
}

#define FILL(type, get)                                                                            \
    do {                                                                                           \
        type *to = out;                                                                            \
        for (size_t k = 0; k < n; k++) to[k] = (type)get(cells[k]);                                \
    } while (0)

static double to_double(yyjson_val *value) {
    return yyjson_is_null(value) ? NAN : yyjson_get_num(value);
}

static int64_t to_int(yyjson_val *value) {
    return yyjson_is_bool(value) ? yyjson_get_bool(value) : yyjson_get_sint(value);
}

/* Fills an array of a dtype of fixed size, or of struct mr_str. */
static mr_status fill(mr_dtype dtype, yyjson_val **cells, size_t n, struct mr_arena *arena,
                      const void **values, struct mr_error *err) {
    size_t item = mr_dtype_size(dtype) ? mr_dtype_size(dtype) : sizeof(struct mr_str);
    void *out = mr_arena_array(arena, n, item);
    if (!out) return mr_arena_fail(arena, err);
    *values = out;
    switch (dtype) {
    case MR_BOOL: FILL(uint8_t, to_int); return MR_OK;
    case MR_INT8: FILL(int8_t, to_int); return MR_OK;
    case MR_INT16: FILL(int16_t, to_int); return MR_OK;
    case MR_INT32: FILL(int32_t, to_int); return MR_OK;
    case MR_INT64:
    case MR_DATETIME: FILL(int64_t, to_int); return MR_OK;
    case MR_UINT8: FILL(uint8_t, yyjson_get_uint); return MR_OK;
    case MR_UINT16: FILL(uint16_t, yyjson_get_uint); return MR_OK;
    case MR_UINT32: FILL(uint32_t, yyjson_get_uint); return MR_OK;
    case MR_UINT64: FILL(uint64_t, yyjson_get_uint); return MR_OK;
    case MR_FLOAT32: FILL(float, to_double); return MR_OK;
    case MR_FLOAT64: FILL(double, to_double); return MR_OK;
    case MR_OBJECT: memcpy(out, cells, n * sizeof(*cells)); return MR_OK;
    case MR_FLOAT16:
        for (size_t k = 0; k < n; k++)
            ((uint16_t *)out)[k] = mr_half_from_double(to_double(cells[k]));
        return MR_OK;
    case MR_STRING:
    case MR_BINARY:
        for (size_t k = 0; k < n; k++) ((struct mr_str *)out)[k] = text_of(cells[k]);
        return MR_OK;
    default: return fail_request(err, "an array of that dtype");
    }
}

static mr_status fill_texts(struct mr_column *column, yyjson_val **cells, size_t n,
                            struct mr_arena *arena, struct mr_error *err) {
    int64_t *offsets = mr_arena_array(arena, n + 1, sizeof(*offsets));
    size_t size = 0;
    for (size_t k = 0; k < n; k++) size += yyjson_get_len(cells[k]);
    char *bytes = mr_arena_alloc(arena, size);
    if (!offsets || !bytes) return mr_arena_fail(arena, err);
    offsets[0] = 0;
    for (size_t k = 0; k < n; k++) {
        struct mr_str text = text_of(cells[k]);
        if (text.size) memcpy(bytes + offsets[k], text.data, text.size);
        offsets[k + 1] = offsets[k] + (int64_t)text.size;
    }
    column->offsets = offsets;
    column->bytes = bytes;
    return MR_OK;
}

static mr_status fill_validity(struct mr_column *column, yyjson_val **cells, size_t n,
                               struct mr_arena *arena, struct mr_error *err) {
    uint8_t *validity = mr_arena_zalloc(arena, n / 8 + 1);
    if (!validity) return mr_arena_fail(arena, err);
    for (size_t k = 0; k < n; k++) {
        if (yyjson_is_null(cells[k])) {
            column->n_nulls++;
        } else {
            validity[k / 8] |= (uint8_t)(1u << (k % 8));
        }
    }
    if (column->n_nulls) column->validity = validity;
    return MR_OK;
}

static mr_status read_cells(yyjson_val *list, struct mr_arena *arena, yyjson_val ***out,
                            struct mr_error *err) {
    yyjson_val **cells = mr_arena_array(arena, yyjson_arr_size(list), sizeof(*cells));
    if (!cells) return mr_arena_fail(arena, err);
    size_t i, n;
    yyjson_val *cell;
    yyjson_arr_foreach(list, i, n, cell) cells[i] = cell;
    *out = cells;
    return MR_OK;
}

static mr_status read_table(yyjson_val *json, struct mr_arena *arena, struct mr_table *out,
                            struct mr_error *err) {
    yyjson_val *columns = yyjson_obj_get(json, "columns");
    MR_TRY(mr_table_new(arena, yyjson_get_sint(yyjson_obj_get(json, "n_rows")),
                        yyjson_arr_size(columns), out, err));
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(columns, i, n, item) {
        struct mr_column *column = &out->columns[i];
        yyjson_val *values = yyjson_obj_get(item, "values");
        yyjson_val **cells = NULL;
        MR_TRY(read_cells(values, arena, &cells, err));
        column->name = text_of(yyjson_obj_get(item, "name"));
        column->is_named = yyjson_get_bool(yyjson_obj_get(item, "is_named"));
        column->is_object = yyjson_get_bool(yyjson_obj_get(item, "is_object"));
        if (!mr_dtype_find(text_of(yyjson_obj_get(item, "dtype")), &column->dtype) ||
            yyjson_arr_size(values) != (size_t)out->n_rows) {
            return fail_request(err, "a column of unknown dtype or of another length");
        }
        size_t n_rows = (size_t)out->n_rows;
        if (column->dtype == MR_STRING || column->dtype == MR_BINARY) {
            MR_TRY(fill_texts(column, cells, n_rows, arena, err));
        } else {
            MR_TRY(fill(column->dtype, cells, n_rows, arena, &column->values, err));
        }
        if (column->dtype != MR_OBJECT) MR_TRY(fill_validity(column, cells, n_rows, arena, err));
    }
    return MR_OK;
}

static mr_status read_tensor(yyjson_val *json, struct mr_arena *arena, struct mr_tensor *out,
                             struct mr_error *err) {
    yyjson_val *shape = yyjson_obj_get(json, "shape");
    yyjson_val *values = yyjson_obj_get(json, "values");
    yyjson_val **dims = NULL, **cells = NULL;
    MR_TRY(read_cells(shape, arena, &dims, err));
    MR_TRY(read_cells(values, arena, &cells, err));
    int64_t *out_shape = mr_arena_array(arena, yyjson_arr_size(shape), sizeof(*out_shape));
    if (!out_shape) return mr_arena_fail(arena, err);
    *out = (struct mr_tensor){.n_dims = yyjson_arr_size(shape), .shape = out_shape, .n_values = 1};
    for (size_t d = 0; d < out->n_dims; d++) {
        out_shape[d] = yyjson_get_sint(dims[d]);
        out->n_values *= out_shape[d];
    }
    if (!mr_dtype_find(text_of(yyjson_obj_get(json, "dtype")), &out->dtype) ||
        (size_t)out->n_values != yyjson_arr_size(values)) {
        return fail_request(err, "a tensor of unknown dtype or of another shape");
    }
    return fill(out->dtype, cells, (size_t)out->n_values, arena, &out->values, err);
}

static mr_status read_params(yyjson_val *json, struct mr_arena *arena, struct mr_params *out,
                             struct mr_error *err) {
    struct mr_param *items = mr_arena_array(arena, yyjson_obj_size(json), sizeof(*items));
    if (!items) return mr_arena_fail(arena, err);
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(json, i, n, key, value) {
        char *text = yyjson_val_write(value, 0, NULL);
        items[i].name = text_of(key);
        items[i].json = mr_str_from(text ? mr_arena_strdup(arena, mr_str_from(text)) : NULL);
        free(text);
    }
    *out = (struct mr_params){.n = yyjson_obj_size(json), .items = items};
    return MR_OK;
}

static mr_status read_input(yyjson_val *request, struct mr_arena *arena, struct mr_input *out,
                            struct mr_error *err) {
    yyjson_val *item, *list = yyjson_obj_get(request, "tensors");
    *out = (struct mr_input){.kind = MR_INPUT_TABLE};
    MR_TRY(read_params(yyjson_obj_get(request, "params"), arena, &out->params, err));
    if ((item = yyjson_obj_get(request, "table"))) {
        return read_table(item, arena, &out->table, err);
    }
    if ((item = yyjson_obj_get(request, "raw"))) {
        out->kind = MR_INPUT_RAW;
        out->raw_reason = yyjson_get_str(item);
        return MR_OK;
    }
    item = yyjson_obj_get(request, "tensor");
    out->kind = list ? MR_INPUT_TENSORS : MR_INPUT_TENSOR;
    out->n_tensors = list ? yyjson_arr_size(list) : 1;
    out->tensors = mr_arena_array(arena, out->n_tensors, sizeof(*out->tensors));
    if (!out->tensors) return mr_arena_fail(arena, err);
    if (!list) return read_tensor(item, arena, &out->tensors[0], err);
    size_t i, n;
    yyjson_arr_foreach(list, i, n, item) {
        MR_TRY(read_tensor(item, arena, &out->tensors[i], err));
    }
    return MR_OK;
}

/* Output ------------------------------------------------------------------------------------ */

static yyjson_mut_val *to_json(yyjson_mut_doc *doc, const struct mr_tensor *tensor, int64_t i) {
    const void *values = tensor->values;
    switch (tensor->dtype) {
    case MR_BOOL: return yyjson_mut_bool(doc, ((const uint8_t *)values)[i]);
    case MR_INT8: return yyjson_mut_sint(doc, ((const int8_t *)values)[i]);
    case MR_INT16: return yyjson_mut_sint(doc, ((const int16_t *)values)[i]);
    case MR_INT32: return yyjson_mut_sint(doc, ((const int32_t *)values)[i]);
    case MR_INT64: return yyjson_mut_sint(doc, ((const int64_t *)values)[i]);
    case MR_UINT8: return yyjson_mut_uint(doc, ((const uint8_t *)values)[i]);
    case MR_UINT16: return yyjson_mut_uint(doc, ((const uint16_t *)values)[i]);
    case MR_UINT32: return yyjson_mut_uint(doc, ((const uint32_t *)values)[i]);
    case MR_UINT64: return yyjson_mut_uint(doc, ((const uint64_t *)values)[i]);
    case MR_FLOAT32: return yyjson_mut_real(doc, (double)((const float *)values)[i]);
    case MR_FLOAT64: return yyjson_mut_real(doc, ((const double *)values)[i]);
    case MR_STRING: {
        struct mr_str text = ((const struct mr_str *)values)[i];
        return yyjson_mut_strn(doc, text.data, text.size);
    }
    default: return yyjson_mut_null(doc);
    }
}

static void put_output(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct mr_tensor *tensor) {
    yyjson_mut_obj_add_str(doc, root, "dtype", mr_dtype_name(tensor->dtype));
    yyjson_mut_val *shape = yyjson_mut_obj_add_arr(doc, root, "shape");
    for (size_t d = 0; d < tensor->n_dims; d++) {
        yyjson_mut_arr_add_sint(doc, shape, tensor->shape[d]);
    }
    yyjson_mut_val *values = yyjson_mut_obj_add_arr(doc, root, "values");
    for (int64_t i = 0; i < tensor->n_values; i++) {
        yyjson_mut_arr_append(values, to_json(doc, tensor, i));
    }
}

/* Requests ---------------------------------------------------------------------------------- */

static mr_status load(yyjson_val *request, struct mr_engine *engine, struct mr_arena *arena,
                      yyjson_mut_doc *doc, yyjson_mut_val *root, struct mr_error *err) {
    struct mr_signature signature;
    const struct mr_str none = {0};
    MR_TRY(mr_signature_read(text_of(yyjson_obj_get(request, "inputs")), none,
                             text_of(yyjson_obj_get(request, "params")), arena, &signature, err));
    signature.is_nested = yyjson_get_bool(yyjson_obj_get(request, "nested"));
    const char *folder = yyjson_get_str(yyjson_obj_get(request, "folder"));
    struct mr_model_source source = {
        .flavor = text_of(yyjson_obj_get(request, "flavor")),
        .path = folder ? folder : ".",
        .data_path = yyjson_get_str(yyjson_obj_get(request, "data_path")),
        .serialization_format = text_of(yyjson_obj_get(request, "serialization_format")),
        .model_class = text_of(yyjson_obj_get(request, "model_class")),
        .predict_fn = text_of(yyjson_obj_get(request, "predict_fn")),
        .signature = &signature,
    };
    mr_engine_unload(engine);
    MR_TRY(mr_engine_choose(&source, engine, err));
    struct mr_buf description;
    mr_buf_init(&description, arena);
    mr_engine_describe(engine, &description);
    yyjson_mut_obj_add_strcpy(doc, root, "engine", engine->ops->name);
    yyjson_mut_obj_add_strcpy(doc, root, "reason", engine->reason);
    yyjson_mut_obj_add_strncpy(doc, root, "description", description.data, description.size);
    return mr_buf_status(&description, err);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Calls in batches of about a millisecond, and takes the mean and the best batch. */
static mr_status bench(const struct mr_engine *engine, const struct mr_input *input, double seconds,
                       yyjson_mut_doc *doc, yyjson_mut_val *root, struct mr_error *err) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    if (!arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    struct mr_output output;
    mr_status status = MR_OK;
    int64_t n_calls = 0, batch = 1;
    double total = 0, best = INFINITY;
    while (status == MR_OK && total < seconds) {
        double start = now_s();
        for (int64_t i = 0; i < batch && status == MR_OK; i++) {
            status = mr_engine_predict(engine, input, arena, &output, err);
            mr_arena_reset(arena);
        }
        double elapsed = now_s() - start;
        total += elapsed;
        n_calls += batch;
        if (elapsed / (double)batch < best) best = elapsed / (double)batch;
        if (elapsed < 1e-3) batch *= 2;
    }
    mr_arena_free(arena);
    yyjson_mut_obj_add_sint(doc, root, "calls", n_calls);
    yyjson_mut_obj_add_real(doc, root, "ns_per_call", total * 1e9 / (double)n_calls);
    yyjson_mut_obj_add_real(doc, root, "best_ns_per_call", best * 1e9);
    return status;
}

static mr_status answer(yyjson_val *request, struct mr_engine *engine, struct mr_arena *arena,
                        yyjson_mut_doc *doc, yyjson_mut_val *root, struct mr_error *err) {
    yyjson_val *item = yyjson_obj_get(request, "load");
    if (item) return load(item, engine, arena, doc, root, err);
    if (!engine->ops) return fail_request(err, "a prediction without a model");
    struct mr_input input;
    MR_TRY(read_input(request, arena, &input, err));
    item = yyjson_obj_get(request, "bench");
    if (item) return bench(engine, &input, yyjson_get_num(item), doc, root, err);
    struct mr_output output = {0};
    const char *reason = NULL;
    if (input.kind != MR_INPUT_RAW && !mr_engine_can_take(engine, &input, arena, &reason)) {
        return mr_fail(err, MR_E_UNSUPPORTED, "only Python takes this: %s", reason);
    }
    MR_TRY(mr_engine_predict(engine, &input, arena, &output, err));
    put_output(doc, root, &output.tensor);
    return MR_OK;
}

static void answer_line(char *line, size_t length, struct mr_engine *engine,
                        struct mr_arena *arena) {
    struct mr_error err = {0};
    yyjson_doc *request = yyjson_read(line, length, YYJSON_READ_ALLOW_INF_AND_NAN);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    mr_status status = answer(yyjson_doc_get_root(request), engine, arena, doc, root, &err);
    if (status != MR_OK) {
        root = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_str(doc, root, "error_code", mr_status_error_code(status));
        yyjson_mut_obj_add_str(doc, root, "message", err.message);
    }
    yyjson_mut_doc_set_root(doc, root);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INF_AND_NAN, NULL);
    puts(text ? text : "{\"error_code\": \"INTERNAL_ERROR\", \"message\": \"no JSON\"}");
    fflush(stdout);
    free(text);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(request);
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    struct mr_engine engine = {0};
    struct mr_arena *arena = mr_arena_new(0, NULL);
    while (arena && (length = getline(&line, &capacity, stdin)) > 0) {
        answer_line(line, (size_t)length, &engine, arena);
        mr_arena_reset(arena);
    }
    free(line);
    mr_engine_unload(&engine);
    mr_arena_free(arena);
    return 0;
}
