#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/cache_int.h"

const char *mr_cache_path(struct mr_arena *arena, const char *folder, const char *name) {
    struct mr_buf path;
    mr_buf_init(&path, arena);
    mr_buf_text(&path, folder);
    mr_buf_char(&path, '/');
    mr_buf_text(&path, name);
    mr_buf_char(&path, '\0');
    return path.is_failed ? NULL : path.data;
}

bool mr_cache_make_folders(const char *path) {
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) return false;
    }
    return true;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

bool mr_cache_remove_tree(const char *path) {
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

static _Thread_local uint64_t n_bytes;

static int count_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)path, (void)where;
    if (kind == FTW_F) n_bytes += (uint64_t)info->st_blocks * 512;
    return 0;
}

uint64_t mr_cache_tree_bytes(const char *path) {
    n_bytes = 0;
    nftw(path, count_one, 16, FTW_PHYS);
    return n_bytes;
}

static bool write_all(int fd, struct mr_str text) {
    while (text.size) {
        ssize_t n = write(fd, text.data, text.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        text = (struct mr_str){text.data + n, text.size - (size_t)n};
    }
    return true;
}

bool mr_cache_write_file(const char *path, struct mr_str text) {
    char other[PATH_MAX];
    if (snprintf(other, sizeof(other), "%s.%d.new", path, (int)getpid()) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return false;
    bool is_good = write_all(fd, text);
    is_good = close(fd) == 0 && is_good;
    is_good = is_good && rename(other, path) == 0;
    if (!is_good) {
        int fault = errno;
        unlink(other);
        errno = fault;
    }
    return is_good;
}

int mr_cache_try_lock(const char *path, int kind) {
    for (;;) {
        struct stat locked, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return -1;
        if (flock(fd, kind | LOCK_NB) != 0) {
            int fault = errno;
            close(fd);
            errno = fault;
            return -1;
        }
        /* Who removes an entry removes its lock file, too: then this is no lock any more. */
        if (fstat(fd, &locked) == 0 && stat(path, &there) == 0 && locked.st_ino == there.st_ino &&
            locked.st_dev == there.st_dev) {
            return fd;
        }
        close(fd);
    }
}
