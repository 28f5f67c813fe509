#include "store/ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define MAX_INI_BYTES ((size_t)1 << 20)

static struct mr_str trim(struct mr_str text) {
    while (text.size && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size && isspace((unsigned char)text.data[text.size - 1])) text.size--;
    return text;
}

/* The next line, without its newline; false at the end. */
static bool next_line(struct mr_str *rest, struct mr_str *line) {
    if (!rest->size) return false;
    const char *newline = memchr(rest->data, '\n', rest->size);
    *line = (struct mr_str){rest->data, newline ? (size_t)(newline - rest->data) : rest->size};
    size_t taken = line->size + (newline != NULL);
    *rest = (struct mr_str){rest->data + taken, rest->size - taken};
    return true;
}

/* Whether a line begins a section, and which. */
static bool read_section(struct mr_str line, struct mr_str *name) {
    if (!line.size || line.data[0] != '[') return false;
    const char *close = memrchr(line.data, ']', line.size);
    if (!close) return false;
    *name = (struct mr_str){line.data + 1, (size_t)(close - line.data) - 1};
    return true;
}

bool mr_ini_find(struct mr_str file, const char *section, const char *key, struct mr_str *out) {
    struct mr_str line, name;
    bool is_in = false, is_found = false;
    while (next_line(&file, &line)) {
        if (line.size && isspace((unsigned char)line.data[0])) continue; /* of a longer value */
        line = trim(line);
        if (!line.size || line.data[0] == '#' || line.data[0] == ';') continue;
        if (read_section(line, &name)) {
            is_in = mr_str_is(name, section);
            continue;
        }
        size_t at = 0;
        while (at < line.size && line.data[at] != '=' && line.data[at] != ':') at++;
        if (!is_in || at == line.size) continue;
        struct mr_str found = trim((struct mr_str){line.data, at});
        if (found.size != strlen(key) || strncasecmp(found.data, key, found.size) != 0) continue;
        *out = trim((struct mr_str){line.data + at + 1, line.size - at - 1});
        is_found = true;
    }
    return is_found;
}

bool mr_ini_has_section(struct mr_str file, const char *section) {
    struct mr_str line, name;
    while (next_line(&file, &line)) {
        if (read_section(line, &name) && mr_str_is(name, section)) return true;
    }
    return false;
}

mr_status mr_ini_load(const char *path, struct mr_arena *arena, struct mr_str *out,
                      struct mr_error *err) {
    *out = (struct mr_str){"", 0};
    FILE *file = fopen(path, "rbe");
    if (!file && (errno == ENOENT || errno == ENOTDIR)) return MR_OK;
    if (!file) return mr_fail(err, MR_E_IO, "cannot open %s: %s", path, strerror(errno));
    char *data = NULL;
    size_t size = 0, n;
    mr_status status = MR_OK;
    do {
        char *longer = mr_arena_realloc(arena, data, size, size + 4096);
        if (!longer) {
            status = mr_arena_fail(arena, err);
            break;
        }
        data = longer;
        size += n = fread(data + size, 1, 4096, file);
    } while (n == 4096 && size <= MAX_INI_BYTES);
    if (status == MR_OK && ferror(file)) {
        status = mr_fail(err, MR_E_IO, "cannot read %s: %s", path, strerror(errno));
    } else if (status == MR_OK && size > MAX_INI_BYTES) {
        status = mr_fail(err, MR_E_TOO_LARGE, "%s is larger than %zu bytes", path, MAX_INI_BYTES);
    }
    fclose(file);
    *out = (struct mr_str){data, size};
    return status;
}
