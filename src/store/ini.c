#include "store/ini.h"

#include <strings.h>

#include "base/file.h"

#define MAX_INI_BYTES ((size_t)1 << 20)

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
        if (line.size && mr_is_space(line.data[0])) continue; /* of a longer value */
        line = mr_str_trim(line);
        if (!line.size || line.data[0] == '#' || line.data[0] == ';') continue;
        if (read_section(line, &name)) {
            is_in = mr_str_is(name, section);
            continue;
        }
        size_t at = 0;
        while (at < line.size && line.data[at] != '=' && line.data[at] != ':') at++;
        if (!is_in || at == line.size) continue;
        struct mr_str found = mr_str_trim((struct mr_str){line.data, at});
        if (found.size != strlen(key) || strncasecmp(found.data, key, found.size) != 0) continue;
        *out = mr_str_trim((struct mr_str){line.data + at + 1, line.size - at - 1});
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
    mr_status status = mr_file_load(path, MAX_INI_BYTES, arena, out, err);
    return status == MR_E_NOT_FOUND ? MR_OK : status;
}
