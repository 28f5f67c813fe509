/* More than ten thousand damaged pickles: each is refused or gives a model that answers; none
 * crashes. Under AddressSanitizer this is the proof that readers and builders check whatever they
 * index later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "mutate.h"
#include "saved_models.h"

#define N_MUTATIONS 16 /* of each model, of each version of scikit-learn */

/* Opcodes. */
static const char special[] =
    "(.012FGIJKLMNRSTUVX]abcdeghijlopqrstu})BC"
    "\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8e\x8f\x90\x91\x93\x94\x95\x96";

/* Predicts 1 and 3 rows of 4 features; a model that wants others refuses them. */
static void predict_some(const struct mr_engine *engine) {
    static const double values[12] = {0.5, -1, 2, 1e300, 3, 4, 5, -1e300, 0, 0, 0, 0};
    for (int64_t n_rows = 1; n_rows <= 3; n_rows += 2) {
        const int64_t shape[] = {n_rows, 4};
        struct mr_tensor x = {.dtype = MR_FLOAT64,
                              .n_dims = 2,
                              .shape = shape,
                              .n_values = n_rows * 4,
                              .values = values};
        struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
        struct mr_output output;
        struct mr_error err = {0};
        struct mr_arena *arena = mr_arena_new(0, NULL);
        mr_status status = mr_engine_predict(engine, &input, arena, &output, &err);
        assert_true(status == MR_OK || status == MR_E_BAD_REQUEST);
        if (status == MR_OK) assert_int_equal(output.tensor.shape[0], n_rows);
        mr_arena_free(arena);
    }
}

static int n_loaded, n_refused;

static void try_file(struct mr_str file, const char *method) {
    char path[64];
    int fd = saved_models_open(file, path, sizeof(path));
    const struct mr_engine_options options = {.choice = MR_ENGINE_NATIVE};
    const struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = "/proc/self",
        .data_path = path,
        .serialization_format = mr_str_from("cloudpickle"),
        .predict_fn = mr_str_from(method),
        .options = &options,
    };
    struct mr_engine engine = {0};
    struct mr_error err = {0};
    if (mr_engine_choose(&source, &engine, &err) == MR_OK) {
        n_loaded++;
        predict_some(&engine);
        mr_engine_unload(&engine);
    } else {
        assert_true(err.message[0]);
        n_refused++;
    }
    close(fd);
}

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    (void)name;
    struct mr_str file = saved_models_file(models, model);
    bool has_proba = yyjson_obj_get(yyjson_obj_get(model, "answers"), "predict_proba");
    for (int i = 0; i < N_MUTATIONS; i++) {
        char *copy = malloc(file.size);
        assert_non_null(copy);
        memcpy(copy, file.data, file.size);
        size_t size = mutate(copy, file.size, special);
        try_file((struct mr_str){copy, size}, has_proba && i % 2 ? "predict_proba" : "predict");
        free(copy);
    }
}

static void test_mutations(void **state) {
    (void)state;
    random_state = 1;
    int n = saved_models_each("tests/data/pickle", visit);
    print_message("%d models: %d loaded, %d refused\n", n, n_loaded, n_refused);
    assert_true(n_loaded + n_refused > 10000);
    assert_true(n_loaded > 1000 && n_refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
