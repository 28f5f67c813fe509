/* Thousands of damaged model files: each is refused or gives a model that answers; none crashes.
 * Under AddressSanitizer this is the proof that a builder checks whatever it indexes later.
 *
 * Bytes of a file itself are changed, and, where it is an archive whose checksums catch nearly all
 * of those, bytes of its entries before they are packed again. */
#ifndef MR_TESTS_MUTATIONS_H
#define MR_TESTS_MUTATIONS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "loader/archive.h"
#include "mutate.h"
#include "zip_file.h"

/* What means something in a pickle. */
#define PICKLE_OPCODES                                                                             \
    "(.012FGIJKLMNRSTUVX]abcdeghijlopqrstu})BC"                                                    \
    "\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8e\x8f\x90\x91\x93\x94\x95\x96"

/* What the damaged files are. */
struct mutated_format {
    const char *flavor, *serialization_format, *model_class;
    const char *predict_fn;               /* NULL: "predict" */
    const struct mr_signature *signature; /* NULL: none */
    const char *special_bytes; /* what means something in it; NULL: in JSON and .npy headers */
    /* Asks a model that was loaded; NULL: for 1 and 3 rows of 4 features. */
    void (*ask)(const struct mr_engine *engine, struct mr_arena *arena);
};

static inline size_t mutate_as(const struct mutated_format *format, char *data, size_t size) {
    const char *special = format->special_bytes;
    return mutate(data, size, special ? special : "\"{}[]:,0123456789-<>fiUnul(' ");
}

static inline mr_status load_bytes(const struct mutated_format *format, struct mr_str bytes,
                                   struct mr_engine *engine) {
    int fd = memfd_create("model", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.data, bytes.size), bytes.size);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct mr_model_source source = {
        .flavor = mr_str_from(format->flavor),
        .path = "/proc/self",
        .data_path = path,
        .serialization_format = mr_str_from(format->serialization_format),
        .model_class = mr_str_from(format->model_class),
        .signature = format->signature,
        .predict_fn = mr_str_from(format->predict_fn ? format->predict_fn : "predict"),
    };
    struct mr_error err = {0};
    mr_status status = mr_engine_choose(&source, engine, &err);
    assert_true(status == MR_OK || err.message[0]);
    close(fd);
    return status;
}

/* Predicts 1 and 3 rows of 4 features; a model that wants another number refuses them. */
static inline void predict_some(const struct mr_engine *engine, struct mr_arena *arena) {
    double values[12] = {0.5, -1, 2, 1e300, 3, 4, 5, -1e300, 0, 0, 0, 0};
    for (int64_t n_rows = 1; n_rows <= 3; n_rows += 2) {
        const int64_t shape[] = {n_rows, 4};
        struct mr_tensor x = {.dtype = MR_FLOAT64,
                              .n_dims = 2,
                              .shape = shape,
                              .n_values = n_rows * 4,
                              .values = values};
        struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &x, .n_tensors = 1};
        struct mr_output output;
        struct mr_error err = {0};
        mr_status status = mr_engine_predict(engine, &input, arena, &output, &err);
        assert_true(status == MR_OK || status == MR_E_BAD_REQUEST);
        if (status == MR_OK) assert_int_equal(output.tensor.shape[0], n_rows);
    }
}

static int n_loaded, n_refused;

static inline void try_bytes(const struct mutated_format *format, struct mr_str bytes,
                             struct mr_arena *arena) {
    struct mr_engine engine = {0};
    if (load_bytes(format, bytes, &engine) != MR_OK) {
        n_refused++;
        return;
    }
    n_loaded++;
    if (format->ask) {
        format->ask(&engine, arena);
    } else {
        predict_some(&engine, arena);
    }
    mr_engine_unload(&engine);
}

/* The entries of an archive that skops made, at most `capacity`. */
static inline size_t read_entries(struct mr_str file, struct mr_arena *arena,
                                  struct zip_entry *entries, size_t capacity) {
    struct mr_archive *archive = NULL;
    struct mr_str schema;
    assert_int_equal(mr_archive_open(NULL, file, 1 << 24, &archive, NULL), MR_OK);
    assert_int_equal(mr_archive_read(archive, "schema.json", 1, arena, &schema, NULL), MR_OK);
    size_t n = 1;
    entries[0] = (struct zip_entry){"schema.json", schema};
    for (const char *at = schema.data; (at = strstr(at, "\"file\": \"")) && n < capacity;) {
        at += 9;
        size_t size = strcspn(at, "\"");
        char *name = mr_arena_strdup(arena, (struct mr_str){at, size});
        struct mr_str data;
        bool is_known = false;
        for (size_t i = 0; i < n; i++) is_known |= strcmp(entries[i].name, name) == 0;
        if (is_known) continue;
        assert_int_equal(mr_archive_read(archive, name, 0, arena, &data, NULL), MR_OK);
        entries[n++] = (struct zip_entry){name, data};
    }
    mr_archive_close(archive);
    return n;
}

static inline struct mr_str read_mutated_file(const char *path, struct mr_arena *arena) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *data = mr_arena_alloc(arena, 1 << 20);
    size_t size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return (struct mr_str){data, size};
}

static inline void try_mutated_bytes(const struct mutated_format *format, struct mr_str file,
                                     struct mr_arena *scratch) {
    char *copy = mr_arena_alloc(scratch, file.size);
    memcpy(copy, file.data, file.size);
    try_bytes(format, (struct mr_str){copy, mutate_as(format, copy, file.size)}, scratch);
}

#define MAX_MUTATED_ENTRIES 256

static inline void try_mutated_entry(const struct mutated_format *format, struct zip_entry *entries,
                                     size_t n, struct mr_arena *scratch) {
    struct zip_entry *entry = &entries[random_below(2) ? 0 : random_below((uint32_t)n)];
    struct mr_str whole = entry->data;
    char *copy = mr_arena_alloc(scratch, whole.size);
    memcpy(copy, whole.data, whole.size);
    entry->data = (struct mr_str){copy, mutate_as(format, copy, whole.size)};
    struct zip_writer zip = zip_write(entries, n);
    try_bytes(format, (struct mr_str){zip.data, zip.size}, scratch);
    free(zip.data);
    entry->data = whole;
}

/* n mutations of each kind that a file allows; adds to n_loaded and n_refused. */
static inline void mutate_bytes(const struct mutated_format *format, struct mr_str file, int n) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_arena *scratch = mr_arena_new(0, NULL);
    int n_before = n_loaded;
    try_bytes(format, file, scratch);
    assert_int_equal(n_loaded, n_before + 1);
    bool is_archive = file.size > 2 && memcmp(file.data, "PK", 2) == 0;
    struct zip_entry entries[MAX_MUTATED_ENTRIES];
    size_t n_entries = is_archive ? read_entries(file, arena, entries, MAX_MUTATED_ENTRIES) : 0;
    for (int i = 0; i < n; i++) {
        mr_arena_reset(scratch);
        try_mutated_bytes(format, file, scratch);
        if (is_archive) try_mutated_entry(format, entries, n_entries, scratch);
    }
    mr_arena_free(scratch);
    mr_arena_free(arena);
}

/* The same of a file, in which some mutations must be found and some not. */
static inline void mutate_file(const struct mutated_format *format, const char *path, int n) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    random_state = 1;
    n_loaded = n_refused = 0;
    mutate_bytes(format, read_mutated_file(path, arena), n);
    print_message("%s: %d loaded, %d refused\n", path, n_loaded, n_refused);
    assert_true(n_loaded > 1 && n_refused > 0);
    mr_arena_free(arena);
}

#endif
