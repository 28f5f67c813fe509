/* skops files: what begins with "PK" is an archive; everything else is the schema.json of one that
 * also holds a few arrays, so that the fuzzer need not find checksums. What loads as a linear model
 * is asked for a prediction. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../tests/unit/zip_file.h"
#include "engine/engine.h"
#include "loader/skops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NPY(descr, shape)                                                                          \
    "\x93NUMPY\1\0\x40\0{'descr': '" descr "', 'fortran_order': False, 'shape': " shape "}\n"

#define FOUR_DOUBLES "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0\x3f"

/* Coefficients of a classifier and of a regressor with 4 features; intercept; classes. */
static const char coef[] = NPY("<f8", "(1, 4),     ") FOUR_DOUBLES;
static const char vector[] = NPY("<f8", "(4,),       ") FOUR_DOUBLES;
static const char intercept[] = NPY("<f8", "(1,),       ") "\0\0\0\0\0\0\xf0\xbf";
static const char classes[] = NPY("|b1", "(2,),       ") "\0\1";

static void predict(const char *path, const char *method) {
    const struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.sklearn"),
        .path = "/proc/self",
        .data_path = path,
        .serialization_format = mr_str_from("skops"),
        .predict_fn = mr_str_from(method),
    };
    struct mr_engine engine = {0};
    if (mr_engine_choose(&source, &engine, NULL) != MR_OK) return;
    static const double values[] = {0.5, -1, 2, 1e300, 3, 4, 5, -1e300};
    const int64_t shape[] = {2, 4};
    struct mr_tensor x = {
        .dtype = MR_FLOAT64, .n_dims = 2, .shape = shape, .n_values = 8, .values = values};
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
    struct mr_output output;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    if (arena) {
        mr_status status = mr_engine_predict(&engine, &input, arena, &output, NULL);
        (void)status;
    }
    mr_arena_free(arena);
    mr_engine_unload(&engine);
}

static void load(struct mr_str file) {
    struct mr_arena *arena = mr_arena_new((size_t)256 << 20, NULL);
    struct mr_skops skops;
    bool is_loaded = arena && mr_skops_parse(file, NULL, arena, &skops, NULL) == MR_OK;
    mr_arena_free(arena);
    if (!is_loaded) return;
    int fd = memfd_create("model", 0);
    if (fd < 0) return;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (write(fd, file.data, file.size) == (ssize_t)file.size) {
        predict(path, "predict");
        predict(path, "predict_proba");
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_str input = {(const char *)data, size};
    if (size >= 2 && memcmp(data, "PK", 2) == 0) {
        load(input);
        return 0;
    }
    const struct zip_entry entries[] = {
        {"coef.npy", {coef, sizeof(coef) - 1}},
        {"vector.npy", {vector, sizeof(vector) - 1}},
        {"intercept.npy", {intercept, sizeof(intercept) - 1}},
        {"classes.npy", {classes, sizeof(classes) - 1}},
        {"schema.json", input},
    };
    struct zip_writer zip = zip_write(entries, sizeof(entries) / sizeof(*entries));
    load((struct mr_str){zip.data, zip.size});
    free(zip.data);
    return 0;
}
