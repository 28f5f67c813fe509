#include "loader/file.h"

#include <errno.h>
#include <stdio.h>

#define MAX_FILE_BYTES ((size_t)8 << 30)

static mr_status read_all(FILE *file, const char *path, struct mr_arena *arena, struct mr_str *out,
                          struct mr_error *err) {
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) {
        return mr_fail(err, MR_E_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if ((size_t)size > MAX_FILE_BYTES) {
        return mr_fail(err, MR_E_TOO_LARGE, "%s is larger than %zu bytes", path, MAX_FILE_BYTES);
    }
    char *data = mr_arena_alloc(arena, (size_t)size + 1);
    if (!data) return mr_arena_fail(arena, err);
    *out = (struct mr_str){data, fread(data, 1, (size_t)size, file)};
    data[out->size] = '\0';
    if (out->size == (size_t)size) return MR_OK;
    return mr_fail(err, MR_E_IO, "cannot read %s: %s", path,
                   ferror(file) ? strerror(errno) : "it became shorter");
}

mr_status mr_file_load(const char *path, struct mr_arena *arena, struct mr_str *out,
                       struct mr_error *err) {
    FILE *file = fopen(path, "rbe");
    if (!file) return mr_fail(err, MR_E_IO, "cannot open %s: %s", path, strerror(errno));
    mr_status status = read_all(file, path, arena, out, err);
    fclose(file);
    return status;
}
