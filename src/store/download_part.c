/* One part of a file: a request, and others for the rest of it when the connection is cut. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/number.h"
#include "store/download_int.h"

#define MAX_UNLISTED_BYTES ((uint64_t)64 << 30) /* of a file that is listed without its size */
#define NEW_TRIES_BYTES ((uint64_t)1 << 20)     /* so much more, and tries are counted anew */

/* A part on its way. */
struct part {
    struct mr_download *download;
    struct mr_download_file *file;
    uint64_t start, size; /* of the part; size MR_ARTIFACT_SIZE_UNKNOWN: to the end */
    uint64_t received;    /* bytes of it that are here */
    uint64_t expected;    /* by the answer that is coming; MR_ARTIFACT_SIZE_UNKNOWN: not told */
    bool is_of_many;
};

static const char *path_of(const struct part *part) {
    return part->file->artifact->path;
}

static mr_status fail_lie(const struct part *part, const char *what, struct mr_error *err) {
    return mr_fail(err, MR_E_FORMAT, "%s/%s: %s", part->download->store->place, path_of(part),
                   what);
}

static bool read_uint(struct mr_str *text, uint64_t *out) {
    size_t n = 0;
    int64_t number;
    bool is_big = false;
    while (n < text->size && text->data[n] >= '0' && text->data[n] <= '9') n++;
    if (!n || !mr_int_parse((struct mr_str){text->data, n}, &number, &is_big) || is_big)
        return false;
    *out = (uint64_t)number;
    *text = (struct mr_str){text->data + n, text->size - n};
    return true;
}

static bool skip(struct mr_str *text, const char *what) {
    size_t n = strlen(what);
    if (text->size < n || memcmp(text->data, what, n) != 0) return false;
    *text = (struct mr_str){text->data + n, text->size - n};
    return true;
}

/* Content-Range: bytes 0-9/100 */
static bool is_range(const struct mr_client_answer *answer, uint64_t first, uint64_t n,
                     uint64_t total) {
    struct mr_str text = mr_client_header(answer, "Content-Range");
    uint64_t from, to, of;
    if (!skip(&text, "bytes ") || !read_uint(&text, &from) || !skip(&text, "-") ||
        !read_uint(&text, &to) || !skip(&text, "/")) {
        return false;
    }
    if (!skip(&text, "*") &&
        (!read_uint(&text, &of) || (total != MR_ARTIFACT_SIZE_UNKNOWN && of != total))) {
        return false;
    }
    return from == first && to >= from && (n == MR_ARTIFACT_SIZE_UNKNOWN || to - from + 1 == n);
}

/* S3: the MD5 of what was put at once, unless it is encrypted with a key of one's own. */
static bool is_md5(const struct mr_client_answer *answer, struct mr_str tag) {
    struct mr_str how = mr_client_header(answer, "x-amz-server-side-encryption");
    struct mr_str own = mr_client_header(answer, "x-amz-server-side-encryption-customer-algorithm");
    size_t n = 1;
    while (n < tag.size && strchr("0123456789abcdef", tag.data[n])) n++;
    return tag.size == 34 && n == 33 && !own.size && (!how.size || mr_str_is(how, "AES256"));
}

/* The content's tag: the one that is known must come again. */
static mr_status check_tag(struct part *part, const struct mr_client_answer *answer,
                           struct mr_error *err) {
    struct mr_download_file *file = part->file;
    struct mr_str tag = mr_client_header(answer, "ETag");
    bool is_strong = tag.size > 2 && tag.size < MR_DOWNLOAD_MAX_TAG && tag.data[0] == '"';
    const char *listed = file->artifact->etag;
    mr_status status = MR_OK;
    pthread_mutex_lock(&part->download->lock);
    if (*listed && tag.size && !mr_str_is(tag, listed)) {
        status = fail_lie(part, "it has changed since it was listed: start again", err);
    } else if (*listed || is_strong) {
        struct mr_str noted = *listed ? mr_str_from(listed) : tag;
        file->has_md5 = *listed && is_md5(answer, noted);
        status = mr_download_note_tag(part->download, file, noted, err);
    }
    pthread_mutex_unlock(&part->download->lock);
    return status;
}

static mr_status begin(void *ctx, const struct mr_client_answer *answer, struct mr_error *err) {
    struct part *part = ctx;
    uint64_t total = part->file->artifact->size_bytes;
    uint64_t left = part->size == MR_ARTIFACT_SIZE_UNKNOWN ? part->size
                                                           : part->size - part->received;
    if (answer->status == 206) {
        if (!is_range(answer, part->start + part->received, left, total)) {
            return fail_lie(part, "the answer is another range than was asked for", err);
        }
    } else if (part->is_of_many) {
        return fail_lie(part, "the store does not send the range that was asked for", err);
    } else {
        /* It is sent from the beginning: nothing of another content may stay behind its end. */
        atomic_fetch_sub(&part->download->done_bytes, part->received);
        part->received = 0;
        left = part->size;
        if (ftruncate(part->file->fd, 0) != 0) {
            return mr_fail(err, MR_E_IO, "%s: %s", path_of(part), strerror(errno));
        }
    }
    struct mr_str length = mr_client_header(answer, "Content-Length");
    part->expected = left;
    uint64_t told;
    if (length.size && read_uint(&length, &told)) {
        if (left != MR_ARTIFACT_SIZE_UNKNOWN && told != left) {
            char what[128];
            snprintf(what, sizeof(what),
                     "listed with %llu bytes, but %llu of the last %llu are sent",
                     (unsigned long long)total, (unsigned long long)told, (unsigned long long)left);
            return fail_lie(part, what, err);
        }
        part->expected = told;
    }
    return check_tag(part, answer, err);
}

static mr_status write_bytes(void *ctx, const char *data, size_t size, struct mr_error *err) {
    struct part *part = ctx;
    uint64_t max = part->size == MR_ARTIFACT_SIZE_UNKNOWN ? MAX_UNLISTED_BYTES : part->size;
    if (size > max - part->received) return fail_lie(part, "more is sent than was listed", err);
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(part->file->fd, data + done, size - done,
                           (off_t)(part->start + part->received));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            return mr_fail(err, MR_E_IO,
                           "%s: %s; what is here stays: make room (`mlrace cache prune`) and start "
                           "again",
                           part->download->folder, strerror(errno));
        }
        done += (size_t)n;
        part->received += (uint64_t)n;
        atomic_fetch_add(&part->download->done_bytes, (uint64_t)n);
    }
    return MR_OK;
}

/* The store's own headers, and of which content we want a range. */
static mr_status add_condition(const struct part *part, struct mr_client_request *request,
                               char condition[MR_DOWNLOAD_MAX_TAG + 16], const char **headers,
                               size_t max_headers, struct mr_error *err) {
    const struct mr_download_file *file = part->file;
    size_t n = 0;
    for (const char *const *own = request->headers; own && *own; own++) {
        if (n + 2 >= max_headers) return mr_fail(err, MR_E_INTERNAL, "too many headers");
        headers[n++] = *own;
    }
    pthread_mutex_lock(&part->download->lock);
    if (*file->artifact->etag) {
        snprintf(condition, MR_DOWNLOAD_MAX_TAG + 16, "If-Match: %s", file->artifact->etag);
        headers[n++] = condition;
    } else if (request->has_range && *file->tag) {
        snprintf(condition, MR_DOWNLOAD_MAX_TAG + 16, "If-Range: %s", file->tag);
        headers[n++] = condition;
    }
    pthread_mutex_unlock(&part->download->lock);
    headers[n] = NULL;
    request->headers = headers;
    return MR_OK;
}

/* Whether what is here can be gone on from: otherwise it is not known to be of the same content. */
static void drop_unknown(struct part *part) {
    if (part->is_of_many || *part->file->tag) return;
    atomic_fetch_sub(&part->download->done_bytes, part->received);
    part->received = 0;
}

static mr_status try_part(struct part *part, struct mr_client *client, struct mr_arena *arena,
                          struct mr_client_answer *answer, struct mr_error *err) {
    const struct mr_artifact_store *store = part->download->store;
    const struct mr_client_sink sink = {begin, write_bytes, part};
    struct mr_client_request request = {.sink = &sink};
    char condition[MR_DOWNLOAD_MAX_TAG + 16];
    const char *headers[8];
    MR_TRY(store->ops->locate(store, part->file->artifact, arena, &request, err));
    drop_unknown(part);
    if (part->is_of_many || part->received) {
        request.has_range = true;
        request.first_byte = part->start + part->received;
        if (part->is_of_many) request.n_bytes = part->size - part->received;
    }
    MR_TRY(add_condition(part, &request, condition, headers, 8, err));
    MR_TRY(mr_client_try(client, &request, arena, answer, err));
    bool is_whole = part->size == MR_ARTIFACT_SIZE_UNKNOWN || part->received == part->size;
    if ((answer->status == 200 || answer->status == 206) && !is_whole) {
        return mr_fail(err, MR_E_UNAVAILABLE, "%s: the answer ended early", answer->url);
    }
    return MR_OK;
}

static void init_part(struct part *part, struct mr_download *download,
                      struct mr_download_file *file, size_t number) {
    uint64_t total = file->artifact->size_bytes;
    *part = (struct part){.download = download, .file = file, .size = total};
    if (file->n_parts == 1) {
        part->received = file->here_bytes;
        return;
    }
    part->is_of_many = true;
    part->start = number * MR_DOWNLOAD_PART_BYTES;
    part->size = total - part->start;
    if (part->size > MR_DOWNLOAD_PART_BYTES) part->size = MR_DOWNLOAD_PART_BYTES;
}

mr_status mr_download_fetch(struct mr_download *download, struct mr_download_file *file,
                            size_t number, struct mr_client *client, struct mr_arena *arena,
                            struct mr_error *err) {
    struct part part;
    struct mr_client_answer answer = {0};
    struct mr_error fault = {0};
    init_part(&part, download, file, number);
    uint64_t counted = part.received;
    for (unsigned n_tries = 0;;) {
        mr_status status = try_part(&part, client, arena, &answer, &fault);
        bool is_good = status == MR_OK && (answer.status == 200 || answer.status == 206);
        if (is_good) break;
        if (part.received >= counted + NEW_TRIES_BYTES) {
            n_tries = 0;
            counted = part.received;
        }
        if (mr_client_wait(client, &n_tries, status, &answer,
                           status == MR_OK ? NULL : fault.message)) {
            mr_arena_reset(arena);
            continue;
        }
        if (status != MR_OK) return mr_fail(err, status, "%s", fault.message);
        if (answer.status == 412) {
            return fail_lie(&part, "it has changed since it was listed: start again", err);
        }
        return download->store->ops->fail(download->store, client, &answer, err);
    }
    pthread_mutex_lock(&download->lock);
    mr_status status = mr_download_note_part(download, file, number, err);
    pthread_mutex_unlock(&download->lock);
    return status;
}
