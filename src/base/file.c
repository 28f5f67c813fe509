#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t mr_file_read_piece(int fd, void *out, size_t n) {
    ssize_t got;
    do {
        got = read(fd, out, n < MR_FILE_PIECE_BYTES ? n : MR_FILE_PIECE_BYTES);
    } while (got < 0 && errno == EINTR);
    return got;
}

static mr_status read_all(int fd, const char *path, size_t max_bytes, struct mr_arena *arena,
                          struct mr_str *out, struct mr_error *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return mr_fail(err, MR_E_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) return mr_fail(err, MR_E_IO, "%s is no regular file", path);
    size_t size = (size_t)info.st_size;
    if (size > max_bytes) {
        return mr_fail(err, MR_E_TOO_LARGE, "%s is larger than %zu bytes", path, max_bytes);
    }
    char *data = mr_arena_alloc(arena, size + 1);
    if (!data) return mr_arena_fail(arena, err);
    size_t n = 0;
    while (n < size) {
        ssize_t got = mr_file_read_piece(fd, data + n, size - n);
        if (got <= 0) {
            return mr_fail(err, MR_E_IO, "cannot read %s: %s", path,
                           got < 0 ? strerror(errno) : "it became shorter");
        }
        n += (size_t)got;
    }
    data[size] = '\0';
    *out = (struct mr_str){data, size};
    return MR_OK;
}

mr_status mr_file_load(const char *path, size_t max_bytes, struct mr_arena *arena,
                       struct mr_str *out, struct mr_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        bool is_absent = errno == ENOENT || errno == ENOTDIR;
        return mr_fail(err, is_absent ? MR_E_NOT_FOUND : MR_E_IO, "cannot open %s: %s", path,
                       strerror(errno));
    }
    mr_status status = read_all(fd, path, max_bytes, arena, out, err);
    close(fd);
    return status;
}
