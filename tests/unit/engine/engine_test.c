#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "engine/engine.h"

static const char iris_path[] = "examples/iris/model/model.skops";

static struct mr_model_source iris_source(const char *predict_fn) {
    return (struct mr_model_source){
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = "examples/iris/model",
        .data_path = iris_path,
        .serialization_format = mr_str_from("skops"),
        .predict_fn = mr_str_from(predict_fn),
    };
}

static void assert_refused(const struct mr_model_source *source, const char *reason) {
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    assert_int_equal(mr_engine_choose(source, &engine, &err), MR_E_UNSUPPORTED);
    if (!strstr(err.message, reason)) fail_msg("%s", err.message);
    assert_null(engine.ops);
    mr_engine_unload(&engine);
}

static void test_iris(void **state) {
    (void)state;
    struct mr_model_source source = iris_source("predict");
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    assert_int_equal(mr_engine_choose(&source, &engine, &err), MR_OK);
    assert_string_equal(engine.ops->name, "linear");
    assert_non_null(strstr(engine.reason, "LogisticRegression"));

    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_engine_describe(&engine, &text);
    mr_buf_char(&text, '\0');
    assert_non_null(strstr(text.data, "4 features, 3 classes of type int64"));

    static const double rows[] = {5.1, 3.5, 1.4, 0.2, 6.3, 3.3, 6.0, 2.5};
    const int64_t shape[] = {2, 4};
    struct mr_tensor x = {
        .dtype = MR_FLOAT64, .n_dims = 2, .shape = shape, .n_values = 8, .values = rows};
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
    struct mr_output output;
    assert_int_equal(mr_engine_predict(&engine, &input, arena, &output, &err), MR_OK);
    assert_int_equal(output.tensor.dtype, MR_INT64);
    assert_int_equal(output.tensor.n_dims, 1);
    assert_int_equal(output.tensor.shape[0], 2);
    assert_int_equal(((const int64_t *)output.tensor.values)[0], 0);
    assert_int_equal(((const int64_t *)output.tensor.values)[1], 2);

    x.shape = &shape[1];
    x.n_dims = 1;
    assert_int_equal(mr_engine_predict(&engine, &input, arena, &output, &err), MR_E_BAD_REQUEST);
    assert_int_equal(output.tensor.n_values, 0);
    mr_arena_free(arena);
    mr_engine_unload(&engine);
    assert_null(engine.ops);
    mr_engine_unload(&engine);
}

static void test_what_a_native_engine_can_take(void **state) {
    (void)state;
    struct mr_model_source source = iris_source("predict");
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    assert_int_equal(mr_engine_find(&source, &engine, &err), MR_OK);
    assert_non_null(engine.model);
    const char *reason = NULL;
    struct mr_input input = {.kind = MR_INPUT_RAW, .raw_reason = "a nested column"};
    assert_false(mr_engine_can_take(&engine, &input, NULL, &reason));
    assert_string_equal(reason, "a nested column");
    input.kind = MR_INPUT_TABLE;
    assert_true(mr_engine_can_take(&engine, &input, NULL, &reason));
    mr_engine_unload(&engine);
    assert_null(engine.ops);
}

static void test_refusals(void **state) {
    (void)state;
    struct mr_model_source source = iris_source("score");
    assert_refused(&source, "no native engine for LogisticRegression.score yet");
    source = iris_source("predict");
    source.flavor = mr_str_from("mlflow.pytorch");
    assert_refused(&source, "no native engine for mlflow.pytorch models yet");
    source = iris_source("predict");
    source.serialization_format = mr_str_from("joblib");
    assert_refused(&source, "stored as joblib");
    source.serialization_format = mr_str_from("cloudpickle");
    assert_refused(&source, "byte 0 of the pickle");
    source = iris_source("predict");
    source.data_path = NULL;
    assert_refused(&source, "MLmodel does not say where");
    source.data_path = "examples/iris/model/no-such-file";
    assert_refused(&source, "no-such-file cannot be read");
    source.data_path = "examples/iris/model/MLmodel";
    assert_refused(&source, "cannot be read as a zip archive");
    source = iris_source("predict");
    const struct mr_signature nested = {.kind = MR_SCHEMA_COLUMNS, .is_nested = true};
    source.signature = &nested;
    assert_refused(&source, "no native engine for signatures with array");
    const struct mr_tensor_spec tensor = {.dtype_name = {"complex64", 9}};
    const struct mr_signature tensors = {
        .kind = MR_SCHEMA_TENSORS, .n_inputs = 1, .tensors = &tensor};
    source.signature = &tensors;
    assert_refused(&source, "tensors of dtype complex64");
}

static void test_missing_methods(void **state) {
    (void)state;
    static const struct {
        const char *model, *method;
    } cases[] = {
        {"svc", "predict_proba"},
        {"poisson", "decision_function"},
        {"ridge-labels", "predict_log_proba"},
        {"one-class", "predict_proba"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char path[128];
        snprintf(path, sizeof(path), "tests/data/linear/%s/model/model.skops", cases[i].model);
        struct mr_model_source source = iris_source(cases[i].method);
        source.data_path = path;
        assert_refused(&source, "has no method");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iris),
        cmocka_unit_test(test_what_a_native_engine_can_take),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
