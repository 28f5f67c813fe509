/* ONNX Runtime's C API from the PyPI wheel, which has no header. OrtApi is a table of functions
 * that only grows at its end (include/onnxruntime/core/session/onnxruntime_c_api.h), so positions
 * in it are the interface; those used are listed here.
 *
 * Input and output are tensors over buffers of ours, made once for each size of a call. */
#include <stdio.h>
#include <string.h>

#include "contender.h"

#define API_VERSION 21
#define FLOAT_TENSOR 1 /* ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT */

enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_INTRA_OP_NUM_THREADS = 24,
    SET_INTER_OP_NUM_THREADS = 25,
    CREATE_TENSOR_WITH_DATA = 49,
    CREATE_CPU_MEMORY_INFO = 69
};

typedef void *status; /* OrtStatus *; NULL: fine */

struct state {
    void *const *api;
    void *session, *memory;
    status (*run)(void *session, const void *options, const char *const *input_names,
                  const void *const *inputs, size_t n_inputs, const char *const *output_names,
                  size_t n_outputs, void **outputs);
    const char *output_name;
    void *input, *output; /* tensors */
    float *rows, *answers;
};

struct api_base {
    const void *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

static void check(const struct state *state, status what) {
    if (!what) return;
    const char *(*message)(const void *) = state->api[GET_ERROR_MESSAGE];
    fail("onnxruntime: %s", message(what));
}

static void *new_tensor(const struct state *state, float *values, int64_t n_rows, int64_t n_cols) {
    status (*create)(const void *memory, void *data, size_t n_bytes, const int64_t *shape,
                     size_t n_dims, int type, void **out) = state->api[CREATE_TENSOR_WITH_DATA];
    const int64_t shape[] = {n_rows, n_cols};
    void *tensor = NULL;
    check(state, create(state->memory, values, (size_t)(n_rows * n_cols) * sizeof(*values), shape,
                        2, FLOAT_TENSOR, &tensor));
    return tensor;
}

static void prepare(struct contender *c, size_t n_rows) {
    struct state *state = c->state;
    state->rows = allocate(n_rows * c->rows->n_cols, sizeof(float));
    state->answers = allocate(n_rows * c->n_outputs, sizeof(float));
    state->input = new_tensor(state, state->rows, (int64_t)n_rows, (int64_t)c->rows->n_cols);
    state->output = new_tensor(state, state->answers, (int64_t)n_rows, (int64_t)c->n_outputs);
    c->floats = state->answers;
}

static void predict(struct contender *c, size_t first) {
    struct state *state = c->state;
    size_t n_cols = c->rows->n_cols;
    memcpy(state->rows, c->rows->floats + first * n_cols, c->n_rows * n_cols * sizeof(float));
    static const char *const input_names[] = {"x"};
    const void *inputs[] = {state->input};
    check(state, state->run(state->session, NULL, input_names, inputs, 1, &state->output_name, 1,
                            &state->output));
}

static void open_session(struct state *state, const char *path) {
    status (*new_env)(int level, const char *id, void **out) = state->api[CREATE_ENV];
    status (*new_options)(void **out) = state->api[CREATE_SESSION_OPTIONS];
    status (*set_intra)(void *options, int n) = state->api[SET_INTRA_OP_NUM_THREADS];
    status (*set_inter)(void *options, int n) = state->api[SET_INTER_OP_NUM_THREADS];
    status (*new_session)(void *env, const char *path, void *options,
                          void **out) = state->api[CREATE_SESSION];
    status (*new_memory)(int allocator, int type, void **out) = state->api[CREATE_CPU_MEMORY_INFO];
    void *env, *options;
    check(state, new_env(3, "bench", &env)); /* only errors are logged */
    check(state, new_options(&options));
    check(state, set_intra(options, 1));
    check(state, set_inter(options, 1));
    check(state, new_session(env, path, options, &state->session));
    check(state, new_memory(1, 0, &state->memory)); /* OrtArenaAllocator, OrtMemTypeDefault */
}

/* paths->format: name of the output. */
void open_onnxruntime(struct contender *out, const struct paths *paths) {
    void *library = open_library(paths->library);
    const struct api_base *(*get_base)(void) = find_symbol(library, "OrtGetApiBase");
    struct state *state = allocate(1, sizeof(*state));
    state->api = get_base()->get_api(API_VERSION);
    if (!state->api) fail("onnxruntime %s is too old", get_base()->get_version());
    state->run = state->api[RUN];
    state->output_name = paths->format;
    open_session(state, paths->model);
    out->state = state;
    out->prepare = prepare;
    out->predict = predict;
}
