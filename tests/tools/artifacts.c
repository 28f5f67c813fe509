/* Brings the files at an artifact URI here, as the program does:
 *
 *     tool_artifacts open URI [TRACKING-URI [IDENTITY]]   prints the folder, waits for a line
 *     tool_artifacts revision URI [TRACKING-URI]
 *
 * MLRACE_TEST_PYTHON and MLRACE_TEST_PYTHON_PATH: for stores that need MLflow. An empty argument is
 * none. Exit code 1 with the error on standard error. */
#include <stdio.h>
#include <stdlib.h>

#include "store/artifacts.h"

static const char *argument(int argc, char **argv, int i) {
    return i < argc && *argv[i] ? argv[i] : NULL;
}

static mr_status run(int argc, char **argv, struct mr_arena *arena, struct mr_error *err) {
    const struct mr_artifacts_source source = {.uri = argv[2],
                                               .artifact_uri = argv[2],
                                               .tracking_uri = argument(argc, argv, 3),
                                               .identity = argument(argc, argv, 4)};
    const struct mr_artifacts_options options = {.python = getenv("MLRACE_TEST_PYTHON"),
                                                 .python_path = getenv("MLRACE_TEST_PYTHON_PATH"),
                                                 .has_progress = true};
    if (strcmp(argv[1], "revision") == 0) {
        const char *revision;
        MR_TRY(mr_artifacts_revision(&source, &options, arena, &revision, err));
        puts(revision);
        return MR_OK;
    }
    struct mr_cache_entry entry;
    MR_TRY(mr_artifacts_open(&source, &options, arena, &entry, err));
    puts(entry.files);
    fflush(stdout);
    getchar();
    mr_cache_release(&entry);
    return MR_OK;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    struct mr_error err = {0};
    struct mr_arena *arena = mr_arena_new(0, NULL);
    mr_status status = arena ? run(argc, argv, arena, &err) : MR_E_NO_MEMORY;
    if (status != MR_OK) fprintf(stderr, "%s\n", err.message);
    mr_arena_free(arena);
    return status == MR_OK ? 0 : 1;
}
