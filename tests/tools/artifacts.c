/* Brings the files at an artifact URI here, as the program does:
 *
 *     tool_artifacts URI TRACKING-URI [IDENTITY]
 *
 * Prints the folder and uses it until a line is read. Exit code 1 with the error on standard
 * error. */
#include <stdio.h>

#include "store/artifacts.h"

static mr_status run(int argc, char **argv, struct mr_arena *arena, struct mr_error *err) {
    const struct mr_artifacts_source source = {.uri = argv[1],
                                               .artifact_uri = argv[1],
                                               .tracking_uri = argv[2],
                                               .identity = argc > 3 ? argv[3] : NULL};
    const struct mr_store_options options = {.has_progress = true, .uses_last_known = true};
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
