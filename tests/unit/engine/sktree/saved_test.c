/* Every model in tests/data/sktree and every tree in tests/data/pickle, saved by scikit-learn 1.1
 * to 1.9 with skops and pickle, answers as the scikit-learn that saved it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "saved_models.h"

static const char *const methods[] = {"predict", "predict_proba", "predict_log_proba",
                                      "decision_function", "score_samples"};

/* One model, as it is asked by one method. */
struct question {
    char label[200];
    const char *class_, *method;
    struct mr_engine engine;
    struct mr_arena *arena;
};

/* Whether sums, divisions and comparisons alone make the answer; others go through exp, log or pow,
 * which numpy has its own of for the processors that the fixtures were made on. */
static bool is_exact(const struct question *question) {
    if (strstr(question->class_, "HistGradientBoostingRegressor")) return false;
    if (strcmp(question->method, "predict") == 0) return true;
    return strcmp(question->method, "predict_proba") == 0 && !strstr(question->class_, "Boost");
}

static mr_status ask(struct question *question, yyjson_val *rows, struct mr_output *out,
                     struct mr_error *err) {
    int64_t *shape = mr_arena_array(question->arena, 2, sizeof(*shape));
    double *values = mr_arena_array(question->arena, MAX_X, sizeof(*values));
    struct mr_tensor tensor = read_x(rows, false, shape, values);
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1};
    return mr_engine_predict(&question->engine, &input, question->arena, out, err);
}

/* Each row alone gets the bits that it gets among others. Labels point into the model. */
static void check_single_rows(struct question *question, yyjson_val *rows,
                              const struct mr_tensor *all) {
    size_t n_arrays = all->n_dims == 3 ? (size_t)all->shape[0] : 1;
    size_t n_rows = yyjson_arr_size(rows);
    size_t item = mr_dtype_size(all->dtype) ? mr_dtype_size(all->dtype) : sizeof(struct mr_str);
    size_t row_bytes = (size_t)all->n_values / n_arrays / n_rows * item;
    for (size_t r = 0; r < n_rows; r++) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *array = yyjson_mut_arr(doc);
        yyjson_mut_arr_append(array, yyjson_val_mut_copy(doc, yyjson_arr_get(rows, r)));
        yyjson_mut_doc_set_root(doc, array);
        yyjson_doc *row = yyjson_mut_doc_imut_copy(doc, NULL);
        struct mr_output output;
        assert_int_equal(ask(question, yyjson_doc_get_root(row), &output, NULL), MR_OK);
        for (size_t i = 0; i < n_arrays; i++) {
            const char *one = (const char *)output.tensor.values + i * row_bytes;
            const char *among = (const char *)all->values + (i * n_rows + r) * row_bytes;
            assert_memory_equal(one, among, row_bytes);
        }
        yyjson_doc_free(row);
        yyjson_mut_doc_free(doc);
    }
}

static void check_answer(struct question *question, yyjson_val *root, yyjson_val *model,
                         yyjson_val *wanted) {
    const char *rows_name = yyjson_get_str(yyjson_obj_get(model, "rows"));
    yyjson_val *rows = yyjson_obj_get(root, rows_name ? rows_name : "X");
    struct mr_output output;
    struct mr_error err = {0};
    if (ask(question, rows, &output, &err) != MR_OK) {
        fail_msg("%s: %s", question->label, err.message);
    }
    assert_answer(question->label, &output.tensor, wanted, is_exact(question) ? 0 : 1e-12);
    check_single_rows(question, rows, &output.tensor);
    if (rows_name && strcmp(rows_name, "X") == 0) { /* this version takes no missing values */
        mr_status status = ask(question, yyjson_obj_get(root, "MISSING"), &output, &err);
        assert_int_equal(status, MR_E_BAD_REQUEST);
    }
}

static void check_method(const struct mr_model_source *source, struct question *question,
                         yyjson_val *root, yyjson_val *model) {
    yyjson_val *wanted = yyjson_obj_get(yyjson_obj_get(model, "answers"), question->method);
    struct mr_error err = {0};
    mr_status status = mr_engine_choose(source, &question->engine, &err);
    if (!wanted) {
        assert_int_equal(status, MR_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "has no method"));
        return;
    }
    if (status != MR_OK) fail_msg("%s: %s", question->label, err.message);
    question->arena = mr_arena_new(0, NULL);
    check_answer(question, root, model, wanted);
    mr_arena_free(question->arena);
    mr_engine_unload(&question->engine);
}

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    struct question question = {.class_ = yyjson_get_str(yyjson_obj_get(model, "class"))};
    const char *saved = yyjson_get_str(yyjson_obj_get(model, "saved"));
    if (!strstr(question.class_, "sklearn.ensemble") && !strstr(question.class_, "sklearn.tree")) {
        return; /* linear models, XGBoost, LightGBM */
    }
    char path[64];
    int fd = saved_models_open(saved_models_file(models, model), path, sizeof(path));
    static const int64_t shape[] = {-1, 4};
    const struct mr_tensor_spec tensor = {
        .dtype = MR_FLOAT64, .is_known = true, .n_dims = 2, .shape = shape};
    const struct mr_signature signature = {
        .kind = MR_SCHEMA_TENSORS, .n_inputs = 1, .tensors = &tensor};
    struct mr_model_source source = {
        .signature = &signature,
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = "/proc/self",
        .data_path = path,
        .serialization_format = mr_str_from(saved ? saved : "pickle"),
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        question.method = methods[i];
        source.predict_fn = mr_str_from(methods[i]);
        snprintf(question.label, sizeof(question.label), "%s %s.%s", models->version, name,
                 methods[i]);
        check_method(&source, &question, yyjson_doc_get_root(models->expected), model);
    }
    close(fd);
}

static void test_saved_models(void **state) {
    (void)state;
    assert_true(saved_models_each("tests/data/sktree", visit) > 9 * 35);
    saved_models_each("tests/data/pickle", visit);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_saved_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
