/* The pickled models of tests/data/pickle, one zip for each version of scikit-learn (make.py there
 * says what is in them). */
#ifndef MR_TESTS_PICKLE_MODELS_H
#define MR_TESTS_PICKLE_MODELS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/arena.h"
#include "loader/archive.h"

#define PICKLE_FOLDER "tests/data/pickle"

struct pickle_models {
    const char *version; /* "1.9.1" */
    struct mr_str pickles;
    yyjson_doc *expected;
};

/* Read the zip of that name; in the arena, but for `expected`, which is to be freed. */
static inline struct pickle_models pickle_models_read(const char *file, struct mr_arena *arena) {
    char path[300];
    snprintf(path, sizeof(path), PICKLE_FOLDER "/%s", file);
    struct mr_archive *archive = NULL;
    struct mr_str json = {0};
    struct pickle_models models = {0};
    struct mr_error err = {0};
    if (mr_archive_open(path, (struct mr_str){0}, 1 << 24, &archive, &err) != MR_OK ||
        mr_archive_read(archive, "models.bin", 0, arena, &models.pickles, &err) != MR_OK ||
        mr_archive_read(archive, "expected.json", 0, arena, &json, &err) != MR_OK) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        exit(2);
    }
    mr_archive_close(archive);
    models.expected = yyjson_read(json.data, json.size, YYJSON_READ_ALLOW_INF_AND_NAN);
    if (!models.expected) exit(2);
    models.version = yyjson_get_str(
        yyjson_obj_get(yyjson_doc_get_root(models.expected), "scikit-learn"));
    return models;
}

/* The file of one model: a value of "models". */
static inline struct mr_str pickle_models_file(const struct pickle_models *models,
                                               yyjson_val *model) {
    return (struct mr_str){models->pickles.data + yyjson_get_uint(yyjson_obj_get(model, "offset")),
                           yyjson_get_uint(yyjson_obj_get(model, "size"))};
}

/* Calls visit for each model of each version. Returns how many. */
static inline int pickle_models_each(void (*visit)(const struct pickle_models *models,
                                                   const char *name, yyjson_val *model)) {
    int n = 0;
    DIR *folder = opendir(PICKLE_FOLDER);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".zip")) continue;
        struct mr_arena *arena = mr_arena_new(0, NULL);
        struct pickle_models models = pickle_models_read(entry->d_name, arena);
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
static inline int pickle_models_open(struct mr_str file, char *path, size_t size) {
    int fd = memfd_create("model", 0);
    if (fd < 0 || write(fd, file.data, file.size) != (ssize_t)file.size) exit(2);
    snprintf(path, size, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
