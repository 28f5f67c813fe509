#include "mutations.h"

#define N_MUTATIONS 300 /* of each kind and model */

static const char *const models[] = {
    "logistic-text", "ridge-labels", "ridge-outputs-float32", "poisson", "sgd-huber-float",
    "one-class",     "old-binary",
};

static void test_mutations(void **state) {
    (void)state;
    const struct mutated_format format = {.flavor = "mlflow.sklearn",
                                          .serialization_format = "skops"};
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        char path[256];
        snprintf(path, sizeof(path), "tests/data/linear/%s/model/model.skops", models[i]);
        mutate_file(&format, path, N_MUTATIONS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
