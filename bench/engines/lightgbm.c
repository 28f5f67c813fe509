/* lib_lightgbm (include/LightGBM/c_api.h): LGBM_BoosterPredictForMatSingleRowFast for one row,
 * LGBM_BoosterPredictForMat for blocks. */
#include "contender.h"

#define FLOAT64 1 /* C_API_DTYPE_FLOAT64 */
#define NORMAL 0  /* C_API_PREDICT_NORMAL */
#define ALL (-1)  /* iterations */

static const char parameters[] = "num_threads=1";

struct state {
    void *booster, *fast; /* fast: a FastConfigHandle */
    int (*predict_one)(void *fast, const void *row, int64_t *n_out, double *out);
    int (*predict_block)(void *booster, const void *rows, int dtype, int32_t n_rows, int32_t n_cols,
                         int is_row_major, int type, int start, int n_iterations,
                         const char *parameters, int64_t *n_out, double *out);
    int (*init_fast)(void *booster, int type, int start, int n_iterations, int dtype,
                     int32_t n_cols, const char *parameters, void **fast);
    const char *(*last_error)(void);
    double *out;
};

static void check(const struct state *state, int status) {
    if (status != 0) fail("lightgbm: %s", state->last_error());
}

static void prepare(struct contender *c, size_t n_rows) {
    struct state *state = c->state;
    c->doubles = state->out = allocate(n_rows * c->n_outputs, sizeof(double));
    if (state->fast) return;
    check(state, state->init_fast(state->booster, NORMAL, 0, ALL, FLOAT64, (int32_t)c->rows->n_cols,
                                  parameters, &state->fast));
}

static void predict(struct contender *c, size_t first) {
    struct state *state = c->state;
    int32_t n_cols = (int32_t)c->rows->n_cols;
    const double *rows = c->rows->doubles + first * c->rows->n_cols;
    int64_t n_out;
    if (c->n_rows == 1) {
        check(state, state->predict_one(state->fast, rows, &n_out, state->out));
    } else {
        check(state, state->predict_block(state->booster, rows, FLOAT64, (int32_t)c->n_rows, n_cols,
                                          1, NORMAL, 0, ALL, parameters, &n_out, state->out));
    }
}

void open_lightgbm(struct contender *out, const struct paths *paths) {
    void *library = open_library(paths->library);
    int (*load)(const char *path, int *n_iterations,
                void **booster) = find_symbol(library, "LGBM_BoosterCreateFromModelfile");
    struct state *state = allocate(1, sizeof(*state));
    state->predict_one = find_symbol(library, "LGBM_BoosterPredictForMatSingleRowFast");
    state->predict_block = find_symbol(library, "LGBM_BoosterPredictForMat");
    state->init_fast = find_symbol(library, "LGBM_BoosterPredictForMatSingleRowFastInit");
    state->last_error = find_symbol(library, "LGBM_GetLastError");
    int n_iterations;
    check(state, load(paths->model, &n_iterations, &state->booster));
    out->state = state;
    out->prepare = prepare;
    out->predict = predict;
}
