#include "loader/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <zip.h>

#include "base/file.h"

struct mr_archive {
    zip_t *zip;
    size_t budget_bytes; /* what may still be unpacked */
};

static mr_status fail_open(zip_error_t *error, const char *path, struct mr_error *err) {
    mr_status status = MR_E_FORMAT;
    switch (zip_error_code_zip(error)) {
    case ZIP_ER_NOENT:
    case ZIP_ER_OPEN:
    case ZIP_ER_READ:
    case ZIP_ER_SEEK: status = MR_E_IO; break;
    case ZIP_ER_MEMORY: status = MR_E_NO_MEMORY; break;
    default: break;
    }
    mr_fail(err, status, "%.400s cannot be read%s: %s", path ? path : "the model",
            status == MR_E_FORMAT ? " as a zip archive" : "", zip_error_strerror(error));
    zip_error_fini(error);
    return status;
}

/* Python's zipfile takes the last of two entries with one name, libzip the first: which one the
 * author meant is not ours to guess. */
static mr_status refuse_duplicates(zip_t *zip, struct mr_error *err) {
    zip_int64_t n = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        if (!name) return mr_fail(err, MR_E_FORMAT, "entry %lld has no name", (long long)i);
        if (zip_name_locate(zip, name, ZIP_FL_ENC_RAW) != i) {
            return mr_fail(err, MR_E_FORMAT, "two entries of the archive are called %.200s", name);
        }
    }
    return MR_OK;
}

mr_status mr_archive_open(const char *path, struct mr_str memory, size_t max_bytes,
                          struct mr_archive **out, struct mr_error *err) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = path ? zip_source_file_create(path, 0, -1, &error)
                                : zip_source_buffer_create(memory.data, memory.size, 0, &error);
    if (!source) return fail_open(&error, path, err);
    zip_t *zip = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (!zip) {
        zip_source_free(source);
        return fail_open(&error, path, err);
    }
    zip_error_fini(&error);
    struct mr_archive *archive = malloc(sizeof(*archive));
    mr_status status = archive ? refuse_duplicates(zip, err)
                               : mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    if (status != MR_OK) {
        zip_discard(zip);
        free(archive);
        return status;
    }
    *archive = (struct mr_archive){.zip = zip, .budget_bytes = max_bytes};
    *out = archive;
    return MR_OK;
}

void mr_archive_close(struct mr_archive *archive) {
    if (!archive) return;
    zip_discard(archive->zip);
    free(archive);
}

/* Reads to the end of the entry: libzip compares the CRC only there. */
static bool read_all(zip_file_t *file, char *data, size_t size) {
    size_t got = 0;
    while (got < size) {
        size_t piece = size - got < MR_FILE_PIECE_BYTES ? size - got : MR_FILE_PIECE_BYTES;
        zip_int64_t n = zip_fread(file, data + got, piece);
        if (n <= 0) return false;
        got += (size_t)n;
    }
    char extra;
    return zip_fread(file, &extra, 1) == 0;
}

mr_status mr_archive_read(struct mr_archive *archive, const char *name, size_t padding,
                          struct mr_arena *arena, struct mr_str *out, struct mr_error *err) {
    zip_stat_t info;
    if (zip_stat(archive->zip, name, ZIP_FL_ENC_RAW, &info) != 0 || !(info.valid & ZIP_STAT_SIZE)) {
        return mr_fail(err, MR_E_FORMAT, "the archive has no entry %.200s", name);
    }
    if (info.size > archive->budget_bytes) {
        return mr_fail(err, MR_E_TOO_LARGE,
                       "%.200s unpacks to %llu bytes, more than the %zu that are left of the limit",
                       name, (unsigned long long)info.size, archive->budget_bytes);
    }
    size_t size = (size_t)info.size;
    if (size > SIZE_MAX - padding) return mr_fail(err, MR_E_TOO_LARGE, "%.200s is too large", name);
    char *data = mr_arena_alloc(arena, size + padding);
    if (!data) return mr_arena_fail(arena, err);
    memset(data + size, 0, padding);
    zip_file_t *file = zip_fopen_index(archive->zip, info.index, 0);
    bool is_read = file && read_all(file, data, size);
    if (file) zip_fclose(file);
    if (!is_read) {
        return mr_fail(err, MR_E_FORMAT, "entry %.200s of the archive is damaged or encrypted",
                       name);
    }
    archive->budget_bytes -= size;
    *out = (struct mr_str){data, size};
    return MR_OK;
}
