/* Every model in tests/data/xgboost, made by XGBoost 1.7 to 3.2, answers as XGBoost 3.2.0 does, to
 * the last bit; those that 3.2.0 cannot read answer as the version that made them. */
#include "engine/engine.h"
#include "saved_models.h"

#define N_COLS 4

/* The columns of a matrix of doubles, with the names that make.py gives them. */
static struct mr_table table_of(const struct mr_tensor *x, struct mr_arena *arena) {
    static const char *const names[N_COLS] = {"a", "b", "c d", "e"};
    struct mr_table table;
    assert_int_equal(mr_table_new(arena, x->shape[0], N_COLS, &table, NULL), MR_OK);
    for (size_t c = 0; c < N_COLS; c++) {
        double *values = mr_arena_array(arena, (size_t)x->shape[0], sizeof(*values));
        for (int64_t r = 0; r < x->shape[0]; r++) {
            values[r] = ((const double *)x->values)[r * N_COLS + (int64_t)c];
        }
        struct mr_column *column = &table.columns[c];
        column->name = mr_str_from(names[c]);
        column->is_named = true;
        column->dtype = MR_FLOAT64;
        column->values = values;
    }
    return table;
}

struct question {
    yyjson_val *x;
    bool is_table;
    bool is_margin;
};

static void check_answer(const struct mr_model_source *source, const char *name,
                         const struct question *question, yyjson_val *wanted) {
    static const struct mr_param margin = {.name = {"output_margin", 13}, .json = {"true", 4}};
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    if (mr_engine_choose(source, &engine, &err) != MR_OK) fail_msg("%s: %s", name, err.message);
    assert_string_equal(engine.ops->name, "tree");
    struct mr_arena *arena = mr_arena_new(0, NULL);
    int64_t shape[2];
    double room[MAX_X];
    struct mr_tensor x = read_x(question->x, false, shape, room);
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
    if (question->is_table) input.kind = MR_INPUT_TABLE, input.table = table_of(&x, arena);
    if (question->is_margin) input.params = (struct mr_params){.n = 1, .items = &margin};
    struct mr_output output;
    if (mr_engine_predict(&engine, &input, arena, &output, &err) != MR_OK) {
        fail_msg("%s: %s", name, err.message);
    }
    assert_answer(name, &output.tensor, wanted, 0);
    mr_arena_free(arena);
    mr_engine_unload(&engine);
}

static void check_refused(const struct mr_model_source *source, const char *reason) {
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    assert_int_equal(mr_engine_choose(source, &engine, &err), MR_E_UNSUPPORTED);
    if (!strstr(err.message, reason)) fail_msg("%s", err.message);
}

static int n_unreadable;

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    char path[64], label[200];
    const char *format = yyjson_get_str(yyjson_obj_get(model, "format"));
    bool is_pickle = strstr(format, "pickle") != NULL;
    int fd = saved_models_open(saved_models_file(models, model), path, sizeof(path));
    struct mr_model_source source = {
        .flavor = mr_str_from(is_pickle ? "mlflow.sklearn" : "mlflow.xgboost"),
        .path = "tests/data/xgboost",
        .data_path = path,
        .serialization_format = mr_str_from(format),
        .model_class = mr_str_from(yyjson_get_str(yyjson_obj_get(model, "class"))),
    };
    struct question question = {
        .x = yyjson_obj_get(yyjson_doc_get_root(models->expected), "X"),
        .is_table = yyjson_get_bool(yyjson_obj_get(model, "has_names")),
    };
    yyjson_val *answers = yyjson_obj_get(model, "answers");
    yyjson_val *later = yyjson_obj_get(model, "later");
    bool is_unreadable = yyjson_is_null(later);
    n_unreadable += is_unreadable;
    if (yyjson_is_obj(later)) answers = later;
    size_t i, max;
    yyjson_val *key, *wanted;
    yyjson_obj_foreach(answers, i, max, key, wanted) {
        const char *method = yyjson_get_str(key);
        question.is_margin = strcmp(method, "margin") == 0;
        source.predict_fn = mr_str_from(question.is_margin ? "predict" : method);
        snprintf(label, sizeof(label), "XGBoost %s: %s, %s", models->version, name, method);
        if (is_unreadable && strstr(name, "no rounds")) {
            check_refused(&source, "without trees");
        } else if (is_pickle || strcmp(method, "predict_proba") != 0) { /* mlflow.sklearn's only */
            check_answer(&source, label, &question, wanted);
        }
    }
    close(fd);
}

static void test_models(void **state) {
    (void)state;
    assert_true(saved_models_each("tests/data/xgboost", visit) > 6 * 50);
    assert_int_equal(n_unreadable, 5); /* those before 2.0 without trees, 2.0 to 3.1 with vectors */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
