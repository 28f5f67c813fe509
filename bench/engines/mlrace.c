/* mlrace: a model folder as `mlrace serve` loads it; and the forest in it alone. */
#include <string.h>

#include "contender.h"
#include "engine/lightgbm/lightgbm_int.h"
#include "engine/sktree/sktree_int.h"
#include "engine/xgboost/xgboost_int.h"
#include "model/model.h"

/* What a request brings: the decoded columns, each by its name. */
struct state {
    struct mr_model *model;
    const struct mr_tree_forest *forest;
    struct mr_arena *arena; /* of a request */
    struct mr_column *columns;
    struct mr_tree_scratch scratch; /* of the bare forest, in an arena of its own */
    struct mr_arena *scratch_arena;
    double *doubles; /* sums of the bare forest in row order, for the comparison */
    float *floats;
};

static const struct mr_tree_forest *find_forest(const struct mr_model *model) {
    const struct mr_tree_model *loaded = (const struct mr_tree_model *)model->engine.model;
    if (loaded->family == &mr_xgb_family) return ((const struct mr_xgb_model *)loaded)->forest;
    if (loaded->family == &mr_lgb_family) return ((const struct mr_lgb_model *)loaded)->forest;
    if (loaded->family == &mr_skt_family) return ((const struct mr_skt_model *)loaded)->forest;
    return NULL;
}

/* Engine ------------------------------------------------------------------------------------ */

static void prepare_request(struct contender *c, size_t n_rows) {
    struct state *state = c->state;
    const struct mr_signature *signature = &state->model->signature;
    if (signature->kind != MR_SCHEMA_COLUMNS || signature->n_inputs != c->rows->n_cols) {
        fail("the model's signature does not have %zu columns", c->rows->n_cols);
    }
    for (size_t i = 0; i < c->rows->n_cols; i++) {
        state->columns[i] = (struct mr_column){.name = signature->columns[i].name,
                                               .is_named = true,
                                               .dtype = MR_FLOAT64,
                                               .n_rows = (int64_t)n_rows};
    }
}

static void predict_request(struct contender *c, size_t first) {
    struct state *state = c->state;
    const struct rows *rows = c->rows;
    struct mr_input input = {
        .kind = MR_INPUT_TABLE,
        .table = {.n_rows = (int64_t)c->n_rows, .n_cols = rows->n_cols, .columns = state->columns}};
    for (size_t i = 0; i < rows->n_cols; i++) { /* a row's values lie together, as decoded */
        state->columns[i].values = c->n_rows == 1 ? rows->doubles + first * rows->n_cols + i
                                                  : rows->columns + i * rows->n + first;
    }
    mr_arena_reset(state->arena);
    struct mr_output output;
    struct mr_error err = {0};
    if (mr_engine_predict(&state->model->engine, &input, state->arena, &output, &err) != MR_OK) {
        fail("mlrace: %s", err.message);
    }
    const struct mr_tensor *tensor = &output.tensor;
    if ((size_t)tensor->n_values != c->n_rows * c->n_outputs) fail("mlrace: not as many answers");
    c->floats = tensor->dtype == MR_FLOAT32 ? tensor->values : NULL;
    c->doubles = tensor->dtype == MR_FLOAT64 ? tensor->values : NULL;
}

void open_mlrace(struct contender *out, const struct paths *paths) {
    struct state *state = allocate(1, sizeof(*state));
    struct mr_error err = {0};
    if (mr_model_load(paths->model, NULL, NULL, &state->model, &err) != MR_OK) {
        fail("mlrace: %s: %s", paths->model, err.message);
    }
    state->arena = mr_arena_new(0, NULL);
    if (!state->arena) fail("out of memory");
    state->columns = allocate(out->rows->n_cols, sizeof(*state->columns));
    if (state->model->engine.ops == &mr_tree_engine) state->forest = find_forest(state->model);
    out->state = state;
    out->prepare = prepare_request;
    out->predict = predict_request;
}

/* Forest ------------------------------------------------------------------------------------ */

static void prepare_forest(struct contender *c, size_t n_rows) {
    struct state *state = c->state;
    struct mr_error err = {0};
    mr_arena_free(state->scratch_arena);
    state->scratch_arena = mr_arena_new(0, NULL);
    size_t n_block = n_rows == 1 ? 1 : MR_TREE_BLOCK_ROWS;
    if (!state->scratch_arena || mr_tree_scratch_new(state->forest, n_block, state->scratch_arena,
                                                     &state->scratch, &err) != MR_OK) {
        fail("mlrace: %s", err.message);
    }
    bool is_double = mr_tree_forest_shape(state->forest)->has_double_sums;
    size_t n = n_rows * mr_tree_forest_shape(state->forest)->n_outputs;
    if (is_double) {
        c->doubles = state->doubles = allocate(n, sizeof(double));
    } else {
        c->floats = state->floats = allocate(n, sizeof(float));
    }
}

static void fill_x(const struct state *state, const struct rows *rows, size_t first, size_t n) {
    const struct mr_tree_shape *shape = mr_tree_forest_shape(state->forest);
    size_t stride = state->scratch.stride;
    for (size_t i = 0; i < shape->n_columns; i++) {
        const double *values = rows->columns + shape->columns[i] * rows->n + first;
        if (shape->has_double_inputs) {
            memcpy((double *)state->scratch.x + i * stride, values, n * sizeof(*values));
            continue;
        }
        float *x = (float *)state->scratch.x + i * stride;
        for (size_t r = 0; r < n; r++) x[r] = (float)values[r];
    }
}

/* One row is taken from where its values lie together. */
static void fill_row(const struct state *state, const struct rows *rows, size_t row) {
    const struct mr_tree_shape *shape = mr_tree_forest_shape(state->forest);
    for (size_t i = 0; i < shape->n_columns; i++) {
        size_t at = row * rows->n_cols + shape->columns[i];
        if (shape->has_double_inputs) {
            ((double *)state->scratch.x)[i] = rows->doubles[at];
        } else {
            ((float *)state->scratch.x)[i] = rows->floats[at];
        }
    }
}

static void take_sums(const struct state *state, size_t first, size_t n) {
    const struct mr_tree_shape *shape = mr_tree_forest_shape(state->forest);
    for (size_t k = 0; k < shape->n_outputs; k++) {
        for (size_t r = 0; r < n; r++) {
            size_t from = k * state->scratch.stride + r, to = (first + r) * shape->n_outputs + k;
            if (shape->has_double_sums) {
                state->doubles[to] = ((const double *)state->scratch.sums)[from];
            } else {
                state->floats[to] = ((const float *)state->scratch.sums)[from];
            }
        }
    }
}

static void predict_forest(struct contender *c, size_t first) {
    struct state *state = c->state;
    size_t n_block = state->scratch.stride;
    for (size_t done = 0; done < c->n_rows; done += n_block) {
        size_t n = c->n_rows - done < n_block ? c->n_rows - done : n_block;
        if (n_block == 1) {
            fill_row(state, c->rows, first + done);
        } else {
            fill_x(state, c->rows, first + done, n);
        }
        mr_tree_forest_sum(state->forest, &state->scratch, n);
        take_sums(state, done, n);
    }
}

void open_mlrace_forest(struct contender *out, const struct paths *paths) {
    open_mlrace(out, paths);
    const struct state *state = out->state;
    if (!state->forest) fail("%s: no forest", paths->model);
    if (mr_tree_forest_shape(state->forest)->n_outputs != out->n_outputs) {
        fail("%s: its sums are not its answers", paths->model);
    }
    out->prepare = prepare_forest;
    out->predict = predict_forest;
}
