/* libxgboost: XGBoosterPredictFromDense, the prediction in place (include/xgboost/c_api.h). */
#include <stdio.h>
#include <string.h>

#include "contender.h"

/* Missing values are NaN; all rounds; nothing is cached. */
static const char config[] =
    "{\"type\": 0, \"iteration_begin\": 0, \"iteration_end\": 0, \"strict_shape\": false, "
    "\"missing\": NaN, \"cache_id\": 0}";

struct state {
    void *booster;
    void *proxy; /* a DMatrix that is reused: without one, each call makes its own */
    int (*predict)(void *booster, const char *values, const char *config, void *proxy,
                   const uint64_t **out_shape, uint64_t *out_dim, const float **out);
    const char *(*last_error)(void);
    float *row;         /* one row is copied to where `values` points, so that it is made once */
    char values[256];   /* an array interface */
    char *many_values;  /* for blocks: one for each that the rows are cut into */
    size_t value_bytes; /* of each */
};

static void check(const struct state *state, int status) {
    if (status != 0) fail("xgboost: %s", state->last_error());
}

static void write_values(char *out, size_t size, const float *data, size_t n, size_t n_cols) {
    snprintf(
        out, size,
        "{\"data\": [%llu, true], \"shape\": [%zu, %zu], \"typestr\": \"<f4\", \"version\": 3}",
        (unsigned long long)(uintptr_t)data, n, n_cols);
}

static void prepare(struct contender *c, size_t n_rows) {
    struct state *state = c->state;
    const struct rows *rows = c->rows;
    write_values(state->values, sizeof(state->values), state->row, 1, rows->n_cols);
    state->value_bytes = sizeof(state->values);
    state->many_values = allocate(rows->n / n_rows, state->value_bytes);
    for (size_t i = 0; i < rows->n / n_rows; i++) {
        write_values(state->many_values + i * state->value_bytes, state->value_bytes,
                     rows->floats + i * n_rows * rows->n_cols, n_rows, rows->n_cols);
    }
}

static void predict(struct contender *c, size_t first) {
    const struct state *state = c->state;
    const char *values = state->values;
    if (c->n_rows == 1) {
        size_t n = c->rows->n_cols;
        memcpy(state->row, c->rows->floats + first * n, n * sizeof(*state->row));
    } else {
        values = state->many_values + first / c->n_rows * state->value_bytes;
    }
    const uint64_t *shape;
    uint64_t n_dims;
    check(state, state->predict(state->booster, values, config, state->proxy, &shape, &n_dims,
                                &c->floats));
}

void open_xgboost(struct contender *out, const struct paths *paths) {
    void *library = open_library(paths->library);
    int (*create)(const void *matrices, uint64_t n,
                  void **booster) = find_symbol(library, "XGBoosterCreate");
    int (*load)(void *booster, const char *path) = find_symbol(library, "XGBoosterLoadModel");
    int (*set)(void *booster, const char *key,
               const char *value) = find_symbol(library, "XGBoosterSetParam");
    int (*new_proxy)(void **proxy) = find_symbol(library, "XGProxyDMatrixCreate");
    struct state *state = allocate(1, sizeof(*state));
    state->predict = find_symbol(library, "XGBoosterPredictFromDense");
    state->last_error = find_symbol(library, "XGBGetLastError");
    state->row = allocate(out->rows->n_cols, sizeof(*state->row));
    check(state, new_proxy(&state->proxy));
    check(state, create(NULL, 0, &state->booster));
    check(state, load(state->booster, paths->model));
    check(state, set(state->booster, "nthread", "1"));
    check(state, set(state->booster, "device", "cpu"));
    out->state = state;
    out->prepare = prepare;
    out->predict = predict;
}
