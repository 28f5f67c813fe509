#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "api/score.h"
#include "arena_fixture.h"

/* An engine that answers later, on another thread, and takes no more than one column. */
static bool can_take(const struct mr_engine_model *model, const struct mr_input *input,
                     struct mr_arena *scratch, const char **reason) {
    (void)model;
    (void)scratch;
    *reason = "more than one column";
    return input->kind != MR_INPUT_TABLE || input->table.n_cols == 1;
}

static void *answer(void *arg) {
    struct mr_call *call = arg;
    if (call->input->kind == MR_INPUT_RAW) {
        call->output = (struct mr_output){.kind = MR_OUTPUT_JSON, .json = call->input->raw_body};
        call->status = MR_OK;
    } else {
        call->status = mr_fail(&call->err, MR_E_DEADLINE, "no answer within 1 s");
    }
    call->done(call);
    return NULL;
}

static pthread_t answering;

static void ask(struct mr_engine_model *model, struct mr_call *call) {
    (void)model;
    assert_int_equal(pthread_create(&answering, NULL, answer, call), 0);
}

/* One that never does. */
static atomic_int n_withdrawn;

static void ask_in_vain(struct mr_engine_model *model, struct mr_call *call) {
    (void)model;
    (void)call;
}

static bool withdraw(struct mr_engine_model *model, struct mr_call *call) {
    (void)model;
    (void)call;
    atomic_fetch_add(&n_withdrawn, 1);
    return true;
}

static const struct mr_engine_ops never_ops = {
    .name = "never", .can_take = can_take, .ask = ask_in_vain, .cancel = withdraw};
static const struct mr_engine_ops later_ops = {.name = "later", .can_take = can_take, .ask = ask};
static const struct mr_engine_ops native_ops = {.name = "native", .is_native = true};

static struct mr_model model_of(const struct mr_engine_ops *ops, const char *inputs) {
    struct mr_model model = {.engine = {.ops = ops}};
    struct mr_error err = {0};
    if (mr_signature_read(mr_str_from(inputs), (struct mr_str){0}, (struct mr_str){0}, arena,
                          &model.signature, &err) != MR_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static struct mr_question question;
static struct mr_error error;

/* Decodes a copy with room behind it, as a request's body has. */
static mr_status decode(const struct mr_model *model, mr_format format, const char *body) {
    size_t size = strlen(body);
    char *copy = mr_arena_zalloc(arena, size + 16);
    memcpy(copy, body, size);
    return mr_score_decode(model, format, copy, size, size + 16, arena, &question, &error);
}

static void assert_raw(const struct mr_model *model, mr_format format, const char *body,
                       const char *reason) {
    if (decode(model, format, body) != MR_OK) fail_msg("%s", error.message);
    assert_int_equal(question.input.kind, MR_INPUT_RAW);
    assert_int_equal(question.input.raw_format, format);
    assert_true(mr_str_is(question.input.raw_body, body));
    assert_non_null(strstr(question.input.raw_reason, reason));
}

#define ONE "[{\"type\": \"double\", \"name\": \"a\"}]"
#define TWO "[{\"type\": \"double\", \"name\": \"a\"}, {\"type\": \"double\", \"name\": \"b\"}]"
#define NESTED "[{\"type\": \"array\", \"items\": {\"type\": \"double\"}, \"name\": \"a\"}]"
#define RECORDS "{\"dataframe_records\": [{\"a\": 1, \"b\": 2}]}"

static void test_decoded(void **state) {
    (void)state;
    struct mr_model model = model_of(&later_ops, ONE);
    assert_int_equal(decode(&model, MR_FORMAT_JSON, RECORDS), MR_OK);
    assert_int_equal(question.input.kind, MR_INPUT_TABLE);
    assert_int_equal(question.input.table.n_cols, 1);
    assert_false(question.is_bare || question.wants_stream);
    assert_int_equal(decode(&model, MR_FORMAT_CSV, "a,b\n1,2\n"), MR_OK);
    assert_int_equal(question.input.kind, MR_INPUT_TABLE);
    assert_int_equal(
        decode(&model, MR_FORMAT_JSON, "{\"prompt\": 1, \"a\": 2.5, \"stream\": true}"), MR_OK);
    assert_true(question.is_bare && question.wants_stream);
    assert_int_equal(decode(&model, MR_FORMAT_JSON, "{\"dataframe_records\": [{\"b\": 2}]}"),
                     MR_E_INVALID_PARAMETER);
}

static void test_bodies_for_python_stay_as_they_came(void **state) {
    (void)state;
    struct mr_model model = model_of(&later_ops, TWO);
    assert_raw(&model, MR_FORMAT_JSON, RECORDS, "more than one column");
    assert_raw(&model, MR_FORMAT_CSV, "a,b\n1,2\n", "more than one column");
    assert_raw(&model, MR_FORMAT_PARQUET, "PAR1", "Parquet");
    model = model_of(&later_ops, NESTED);
    assert_raw(&model, MR_FORMAT_JSON, RECORDS, "nested");
    model = model_of(&later_ops, "");
    assert_raw(&model, MR_FORMAT_JSON, "{\"messages\": [{\"role\": \"user\"}]}", "messages");
    model.mlmodel.has_type_hints = true;
    assert_raw(&model, MR_FORMAT_JSON, "not even JSON", "type hints");
    assert_raw(&model, MR_FORMAT_CSV, "a\n1\n", "type hints");
}

static void test_native_engines_refuse_them(void **state) {
    (void)state;
    struct mr_model model = model_of(&native_ops, ONE);
    assert_int_equal(decode(&model, MR_FORMAT_PARQUET, "PAR1"), MR_E_BAD_REQUEST);
    assert_non_null(strstr(error.message, "Parquet"));
    assert_non_null(strstr(error.message, "--engine python"));
    assert_int_equal(decode(&model, MR_FORMAT_JSON, RECORDS), MR_OK);
}

static void test_waiting_for_an_answer(void **state) {
    (void)state;
    struct mr_model model = model_of(&later_ops, TWO);
    struct mr_output output = {0};
    assert_int_equal(decode(&model, MR_FORMAT_JSON, RECORDS), MR_OK);
    question.is_bare = true;
    assert_int_equal(mr_score_answer(&question, NULL, arena, &output, &error), MR_OK);
    pthread_join(answering, NULL);
    assert_true(mr_str_is(output.json, RECORDS));
    assert_true(output.is_bare);

    model = model_of(&later_ops, ONE);
    assert_int_equal(decode(&model, MR_FORMAT_JSON, RECORDS), MR_OK);
    assert_int_equal(mr_score_answer(&question, NULL, arena, &output, &error), MR_E_DEADLINE);
    pthread_join(answering, NULL);
    assert_string_equal(error.message, "no answer within 1 s");
}

static void *end(void *is_over) {
    atomic_store((atomic_bool *)is_over, true);
    return NULL;
}

static void test_an_answer_that_is_not_wanted_any_more(void **state) {
    (void)state;
    atomic_bool is_over = false;
    struct mr_model model = model_of(&never_ops, ONE);
    struct mr_output output = {0};
    pthread_t ending;
    assert_int_equal(decode(&model, MR_FORMAT_JSON, RECORDS), MR_OK);
    assert_int_equal(pthread_create(&ending, NULL, end, &is_over), 0);
    assert_int_equal(mr_score_answer(&question, &is_over, arena, &output, &error),
                     MR_E_UNAVAILABLE);
    assert_int_equal(pthread_join(ending, NULL), 0);
    assert_int_equal(atomic_load(&n_withdrawn), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoded),
        cmocka_unit_test(test_bodies_for_python_stay_as_they_came),
        cmocka_unit_test(test_native_engines_refuse_them),
        cmocka_unit_test(test_waiting_for_an_answer),
        cmocka_unit_test(test_an_answer_that_is_not_wanted_any_more),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
