/* The models of tests/data/pickle, sktree, xgboost and lightgbm, one zip for each version of the
 * library that made them (make.py there says what is in them), and the answers that
 * are expected of them. */
#ifndef MR_TESTS_SAVED_MODELS_H
#define MR_TESTS_SAVED_MODELS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/arena.h"
#include "loader/archive.h"
#include "schema/table.h"

struct saved_models {
    const char *version; /* "1.9.1" */
    struct mr_str files; /* one after the other */
    yyjson_doc *expected;
};

/* Read a zip; in the arena, but for `expected`, which is to be freed. */
static inline struct saved_models saved_models_read(const char *folder, const char *file,
                                                    struct mr_arena *arena) {
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    struct mr_archive *archive = NULL;
    struct mr_str json = {0};
    struct saved_models models = {0};
    struct mr_error err = {0};
    if (mr_archive_open(path, (struct mr_str){0}, 1 << 24, &archive, &err) != MR_OK ||
        mr_archive_read(archive, "models.bin", 0, arena, &models.files, &err) != MR_OK ||
        mr_archive_read(archive, "expected.json", 0, arena, &json, &err) != MR_OK) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        exit(2);
    }
    mr_archive_close(archive);
    models.expected = yyjson_read(json.data, json.size, YYJSON_READ_ALLOW_INF_AND_NAN);
    if (!models.expected) exit(2);
    yyjson_val *root = yyjson_doc_get_root(models.expected);
    static const char *const libraries[] = {"scikit-learn", "xgboost", "lightgbm"};
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        yyjson_val *version = yyjson_obj_get(root, libraries[i]);
        if (version) models.version = yyjson_get_str(version);
    }
    return models;
}

/* The file of one model: a value of "models". */
static inline struct mr_str saved_models_file(const struct saved_models *models,
                                              yyjson_val *model) {
    return (struct mr_str){models->files.data + yyjson_get_uint(yyjson_obj_get(model, "offset")),
                           yyjson_get_uint(yyjson_obj_get(model, "size"))};
}

typedef void visit_saved_model(const struct saved_models *models, const char *name,
                               yyjson_val *model);

/* Calls visit for each model of each version. Returns how many. */
static inline int saved_models_each(const char *path, visit_saved_model *visit) {
    int n = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".zip")) continue;
        struct mr_arena *arena = mr_arena_new(0, NULL);
        struct saved_models models = saved_models_read(path, entry->d_name, arena);
        size_t i, max;
        yyjson_val *key, *model;
        yyjson_obj_foreach(yyjson_obj_get(yyjson_doc_get_root(models.expected), "models"), i, max,
                           key, model) {
            visit(&models, yyjson_get_str(key), model);
            n++;
        }
        yyjson_doc_free(models.expected);
        mr_arena_free(arena);
    }
    if (folder) closedir(folder);
    return n;
}

/* A file in memory that has a path while the descriptor is open. */
static inline int saved_models_open(struct mr_str file, char *path, size_t size) {
    int fd = memfd_create("model", 0);
    if (fd < 0 || write(fd, file.data, file.size) != (ssize_t)file.size) exit(2);
    snprintf(path, size, "/proc/self/fd/%d", fd);
    return fd;
}

/* Answers ------------------------------------------------------------------------------------ */

enum { MAX_X = 64 };

/* X of expected.json, as float64 or float32. */
static inline struct mr_tensor read_x(yyjson_val *rows, bool is_float32, int64_t shape[2],
                                      void *values) {
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

/* tolerance: of the value, 0 for the same bits; slack: the size of what it was computed from. */
static inline bool is_value(const struct mr_tensor *got, int64_t i, yyjson_val *wanted,
                            double tolerance, double slack) {
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
    if (tolerance == 0 && value == expected) return signbit(value) == signbit(expected);
    if (!isfinite(expected)) return value == expected || (isnan(value) && isnan(expected));
    return fabs(value - expected) <= tolerance * (fabs(expected) + slack);
}

static inline void assert_answer(const char *name, const struct mr_tensor *got, yyjson_val *wanted,
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

#endif
