/* What competes in the benchmark of engines: one library with one model, asked in the fastest way
 * that it documents.
 *
 * All contenders of a run see the same rows, in whatever layout their library likes best, and leave
 * their answers where the library does. Everything that a server would do once (loading, parsing
 * configurations, allocating, binding buffers) is done in `prepare`, which is not timed.
 * Whatever goes wrong ends the program with a message. */
#ifndef BENCH_ENGINES_CONTENDER_H
#define BENCH_ENGINES_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rows {
    size_t n, n_cols;
    const float *floats;   /* row after row */
    const double *doubles; /* the same values; row after row */
    const double *columns; /* the same; column after column */
};

/* Where the parts of a contender lie: members of its object in the case file. NULL: not given. */
struct paths {
    const char *library; /* the shared object */
    const char *model;
    const char *format; /* of the model, where the library wants to know */
};

struct contender {
    char name[64];
    const struct rows *rows;
    size_t n_outputs; /* answers of a row */
    size_t n_rows;    /* of each call, since the last prepare */
    /* Get ready for calls of n_rows rows each. */
    void (*prepare)(struct contender *contender, size_t n_rows);
    /* Timed: answer rows first .. first + n_rows. */
    void (*predict)(struct contender *contender, size_t first);
    /* The answers of the last call, n_rows * n_outputs: one of them is not NULL. */
    const float *floats;
    const double *doubles;
    void *state; /* private */
};

/* Fill in all but name, rows and n_outputs, which are set. */
typedef void contender_open(struct contender *out, const struct paths *paths);
contender_open open_mlrace;        /* a model folder, through mr_engine_predict */
contender_open open_mlrace_forest; /* the same, only mr_tree_forest_sum */
contender_open open_xgboost;       /* library, model */
contender_open open_lightgbm;      /* library, model */
contender_open open_gtil;          /* library, model, format */
contender_open open_tl2cgen;       /* library: the compiled model */
contender_open open_onnxruntime;   /* library, model */

void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Memory or the end of the program; zeroed, 64-byte aligned, never freed. */
void *allocate(size_t n, size_t size);

void *open_library(const char *path);
void *find_symbol(void *library, const char *name);

#endif
