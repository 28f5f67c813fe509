#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/pyproc/batch.h"

/* --- what goes together ----------------------------------------------------------------------- */

static struct mr_str text(const char *chars) {
    return mr_str_from(chars);
}

/* Two tables of one row that match, until a test changes one. */
struct pair {
    struct mr_column columns[2][2];
    struct mr_param params[2];
    struct mr_input inputs[2];
    struct mr_call calls[2];
};

static void fill(struct pair *pair) {
    static const uint8_t missing;
    *pair = (struct pair){0};
    for (int i = 0; i < 2; i++) {
        pair->columns[i][0] = (struct mr_column){
            .name = text("a"), .is_named = true, .dtype = MR_FLOAT64, .n_rows = 1};
        pair->columns[i][1] = (struct mr_column){
            .name = text("b"), .is_named = true, .dtype = MR_INT64, .n_rows = 1};
        pair->columns[i][0].validity = &missing; /* which floats tell themselves */
        pair->columns[i][0].n_nulls = i;
        pair->params[i] = (struct mr_param){text("p"), text("1")};
        pair->inputs[i] = (struct mr_input){
            .kind = MR_INPUT_TABLE,
            .table = {.n_rows = 1, .n_cols = 2, .columns = pair->columns[i]},
            .params = {.is_given = true, .n = 1, .n_given = 1, .items = &pair->params[i]}};
        pair->calls[i].input = &pair->inputs[i];
    }
}

static bool match(const struct pair *pair) {
    bool is_match = mr_batch_matches(&pair->inputs[0], &pair->inputs[1]);
    assert_int_equal(is_match, mr_batch_matches(&pair->inputs[1], &pair->inputs[0]));
    return is_match;
}

static void test_tables_match(void **state) {
    (void)state;
    static const uint8_t missing;
    struct pair pair;
    fill(&pair);
    assert_true(match(&pair));
    pair.inputs[1].table.n_rows = pair.columns[1][0].n_rows = pair.columns[1][1].n_rows = 7;
    assert_true(match(&pair));
    fill(&pair);
    pair.columns[0][1].name = text("c");
    assert_false(match(&pair));
    fill(&pair);
    pair.columns[0][1].dtype = MR_INT32;
    assert_false(match(&pair));
    fill(&pair);
    pair.columns[0][1].is_named = false;
    assert_false(match(&pair));
    fill(&pair);
    pair.columns[0][1].is_object = true;
    assert_false(match(&pair));
    fill(&pair);
    pair.inputs[0].table.n_cols = 1;
    assert_false(match(&pair));
    fill(&pair);
    pair.columns[0][1].validity = &missing; /* an integer that is missing makes another dtype */
    pair.columns[0][1].n_nulls = 1;
    assert_false(match(&pair));
}

static void test_params_match(void **state) {
    (void)state;
    struct pair pair;
    fill(&pair);
    pair.params[0].json = text("2");
    assert_false(match(&pair));
    fill(&pair);
    pair.params[0].name = text("q");
    assert_false(match(&pair));
    fill(&pair);
    pair.inputs[0].params.n_given = 0; /* the same value, but by default */
    assert_false(match(&pair));
    pair.inputs[1].params.n_given = 0;
    assert_true(match(&pair));
    pair.inputs[1].params.is_given = false;
    assert_false(match(&pair));
}

static bool allows(const struct pair *pair) {
    return mr_batch_allows(&pair->calls[0], false);
}

static void test_tables_that_go_alone(void **state) {
    (void)state;
    struct pair pair;
    fill(&pair);
    assert_true(allows(&pair));
    pair.calls[0].wants_stream = true;
    assert_false(allows(&pair));
    fill(&pair);
    pair.inputs[0].table.index = &pair.columns[0][1];
    assert_false(allows(&pair));
    fill(&pair);
    pair.inputs[0].table.n_rows = 0;
    assert_false(allows(&pair));
    fill(&pair);
    pair.inputs[0].table.n_cols = 0;
    assert_false(allows(&pair));
    fill(&pair);
    pair.inputs[0].kind = MR_INPUT_RAW;
    assert_false(allows(&pair));
}

static void test_tensors(void **state) {
    (void)state;
    const int64_t shapes[][2] = {{3, 2}, {1, 2}, {3, 4}, {0, 2}};
    struct mr_tensor tensors[2][2];
    struct mr_input inputs[2];
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            tensors[i][j] = (struct mr_tensor){
                .name = text(j ? "b" : "a"), .dtype = MR_FLOAT32, .n_dims = 2, .shape = shapes[i]};
        }
        inputs[i] = (struct mr_input){
            .kind = MR_INPUT_TENSORS, .tensors = tensors[i], .n_tensors = 2};
    }
    struct mr_call call = {.input = &inputs[0]};
    assert_true(mr_batch_allows(&call, true));
    assert_false(mr_batch_allows(&call, false));
    assert_true(mr_batch_matches(&inputs[0], &inputs[1]));
    tensors[0][1].shape = shapes[1]; /* other rows than its neighbour */
    assert_false(mr_batch_allows(&call, true));
    tensors[0][1].shape = shapes[2];
    assert_true(mr_batch_allows(&call, true));
    assert_false(mr_batch_matches(&inputs[0], &inputs[1]));
    tensors[0][0].shape = tensors[0][1].shape = shapes[3];
    assert_false(mr_batch_allows(&call, true));
    tensors[0][0].shape = tensors[0][1].shape = shapes[0];
    tensors[0][1].is_fortran = true;
    assert_false(mr_batch_allows(&call, true));
    tensors[0][1].is_fortran = false;
    tensors[0][1].dtype = MR_STRING; /* the dtype depends on the longest */
    assert_false(mr_batch_allows(&call, true));
    tensors[0][1].dtype = MR_FLOAT64;
    assert_true(mr_batch_allows(&call, true));
    assert_false(mr_batch_matches(&inputs[0], &inputs[1]));
    tensors[0][1].dtype = MR_FLOAT32;
    tensors[0][1].n_dims = 0;
    assert_false(mr_batch_allows(&call, true));
}

/* --- how many, and when ----------------------------------------------------------------------- */

static void test_share(void **state) {
    (void)state;
    const struct mr_queue_options options = {.max_batch_rows = 100};
    struct mr_batch_state waiting = {.n_waiting_rows = 64, .n_workers = 1};
    assert_int_equal(mr_batch_share(&options, &waiting), 64);
    waiting.n_workers = 3;
    assert_int_equal(mr_batch_share(&options, &waiting), 22);
    waiting.n_waiting_rows = 1000;
    assert_int_equal(mr_batch_share(&options, &waiting), 100);
    waiting.n_workers = 0;
    assert_int_equal(mr_batch_share(&options, &waiting), 100);
}

static void test_window(void **state) {
    (void)state;
    struct mr_queue_options options = {.max_batch_rows = 100, .max_batch_delay_us = 2000};
    struct mr_batch_state waiting = {.n_waiting = 1, .n_waiting_rows = 1, .n_last_calls = 1};
    assert_false(mr_batch_is_open(&options, &waiting)); /* a lone call, as the last one */
    waiting.n_last_calls = 8;
    assert_true(mr_batch_is_open(&options, &waiting));
    waiting.waited_us = 1999;
    assert_true(mr_batch_is_open(&options, &waiting));
    waiting.waited_us = 2000;
    assert_false(mr_batch_is_open(&options, &waiting));
    waiting.waited_us = 0;
    waiting.n_waiting = 8; /* as many as last time */
    assert_false(mr_batch_is_open(&options, &waiting));
    waiting.n_waiting = 2;
    waiting.n_waiting_rows = 100;
    assert_false(mr_batch_is_open(&options, &waiting));
    waiting.n_waiting_rows = 2;
    options.max_batch_delay_us = 0;
    assert_false(mr_batch_is_open(&options, &waiting));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_match),
        cmocka_unit_test(test_params_match),
        cmocka_unit_test(test_tables_that_go_alone),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
