/* Every model in tests/data/lightgbm, made by LightGBM 2.2 to 4.7, answers as LightGBM 4.7.0 does,
 * to the last bit; wrappers that 4.7.0 cannot use are refused. */
#include "engine/engine.h"
#include "saved_models.h"

static int n_answered, n_refused;

static void check_answer(const struct mr_model_source *source, const char *name, yyjson_val *rows,
                         yyjson_val *wanted) {
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    if (mr_engine_choose(source, &engine, &err) != MR_OK) fail_msg("%s: %s", name, err.message);
    assert_string_equal(engine.ops->name, "tree");
    struct mr_arena *arena = mr_arena_new(0, NULL);
    int64_t shape[2];
    double room[MAX_X];
    struct mr_tensor x = read_x(rows, false, shape, room);
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
    struct mr_output output;
    if (mr_engine_predict(&engine, &input, arena, &output, &err) != MR_OK) {
        fail_msg("%s: %s", name, err.message);
    }
    assert_answer(name, &output.tensor, wanted, 0);
    n_answered++;
    mr_arena_free(arena);
    mr_engine_unload(&engine);
}

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    char path[64], label[200];
    const char *format = yyjson_get_str(yyjson_obj_get(model, "format"));
    bool is_pickle = strstr(format, "pickle") != NULL;
    int fd = saved_models_open(saved_models_file(models, model), path, sizeof(path));
    struct mr_model_source source = {
        .flavor = mr_str_from(is_pickle ? "mlflow.sklearn" : "mlflow.lightgbm"),
        .path = "tests/data/lightgbm",
        .data_path = path,
        .serialization_format = mr_str_from(format),
        .model_class = mr_str_from(yyjson_get_str(yyjson_obj_get(model, "class"))),
    };
    yyjson_val *rows = yyjson_obj_get(yyjson_doc_get_root(models->expected), "X");
    yyjson_val *answers = yyjson_obj_get(model, "answers");
    yyjson_val *later = yyjson_obj_get(model, "later");
    if (yyjson_is_obj(later)) answers = later;
    size_t i, max;
    yyjson_val *key, *wanted;
    yyjson_obj_foreach(answers, i, max, key, wanted) {
        source.predict_fn = mr_str_from(yyjson_get_str(key));
        snprintf(label, sizeof(label), "LightGBM %s: %s, %s", models->version, name,
                 yyjson_get_str(key));
        if (yyjson_is_null(later)) {
            struct mr_engine engine = {0};
            assert_int_equal(mr_engine_choose(&source, &engine, NULL), MR_E_UNSUPPORTED);
            n_refused++;
            continue;
        }
        check_answer(&source, label, rows, wanted);
        if (!is_pickle || !mr_str_is(source.predict_fn, "predict")) continue;
        source.flavor = mr_str_from("mlflow.lightgbm");
        check_answer(&source, label, rows, wanted);
        source.flavor = mr_str_from("mlflow.sklearn");
    }
    close(fd);
}

static void test_models(void **state) {
    (void)state;
    assert_true(saved_models_each("tests/data/lightgbm", visit) > 7 * 30);
    assert_true(n_answered > 7 * 25);
    assert_true(n_refused > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
