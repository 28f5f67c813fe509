/* skops files: what begins with "PK" is an archive; everything else is the schema.json of one that
 * also holds a few arrays, so that the fuzzer need not find checksums. What loads as a linear model
 * is asked for a prediction. */
#include "loader/skops.h"

#include "../tests/unit/zip_file.h"
#include "predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NPY(descr, shape)                                                                          \
    "\x93NUMPY\1\0\x40\0{'descr': '" descr "', 'fortran_order': False, 'shape': " shape "}\n"

#define FOUR_DOUBLES "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0\x3f"

/* Coefficients of a classifier and of a regressor with 4 features; intercept; classes. */
static const char coef[] = NPY("<f8", "(1, 4),     ") FOUR_DOUBLES;
static const char vector[] = NPY("<f8", "(4,),       ") FOUR_DOUBLES;
static const char intercept[] = NPY("<f8", "(1,),       ") "\0\0\0\0\0\0\xf0\xbf";
static const char classes[] = NPY("|b1", "(2,),       ") "\0\1";

static void load(struct mr_str file) {
    struct mr_arena *arena = mr_arena_new((size_t)256 << 20, NULL);
    struct mr_skops skops;
    bool is_loaded = arena && mr_skops_parse(file, NULL, arena, &skops, NULL) == MR_OK;
    mr_arena_free(arena);
    if (!is_loaded) return;
    predict_with(file, "skops");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_str input = {(const char *)data, size};
    if (size >= 2 && memcmp(data, "PK", 2) == 0) {
        load(input);
        return 0;
    }
    const struct zip_entry entries[] = {
        {"coef.npy", {coef, sizeof(coef) - 1}},
        {"vector.npy", {vector, sizeof(vector) - 1}},
        {"intercept.npy", {intercept, sizeof(intercept) - 1}},
        {"classes.npy", {classes, sizeof(classes) - 1}},
        {"schema.json", input},
    };
    struct zip_writer zip = zip_write(entries, sizeof(entries) / sizeof(*entries));
    load((struct mr_str){zip.data, zip.size});
    free(zip.data);
    return 0;
}
