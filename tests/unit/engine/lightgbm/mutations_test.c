/* Damaged models of LightGBM, texts, pickles and a skops archive: ten thousand of all; with
 * MLRACE_MUTATIONS=10000 as many of each file. */
#include "mutations.h"

#define FOLDER "fuzz/seeds/lightgbm/"
#define N_MUTATIONS 1200 /* of each model, instead of MLRACE_MUTATIONS */

static const struct mutated_format text = {
    .flavor = "mlflow.lightgbm",
    .serialization_format = "text",
    .model_class = "lightgbm.basic.Booster",
    .special_bytes = "0123456789-.e+ =\n\ninfa",
};
static const struct mutated_format pickle = {
    .flavor = "mlflow.lightgbm",
    .serialization_format = "pickle",
    .model_class = "lightgbm.sklearn.LGBMClassifier",
    .special_bytes = "0123456789-.e+ =\n(.K}NRb\x8c\x94",
};

static const struct mutated_format skops = {
    .flavor = "mlflow.lightgbm",
    .serialization_format = "skops",
    .model_class = "lightgbm.sklearn.LGBMClassifier",
};

static const char *const texts[] = {"average.txt", "binary.txt", "categories.txt",
                                    "classes.txt", "leaf.txt",   "linear.txt"};
static const char *const pickles[] = {"classifier.pkl", "regressor.pkl"};

/* Sizes of trees that no longer fit would end the reading of most changed texts. */
static void drop_sizes(struct mr_str file) {
    char *sizes = memmem(file.data, file.size, "tree_sizes=", 11);
    if (sizes) memcpy(sizes, "other", 5);
}

static void mutate_model(const char *name, const struct mutated_format *format, int n) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    char path[256];
    snprintf(path, sizeof(path), FOLDER "%s", name);
    struct mr_str file = read_mutated_file(path, arena);
    mutate_bytes(format, file, n / 8);
    if (format == &text) drop_sizes(file);
    mutate_bytes(format, file, n - n / 8);
    mr_arena_free(arena);
}

static void test_mutations(void **state) {
    (void)state;
    const char *wanted = getenv("MLRACE_MUTATIONS");
    int n = wanted ? atoi(wanted) : N_MUTATIONS;
    random_state = 1;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) mutate_model(texts[i], &text, n);
    for (size_t i = 0; i < sizeof(pickles) / sizeof(*pickles); i++) {
        mutate_model(pickles[i], &pickle, n);
    }
    mutate_model("classifier.skops", &skops, n);
    print_message("%d loaded, %d refused\n", n_loaded, n_refused);
    assert_true(n_loaded + n_refused >= 9 * n);
    assert_true(n_loaded > n && n_refused > n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
