/* The meta.yaml files of a file store: each input is all of them, and the file of an alias. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/mlrace_fuzz_XXXXXX";

static const char *const folders[] = {"1",
                                      "1/r",
                                      "1/r/metrics",
                                      "1/r/params",
                                      "1/r/artifacts",
                                      "1/models",
                                      "1/models/m-1",
                                      "models",
                                      "models/a",
                                      "models/a/version-1",
                                      "models/a/aliases"};
static const char *const files[] = {"1/r/meta.yaml", "1/models/m-1/meta.yaml",
                                    "models/a/version-1/meta.yaml", "models/a/aliases/b"};
static const char *const uris[] = {"runs:/r/model", "models:/m-1", "models:/a/1",
                                   "models:/a/latest", "models:/a@b"};
static volatile size_t sink;

static const char *inside(const char *name) {
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void remove_store(void) {
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) remove(inside(files[i]));
    for (size_t i = sizeof(folders) / sizeof(*folders); i-- > 0;) remove(inside(folders[i]));
    remove(root);
}

static bool make_store(void) {
    if (!mkdtemp(root)) return false;
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) mkdir(inside(folders[i]), 0700);
    return atexit(remove_store) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool is_made;
    if (!is_made && !make_store()) return 0;
    is_made = true;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        FILE *file = fopen(inside(files[i]), "wb");
        if (!file) return 0;
        fwrite(data, 1, size, file);
        fclose(file);
    }
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    const struct mr_store_options options = {.tracking_uri = root, .registry_uri = root};
    for (size_t i = 0; arena && i < sizeof(uris) / sizeof(*uris); i++) {
        struct mr_location location;
        if (mr_store_resolve(uris[i], &options, arena, &location, NULL) != MR_OK) continue;
        sink += strlen(location.artifact_uri) + strlen(location.revision);
    }
    mr_arena_free(arena);
    return 0;
}
