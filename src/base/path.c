#include "base/path.h"

bool mr_path_is_inside(struct mr_str path) {
    if (path.size == 0) return true;
    if (path.data[0] == '/' || memchr(path.data, '\0', path.size)) return false;
    for (size_t start = 0; start <= path.size;) {
        const char *slash = memchr(path.data + start, '/', path.size - start);
        size_t end = slash ? (size_t)(slash - path.data) : path.size;
        if (end - start == 2 && memcmp(path.data + start, "..", 2) == 0) return false;
        start = end + 1;
    }
    return true;
}
