/* Damaged models of tests/data/sktree, all of them and each in the format it was saved in.
 * MLRACE_MUTATIONS: how many of each model, instead of N_MUTATIONS. */
#include "mutations.h"
#include "saved_models.h"

#define N_MUTATIONS 5

static int n_mutations = N_MUTATIONS;

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    static int n_visited;
    const char *saved = yyjson_get_str(yyjson_obj_get(model, "saved"));
    bool is_skops = strcmp(saved, "skops") == 0;
    bool has_proba = yyjson_obj_get(yyjson_obj_get(model, "answers"), "predict_proba");
    static const int64_t shape[] = {-1, 4};
    const struct mr_tensor_spec tensor = {
        .dtype = MR_FLOAT64, .is_known = true, .n_dims = 2, .shape = shape};
    const struct mr_signature signature = {
        .kind = MR_SCHEMA_TENSORS, .n_inputs = 1, .tensors = &tensor};
    struct mutated_format format = {
        .flavor = "mlflow.sklearn",
        .serialization_format = saved,
        .predict_fn = has_proba && n_visited++ % 2 ? "predict_proba" : "predict",
        .special_bytes = is_skops ? NULL : PICKLE_OPCODES,
        .signature = &signature,
    };
    (void)name;
    mutate_bytes(&format, saved_models_file(models, model), n_mutations);
}

static void test_mutations(void **state) {
    (void)state;
    const char *n = getenv("MLRACE_MUTATIONS");
    if (n) n_mutations = atoi(n);
    random_state = 1;
    int n_models = saved_models_each("tests/data/sktree", visit);
    print_message("%d models: %d loaded, %d refused\n", n_models, n_loaded, n_refused);
    assert_true(n_loaded > 500 && n_refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
