/* Answers of tracking servers. */
#include "store/rest_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void touch(const char *text) {
    sink += text ? strlen(text) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)16 << 20, NULL);
    struct mr_str body = {(const char *)data, size};
    struct mr_run run;
    struct mr_logged_model model;
    struct mr_version version;
    const char *text = NULL;
    int64_t number;
    if (!arena) return 0;
    if (mr_rest_read_run(body, arena, &run, NULL) == MR_OK) {
        touch(run.experiment_id);
        touch(run.artifact_uri);
    }
    if (mr_rest_read_model(body, arena, &model, NULL) == MR_OK) touch(model.artifact_uri);
    if (mr_rest_read_models(body, "run", arena, &model, &text, NULL) == MR_OK) touch(text);
    if (mr_rest_read_version(body, arena, &version, NULL) == MR_OK) touch(version.source);
    if (mr_rest_read_download_uri(body, arena, &text, NULL) == MR_OK) touch(text);
    if (mr_rest_read_latest(body, &number, NULL) == MR_OK && number < 0) __builtin_trap();
    sink += mr_rest_is_error(body, "RESOURCE_DOES_NOT_EXIST");
    mr_arena_free(arena);
    return 0;
}
