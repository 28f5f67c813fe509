#include "store/last_known_int.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/buf.h"
#include "store/backend.h"
#include "store/cache.h"
#include "store/client.h"
#include "store/uri.h"

/* The texts of a location that make it again. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"artifact_uri", offsetof(struct mr_location, artifact_uri)},
    {"store", offsetof(struct mr_location, store)},
    {"name", offsetof(struct mr_location, name)},
    {"version", offsetof(struct mr_location, version)},
    {"alias", offsetof(struct mr_location, alias)},
    {"run_id", offsetof(struct mr_location, run_id)},
    {"model_id", offsetof(struct mr_location, model_id)},
    {"revision", offsetof(struct mr_location, revision)},
};

static const char **text_of(struct mr_location *location, size_t i) {
    return (const char **)((char *)location + texts[i].offset);
}

/* A URI means something for the stores that are asked about it. */
static struct mr_str name_of(const char *uri, const struct mr_store_options *options,
                             struct mr_arena *arena) {
    char tracking[512], registry[512];
    struct mr_buf name;
    mr_buf_init(&name, arena);
    mr_client_show(mr_backend_tracking_uri(options->tracking_uri), tracking, sizeof(tracking));
    mr_client_show(mr_backend_registry_uri(options->registry_uri, options->tracking_uri), registry,
                   sizeof(registry));
    mr_buf_format(&name, "uri %s\n%s\n%s", uri, tracking, registry);
    return name.is_failed ? (struct mr_str){"", 0} : mr_buf_str(&name);
}

/* Only of these a store is asked. */
static bool is_asked_for(const char *uri) {
    return mr_uri_has_scheme(uri, "models") || mr_uri_has_scheme(uri, "runs");
}

void mr_last_known_keep(const struct mr_location *location, const struct mr_store_options *options,
                        struct mr_arena *arena, const char *key) {
    struct mr_location copy = *location;
    struct mr_cache cache;
    size_t size = 0;
    if (!is_asked_for(location->uri)) return;
    struct mr_str name = name_of(location->uri, options, arena);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    bool is_good = root && name.size && mr_cache_init(&cache, 0, arena, NULL) == MR_OK;
    for (size_t i = 0; is_good && i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = *text_of(&copy, i);
        if (text) is_good = yyjson_mut_obj_add_str(doc, root, texts[i].name, text);
    }
    is_good = is_good && yyjson_mut_obj_add_bool(doc, root, "can_change", location->can_change);
    if (is_good) yyjson_mut_doc_set_root(doc, root);
    char *note = is_good ? yyjson_mut_write(doc, 0, &size) : NULL;
    if (note) mr_cache_remember(&cache, name, key, (struct mr_str){note, size});
    free(note);
    yyjson_mut_doc_free(doc);
}

static bool read_note(const char *note, struct mr_arena *arena, struct mr_location *out) {
    yyjson_doc *doc = yyjson_read(note, strlen(note), 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    bool is_good = yyjson_is_obj(root);
    for (size_t i = 0; is_good && i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = yyjson_get_str(yyjson_obj_get(root, texts[i].name));
        if (!text) continue;
        *text_of(out, i) = mr_arena_strdup(arena, mr_str_from(text));
        is_good = *text_of(out, i) != NULL;
    }
    out->can_change = yyjson_is_true(yyjson_obj_get(root, "can_change"));
    yyjson_doc_free(doc);
    return is_good && out->artifact_uri && out->revision;
}

bool mr_last_known_find(const char *uri, const struct mr_store_options *options,
                        struct mr_arena *arena, struct mr_location *out) {
    char key[MR_CACHE_KEY_CHARS + 1], note[MR_CACHE_MAX_NOTE];
    struct mr_cache cache;
    struct mr_location location = {0};
    if (!is_asked_for(uri) || mr_cache_init(&cache, 0, arena, NULL) != MR_OK) return false;
    struct mr_str name = name_of(uri, options, arena);
    if (!name.size || !mr_cache_recall(&cache, name, key, note, sizeof(note))) return false;
    location.uri = mr_arena_strdup(arena, mr_str_from(uri));
    if (!location.uri || !read_note(note, arena, &location)) return false;
    *out = location;
    return true;
}
