/* Asks a model, whose file may hold anything, for predictions. */
#ifndef MR_FUZZ_PREDICT_H
#define MR_FUZZ_PREDICT_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"

static void predict(const struct mr_model_source *source) {
    struct mr_engine engine = {0};
    if (mr_engine_choose(source, &engine, NULL) != MR_OK) return;
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

/* source: all but the file's path. */
static void predict_file(struct mr_str file, const struct mr_model_source *source) {
    int fd = memfd_create("model", 0);
    if (fd < 0) return;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct mr_model_source stored = *source;
    stored.data_path = path;
    if (write(fd, file.data, file.size) == (ssize_t)file.size) predict(&stored);
    close(fd);
}

/* Of scikit-learn. format: MLflow's serialization_format. */
static inline void predict_with(struct mr_str file, const char *format) {
    static const char *const methods[] = {"predict", "predict_proba"};
    for (size_t i = 0; i < 2; i++) {
        const struct mr_model_source source = {
            .flavor = mr_str_from("mlflow.sklearn"),
            .path = "/proc/self",
            .serialization_format = mr_str_from(format),
            .predict_fn = mr_str_from(methods[i]),
        };
        predict_file(file, &source);
    }
}

#endif
