#include "schema/dtype.h"

static const struct {
    size_t size;
    const char *name;
    char kind;
} dtypes[] = {
#define MR_DTYPE_ROW(name, size, text, kind) [name] = {size, text, kind},
    MR_DTYPE_TABLE(MR_DTYPE_ROW)
#undef MR_DTYPE_ROW
};

size_t mr_dtype_size(mr_dtype dtype) {
    return dtypes[dtype].size;
}

const char *mr_dtype_name(mr_dtype dtype) {
    return dtypes[dtype].name;
}

char mr_dtype_kind(mr_dtype dtype) {
    return dtypes[dtype].kind;
}

bool mr_dtype_find(struct mr_str name, mr_dtype *out) {
    for (int i = 0; i < MR_N_DTYPES; i++) {
        if (mr_str_is(name, dtypes[i].name)) {
            *out = (mr_dtype)i;
            return true;
        }
    }
    return false;
}
