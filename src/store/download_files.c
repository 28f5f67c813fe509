/* A download's files on the disk: parts, their notes, and the whole ones at their places. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/cache_int.h"
#include "store/download_int.h"

static mr_status fail_io(const char *path, struct mr_error *err) {
    const char *advice = errno == ENOSPC || errno == EDQUOT
                             ? "; what is here stays: make room and start again, or prune with "
                               "`mlrace cache prune`"
                             : "";
    return mr_fail(err, MR_E_IO, "%s: %s%s", path, strerror(errno), advice);
}

static void partial_path(const struct mr_download *download, const struct mr_download_file *file,
                         const char *suffix, char out[PATH_MAX]) {
    int n = snprintf(out, PATH_MAX, "%s/partial/%zu%s", download->folder, file->number, suffix);
    if (n >= PATH_MAX) out[0] = '\0';
}

static void final_path(const struct mr_download *download, const struct mr_download_file *file,
                       char out[PATH_MAX]) {
    int n = snprintf(out, PATH_MAX, "%s/files/%s", download->folder, file->artifact->path);
    if (n >= PATH_MAX) out[0] = '\0';
}

/* Reads a small file; empty when there is none. */
static size_t read_file(const char *path, char *out, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, out, size) : 0;
    if (fd >= 0) close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* --- before ----------------------------------------------------------------------------------- */

/* Data that was written before the machine lost power may be missing behind a note that it is
 * here. */
mr_status mr_download_prepare(const char *folder, struct mr_error *err) {
    char path[PATH_MAX], boot[64] = "", noted[64] = "";
    size_t size = read_file("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
    int n = snprintf(path, sizeof(path), "%s/partial/boot", folder);
    if (n < 0 || n >= PATH_MAX - 16) {
        errno = ENAMETOOLONG;
        return fail_io(folder, err);
    }
    if (read_file(path, noted, sizeof(noted)) != size || memcmp(boot, noted, size) != 0) {
        snprintf(path, sizeof(path), "%s/files", folder);
        if (!mr_cache_remove_tree(path)) return fail_io(path, err);
        snprintf(path, sizeof(path), "%s/partial", folder);
        if (!mr_cache_remove_tree(path) || !mr_cache_make_folders(path)) return fail_io(path, err);
        snprintf(path, sizeof(path), "%s/partial/boot", folder);
        if (!mr_cache_write_file(path, (struct mr_str){boot, size})) return fail_io(path, err);
    }
    snprintf(path, sizeof(path), "%s/files", folder);
    return mr_cache_make_folders(path) ? MR_OK : fail_io(path, err);
}

/* Whether the file is at its place already. */
static bool is_at_place(const struct mr_download *download, const struct mr_download_file *file) {
    char path[PATH_MAX];
    struct stat info;
    uint64_t size = file->artifact->size_bytes;
    final_path(download, file, path);
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
           (size == MR_ARTIFACT_SIZE_UNKNOWN || (uint64_t)info.st_size == size);
}

/* What is here of parts, if they are of the content that is listed. */
static void read_parts(struct mr_download *download, struct mr_download_file *file) {
    char path[PATH_MAX];
    struct stat info;
    const char *listed = file->artifact->etag;
    partial_path(download, file, ".etag", path);
    file->tag[read_file(path, file->tag, sizeof(file->tag) - 1)] = '\0';
    bool is_same = *file->tag && (!*listed || strcmp(listed, file->tag) == 0);
    if (file->n_parts > 1) {
        partial_path(download, file, ".parts", path);
        if (is_same) read_file(path, (char *)file->is_here, file->n_parts);
        for (size_t i = 0; i < file->n_parts; i++) file->n_left -= file->is_here[i] == 'x';
    } else if (is_same && file->artifact->size_bytes != MR_ARTIFACT_SIZE_UNKNOWN &&
               fstat(file->fd, &info) == 0 && (uint64_t)info.st_size < file->artifact->size_bytes) {
        file->here_bytes = (uint64_t)info.st_size;
    }
    file->is_noted = is_same;
    if (!is_same) {
        mr_download_drop_file(download, file);
        snprintf(file->tag, sizeof(file->tag), "%s", listed);
    }
}

static uint64_t bytes_here(const struct mr_download_file *file) {
    uint64_t bytes = file->here_bytes, size = file->artifact->size_bytes;
    for (size_t i = 0; file->n_parts > 1 && i < file->n_parts; i++) {
        if (file->is_here[i] != 'x') continue;
        uint64_t start = i * MR_DOWNLOAD_PART_BYTES, left = size - start;
        bytes += left < MR_DOWNLOAD_PART_BYTES ? left : MR_DOWNLOAD_PART_BYTES;
    }
    return bytes;
}

mr_status mr_download_open_file(struct mr_download *download, struct mr_download_file *file,
                                struct mr_error *err) {
    char path[PATH_MAX];
    file->is_done = is_at_place(download, file);
    if (file->is_done) {
        if (file->artifact->size_bytes != MR_ARTIFACT_SIZE_UNKNOWN) {
            atomic_fetch_add(&download->done_bytes, file->artifact->size_bytes);
        }
        return MR_OK;
    }
    file->is_here = calloc(file->n_parts, 1);
    if (!file->is_here) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    partial_path(download, file, "", path);
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0) return fail_io(path, err);
    read_parts(download, file);
    atomic_fetch_add(&download->done_bytes, bytes_here(file));
    return MR_OK;
}

/* --- meanwhile -------------------------------------------------------------------------------- */

mr_status mr_download_note_tag(struct mr_download *download, struct mr_download_file *file,
                               struct mr_str tag, struct mr_error *err) {
    char path[PATH_MAX];
    if (file->is_noted && mr_str_is(tag, file->tag)) return MR_OK;
    if (tag.size >= sizeof(file->tag)) tag.size = 0;
    if (tag.data != file->tag) memcpy(file->tag, tag.data, tag.size);
    file->tag[tag.size] = '\0';
    partial_path(download, file, ".etag", path);
    file->is_noted = mr_cache_write_file(path, tag);
    return file->is_noted ? MR_OK : fail_io(path, err);
}

mr_status mr_download_note_part(struct mr_download *download, struct mr_download_file *file,
                                size_t part, struct mr_error *err) {
    char path[PATH_MAX];
    file->is_here[part] = 'x';
    file->n_left--;
    if (file->n_parts == 1) return MR_OK;
    partial_path(download, file, ".parts", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_noted = fd >= 0 && pwrite(fd, "x", 1, (off_t)part) == 1;
    mr_status status = is_noted ? MR_OK : fail_io(path, err);
    if (fd >= 0) close(fd);
    return status;
}

void mr_download_drop_file(struct mr_download *download, struct mr_download_file *file) {
    char path[PATH_MAX];
    partial_path(download, file, ".parts", path);
    unlink(path);
    partial_path(download, file, ".etag", path);
    unlink(path);
    memset(file->is_here, 0, file->n_parts);
    file->n_left = file->n_parts;
    file->here_bytes = 0;
    file->tag[0] = '\0';
    file->is_noted = false;
    if (ftruncate(file->fd, 0) != 0) file->here_bytes = 0; /* its writes will say why */
}

void mr_download_close_file(struct mr_download_file *file) {
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
}

/* --- whole ------------------------------------------------------------------------------------ */

/* Whether the content has the MD5 that its tag says, which is in quotes. */
static bool has_tags_md5(const struct mr_download_file *file) {
    char digest[MD5_DIGEST_STRING_LENGTH];
    unsigned char buffer[1 << 16];
    MD5_CTX md5;
    MD5Init(&md5);
    off_t at = 0;
    for (ssize_t n; (n = pread(file->fd, buffer, sizeof(buffer), at)) > 0; at += n) {
        MD5Update(&md5, buffer, (size_t)n);
    }
    MD5End(&md5, digest);
    return strncmp(file->tag + 1, digest, MD5_DIGEST_STRING_LENGTH - 1) == 0;
}

static mr_status check(const struct mr_download *download, const struct mr_download_file *file,
                       struct mr_error *err) {
    struct stat info;
    uint64_t expected = file->artifact->size_bytes;
    if (fstat(file->fd, &info) != 0) return fail_io(file->artifact->path, err);
    if (expected != MR_ARTIFACT_SIZE_UNKNOWN && (uint64_t)info.st_size != expected) {
        return mr_fail(err, MR_E_FORMAT, "%s/%s: listed with %llu bytes, received %llu",
                       download->store->place, file->artifact->path, (unsigned long long)expected,
                       (unsigned long long)info.st_size);
    }
    if (file->has_md5 && !has_tags_md5(file)) {
        return mr_fail(err, MR_E_FORMAT,
                       "%s/%s: what was received does not have the MD5 that the store lists",
                       download->store->place, file->artifact->path);
    }
    return MR_OK;
}

mr_status mr_download_finish_file(struct mr_download *download, struct mr_download_file *file,
                                  struct mr_error *err) {
    char partial[PATH_MAX], final[PATH_MAX], folder[PATH_MAX];
    mr_status status = check(download, file, err);
    if (status != MR_OK) {
        mr_download_drop_file(download, file);
        return status;
    }
    partial_path(download, file, "", partial);
    final_path(download, file, final);
    memcpy(folder, final, sizeof(folder));
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    if (!mr_cache_make_folders(folder) || rename(partial, final) != 0) return fail_io(final, err);
    file->is_done = true;
    partial_path(download, file, ".parts", partial);
    unlink(partial);
    partial_path(download, file, ".etag", partial);
    unlink(partial);
    return MR_OK;
}
