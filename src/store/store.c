#include "store/store.h"

#include <inttypes.h>

#include "base/buf.h"
#include "store/folder.h"
#include "store/uri.h"

mr_status mr_store_resolve(const char *uri, const struct mr_store_options *options,
                           struct mr_arena *arena, struct mr_location *out, struct mr_error *err) {
    (void)options; /* a path is looked for nowhere */
    struct mr_location location = {.can_change = true};
    MR_TRY(mr_uri_local_path(uri, arena, &location.artifact_uri, err));
    location.uri = mr_arena_strdup(arena, mr_str_from(uri));
    if (!location.uri) return mr_arena_fail(arena, err);
    struct mr_buf revision;
    mr_buf_init(&revision, arena);
    mr_buf_format(&revision, "files:%016" PRIx64, mr_folder_fingerprint(location.artifact_uri));
    mr_buf_char(&revision, '\0');
    MR_TRY(mr_buf_status(&revision, err));
    location.revision = revision.data;
    *out = location;
    return MR_OK;
}

mr_status mr_store_open(struct mr_location *location, const struct mr_store_options *options,
                        struct mr_arena *arena, struct mr_error *err) {
    (void)options, (void)arena, (void)err; /* nothing to fetch */
    location->folder = location->artifact_uri;
    return MR_OK;
}

void mr_store_close(struct mr_location *location) {
    location->folder = NULL;
}
