/* Every model in tests/data/linear answers as scikit-learn did when the files were made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "failing_allocator.h"
#include "loader/npy.h"

#define FOLDER "tests/data/linear"

static struct mr_arena *arena;

static struct mr_str read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return (struct mr_str){0};
    char *data = mr_arena_alloc(arena, 1 << 20);
    size_t size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return (struct mr_str){data, size};
}

/* An array of tests/data/linear/NAME/FILE.npy; false when there is none. */
static bool read_array(const char *name, const char *file, struct mr_ndarray *out) {
    char path[512];
    snprintf(path, sizeof(path), FOLDER "/%s/%s.npy", name, file);
    struct mr_str text = read_file(path);
    if (!text.data) return false;
    assert_int_equal(mr_npy_read(text, arena, out, NULL), MR_OK);
    return true;
}

static struct mr_engine load(const char *name, const char *method) {
    char path[512];
    snprintf(path, sizeof(path), FOLDER "/%s/model/model.skops", name);
    struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = FOLDER,
        .data_path = path,
        .serialization_format = mr_str_from("skops"),
        .predict_fn = mr_str_from(method),
    };
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    if (mr_engine_choose(&source, &engine, &err) != MR_OK) fail_msg("%s: %s", name, err.message);
    return engine;
}

static struct mr_tensor tensor_of(const struct mr_ndarray *array) {
    return (struct mr_tensor){.dtype = array->dtype,
                              .n_dims = array->n_dims,
                              .shape = array->shape,
                              .n_values = array->n_values,
                              .values = array->values};
}

static struct mr_tensor predict(const struct mr_engine *engine, struct mr_input input) {
    struct mr_output output;
    struct mr_error err = {0};
    if (mr_engine_predict(engine, &input, arena, &output, &err) != MR_OK)
        fail_msg("%s", err.message);
    return output.tensor;
}

static struct mr_tensor predict_tensor(const struct mr_engine *engine, struct mr_tensor x) {
    return predict(engine,
                   (struct mr_input){.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1});
}

/* The same values as a table of unnamed columns. */
static struct mr_tensor predict_table(const struct mr_engine *engine, const struct mr_tensor *x) {
    struct mr_input input = {.kind = MR_INPUT_TABLE};
    size_t n_cols = (size_t)x->shape[1];
    size_t n_rows = (size_t)x->shape[0];
    size_t item = mr_dtype_size(x->dtype);
    assert_int_equal(mr_table_new(arena, x->shape[0], n_cols, &input.table, NULL), MR_OK);
    for (size_t c = 0; c < n_cols; c++) {
        char *name = mr_arena_zalloc(arena, 24);
        snprintf(name, 24, "%zu", c);
        char *values = mr_arena_array(arena, n_rows, item);
        for (size_t r = 0; r < n_rows; r++) {
            memcpy(values + r * item, (const char *)x->values + (r * n_cols + c) * item, item);
        }
        input.table.columns[c].name = mr_str_from(name);
        input.table.columns[c].dtype = x->dtype;
        input.table.columns[c].values = values;
    }
    return predict(engine, input);
}

static double value_of(mr_dtype dtype, const void *values, int64_t i) {
    return dtype == MR_FLOAT32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

static bool is_close(double a, double b, double tolerance) {
    return a == b || fabs(a - b) <= tolerance * (fabs(b) + 1e-3);
}

static void assert_answer(const char *name, const struct mr_tensor *got,
                          const struct mr_ndarray *wanted) {
    assert_int_equal(got->dtype, wanted->dtype);
    assert_int_equal(got->n_dims, wanted->n_dims);
    assert_int_equal(got->n_values, wanted->n_values);
    for (size_t d = 0; d < got->n_dims; d++) assert_int_equal(got->shape[d], wanted->shape[d]);
    for (int64_t i = 0; i < got->n_values; i++) {
        if (got->dtype == MR_STRING) {
            assert_true(mr_str_equal(((const struct mr_str *)got->values)[i],
                                     ((const struct mr_str *)wanted->values)[i]));
        } else if (mr_dtype_kind(got->dtype) == 'f') {
            double tolerance = got->dtype == MR_FLOAT32 ? 1e-6 : 1e-12;
            double a = value_of(got->dtype, got->values, i);
            double b = value_of(got->dtype, wanted->values, i);
            if (!is_close(a, b, tolerance)) fail_msg("%s[%d]: %.17g != %.17g", name, (int)i, a, b);
        } else {
            size_t item = mr_dtype_size(got->dtype);
            assert_memory_equal((const char *)got->values + (size_t)i * item,
                                (const char *)wanted->values + (size_t)i * item, item);
        }
    }
}

/* The bytes of row r of an answer. */
static const char *row_of(const struct mr_tensor *answer, int64_t r, size_t *size) {
    size_t item = mr_dtype_size(answer->dtype);
    if (item == 0) item = sizeof(struct mr_str); /* labels point into the model: same pointers */
    *size = (size_t)(answer->n_values / answer->shape[0]) * item;
    return (const char *)answer->values + (size_t)r * *size;
}

static void check_method(const char *name, const char *method) {
    struct mr_ndarray wanted, x;
    if (!read_array(name, method, &wanted)) return;
    assert_true(read_array(name, "X", &x));
    struct mr_engine engine = load(name, method);
    struct mr_tensor tensor = tensor_of(&x);
    struct mr_tensor answer = predict_tensor(&engine, tensor);
    assert_answer(name, &answer, &wanted);
    size_t size;
    struct mr_tensor from_table = predict_table(&engine, &tensor);
    const char *all = row_of(&answer, 0, &size);
    assert_memory_equal(from_table.values, all, size * (size_t)answer.shape[0]);
    /* A row alone gets the bits that it gets among others. */
    size_t row_bytes = (size_t)x.shape[1] * mr_dtype_size(x.dtype);
    for (int64_t r = 0; r < x.shape[0]; r++) {
        const int64_t shape[] = {1, x.shape[1]};
        struct mr_tensor row = tensor;
        row.shape = shape;
        row.n_values = shape[1];
        row.values = (const char *)x.values + (size_t)r * row_bytes;
        struct mr_tensor alone = predict_tensor(&engine, row);
        const char *among = row_of(&answer, r, &size);
        assert_memory_equal(alone.values, among, size);
    }
    mr_engine_unload(&engine);
}

static void test_models(void **state) {
    (void)state;
    static const char *const methods[] = {"predict", "predict_proba", "predict_log_proba",
                                          "decision_function"};
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct mr_ndarray x;
        arena = mr_arena_new(0, NULL);
        assert_non_null(arena);
        if (entry->d_name[0] != '.' && read_array(entry->d_name, "X", &x)) {
            for (size_t i = 0; i < 4; i++) check_method(entry->d_name, methods[i]);
            n++;
        }
        mr_arena_free(arena);
    }
    closedir(folder);
    assert_true(n >= 16);
}

/* Each allocation of a prediction fails once. */
static void test_out_of_memory(void **state) {
    (void)state;
    arena = mr_arena_new(0, NULL);
    struct mr_ndarray x;
    assert_true(read_array("logistic-text", "X", &x));
    struct mr_engine engine = load("logistic-text", "predict_proba");
    struct mr_tensor tensor = tensor_of(&x);
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1};
    struct failing_allocator allocator = {0};
    mr_status status = MR_E_NO_MEMORY;
    while (status != MR_OK) {
        struct mr_output output;
        struct mr_error err = {0};
        allocator.n_calls = 0;
        struct mr_arena *failing = failing_arena(&allocator);
        if (failing) {
            status = mr_engine_predict(&engine, &input, failing, &output, &err);
            assert_true(status == MR_OK || status == MR_E_NO_MEMORY);
        }
        mr_arena_free(failing);
        allocator.fail_at++;
    }
    assert_true(allocator.fail_at > 2);
    mr_engine_unload(&engine);
    mr_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
