#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/rest_answer.h"

static void test_runs(void **state) {
    (void)state;
    struct mr_run run;
    assert_int_equal(
        mr_rest_read_run(mr_str_from("{\"run\": {\"info\": {\"experiment_id\": \"1\", "
                                     "\"artifact_uri\": \"s3://b/1\"}, \"data\": {}}}"),
                         arena, &run, NULL),
        MR_OK);
    assert_string_equal(run.experiment_id, "1");
    assert_string_equal(run.artifact_uri, "s3://b/1");
}

/* Of a page with the models of several runs, the first of ours. */
static void test_models(void **state) {
    (void)state;
    static const char page[] =
        "{\"models\": ["
        "{\"info\": {\"model_id\": \"m-1\", \"artifact_uri\": \"/1\", \"source_run_id\": \"a\"}},"
        "{\"info\": {\"model_id\": \"m-2\", \"artifact_uri\": \"/2\", \"source_run_id\": \"b\"}},"
        "{\"info\": {\"model_id\": \"m-3\", \"artifact_uri\": \"/3\", \"source_run_id\": \"b\"}}],"
        "\"next_page_token\": \"more\"}";
    struct mr_logged_model model;
    const char *next;
    assert_int_equal(mr_rest_read_models(mr_str_from(page), "b", arena, &model, &next, NULL),
                     MR_OK);
    assert_string_equal(model.id, "m-2");
    assert_string_equal(model.artifact_uri, "/2");
    assert_string_equal(next, "more");
    assert_int_equal(mr_rest_read_models(mr_str_from(page), "c", arena, &model, &next, NULL),
                     MR_OK);
    assert_null(model.id);
    assert_int_equal(mr_rest_read_models(mr_str_from("{}"), "c", arena, &model, &next, NULL),
                     MR_OK);
    assert_null(next);
}

static void test_versions(void **state) {
    (void)state;
    struct mr_version version;
    int64_t latest;
    const char *uri;
    assert_int_equal(
        mr_rest_read_version(mr_str_from("{\"model_version\": {\"version\": \"12\", \"source\": "
                                         "\"models:/m-1\", \"run_id\": \"\", "
                                         "\"creation_timestamp\": 1795928564383}}"),
                             arena, &version, NULL),
        MR_OK);
    assert_int_equal(version.version, 12);
    assert_string_equal(version.source, "models:/m-1");
    assert_null(version.run_id);
    assert_int_equal(version.created_ms, 1795928564383);
    assert_int_equal(
        mr_rest_read_latest(mr_str_from("{\"model_versions\": [{\"version\": \"9\"}, "
                                        "{\"version\": 10}, {\"version\": \"x\"}, 3]}"),
                            &latest, NULL),
        MR_OK);
    assert_int_equal(latest, 10);
    assert_int_equal(mr_rest_read_latest(mr_str_from("{}"), &latest, NULL), MR_OK);
    assert_int_equal(latest, 0);
    assert_int_equal(
        mr_rest_read_download_uri(mr_str_from("{\"artifact_uri\": \"a\"}"), arena, &uri, NULL),
        MR_OK);
    assert_string_equal(uri, "a");
}

static void test_answers_of_no_mlflow(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        "{\"run\": []}",
        "{\"run\": {\"info\": 1}}",
        "{\"artifact_uri\": 1, \"model\": {\"info\": {\"model_id\": \"m\"}}}",
        "{\"artifact_uri\": \"a\\u0000b\"}",
        "{\"model_version\": {\"version\": \"-1\"}}",
        "{\"model_version\": {\"version\": [\"1\"]}}",
        "{\"model_version\": {\"version\": \"99999999999999999999\"}}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct mr_str body = mr_str_from(bodies[i]);
        struct mr_run run;
        struct mr_logged_model model;
        struct mr_version version;
        const char *uri;
        struct mr_error err = {0};
        assert_int_equal(mr_rest_read_run(body, arena, &run, &err), MR_E_FORMAT);
        assert_true(err.message[0] != '\0');
        assert_int_equal(mr_rest_read_model(body, arena, &model, NULL), MR_E_FORMAT);
        assert_int_equal(mr_rest_read_version(body, arena, &version, NULL), MR_E_FORMAT);
        assert_int_equal(mr_rest_read_download_uri(body, arena, &uri, NULL), MR_E_FORMAT);
        assert_false(mr_rest_is_error(body, "RESOURCE_DOES_NOT_EXIST"));
    }
    assert_true(mr_rest_is_error(mr_str_from("{\"error_code\": \"A\"}"), "A"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_answers_of_no_mlflow),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
