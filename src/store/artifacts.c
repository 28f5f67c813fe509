#include "store/artifacts.h"

#include <sha2.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/cancel_int.h"
#include "store/download.h"
#include "store/python_store_int.h"
#include "store/uri.h"

#define MAX_MLMODEL_BYTES ((size_t)16 << 20)
#define MAX_LIST_ARENA_BYTES ((size_t)512 << 20)

/* One URI being opened. */
struct opening {
    const struct mr_artifacts_source *source;
    const struct mr_store_options *options;
    struct mr_cache cache;
    struct mr_artifact_store store;
    struct mr_artifact_list list;
    struct mr_arena *scratch; /* for what is not needed when the files are here */
    struct mr_arena *arena;   /* the caller's */
    char key[MR_CACHE_KEY_CHARS + 1];
};

static bool is_python(const char *uri) {
    static const char *const own[] = {"mlflow-artifacts", "http", "https", "s3"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (mr_uri_has_scheme(uri, own[i])) return false;
    }
    return true;
}

static mr_status open_store(struct opening *opening, struct mr_error *err) {
    const struct mr_artifacts_source *source = opening->source;
    struct mr_artifact_store *store = &opening->store;
    if (mr_uri_has_scheme(source->artifact_uri, "s3")) {
        return mr_s3_open(source->artifact_uri, mr_store_is_cancelled, (void *)opening->options,
                          opening->scratch, store, err);
    }
    MR_TRY(mr_proxy_open(source->artifact_uri, source->tracking_uri, opening->scratch, store, err));
    store->client.is_cancelled = mr_store_is_cancelled;
    store->client.ctx = (void *)opening->options;
    return MR_OK;
}

/* --- what is there ---------------------------------------------------------------------------- */

static mr_status put_mlmodel(struct opening *opening, struct mr_client *client,
                             struct mr_buf *identity, struct mr_error *err) {
    const struct mr_artifact_store *store = &opening->store;
    const struct mr_artifact *file = mr_artifact_list_find(&opening->list, "MLmodel");
    if (!file) {
        return mr_fail(err, MR_E_NOT_FOUND,
                       "%s holds %zu files but no MLmodel: it is no model saved by MLflow",
                       store->place, opening->list.n);
    }
    if (*file->etag) return MR_OK;
    struct mr_client_request request = {.max_bytes = MAX_MLMODEL_BYTES};
    struct mr_client_answer answer;
    MR_TRY(store->ops->locate(store, file, opening->scratch, &request, err));
    MR_TRY(mr_client_send(client, &request, opening->scratch, &answer, err));
    if (answer.status != 200) return store->ops->fail(store, client, &answer, err);
    char digest[SHA256_DIGEST_STRING_LENGTH];
    SHA256Data((const uint8_t *)answer.body.data, answer.body.size, digest);
    mr_buf_format(identity, "MLmodel %s\n", digest);
    return mr_buf_status(identity, err);
}

/* Names the content that is listed. */
static mr_status name_content(struct opening *opening, struct mr_client *client,
                              struct mr_error *err) {
    struct mr_buf identity;
    mr_buf_init(&identity, opening->scratch);
    mr_buf_format(&identity, "1\n%s\n", opening->store.place);
    for (size_t i = 0; i < opening->list.n; i++) {
        const struct mr_artifact *item = &opening->list.items[i];
        mr_buf_format(&identity, "%s\n%llu %s\n", item->path, (unsigned long long)item->size_bytes,
                      item->etag);
    }
    MR_TRY(mr_buf_status(&identity, err));
    MR_TRY(put_mlmodel(opening, client, &identity, err));
    mr_cache_key(mr_buf_str(&identity), opening->key);
    return MR_OK;
}

static mr_status list_with(struct opening *opening, struct mr_client *client,
                           struct mr_error *err) {
    mr_artifact_list_init(&opening->list, opening->scratch);
    MR_TRY(opening->store.ops->list(&opening->store, client, &opening->list, err));
    if (!opening->list.n) {
        return mr_fail(err, MR_E_NOT_FOUND, "%s: there are no files", opening->store.place);
    }
    return name_content(opening, client, err);
}

static mr_status list_files(struct opening *opening, struct mr_error *err) {
    struct mr_client *client;
    MR_TRY(mr_client_new(&opening->store.client, &client, err));
    mr_status status = list_with(opening, client, err);
    mr_client_free(client);
    return status;
}

/* --- having it here --------------------------------------------------------------------------- */

/* The name by which what a place had the last time is found again. */
static struct mr_str place_name(struct opening *opening) {
    struct mr_buf name;
    mr_buf_init(&name, opening->scratch);
    mr_buf_format(&name, "place %s", opening->store.place);
    return name.is_failed ? (struct mr_str){"", 0} : mr_buf_str(&name);
}

/* Take an entry by a name that is known; false: there is none, and nothing is held. */
static bool take_known(struct opening *opening, struct mr_str name, struct mr_cache_entry *out) {
    char key[MR_CACHE_KEY_CHARS + 1];
    if (!name.size || !mr_cache_recall(&opening->cache, name, key, NULL, 0)) return false;
    if (mr_cache_take(&opening->cache, key, opening->arena, out, NULL) != MR_OK) return false;
    if (out->is_complete) return true;
    mr_cache_release(out);
    return false;
}

static void say_what_came(const struct opening *opening, const struct mr_cache_about *about,
                          uint64_t start_ns) {
    double seconds = (double)(mr_clock_ns() - start_ns) * 1e-9;
    mr_log_info("%s: %llu files, %.1f MB in %.1f s, kept in %s", about->uri,
                (unsigned long long)about->n_files, (double)about->bytes / 1e6, seconds,
                opening->cache.folder);
}

/* Fill an entry that is ours alone. */
static mr_status fill(struct opening *opening, struct mr_cache_entry *entry, struct mr_error *err) {
    const struct mr_store_options *options = opening->options;
    const struct mr_download_options download = {.has_progress = options->has_progress,
                                                 .is_cancelled = mr_store_is_cancelled,
                                                 .ctx = (void *)options};
    char uri[512];
    const struct mr_cache_about about = {
        .uri = mr_client_show(opening->source->uri, uri, sizeof(uri)),
        .source = opening->store.place,
        .bytes = opening->list.total_bytes,
        .n_files = opening->list.n};
    uint64_t start_ns = mr_clock_ns();
    MR_TRY(mr_cache_make_room(&opening->cache, about.bytes, entry->key, err));
    MR_TRY(mr_download(&opening->store, &opening->list, entry->folder, &download, err));
    MR_TRY(mr_cache_commit(entry, &about, err));
    say_what_came(opening, &about, start_ns);
    return MR_OK;
}

static mr_status open_listed(struct opening *opening, struct mr_cache_entry *out,
                             struct mr_error *err) {
    struct mr_error fault = {0};
    MR_TRY(open_store(opening, err));
    struct mr_str name = opening->options->uses_last_known ? place_name(opening)
                                                           : (struct mr_str){"", 0};
    char key[MR_CACHE_KEY_CHARS + 1];
    if (name.size && mr_cache_recall(&opening->cache, name, key, NULL, 0)) {
        mr_client_options_hurry(&opening->store.client);
    }
    mr_status status = list_files(opening, &fault);
    if (status == MR_E_UNAVAILABLE && take_known(opening, name, out)) {
        mr_log_error("%s; what was there the last time is used, from the cache", fault.message);
        return MR_OK;
    }
    if (status != MR_OK) return mr_fail(err, status, "%s", fault.message);
    MR_TRY(mr_cache_take(&opening->cache, opening->key, opening->arena, out, err));
    status = out->is_complete ? MR_OK : fill(opening, out, err);
    if (status != MR_OK) {
        mr_cache_release(out);
        return status;
    }
    mr_cache_remember(&opening->cache, place_name(opening), opening->key, (struct mr_str){NULL, 0});
    return MR_OK;
}

static mr_status open_any(struct opening *opening, struct mr_cache_entry *out,
                          struct mr_error *err) {
    const struct mr_store_options *options = opening->options;
    MR_TRY(mr_cache_init(&opening->cache, options->max_cache_bytes, opening->arena, err));
    opening->cache.is_cancelled = mr_store_is_cancelled;
    opening->cache.ctx = (void *)options;
    struct mr_str identity = mr_str_from(opening->source->identity);
    if (take_known(opening, identity, out)) return MR_OK;
    mr_status status = is_python(opening->source->artifact_uri)
                           ? mr_python_store_open(opening->source, &opening->cache, opening->arena,
                                                  out, err)
                           : open_listed(opening, out, err);
    if (status == MR_OK && identity.size) {
        mr_cache_remember(&opening->cache, identity, out->key, (struct mr_str){NULL, 0});
    }
    return status;
}

static mr_status init(struct opening *opening, const struct mr_artifacts_source *source,
                      const struct mr_store_options *options, struct mr_arena *arena,
                      struct mr_error *err) {
    *opening = (struct opening){.source = source,
                                .options = options,
                                .arena = arena,
                                .scratch = mr_arena_new(MAX_LIST_ARENA_BYTES, NULL)};
    return opening->scratch ? MR_OK : mr_fail(err, MR_E_NO_MEMORY, "out of memory");
}

mr_status mr_artifacts_open(const struct mr_artifacts_source *source,
                            const struct mr_store_options *options, struct mr_arena *arena,
                            struct mr_cache_entry *out, struct mr_error *err) {
    struct opening opening;
    out->lock = -1;
    MR_TRY(init(&opening, source, options, arena, err));
    mr_status status = open_any(&opening, out, err);
    mr_arena_free(opening.scratch);
    return status == MR_OK ? MR_OK : mr_store_fail(source->uri, status, err);
}
