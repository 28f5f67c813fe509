/* Thousands of damaged model files: each is refused or gives a model that answers; none crashes.
 * Under AddressSanitizer this is the proof that a builder checks whatever it indexes later.
 *
 * Bytes of the archive itself are changed, and, because its checksums catch nearly all of those,
 * bytes of its entries before they are packed again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "loader/archive.h"
#include "mutate.h"
#include "zip_file.h"

#define N_MUTATIONS 300 /* of each kind and model */

/* What means something in JSON or in a .npy header. */
static const char special[] = "\"{}[]:,0123456789-<>fiUnul(' ";

static const char *const models[] = {
    "logistic-text", "ridge-labels", "ridge-outputs-float32", "poisson", "sgd-huber-float",
    "one-class",     "old-binary",
};

static mr_status load_bytes(struct mr_str bytes, struct mr_engine *engine) {
    int fd = memfd_create("model", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.data, bytes.size), bytes.size);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = "/proc/self",
        .data_path = path,
        .serialization_format = mr_str_from("skops"),
        .predict_fn = mr_str_from("predict"),
    };
    struct mr_error err = {0};
    mr_status status = mr_engine_choose(&source, engine, &err);
    assert_true(status == MR_OK || err.message[0]);
    close(fd);
    return status;
}

/* Predicts 1 and 3 rows of 4 features; a model that wants another number refuses them. */
static void predict_some(const struct mr_engine *engine, struct mr_arena *arena) {
    double values[12] = {0.5, -1, 2, 1e300, 3, 4, 5, -1e300, 0, 0, 0, 0};
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
        mr_status status = mr_engine_predict(engine, &input, arena, &output, &err);
        assert_true(status == MR_OK || status == MR_E_BAD_REQUEST);
        if (status == MR_OK) assert_int_equal(output.tensor.shape[0], n_rows);
    }
}

static int n_loaded, n_refused;

static void try_bytes(struct mr_str bytes, struct mr_arena *arena) {
    struct mr_engine engine = {0};
    if (load_bytes(bytes, &engine) != MR_OK) {
        n_refused++;
        return;
    }
    n_loaded++;
    predict_some(&engine, arena);
    mr_engine_unload(&engine);
}

/* The entries that a linear model's file may have, as far as it has them. */
static size_t read_entries(struct mr_str file, struct mr_arena *arena, struct zip_entry *entries,
                           size_t capacity) {
    struct mr_archive *archive = NULL;
    struct mr_str schema;
    assert_int_equal(mr_archive_open(NULL, file, 1 << 24, &archive, NULL), MR_OK);
    assert_int_equal(mr_archive_read(archive, "schema.json", 1, arena, &schema, NULL), MR_OK);
    size_t n = 1;
    entries[0] = (struct zip_entry){"schema.json", schema};
    for (const char *at = schema.data; (at = strstr(at, "\"file\": \"")) && n < capacity;) {
        at += 9;
        size_t size = strcspn(at, "\"");
        char *name = mr_arena_strdup(arena, (struct mr_str){at, size});
        struct mr_str data;
        bool is_known = false;
        for (size_t i = 0; i < n; i++) is_known |= strcmp(entries[i].name, name) == 0;
        if (is_known) continue;
        assert_int_equal(mr_archive_read(archive, name, 0, arena, &data, NULL), MR_OK);
        entries[n++] = (struct zip_entry){name, data};
    }
    mr_archive_close(archive);
    return n;
}

static struct mr_str read_model(const char *name, struct mr_arena *arena) {
    char path[256];
    snprintf(path, sizeof(path), "tests/data/linear/%s/model/model.skops", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *data = mr_arena_alloc(arena, 1 << 20);
    size_t size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return (struct mr_str){data, size};
}

static void mutate_model(const char *name) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_arena *scratch = mr_arena_new(0, NULL);
    struct mr_str file = read_model(name, arena);
    try_bytes(file, scratch);
    assert_int_equal(n_loaded, 1);
    struct zip_entry entries[16];
    size_t n = read_entries(file, arena, entries, 16);
    for (int i = 0; i < N_MUTATIONS; i++) {
        mr_arena_reset(scratch);
        char *copy = mr_arena_alloc(scratch, file.size);
        memcpy(copy, file.data, file.size);
        try_bytes((struct mr_str){copy, mutate(copy, file.size, special)}, scratch);

        struct zip_entry *entry = &entries[random_below(2) ? 0 : random_below((uint32_t)n)];
        struct mr_str whole = entry->data;
        copy = mr_arena_alloc(scratch, whole.size);
        memcpy(copy, whole.data, whole.size);
        entry->data = (struct mr_str){copy, mutate(copy, whole.size, special)};
        struct zip_writer zip = zip_write(entries, n);
        try_bytes((struct mr_str){zip.data, zip.size}, scratch);
        free(zip.data);
        entry->data = whole;
    }
    mr_arena_free(scratch);
    mr_arena_free(arena);
}

static void test_mutations(void **state) {
    (void)state;
    random_state = 1;
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        n_loaded = n_refused = 0;
        mutate_model(models[i]);
        print_message("%s: %d loaded, %d refused\n", models[i], n_loaded, n_refused);
        assert_true(n_loaded > 1 && n_refused > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
