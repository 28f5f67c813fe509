#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "model/mlmodel.h"

static mr_status parse(const char *text, struct mr_mlmodel *out, struct mr_error *err) {
    return mr_mlmodel_parse(mr_str_from(text), arena, out, err);
}

static void test_read_example(void **state) {
    (void)state;
    struct mr_mlmodel mlmodel;
    assert_int_equal(mr_mlmodel_read("examples/iris/model", arena, &mlmodel, NULL), MR_OK);
    assert_true(mr_str_is(mlmodel.loader_module, "mlflow.sklearn"));
    assert_true(mr_str_is(mlmodel.data, "model.skops"));
    assert_true(mr_str_is(mlmodel.predict_fn, "predict"));
    assert_true(mr_str_is(mlmodel.serialization_format, "skops"));
    assert_true(mlmodel.inputs_json.size > 0);
    assert_int_equal(mlmodel.params_json.size, 0);
}

static void test_defaults(void **state) {
    (void)state;
    struct mr_mlmodel mlmodel;
    assert_int_equal(parse("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
                           "    model_path: a/model.pkl\n",
                           &mlmodel, NULL),
                     MR_OK);
    assert_true(mr_str_is(mlmodel.predict_fn, "predict"));
    assert_true(mr_str_is(mlmodel.serialization_format, "pickle"));
    assert_int_equal(mlmodel.inputs_json.size, 0);
}

/* Flavors say each for itself how they saved the model. */
static void test_serialization_format(void **state) {
    (void)state;
    struct mr_mlmodel mlmodel;
    assert_int_equal(parse("flavors: {python_function: {loader_module: mlflow.lightgbm}, sklearn: "
                           "{serialization_format: pickle}, lightgbm: {serialization_format: "
                           "skops, model_class: lightgbm.sklearn.LGBMRegressor}}",
                           &mlmodel, NULL),
                     MR_OK);
    assert_true(mr_str_is(mlmodel.serialization_format, "skops"));
    assert_true(mr_str_is(mlmodel.model_class, "lightgbm.sklearn.LGBMRegressor"));
}

static void test_a_key_given_twice(void **state) {
    (void)state;
    struct mr_mlmodel mlmodel;
    assert_int_equal(
        parse("flavors: {python_function: {predict_fn: a, predict_fn: b}}", &mlmodel, NULL), MR_OK);
    assert_true(mr_str_is(mlmodel.predict_fn, "b"));
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mr_status status;
    } cases[] = {
        {"", MR_E_FORMAT},
        {"- a\n", MR_E_FORMAT},
        {"a: [\n", MR_E_FORMAT},
        {"a: b\n", MR_E_UNSUPPORTED},
        {"flavors: {python_function: {model_path: /etc/passwd}}", MR_E_FORMAT},
        {"flavors: {python_function: {model_path: a/../../b}}", MR_E_FORMAT},
        {"flavors: {python_function: {model_path: \"a\\0b\"}}", MR_E_FORMAT},
        {"flavors: {python_function: {model_path: [a]}}", MR_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_mlmodel mlmodel;
        struct mr_error err = {0};
        assert_int_equal(parse(cases[i].text, &mlmodel, &err), cases[i].status);
        assert_true(err.message[0] != '\0');
    }
    struct mr_mlmodel mlmodel;
    assert_int_equal(mr_mlmodel_read("no/such/folder", arena, &mlmodel, NULL), MR_E_NOT_FOUND);
}

/* Newer versions of MLflow keep a request; of older ones there is what goes into it. */
static void test_input_examples(void **state) {
    (void)state;
#define WITH "flavors: {python_function: {}}\nsaved_input_example_info: "
    struct mr_mlmodel mlmodel;
    assert_int_equal(mr_mlmodel_read("examples/iris/model", arena, &mlmodel, NULL), MR_OK);
    assert_true(mr_str_is(mlmodel.serving_example, "serving_input_example.json"));
    assert_int_equal(parse(WITH "{artifact_path: a.json, pandas_orient: split, type: dataframe}",
                           &mlmodel, NULL),
                     MR_OK);
    assert_true(mr_str_is(mlmodel.example, "a.json") && mlmodel.is_example_split);
    assert_int_equal(parse(WITH "{artifact_path: a.json, type: ndarray}", &mlmodel, NULL), MR_OK);
    assert_true(mr_str_is(mlmodel.example, "a.json") && !mlmodel.is_example_split);
    static const char *const none[] = {
        "flavors: {python_function: {}}",
        WITH "null",
        WITH "a text",
        WITH "{artifact_path: a.json, type: json_object}",
        WITH "{artifact_path: /etc/passwd, serving_input_path: ../a, type: ndarray}",
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(parse(none[i], &mlmodel, NULL), MR_OK);
        assert_int_equal(mlmodel.example.size + mlmodel.serving_example.size, 0);
    }
#undef WITH
}

static void test_ids(void **state) {
    (void)state;
    struct mr_mlmodel mlmodel;
    assert_int_equal(
        parse("flavors: {python_function: {}}\nrun_id: abc\nmodel_id: m-1\n", &mlmodel, NULL),
        MR_OK);
    assert_true(mr_str_is(mlmodel.run_id, "abc") && mr_str_is(mlmodel.model_id, "m-1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_example),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_serialization_format),
        cmocka_unit_test(test_a_key_given_twice),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_input_examples),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
