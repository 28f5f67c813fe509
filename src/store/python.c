#include "store/python.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Write folder/name to out; false when it does not fit. size: of the folder's text. */
static bool join(char out[PATH_MAX], const char *folder, size_t size, const char *name) {
    int length = snprintf(out, PATH_MAX, "%.*s/%s", (int)size, folder, name);
    return length > 0 && length < PATH_MAX;
}

static bool is_program(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* A path as the shell would take it: absolute, or from the working directory on. */
static bool find_path(const char *path, char out[PATH_MAX]) {
    char here[PATH_MAX];
    if (path[0] == '/') {
        if (snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX) return false;
    } else if (!getcwd(here, sizeof(here)) || !join(out, here, strlen(here), path)) {
        return false;
    }
    return is_program(out);
}

/* A name as the shell would look for it in PATH. */
static bool find_name(const char *name, char out[PATH_MAX]) {
    const char *folder = getenv("PATH");
    while (folder && *folder) {
        size_t size = strcspn(folder, ":");
        char path[PATH_MAX];
        if (size > 0 && join(path, folder, size, name) && find_path(path, out)) return true;
        folder += size + (folder[size] == ':');
    }
    return false;
}

static bool find(const char *name_or_path, char out[PATH_MAX]) {
    return strchr(name_or_path, '/') ? find_path(name_or_path, out) : find_name(name_or_path, out);
}

mr_status mr_python_find_interpreter(char out[PATH_MAX], struct mr_error *err) {
    const char *wanted = getenv("MLRACE_PYTHON");
    if (wanted && *wanted) {
        if (find(wanted, out)) return MR_OK;
        out[0] = '\0';
        return mr_fail(err, MR_E_NOT_FOUND,
                       "MLRACE_PYTHON: expected a Python interpreter, received '%s', which is no "
                       "program",
                       wanted);
    }
    if (find("python3", out) || find("python", out)) return MR_OK;
    out[0] = '\0';
    return mr_fail(err, MR_E_NOT_FOUND,
                   "no python3 or python in PATH; MLRACE_PYTHON can name the interpreter");
}

static bool holds_package(const char *folder) {
    char file[PATH_MAX];
    return join(file, folder, strlen(folder), "mlrace/__init__.py") && access(file, R_OK) == 0;
}

mr_status mr_python_find_package(char out[PATH_MAX], struct mr_error *err) {
    char program[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[size > 0 ? size : 0] = '\0';
    /* Off with the program's name and that of its folder. */
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(program, '/');
        if (slash) *slash = '\0';
    }
    static const char *const places[] = {"share/mlrace/python", "python"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (join(out, program, strlen(program), places[i]) && holds_package(out)) return MR_OK;
    }
    out[0] = '\0';
    return mr_fail(
        err, MR_E_NOT_FOUND,
        "the Python package mlrace is neither in %s/%s nor in %s/%s: install mlrace as a "
        "whole (cmake --install build --prefix PLACE)",
        program, places[0], program, places[1]);
}
