/* Damaged models of tests/data/pipeline, all of them and each in the format it was saved in.
 * MLRACE_MUTATIONS: how many of each model, instead of N_MUTATIONS. */
#include "mutations.h"
#include "saved_models.h"

#define N_MUTATIONS 5

static int n_mutations = N_MUTATIONS;
static yyjson_val *expected, *model; /* what is mutated now */

/* A column as make.py writes it: {"dtype", "values"}. */
static void read_column(yyjson_val *json, struct mr_arena *arena, struct mr_column *out) {
    yyjson_val *values = yyjson_obj_get(json, "values"), *cell;
    const char *dtype = yyjson_get_str(yyjson_obj_get(json, "dtype"));
    size_t n = yyjson_arr_size(values), i, max, size = 0;
    uint8_t *validity = mr_arena_zalloc(arena, n / 8 + 1);
    double *numbers = mr_arena_array(arena, n, sizeof(*numbers));
    int64_t *offsets = mr_arena_array(arena, n + 1, sizeof(*offsets));
    char *bytes = mr_arena_alloc(arena, 4096);
    offsets[0] = 0;
    bool is_number = strstr(dtype, "float") || strstr(dtype, "int") || strstr(dtype, "bool");
    yyjson_arr_foreach(values, i, max, cell) {
        bool is_missing = yyjson_is_null(cell);
        out->n_nulls += is_missing;
        validity[i / 8] |= (uint8_t)(!is_missing << (i % 8));
        numbers[i] = is_missing             ? NAN
                     : yyjson_is_bool(cell) ? yyjson_get_bool(cell)
                                            : yyjson_get_num(cell);
        size_t length = yyjson_get_len(cell);
        assert_true(is_number || size + length <= 4096);
        if (!is_number && length) memcpy(bytes + size, yyjson_get_str(cell), length);
        if (!is_number) size += length;
        offsets[i + 1] = (int64_t)size;
    }
    out->n_rows = (int64_t)n;
    out->is_named = true;
    out->dtype = is_number ? MR_FLOAT64 : MR_STRING;
    out->is_object = true;
    out->values = numbers;
    out->offsets = offsets;
    out->bytes = bytes;
    if (out->n_nulls) out->validity = validity;
}

static struct mr_input read_table(const char *rows, yyjson_val *names, struct mr_arena *arena) {
    struct mr_input input = {.kind = MR_INPUT_TABLE};
    struct mr_error err;
    yyjson_val *name, *columns = yyjson_obj_get(expected, rows);
    size_t i, n;
    const char *first = yyjson_get_str(yyjson_arr_get_first(names));
    int64_t n_rows = (int64_t)yyjson_arr_size(
        yyjson_obj_get(yyjson_obj_get(columns, first), "values"));
    assert_int_equal(mr_table_new(arena, n_rows, yyjson_arr_size(names), &input.table, &err),
                     MR_OK);
    yyjson_arr_foreach(names, i, n, name) {
        struct mr_column *column = &input.table.columns[i];
        read_column(yyjson_obj_get(columns, yyjson_get_str(name)), arena, column);
        column->name = (struct mr_str){yyjson_get_str(name), yyjson_get_len(name)};
    }
    return input;
}

static struct mr_input read_array(const char *rows, struct mr_arena *arena) {
    struct mr_tensor *tensor = mr_arena_zalloc(arena, sizeof(*tensor));
    int64_t *shape = mr_arena_array(arena, 2, sizeof(*shape));
    double *values = mr_arena_array(arena, MAX_X, sizeof(*values));
    *tensor = read_x(yyjson_obj_get(expected, rows), false, shape, values);
    return (struct mr_input){.kind = MR_INPUT_TENSOR, .tensors = tensor, .n_tensors = 1};
}

static void ask_rows(const struct mr_engine *engine, const struct mr_input *input,
                     struct mr_arena *arena) {
    struct mr_output output;
    struct mr_error err = {0};
    const char *reason = NULL;
    if (!mr_engine_can_take(engine, input, arena, &reason)) {
        assert_non_null(reason);
        return;
    }
    mr_status status = mr_engine_predict(engine, input, arena, &output, &err);
    assert_true(status == MR_OK || status == MR_E_BAD_REQUEST);
}

static void ask(const struct mr_engine *engine, struct mr_arena *arena) {
    yyjson_val *names = yyjson_obj_get(model, "columns");
    static const char *const rows[] = {"PLAIN", "MISSING", "ARRAY", "HOLES"};
    for (size_t i = 0; i < 4; i++) {
        bool is_table = i < 2;
        if (is_table != yyjson_is_arr(names)) continue;
        struct mr_input input = is_table ? read_table(rows[i], names, arena)
                                         : read_array(rows[i], arena);
        ask_rows(engine, &input, arena);
    }
}

static bool is_loaded(const struct mutated_format *format, struct mr_str file) {
    struct mr_engine engine = {0};
    bool is = load_bytes(format, file, &engine) == MR_OK;
    mr_engine_unload(&engine);
    return is;
}

static void visit(const struct saved_models *models, const char *name, yyjson_val *visited) {
    const char *saved = yyjson_get_str(yyjson_obj_get(visited, "saved"));
    struct mutated_format format = {
        .flavor = "mlflow.sklearn",
        .serialization_format = saved,
        .special_bytes = strcmp(saved, "skops") == 0 ? NULL : PICKLE_OPCODES,
        .ask = ask,
    };
    (void)name;
    model = visited;
    expected = yyjson_doc_get_root(models->expected);
    struct mr_str file = saved_models_file(models, model);
    if (is_loaded(&format, file)) mutate_bytes(&format, file, n_mutations);
}

static void test_mutations(void **state) {
    (void)state;
    const char *n = getenv("MLRACE_MUTATIONS");
    if (n) n_mutations = atoi(n);
    random_state = 1;
    int n_models = saved_models_each("tests/data/pipeline", visit);
    print_message("%d models: %d loaded, %d refused\n", n_models, n_loaded, n_refused);
    assert_true(n_loaded > 500 && n_refused > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
