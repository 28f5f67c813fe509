/* Thousands of damaged models of LightGBM: each is refused or gives a model that answers; none
 * crashes. Under AddressSanitizer this is the proof that whatever is indexed later was checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "loader/file.h"
#include "mutate.h"

#define FOLDER "fuzz/seeds/lightgbm/"
#define N_MUTATIONS 1500 /* of each model */

/* What means something in the text. */
static const char special[] = "0123456789-.e+ =\n\ninfa";

static const char *const models[] = {
    "average.txt", "binary.txt", "categories.txt", "classes.txt",
    "leaf.txt",    "linear.txt", "classifier.pkl", "regressor.pkl",
};

static int n_loaded, n_refused;

static void predict_some(const struct mr_engine *engine) {
    const double values[] = {0.5, -1, 2, 1e300, 3, NAN, 1e-40, -1e300, 0, INFINITY, 33, -0.5};
    struct mr_arena *arena = mr_arena_new(0, NULL);
    for (int64_t n_rows = 1; n_rows <= 3; n_rows += 2) {
        const int64_t shape[] = {n_rows, 4};
        struct mr_tensor x = {.dtype = MR_FLOAT64,
                              .n_dims = 2,
                              .shape = shape,
                              .n_values = n_rows * 4,
                              .values = values};
        struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
        struct mr_output output;
        mr_status status = mr_engine_predict(engine, &input, arena, &output, NULL);
        assert_true(status == MR_OK || status == MR_E_BAD_REQUEST);
        if (status == MR_OK) assert_int_equal(output.tensor.shape[0], n_rows);
    }
    mr_arena_free(arena);
}

static void try_file(struct mr_str file, bool is_pickle) {
    char path[64];
    int fd = memfd_create("model", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file.data, file.size), file.size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.lightgbm"),
        .path = "/proc/self",
        .data_path = path,
        .serialization_format = mr_str_from("pickle"),
        .model_class = mr_str_from(is_pickle ? "lightgbm.sklearn.LGBMClassifier" : ""),
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

/* Sizes of trees that no longer fit would end the reading of most changed texts. */
static void drop_sizes(char *text) {
    char *sizes = strstr(text, "tree_sizes=");
    if (sizes) memcpy(sizes, "other", 5);
}

static void mutate_model(const char *name) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    char path[256];
    struct mr_str file;
    snprintf(path, sizeof(path), FOLDER "%s", name);
    assert_int_equal(mr_file_load(path, arena, &file, NULL), MR_OK);
    bool is_pickle = strstr(name, ".pkl") != NULL;
    for (int i = 0; i < N_MUTATIONS; i++) {
        char *copy = malloc(file.size + 1);
        assert_non_null(copy);
        memcpy(copy, file.data, file.size + 1);
        if (!is_pickle && i % 8) drop_sizes(copy);
        size_t size = mutate(copy, file.size, special);
        try_file((struct mr_str){copy, size}, is_pickle);
        free(copy);
    }
    mr_arena_free(arena);
}

static void test_mutations(void **state) {
    (void)state;
    random_state = 1;
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) mutate_model(models[i]);
    print_message("%d loaded, %d refused\n", n_loaded, n_refused);
    assert_true(n_loaded + n_refused >= 10000);
    assert_true(n_loaded > 1000 && n_refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
