/* bench_engines CASE.json: how fast do engines answer the same rows with the same trees?
 *
 * One thread on one core. For each size of a call the contenders take turns in rounds of a few
 * milliseconds, timed in CPU time of the thread, so that what else runs on the machine counts less;
 * CPU time of other threads of this process is an error. Calls walk through all rows, so that no
 * branch predictor learns a row by heart. Answers are compared with those that the library gave in
 * Python.
 *
 * The case: {"rows": file of floats, "answers": file of doubles, "n_columns", "n_outputs",
 * "calls": [rows of a call...], "rounds", "core",
 * "contenders": [{"kind", "library", "model", "format"}...]}.
 * Prints {"results": [{"contender", "call_rows", "ns_per_row": [of each round],
 * "n_different", "largest_error"}...]}. */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

#include "contender.h"

#define MAX_CONTENDERS 16
#define SLICE_NS 4e6 /* of a contender in a round */
#define MAX_SLICES_NS                                                                              \
    3e9 /* of a contender in all rounds with one size of calls, from the third on */

static const struct {
    const char *kind;
    contender_open *open;
} kinds[] = {
    {"mlrace", open_mlrace},
    {"mlrace-forest", open_mlrace_forest},
    {"xgboost", open_xgboost},
    {"lightgbm", open_lightgbm},
    {"gtil", open_gtil},
    {"tl2cgen", open_tl2cgen},
    {"onnxruntime", open_onnxruntime},
};

struct run {
    struct rows rows;
    size_t n_rounds, n_contenders;
    struct contender contenders[MAX_CONTENDERS];
    const double *answers; /* rows.n * n_outputs */
};

/* Shared ------------------------------------------------------------------------------------ */

void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "bench_engines: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

void *allocate(size_t n, size_t size) {
    size_t bytes = (n * size + 127) / 64 * 64;
    void *memory = aligned_alloc(64, bytes);
    if (!memory) fail("out of memory");
    return memset(memory, 0, bytes);
}

void *open_library(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("%s", dlerror());
    return library;
}

void *find_symbol(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol) fail("%s", dlerror());
    return symbol;
}

/* Case -------------------------------------------------------------------------------------- */

static size_t read_size(yyjson_val *object, const char *key) {
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_uint(value)) fail("the case has no number \"%s\"", key);
    return (size_t)yyjson_get_uint(value);
}

/* The whole file that the case names under a key. */
static void *read_file(yyjson_val *json, const char *key, size_t item_bytes, size_t *n) {
    const char *path = yyjson_get_str(yyjson_obj_get(json, key));
    FILE *file = path ? fopen(path, "rbe") : NULL;
    if (!file || fseek(file, 0, SEEK_END) != 0) fail("%s: %s", key, strerror(errno));
    *n = (size_t)ftell(file) / item_bytes;
    void *items = allocate(*n, item_bytes);
    rewind(file);
    if (*n == 0 || fread(items, item_bytes, *n, file) != *n) fail("%s: no data", path);
    fclose(file);
    return items;
}

static void read_rows(yyjson_val *json, struct rows *out) {
    size_t n;
    const float *floats = read_file(json, "rows", sizeof(*floats), &n);
    out->n_cols = read_size(json, "n_columns");
    out->n = n / out->n_cols;
    double *doubles = allocate(n, sizeof(*doubles)), *columns = allocate(n, sizeof(*columns));
    for (size_t i = 0; i < n; i++) {
        doubles[i] = (double)floats[i];
        columns[i % out->n_cols * out->n + i / out->n_cols] = (double)floats[i];
    }
    out->floats = floats;
    out->doubles = doubles;
    out->columns = columns;
}

static void read_contender(yyjson_val *json, size_t n_outputs, struct run *run) {
    const char *kind = yyjson_get_str(yyjson_obj_get(json, "kind"));
    const struct paths paths = {.library = yyjson_get_str(yyjson_obj_get(json, "library")),
                                .model = yyjson_get_str(yyjson_obj_get(json, "model")),
                                .format = yyjson_get_str(yyjson_obj_get(json, "format"))};
    struct contender *contender = &run->contenders[run->n_contenders++];
    contender->rows = &run->rows;
    contender->n_outputs = n_outputs;
    for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(kinds[i].kind, kind) != 0) continue;
        snprintf(contender->name, sizeof(contender->name), "%s", kind);
        kinds[i].open(contender, &paths);
        return;
    }
    fail("no contender is called %s", kind ? kind : "(null)");
}

static void pin(size_t core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) fail("core %zu: %s", core, strerror(errno));
}

static void read_case(yyjson_val *json, struct run *run) {
    pin(read_size(json, "core")); /* before libraries count the cores that they have */
    read_rows(json, &run->rows);
    run->n_rounds = read_size(json, "rounds");
    yyjson_val *list = yyjson_obj_get(json, "contenders"), *item;
    size_t i, n, n_outputs = read_size(json, "n_outputs");
    if (yyjson_arr_size(list) > MAX_CONTENDERS) fail("too many contenders");
    yyjson_arr_foreach(list, i, n, item) read_contender(item, n_outputs, run);
    run->answers = read_file(json, "answers", sizeof(*run->answers), &n);
    if (n != run->rows.n * n_outputs) fail("there are %zu answers", n);
}

/* Time -------------------------------------------------------------------------------------- */

static double clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

/* Nanoseconds of n_calls calls, from row *first on. */
static double time_calls(struct contender *contender, size_t n_calls, size_t *first) {
    double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < n_calls; i++) {
        if (*first + contender->n_rows > contender->rows->n) *first = 0;
        contender->predict(contender, *first);
        *first += contender->n_rows;
    }
    return clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* Warms up; how many calls make a slice. */
static size_t count_calls(struct contender *contender) {
    size_t first = 0, n_calls = 1;
    double took = time_calls(contender, 1, &first);
    while ((took = time_calls(contender, n_calls, &first)) < SLICE_NS / 2) n_calls *= 2;
    double wanted = (double)n_calls * SLICE_NS / took;
    return wanted < 1 ? 1 : (size_t)wanted;
}

/* A row in each slice of the results: n_rounds times per row, NAN for rounds that were left out. */
static void run_rounds(struct run *run, double *ns_per_row) {
    size_t n_calls[MAX_CONTENDERS], first[MAX_CONTENDERS] = {0};
    double spent[MAX_CONTENDERS] = {0};
    for (size_t c = 0; c < run->n_contenders; c++) n_calls[c] = count_calls(&run->contenders[c]);
    double other = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t round = 0; round < run->n_rounds; round++) {
        for (size_t i = 0; i < run->n_contenders; i++) {
            size_t c = (round + i) % run->n_contenders;
            double *out = &ns_per_row[c * run->n_rounds + round];
            *out = NAN;
            if (round >= 3 && spent[c] > MAX_SLICES_NS) continue;
            struct contender *contender = &run->contenders[c];
            double ns = time_calls(contender, n_calls[c], &first[c]);
            spent[c] += ns;
            *out = ns / (double)(n_calls[c] * contender->n_rows);
        }
    }
    other = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(CLOCK_THREAD_CPUTIME_ID) - other;
    double total = 0;
    for (size_t c = 0; c < run->n_contenders; c++) total += spent[c];
    if (other > 0.01 * total) { /* the two clocks are not read at the same instant */
        fail("other threads worked for %.1f ms, too, beside %.1f", other / 1e6, total / 1e6);
    }
}

/* Answers ----------------------------------------------------------------------------------- */

static double answer_of(const struct contender *contender, size_t i) {
    return contender->floats ? (double)contender->floats[i] : contender->doubles[i];
}

struct difference {
    size_t n;       /* answers that are not equal to the library's */
    double largest; /* relative, or absolute below 1 */
};

static void compare(struct contender *contender, const double *answers, struct difference *out) {
    size_t n_outputs = contender->n_outputs, n_rows = contender->n_rows;
    *out = (struct difference){0};
    for (size_t first = 0; first + n_rows <= contender->rows->n; first += n_rows) {
        contender->predict(contender, first);
        for (size_t i = 0; i < n_rows * n_outputs; i++) {
            double a = answer_of(contender, i), b = answers[first * n_outputs + i];
            double error = fabs(a - b) / fmax(1, fabs(b));
            out->n += a != b;
            if (!(error <= out->largest)) out->largest = error;
        }
    }
}

/* Report ------------------------------------------------------------------------------------ */

static void report(const struct run *run, size_t c, const double *ns_per_row,
                   const struct difference *difference, yyjson_mut_doc *doc, yyjson_mut_val *list) {
    const struct contender *contender = &run->contenders[c];
    yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_str(doc, item, "contender", contender->name);
    yyjson_mut_obj_add_uint(doc, item, "call_rows", contender->n_rows);
    yyjson_mut_val *times = yyjson_mut_obj_add_arr(doc, item, "ns_per_row");
    for (size_t round = 0; round < run->n_rounds; round++) {
        double ns = ns_per_row[c * run->n_rounds + round];
        if (!isnan(ns)) yyjson_mut_arr_add_real(doc, times, ns);
    }
    yyjson_mut_obj_add_uint(doc, item, "n_different", difference->n);
    yyjson_mut_obj_add_real(doc, item, "largest_error", difference->largest);
}

static void run_calls(struct run *run, size_t n_rows, yyjson_mut_doc *doc, yyjson_mut_val *list) {
    double *ns_per_row = allocate(run->n_contenders * run->n_rounds, sizeof(*ns_per_row));
    if (n_rows == 0 || n_rows > run->rows.n) fail("there are %zu rows", run->rows.n);
    for (size_t c = 0; c < run->n_contenders; c++) {
        run->contenders[c].n_rows = n_rows;
        run->contenders[c].prepare(&run->contenders[c], n_rows);
    }
    run_rounds(run, ns_per_row);
    for (size_t c = 0; c < run->n_contenders; c++) {
        struct difference difference;
        compare(&run->contenders[c], run->answers, &difference);
        report(run, c, ns_per_row, &difference, doc, list);
    }
}

int main(int argc, char **argv) {
    static struct run run;
    if (argc != 2) fail("usage: bench_engines CASE.json");
    yyjson_doc *text = yyjson_read_file(argv[1], 0, NULL, NULL);
    if (!text) fail("%s cannot be read", argv[1]);
    yyjson_val *json = yyjson_doc_get_root(text), *call;
    read_case(json, &run);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "results");
    size_t i, n;
    yyjson_arr_foreach(yyjson_obj_get(json, "calls"), i, n, call) {
        run_calls(&run, (size_t)yyjson_get_uint(call), doc, list);
    }
    if (!yyjson_mut_write_fp(stdout, doc, 0, NULL, NULL)) fail("no memory for the results");
    return 0;
}
