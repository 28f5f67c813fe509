#include "engine/pipeline/requirements.h"

#include <stdio.h>
#include <strings.h>

#include "base/file.h"

/* Those that MLflow writes have a line for each package. */
#define MAX_BYTES ((size_t)1 << 16)

static struct mr_str skip(struct mr_str text, size_t n) {
    return (struct mr_str){text.data + n, text.size - n};
}

static bool begins(struct mr_str text, const char *with) {
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

/* "==3.0.1", ">= 3", "~=3.1,<4": a lower bound, first of what a requirement asks for. */
static bool is_from_major_on(struct mr_str bound, unsigned wanted) {
    static const char *const operators[] = {"===", "==", ">=", "~="};
    size_t n_operators = sizeof(operators) / sizeof(*operators), i = 0;
    while (i < n_operators && !begins(bound, operators[i])) i++;
    if (i == n_operators) return false;
    struct mr_str version = mr_str_trim(skip(bound, strlen(operators[i])));
    unsigned major = 0;
    size_t n = 0;
    for (; n < version.size && n < 4 && version.data[n] >= '0' && version.data[n] <= '9'; n++) {
        major = major * 10 + (unsigned)(version.data[n] - '0');
    }
    bool is_whole = n == version.size || strchr(".,# \t", version.data[n]); /* no "2026!1.0" */
    return n > 0 && is_whole && major >= wanted;
}

/* PEP 508, as far as it is one package by its version alone. */
static bool is_requirement(struct mr_str line, const char *package, unsigned major) {
    line = mr_str_trim(line);
    size_t size = strlen(package);
    if (line.size < size || strncasecmp(line.data, package, size) != 0) return false;
    if (memchr(line.data, ';', line.size)) return false; /* only for some environments */
    line = mr_str_trim(skip(line, size));
    if (begins(line, "[")) { /* extras */
        const char *end = memchr(line.data, ']', line.size);
        if (!end) return false;
        line = mr_str_trim(skip(line, (size_t)(end + 1 - line.data)));
    }
    return is_from_major_on(line, major);
}

bool mr_pipe_requires(const char *folder, const char *package, unsigned major,
                      struct mr_arena *scratch) {
    static const char name[] = "/requirements.txt";
    if (!folder) return false;
    size_t size = strlen(folder) + sizeof(name);
    char *path = mr_arena_alloc(scratch, size);
    struct mr_str text;
    if (!path) return false;
    snprintf(path, size, "%s%s", folder, name);
    if (mr_file_load(path, MAX_BYTES, scratch, &text, NULL) != MR_OK) return false;
    while (text.size) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t n = end ? (size_t)(end - text.data) : text.size;
        if (is_requirement((struct mr_str){text.data, n}, package, major)) return true;
        text = skip(text, end ? n + 1 : n);
    }
    return false;
}
