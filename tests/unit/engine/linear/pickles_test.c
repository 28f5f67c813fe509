/* Every pickle in tests/data/pickle, made by scikit-learn 1.1 to 1.9: those of linear models answer
 * as their scikit-learn did, the others are read and refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine/engine.h"
#include "loader/pickle.h"
#include "pickle_models.h"

static const char *const methods[] = {"predict", "predict_proba", "predict_log_proba",
                                      "decision_function"};

enum { MAX_X = 64 };

/* X of expected.json, as float64 or float32. */
static struct mr_tensor read_x(yyjson_val *rows, bool is_float32, int64_t shape[2], void *values) {
    size_t n = 0, i, max, k, width;
    yyjson_val *row, *cell;
    yyjson_arr_foreach(rows, i, max, row) {
        yyjson_arr_foreach(row, k, width, cell) {
            assert_true(n < MAX_X);
            if (is_float32) {
                ((float *)values)[n++] = (float)yyjson_get_num(cell);
            } else {
                ((double *)values)[n++] = yyjson_get_num(cell);
            }
        }
        shape[1] = (int64_t)width;
    }
    shape[0] = (int64_t)yyjson_arr_size(rows);
    return (struct mr_tensor){.dtype = is_float32 ? MR_FLOAT32 : MR_FLOAT64,
                              .n_dims = 2,
                              .shape = shape,
                              .n_values = shape[0] * shape[1],
                              .values = values};
}

/* slack: the size of what a value was computed from. */
static bool is_value(const struct mr_tensor *got, int64_t i, yyjson_val *wanted, double tolerance,
                     double slack) {
    const void *values = got->values;
    double value;
    switch (got->dtype) {
    case MR_STRING: {
        struct mr_str text = ((const struct mr_str *)values)[i];
        return yyjson_equals_strn(wanted, text.data, text.size);
    }
    case MR_BOOL: return ((const uint8_t *)values)[i] == yyjson_get_bool(wanted);
    case MR_INT32: return ((const int32_t *)values)[i] == yyjson_get_sint(wanted);
    case MR_INT64: return ((const int64_t *)values)[i] == yyjson_get_sint(wanted);
    case MR_FLOAT32: value = (double)((const float *)values)[i]; break;
    default: value = ((const double *)values)[i];
    }
    double expected = yyjson_get_num(wanted);
    if (!isfinite(expected)) return value == expected || (isnan(value) && isnan(expected));
    return fabs(value - expected) <= tolerance * (fabs(expected) + slack);
}

static void assert_answer(const char *name, const struct mr_tensor *got, yyjson_val *wanted,
                          double tolerance) {
    yyjson_val *shape = yyjson_obj_get(wanted, "shape"), *values = yyjson_obj_get(wanted, "values");
    assert_string_equal(mr_dtype_name(got->dtype), yyjson_get_str(yyjson_obj_get(wanted, "dtype")));
    assert_int_equal(got->n_dims, yyjson_arr_size(shape));
    for (size_t d = 0; d < got->n_dims; d++) {
        assert_int_equal(got->shape[d], yyjson_get_sint(yyjson_arr_get(shape, d)));
    }
    assert_int_equal(got->n_values, yyjson_arr_size(values));
    double slack = strstr(name, "log_proba") ? 1 : 1e-3; /* the logarithm of almost 1 */
    size_t i, max;
    yyjson_val *value;
    yyjson_arr_foreach(values, i, max, value) {
        if (!is_value(got, (int64_t)i, value, tolerance, slack))
            fail_msg("%s: value %zu differs", name, i);
    }
}

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

static void visit(const struct pickle_models *models, const char *name, yyjson_val *model) {
    char path[64], label[200];
    yyjson_val *root = yyjson_doc_get_root(models->expected);
    yyjson_val *answers = yyjson_obj_get(model, "answers");
    bool is_linear = yyjson_get_bool(yyjson_obj_get(model, "linear"));
    int fd = pickle_models_open(pickle_models_file(models, model), path, sizeof(path));
    struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = PICKLE_FOLDER,
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
    pickle_models_each(visit);
    assert_true(n_linear > 9 * 50);
}

/* The class of the root is the class of the estimator. */
static void visit_graph(const struct pickle_models *models, const char *name, yyjson_val *model) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_pickle pickle = {0};
    struct mr_error err = {0};
    char class_[200];
    mr_status status = mr_pickle_parse(pickle_models_file(models, model), arena, &pickle, &err);
    if (status != MR_OK) fail_msg("%s %s: %s", models->version, name, err.message);
    assert_string_equal(mr_object_describe(pickle.root, class_, sizeof(class_)),
                        yyjson_get_str(yyjson_obj_get(model, "class")));
    assert_int_equal(pickle.root->kind, MR_OBJECT_INSTANCE);
    assert_int_equal(pickle.root->instance.state->kind, MR_OBJECT_DICT);
    mr_arena_free(arena);
}

static void test_graphs(void **state) {
    (void)state;
    assert_true(pickle_models_each(visit_graph) > 9 * 65);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_linear_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
