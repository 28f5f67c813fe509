#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sha2.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/log.h"
#include "store/artifact_list.h"
#include "store/cache_int.h"
#include "store/client.h"
#include "store/python.h"
#include "store/python_store_int.h"

#define MAX_REPORT_BYTES 65536

extern char **environ;

/* --- the process ------------------------------------------------------------------------------ */

/* A file in memory that holds a text, to be read from its beginning; -1: errno tells why not. */
static int text_file(const char *text) {
    int fd = memfd_create("uri", MFD_CLOEXEC);
    size_t size = strlen(text);
    if (fd < 0 || (write(fd, text, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0)) {
        return fd;
    }
    close(fd);
    return -1;
}

/* Start Python; *report is the pipe on which it says how it went. The URI may hold a password,
 * which is not for the list of processes: it is Python's standard input. The lock of the folder is
 * held until Python has ended, too: it may outlive us. */
static mr_status start(const char *python, int uri, const struct mr_cache_entry *staging,
                       pid_t *child, int *report, struct mr_error *err) {
    char package[PATH_MAX], script[PATH_MAX];
    int pipe_fds[2];
    MR_TRY(mr_python_find_package(package, err));
    if (snprintf(script, sizeof(script), "%s/mlrace/artifacts.py", package) >= PATH_MAX) {
        return mr_fail(err, MR_E_IO, "%s: %s", package, strerror(ENAMETOOLONG));
    }
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) return mr_fail(err, MR_E_IO, "pipe: %s", strerror(errno));
    /* execve does not write to its arguments. */
    char *const argv[] = {(char *)python, script, (char *)staging->folder, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, uri, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, staging->lock, staging->lock);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int fault = posix_spawn(child, python, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(pipe_fds[1]);
    *report = pipe_fds[0];
    if (!fault) return MR_OK;
    close(pipe_fds[0]);
    return mr_fail(err, MR_E_UNSUPPORTED, "cannot start %s: %s", python, strerror(fault));
}

/* What it says until it ends; false: cancelled, and it was told to end. */
static bool read_report(const struct mr_cache *cache, pid_t child, int report,
                        char out[MAX_REPORT_BYTES], size_t *size) {
    bool is_cancelled = false;
    *size = 0;
    for (;;) {
        struct pollfd waiting = {.fd = report, .events = POLLIN};
        if (!is_cancelled && cache->is_cancelled && cache->is_cancelled(cache->ctx)) {
            is_cancelled = true;
            kill(child, SIGTERM);
        }
        if (poll(&waiting, 1, 100) <= 0) continue;
        char rest[4096];
        bool is_full = *size == MAX_REPORT_BYTES;
        ssize_t n = is_full ? read(report, rest, sizeof(rest))
                            : read(report, out + *size, MAX_REPORT_BYTES - *size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return !is_cancelled;
        if (!is_full) *size += (size_t)n;
    }
}

/* Its report is a line of JSON: {"problem": null}, or why not. */
static mr_status judge(struct mr_str report, const char *python, const char *shown,
                       struct mr_error *err) {
    yyjson_doc *doc = report.size ? yyjson_read(report.data, report.size, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *problem = yyjson_get_str(yyjson_obj_get(root, "problem"));
    mr_status status = MR_OK;
    if (yyjson_is_true(yyjson_obj_get(root, "has_no_mlflow"))) {
        status = mr_fail(err, MR_E_UNSUPPORTED,
                         "%s: only MLflow's own client can fetch it, and %s has none (%s): pip "
                         "install mlflow there, or set MLRACE_PYTHON to a Python that has it",
                         shown, python, problem ? problem : "");
    } else if (problem) {
        status = mr_fail(err, MR_E_IO, "%s: MLflow's client in %s: %s", shown, python, problem);
    } else if (!root) {
        status = mr_fail(err, MR_E_IO,
                         "%s: MLflow's client in %s ended without an answer; its own words are "
                         "above",
                         shown, python);
    }
    yyjson_doc_free(doc);
    return status;
}

static mr_status fetch(const struct mr_cache *cache, const char *uri,
                       const struct mr_cache_entry *staging, struct mr_error *err) {
    static _Thread_local char report[MAX_REPORT_BYTES];
    char shown[512], python[PATH_MAX];
    struct mr_error fault = {0};
    pid_t child;
    int fd = -1;
    size_t size;
    mr_client_show(uri, shown, sizeof(shown));
    if (mr_python_find_interpreter(python, &fault) != MR_OK) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%s: only MLflow's own client can fetch it, and that needs Python: %s",
                       shown, fault.message);
    }
    int text = text_file(uri);
    if (text < 0) return mr_fail(err, MR_E_IO, "memfd_create: %s", strerror(errno));
    mr_status status = start(python, text, staging, &child, &fd, err);
    close(text);
    MR_TRY(status);
    bool is_whole = read_report(cache, child, fd, report, &size);
    close(fd);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue; /* others may have waited */
    if (!is_whole) return mr_fail(err, MR_E_UNAVAILABLE, "%s: interrupted", shown);
    return judge((struct mr_str){report, size}, python, shown, err);
}

/* --- what came -------------------------------------------------------------------------------- */

static mr_status list_tree(const char *root, const char *path, struct mr_artifact_list *list,
                           struct mr_error *err);

static mr_status list_entry(const char *root, const char *path, struct mr_artifact_list *list,
                            struct mr_error *err) {
    char full[PATH_MAX], digest[SHA256_DIGEST_STRING_LENGTH];
    struct stat info;
    if (snprintf(full, sizeof(full), "%s/%s", root, path) >= PATH_MAX || lstat(full, &info) != 0) {
        return mr_fail(err, MR_E_IO, "%s/%s: %s", root, path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) return list_tree(root, path, list, err);
    if (!S_ISREG(info.st_mode) || !SHA256File(full, digest)) {
        return mr_fail(err, MR_E_FORMAT, "%s: expected a readable file, found a link or worse",
                       full);
    }
    return mr_artifact_list_add(list, mr_str_from(path), (uint64_t)info.st_size,
                                mr_str_from(digest), err);
}

static mr_status list_tree(const char *root, const char *path, struct mr_artifact_list *list,
                           struct mr_error *err) {
    char full[PATH_MAX], child[PATH_MAX];
    int n = snprintf(full, sizeof(full), "%s%s%s", root, *path ? "/" : "", path);
    DIR *folder = n < PATH_MAX ? opendir(full) : NULL;
    if (!folder) return mr_fail(err, MR_E_IO, "%s: %s", full, strerror(errno));
    mr_status status = MR_OK;
    for (struct dirent *entry; status == MR_OK && (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        n = snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "", name);
        status = n < PATH_MAX && mr_artifact_is_safe(mr_str_from(child))
                     ? list_entry(root, child, list, err)
                     : mr_fail(err, MR_E_FORMAT, "%s/%s: a name that is not supported", full, name);
    }
    closedir(folder);
    return status;
}

/* Names what came by its place and its content. */
static mr_status name_content(const char *shown, const char *files, struct mr_artifact_list *list,
                              char key[MR_CACHE_KEY_CHARS + 1], struct mr_error *err) {
    struct mr_buf identity;
    MR_TRY(list_tree(files, "", list, err));
    MR_TRY(mr_artifact_list_sort(list, err));
    if (!mr_artifact_list_find(list, "MLmodel")) {
        return mr_fail(err, MR_E_NOT_FOUND,
                       "%s holds %zu files but no MLmodel: it is no model saved by MLflow", shown,
                       list->n);
    }
    mr_buf_init(&identity, list->arena);
    mr_buf_format(&identity, "python 1\n%s\n", shown);
    for (size_t i = 0; i < list->n; i++) {
        mr_buf_format(&identity, "%s\n%s\n", list->items[i].path, list->items[i].etag);
    }
    mr_cache_key(mr_buf_str(&identity), key);
    return mr_buf_status(&identity, err);
}

/* Move what came to the entry of its content, unless it is there already. */
static mr_status keep(const struct mr_cache *cache, const struct mr_cache_entry *staging,
                      const char *key, const struct mr_cache_about *about, struct mr_arena *arena,
                      struct mr_cache_entry *out, struct mr_error *err) {
    MR_TRY(mr_cache_take(cache, key, arena, out, err));
    if (out->is_complete) return MR_OK;
    mr_status status = MR_OK;
    if (!mr_cache_remove_tree(out->folder) || !mr_cache_make_folders(out->folder) ||
        rename(staging->files, out->files) != 0) {
        status = mr_fail(err, MR_E_IO, "%s: %s", out->folder, strerror(errno));
    }
    if (status == MR_OK) status = mr_cache_commit(out, about, err);
    if (status != MR_OK) mr_cache_release(out);
    return status;
}

static mr_status open_staged(const struct mr_artifacts_source *source, const struct mr_cache *cache,
                             struct mr_cache_entry *staging, struct mr_arena *arena,
                             struct mr_cache_entry *out, struct mr_error *err) {
    char shown[512], uri[512], key[MR_CACHE_KEY_CHARS + 1];
    struct mr_artifact_list list;
    if (!mr_cache_remove_tree(staging->folder) || !mr_cache_make_folders(staging->folder)) {
        return mr_fail(err, MR_E_IO, "%s: %s", staging->folder, strerror(errno));
    }
    MR_TRY(fetch(cache, source->artifact_uri, staging, err));
    mr_client_show(source->artifact_uri, shown, sizeof(shown));
    mr_artifact_list_init(&list, arena);
    MR_TRY(name_content(shown, staging->files, &list, key, err));
    const struct mr_cache_about about = {.uri = mr_client_show(source->uri, uri, sizeof(uri)),
                                         .source = shown,
                                         .bytes = list.total_bytes,
                                         .n_files = list.n};
    MR_TRY(keep(cache, staging, key, &about, arena, out, err));
    mr_status status = mr_cache_make_room(cache, 0, key, NULL);
    (void)status; /* what is here can be used, whatever else is */
    return MR_OK;
}

mr_status mr_python_store_open(const struct mr_artifacts_source *source,
                               const struct mr_cache *cache, struct mr_arena *arena,
                               struct mr_cache_entry *out, struct mr_error *err) {
    /* An entry that never is complete, where one process at a time downloads this URI. */
    char key[MR_CACHE_KEY_CHARS + 1];
    struct mr_cache_entry staging;
    struct mr_buf name;
    mr_buf_init(&name, arena);
    mr_buf_format(&name, "staging %s", source->artifact_uri);
    MR_TRY(mr_buf_status(&name, err));
    mr_cache_key(mr_buf_str(&name), key);
    MR_TRY(mr_cache_take(cache, key, arena, &staging, err));
    mr_status status = open_staged(source, cache, &staging, arena, out, err);
    mr_cache_release(&staging);
    bool is_removed = mr_cache_remove(cache, key);
    (void)is_removed; /* else another process fills it now */
    return status;
}
