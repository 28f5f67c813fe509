/* Every pickle in tests/data/pickle, made by scikit-learn 1.1 to 1.9: those of linear models answer
 * as their scikit-learn did, the others are read and refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "loader/pickle.h"
#include "saved_models.h"

#define PICKLES "tests/data/pickle"

static const char *const methods[] = {"predict", "predict_proba", "predict_log_proba",
                                      "decision_function"};

static void check_method(const struct mr_model_source *source, const char *name, yyjson_val *x,
                         bool is_float32, yyjson_val *wanted) {
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    mr_status status = mr_engine_choose(source, &engine, &err);
    if (!wanted) {
        assert_int_equal(status, MR_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "has no method"));
        return;
    }
    if (status != MR_OK) fail_msg("%s: %s", name, err.message);
    struct mr_arena *arena = mr_arena_new(0, NULL);
    int64_t shape[2];
    double room[MAX_X];
    struct mr_tensor tensor = read_x(x, is_float32, shape, room);
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1};
    struct mr_output output;
    if (mr_engine_predict(&engine, &input, arena, &output, &err) != MR_OK) {
        fail_msg("%s: %s", name, err.message);
    }
    assert_answer(name, &output.tensor, wanted, is_float32 ? 1e-6 : 1e-12);
    mr_arena_free(arena);
    mr_engine_unload(&engine);
}

static int n_linear;

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    char path[64], label[200];
    yyjson_val *root = yyjson_doc_get_root(models->expected);
    yyjson_val *answers = yyjson_obj_get(model, "answers");
    bool is_linear = yyjson_get_bool(yyjson_obj_get(model, "linear"));
    int fd = saved_models_open(saved_models_file(models, model), path, sizeof(path));
    struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = PICKLES,
        .data_path = path,
        .serialization_format = mr_str_from("pickle"),
    };
    for (size_t i = 0; i < 4; i++) {
        snprintf(label, sizeof(label), "%s %s.%s", models->version, name, methods[i]);
        source.predict_fn = mr_str_from(methods[i]);
        if (is_linear) {
            check_method(&source, label, yyjson_obj_get(root, "X"),
                         yyjson_get_bool(yyjson_obj_get(model, "X32")),
                         yyjson_obj_get(answers, methods[i]));
        }
    }
    n_linear += is_linear;
    close(fd);
}

static void test_linear_models(void **state) {
    (void)state;
    n_linear = 0;
    saved_models_each(PICKLES, visit);
    assert_true(n_linear > 9 * 50);
}

/* The class of the root is the class of the estimator. */
static void visit_graph(const struct saved_models *models, const char *name, yyjson_val *model) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_pickle pickle = {0};
    struct mr_error err = {0};
    char class_[200];
    mr_status status = mr_pickle_parse(saved_models_file(models, model), arena, &pickle, &err);
    if (status != MR_OK) fail_msg("%s %s: %s", models->version, name, err.message);
    assert_string_equal(mr_object_describe(pickle.root, class_, sizeof(class_)),
                        yyjson_get_str(yyjson_obj_get(model, "class")));
    assert_int_equal(pickle.root->kind, MR_OBJECT_INSTANCE);
    assert_int_equal(pickle.root->instance.state->kind, MR_OBJECT_DICT);
    mr_arena_free(arena);
}

static void test_graphs(void **state) {
    (void)state;
    assert_true(saved_models_each(PICKLES, visit_graph) > 9 * 65);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_linear_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
