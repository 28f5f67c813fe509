#include "store/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/uri.h"

/* Links may lead in circles. */
#define MAX_LEVELS 16
#define MAX_ENTRIES 10000

/* FNV-1a, made even by the last step of splitmix64: sums of it do not cancel out. */
static uint64_t hash(uint64_t seed, const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) h = (h ^ at[i]) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* Of a folder the name alone counts: its time changes with whatever is put into it. */
static uint64_t hash_entry(uint64_t parent, const char *name, const struct stat *info) {
    bool is_folder = S_ISDIR(info->st_mode);
    int64_t facts[] = {is_folder ? -1 : info->st_size, is_folder ? 0 : info->st_mtim.tv_sec,
                       is_folder ? 0 : info->st_mtim.tv_nsec};
    return hash(hash(parent, name, strlen(name)), facts, sizeof(facts));
}

/* What loading a model leaves in its folder: Python's bytecode, and the file in which MLflow notes
 * where it came from (REGISTERED_MODEL_META_FILE_NAME in models_artifact_repo.py). */
static bool is_by_product(const char *name) {
    static const char *const names[] = {".", "..", "__pycache__", "registered_model_meta"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

/* Adds what is in a folder. Takes the descriptor.
 * parent  hash of the folder's path below the top */
static uint64_t add_folder(int take_fd, uint64_t parent, unsigned level, unsigned *n_entries) {
    DIR *folder = fdopendir(take_fd);
    if (!folder) {
        close(take_fd);
        return 0;
    }
    uint64_t sum = 0;
    for (struct dirent *entry; (entry = readdir(folder)) && *n_entries < MAX_ENTRIES;) {
        const char *name = entry->d_name;
        struct stat info;
        if (is_by_product(name)) continue;
        ++*n_entries;
        if (fstatat(dirfd(folder), name, &info, 0) != 0) continue;
        sum += hash_entry(parent, name, &info);
        if (!S_ISDIR(info.st_mode) || level + 1 == MAX_LEVELS) continue;
        int fd = openat(dirfd(folder), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) continue;
        sum += add_folder(fd, hash(parent, name, strlen(name)), level + 1, n_entries);
    }
    closedir(folder);
    return sum;
}

uint64_t mr_folder_fingerprint(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned n_entries = 0;
    return fd < 0 ? 0 : add_folder(fd, 0, 0, &n_entries);
}

uint64_t mr_folder_fingerprint_of(const char *path, const char *name) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return 0;
    bool is_there = fstatat(fd, name, &info, 0) == 0;
    close(fd);
    return is_there ? hash_entry(0, name, &info) : 0;
}

mr_status mr_folder_find(const char *uri, struct mr_arena *arena, const char **out,
                         struct mr_error *err) {
    MR_TRY(mr_uri_local_path(uri, arena, out, err));
    if (mr_uri_has_scheme(uri, "file") || access(*out, F_OK) == 0) return MR_OK;
    char *decoded = mr_arena_strdup(arena, mr_str_from(*out));
    if (!decoded) return mr_arena_fail(arena, err);
    mr_uri_unescape(decoded, decoded);
    if (access(decoded, F_OK) == 0) *out = decoded;
    return MR_OK;
}
