/* Treelite's interpreter, GTIL (include/treelite/c_api.h), and C code that TL2cgen made of a model
 * and gcc -O3 compiled: its `predict`, without TL2cgen's runtime around it. */
#include <string.h>

#include "contender.h"

/* GTIL -------------------------------------------------------------------------------------- */

struct gtil {
    void *model, *config;
    int (*predict)(void *model, const void *input, const char *input_type, uint64_t n_rows,
                   void *output, void *config);
    const char *(*last_error)(void);
    bool is_double;
    void *out;
};

static void check(const struct gtil *gtil, int status) {
    if (status != 0) fail("treelite: %s", gtil->last_error());
}

static void prepare_gtil(struct contender *c, size_t n_rows) {
    struct gtil *gtil = c->state;
    gtil->out = allocate(n_rows * c->n_outputs, sizeof(double));
    c->floats = gtil->is_double ? NULL : gtil->out;
    c->doubles = gtil->is_double ? gtil->out : NULL;
}

static void predict_gtil(struct contender *c, size_t first) {
    const struct gtil *gtil = c->state;
    size_t at = first * c->rows->n_cols;
    const void *rows = gtil->is_double ? (const void *)(c->rows->doubles + at)
                                       : (const void *)(c->rows->floats + at);
    const char *type = gtil->is_double ? "float64" : "float32";
    check(gtil, gtil->predict(gtil->model, rows, type, c->n_rows, gtil->out, gtil->config));
}

static void load_gtil(void *library, const struct paths *paths, struct gtil *gtil) {
    if (paths->format && strcmp(paths->format, "treelite") == 0) {
        int (*load)(const char *path,
                    void **model) = find_symbol(library, "TreeliteDeserializeModelFromFile");
        check(gtil, load(paths->model, &gtil->model));
        return;
    }
    bool is_lightgbm = paths->format && strcmp(paths->format, "lightgbm") == 0;
    int (*load)(const char *path, const char *config, void **model) = find_symbol(
        library, is_lightgbm ? "TreeliteLoadLightGBMModel" : "TreeliteLoadXGBoostModelUBJSON");
    check(gtil, load(paths->model, "{}", &gtil->model));
}

void open_gtil(struct contender *out, const struct paths *paths) {
    void *library = open_library(paths->library);
    struct gtil *gtil = allocate(1, sizeof(*gtil));
    gtil->last_error = find_symbol(library, "TreeliteGetLastError");
    gtil->predict = find_symbol(library, "TreeliteGTILPredict");
    load_gtil(library, paths, gtil);
    int (*parse)(const char *json, void **config) = find_symbol(library, "TreeliteGTILParseConfig");
    check(gtil, parse("{\"predict_type\": \"default\", \"nthread\": 1}", &gtil->config));
    int (*find_type)(void *model, const char **out) = find_symbol(library, "TreeliteGetInputType");
    const char *type;
    check(gtil, find_type(gtil->model, &type));
    gtil->is_double = strcmp(type, "float64") == 0;
    out->state = gtil;
    out->prepare = prepare_gtil;
    out->predict = predict_gtil;
}

/* Compiled code ----------------------------------------------------------------------------- */

/* No value of the benchmark is missing, which would be -1; so rows serve as they are. */

struct compiled {
    void (*predict)(void *entries, int is_margin, void *out);
    size_t threshold_bytes, answer_bytes;
    char *out;
};

static void prepare_compiled(struct contender *c, size_t n_rows) {
    struct compiled *compiled = c->state;
    compiled->out = allocate(n_rows * c->n_outputs, sizeof(double));
    bool is_double = compiled->answer_bytes == sizeof(double);
    c->floats = is_double ? NULL : (const void *)compiled->out;
    c->doubles = is_double ? (const void *)compiled->out : NULL;
}

static void predict_compiled(struct contender *c, size_t first) {
    const struct compiled *compiled = c->state;
    bool is_double = compiled->threshold_bytes == sizeof(double);
    const char *rows = is_double ? (const char *)c->rows->doubles : (const char *)c->rows->floats;
    size_t row_bytes = c->rows->n_cols * compiled->threshold_bytes;
    size_t out_bytes = c->n_outputs * compiled->answer_bytes;
    memset(compiled->out, 0, c->n_rows * out_bytes); /* the code adds to what it finds */
    for (size_t r = 0; r < c->n_rows; r++) {
        compiled->predict((void *)(uintptr_t)(rows + (first + r) * row_bytes), 0,
                          compiled->out + r * out_bytes);
    }
}

static size_t size_of_type(void *library, const char *symbol) {
    const char *(*get)(void) = find_symbol(library, symbol);
    return strcmp(get(), "float64") == 0 ? sizeof(double) : sizeof(float);
}

void open_tl2cgen(struct contender *out, const struct paths *paths) {
    void *library = open_library(paths->library);
    struct compiled *compiled = allocate(1, sizeof(*compiled));
    compiled->predict = find_symbol(library, "predict");
    compiled->threshold_bytes = size_of_type(library, "get_threshold_type");
    compiled->answer_bytes = size_of_type(library, "get_leaf_output_type");
    out->state = compiled;
    out->prepare = prepare_compiled;
    out->predict = predict_compiled;
}
