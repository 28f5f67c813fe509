#include "loader/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"

/* Reads of less than this go through the buffer. */
#define BUFFER_BYTES ((size_t)65536)

/* What deflate makes at most of a byte: zlib's technical details give 1032 as its limit. */
#define MAX_EXPANSION 1032

struct mr_stream {
    int fd;                              /* -1: memory */
    struct mr_str memory;                /* what is left of it */
    const char *path;                    /* for messages */
    uint64_t stored_bytes, n_left_bytes; /* of the file as it is stored: all, and not yet read */
    uint64_t offset, max_offset;
    bool is_packed;
    bool is_ended; /* the compressed data was complete */
    z_stream z;
    size_t at, n; /* buffer[at .. n] was read and not yet handed out */
    char buffer[BUFFER_BYTES];
    char packed[BUFFER_BYTES];
};

/* Stored bytes ------------------------------------------------------------------------------ */

/* Up to n stored bytes; 0 at the end. */
static mr_status read_stored(struct mr_stream *s, void *out, size_t n, size_t *n_read,
                             struct mr_error *err) {
    if (n > s->n_left_bytes) n = (size_t)s->n_left_bytes;
    ssize_t got = (ssize_t)n;
    if (s->fd >= 0) {
        got = mr_file_read_piece(s->fd, out, n);
        if (got < 0) return mr_fail(err, MR_E_IO, "cannot read %s: %s", s->path, strerror(errno));
    } else if (n) {
        memcpy(out, s->memory.data, n);
        s->memory.data += n;
    }
    if (got == 0) s->n_left_bytes = 0; /* the file was cut while it was read */
    s->n_left_bytes -= (uint64_t)got;
    *n_read = (size_t)got;
    return MR_OK;
}

/* Unpacked bytes ---------------------------------------------------------------------------- */

static mr_status read_packed(struct mr_stream *s, void *out, size_t n, size_t *n_read,
                             struct mr_error *err) {
    s->z.next_out = out;
    s->z.avail_out = n < UINT32_MAX ? (uInt)n : UINT32_MAX;
    const uInt n_wanted = s->z.avail_out;
    while (s->z.avail_out == n_wanted && !s->is_ended) {
        if (s->z.avail_in == 0) {
            size_t n_packed = 0;
            MR_TRY(read_stored(s, s->packed, BUFFER_BYTES, &n_packed, err));
            if (n_packed == 0) break;
            s->z.next_in = (unsigned char *)s->packed;
            s->z.avail_in = (uInt)n_packed;
        }
        int status = inflate(&s->z, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
        if (status != Z_OK && status != Z_STREAM_END) {
            return mr_fail(err, MR_E_FORMAT, "the compressed data is damaged: %s",
                           s->z.msg ? s->z.msg : "it asks for a dictionary");
        }
        s->is_ended = status == Z_STREAM_END;
    }
    *n_read = n_wanted - s->z.avail_out;
    return MR_OK;
}

static mr_status read_some(struct mr_stream *s, void *out, size_t n, size_t *n_read,
                           struct mr_error *err) {
    return s->is_packed ? read_packed(s, out, n, n_read, err) : read_stored(s, out, n, n_read, err);
}

mr_status mr_stream_read(struct mr_stream *s, void *out, size_t n, struct mr_error *err) {
    char *to = out;
    for (size_t left = n; left > 0;) {
        size_t got = s->n - s->at;
        if (got == 0 && left < BUFFER_BYTES) {
            s->at = s->n = 0;
            MR_TRY(read_some(s, s->buffer, BUFFER_BYTES, &s->n, err));
            got = s->n;
        }
        if (s->n > s->at) {
            if (got > left) got = left;
            memcpy(to, s->buffer + s->at, got);
            s->at += got;
        } else if (left >= BUFFER_BYTES) {
            MR_TRY(read_some(s, to, left, &got, err));
        }
        if (got == 0) {
            return mr_fail(err, MR_E_FORMAT, "the file ends at byte %llu",
                           (unsigned long long)(s->offset + (n - left)));
        }
        to += got;
        left -= got;
    }
    s->offset += n;
    return MR_OK;
}

uint64_t mr_stream_offset(const struct mr_stream *s) {
    return s->offset;
}

uint64_t mr_stream_max_left(const struct mr_stream *s) {
    return s->offset < s->max_offset ? s->max_offset - s->offset : 0;
}

uint64_t mr_stream_stored_bytes(const struct mr_stream *s) {
    return s->stored_bytes;
}

mr_status mr_stream_check_end(struct mr_stream *s, struct mr_error *err) {
    char byte;
    size_t n;
    if (!s->is_packed || s->at < s->n) return MR_OK;
    MR_TRY(read_packed(s, &byte, 1, &n, err));
    if (n > 0 || s->is_ended) return MR_OK;
    return mr_fail(err, MR_E_FORMAT, "the compressed data is cut short");
}

/* Opening ----------------------------------------------------------------------------------- */

/* _COMPRESSORS of joblib/numpy_pickle_utils.py: no pickle begins with any of these. */
static const struct {
    const char *prefix;
    const char *name; /* NULL: zlib reads it */
} compressions[] = {
    {"\x78", NULL},
    {"\x1f\x8b", NULL},
    {"BZ", "bz2"},
    {"\xfd\x37zXZ", "xz"},
    {"\x5d\x00", "lzma"},
    {"\x04\x22\x4d\x18", "lz4"},
    {"ZF", "joblib's of old"},
};

/* Looks at the first bytes, which stay in the buffer. */
static mr_status find_compression(struct mr_stream *s, struct mr_error *err) {
    MR_TRY(read_stored(s, s->packed, BUFFER_BYTES, &s->n, err));
    for (size_t i = 0; i < sizeof(compressions) / sizeof(*compressions); i++) {
        const char *prefix = compressions[i].prefix;
        size_t size = strlen(prefix) + (prefix[0] == '\x5d'); /* that one ends with its NUL */
        if (s->n < size || memcmp(s->packed, prefix, size) != 0) continue;
        if (compressions[i].name) {
            return mr_fail(err, MR_E_UNSUPPORTED,
                           "the file is compressed (%s), which only Python reads; zlib and gzip "
                           "are read here",
                           compressions[i].name);
        }
        s->is_packed = true;
        s->z.next_in = (unsigned char *)s->packed;
        s->z.avail_in = (uInt)s->n;
        s->n = 0;
        s->max_offset *= MAX_EXPANSION;
        if (inflateInit2(&s->z, 15 + 32) == Z_OK) return MR_OK; /* either header, full window */
        s->is_packed = false;
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    memcpy(s->buffer, s->packed, s->n);
    return MR_OK;
}

static mr_status open_file(struct mr_stream *s, struct mr_error *err) {
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (s->fd < 0 || fstat(s->fd, &info) != 0) {
        return mr_fail(err, MR_E_IO, "cannot open %.400s: %s", s->path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) return mr_fail(err, MR_E_IO, "%.400s is no file", s->path);
    s->n_left_bytes = (uint64_t)info.st_size;
    return MR_OK;
}

mr_status mr_stream_open(const char *path, struct mr_str memory, struct mr_stream **out,
                         struct mr_error *err) {
    struct mr_stream *s = malloc(sizeof(*s));
    if (!s) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    memset(s, 0, offsetof(struct mr_stream, buffer));
    s->fd = -1;
    s->path = path;
    s->memory = memory;
    s->n_left_bytes = memory.size;
    mr_status status = path ? open_file(s, err) : MR_OK;
    s->stored_bytes = s->max_offset = s->n_left_bytes;
    if (status == MR_OK) status = find_compression(s, err);
    if (status != MR_OK) {
        mr_stream_close(s);
        return status;
    }
    *out = s;
    return MR_OK;
}

void mr_stream_close(struct mr_stream *s) {
    if (!s) return;
    if (s->is_packed) inflateEnd(&s->z);
    if (s->fd >= 0) close(s->fd);
    free(s);
}
