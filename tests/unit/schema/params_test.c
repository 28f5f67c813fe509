#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "arena_fixture.h"
#include "schema/enforce.h"
#include "schema/params.h"

static const char declared[] =
    "[{\"name\": \"on\", \"type\": \"boolean\", \"default\": true, \"shape\": null},"
    " {\"name\": \"top\", \"type\": \"long\", \"default\": 5, \"shape\": null},"
    " {\"name\": \"heat\", \"type\": \"double\", \"default\": 1, \"shape\": null},"
    " {\"name\": \"stops\", \"type\": \"string\", \"default\": [\"\\u0000\\\"\"], \"shape\": [-1]},"
    " {\"name\": \"since\", \"type\": \"datetime\", \"default\": \"2020-01\", \"shape\": null},"
    " {\"name\": \"more\", \"type\": \"object\", \"properties\": {\"k\": {\"type\": \"long\"}}, "
    "\"default\": {\"k\": 1}, \"shape\": null}]";

/* The params of a request as one text: name=json;name=json; */
static mr_status enforce(const char *json, char *out, size_t size, struct mr_error *err) {
    struct mr_signature signature;
    struct mr_params params;
    struct mr_str none = {0};
    assert_int_equal(mr_signature_read(none, none, mr_str_from(declared), arena, &signature, err),
                     MR_OK);
    yyjson_doc *doc = json ? yyjson_read(json, strlen(json), YYJSON_READ_BIGNUM_AS_RAW) : NULL;
    if (json && !doc) fail_msg("%s is not JSON", json);
    mr_status status = mr_enforce_params(&signature, yyjson_doc_get_root(doc), arena, &params, err);
    size_t used = 0;
    for (size_t i = 0; status == MR_OK && i < params.n; i++) {
        const struct mr_param *item = &params.items[i];
        used += (size_t)snprintf(out + used, size - used, "%.*s=%.*s;", MR_STR_ARGS(item->name),
                                 MR_STR_ARGS(item->json));
    }
    yyjson_doc_free(doc);
    return status;
}

static void expect(const char *json, const char *expected) {
    char out[512];
    struct mr_error err = {0};
    if (enforce(json, out, sizeof(out), &err) != MR_OK) fail_msg("%s: %s", json, err.message);
    assert_string_equal(out, expected);
}

static void refuse(const char *json, mr_status status, const char *message) {
    char out[512];
    struct mr_error err = {0};
    assert_int_equal(enforce(json, out, sizeof(out), &err), status);
    assert_string_equal(err.message, message);
}

#define DEFAULTS(stops)                                                                            \
    "on=true;top=5;heat=1.0;stops=" stops ";since=\"2020-01-01\";more={\"k\":1};"

static void test_defaults(void **state) {
    (void)state;
    expect(NULL, DEFAULTS("[\"\\u0000\\\"\"]"));
    expect("{}", DEFAULTS("[\"\\u0000\\\"\"]"));
    expect("{\"unknown\": [1, [2]]}", DEFAULTS("[\"\\u0000\\\"\"]"));
}

/* Those given come first, in the request's order. */
static void test_order(void **state) {
    (void)state;
    expect("{\"stops\": [], \"heat\": 2, \"x\": 1, \"stops\": [null, \"a\"]}",
           "stops=[null, \"a\"];heat=2.0;on=true;top=5;since=\"2020-01-01\";more={\"k\":1};");
}

static void test_conversions(void **state) {
    (void)state;
    expect("{\"on\": false, \"top\": 99999999999999999999, \"heat\": 99999999999999999999, "
           "\"stops\": [], \"since\": \"2020-02-03T04:05:06.7+01:00\", \"more\": {\"k\": 2}}",
           "on=false;top=99999999999999999999;heat=1e+20;stops=[];"
           "since=\"2020-02-03T03:05:06.700000\";more={\"k\":2};");
    expect("{\"on\": null, \"top\": null, \"heat\": null, \"stops\": [], \"since\": \"NaT\"}",
           "on=null;top=null;heat=null;stops=[];since=null;more={\"k\":1};");
}

static void test_refusals(void **state) {
    (void)state;
    refuse("[1]", MR_E_INVALID_PARAMETER, "params: expected a dict, received a list of 1");
    refuse("{\"on\": 1}", MR_E_INVALID_PARAMETER, "param 'on': expected boolean, received 1 (int)");
    refuse("{\"top\": 1.0}", MR_E_INVALID_PARAMETER,
           "param 'top': expected long, received 1.0 (float)");
    refuse("{\"top\": true}", MR_E_INVALID_PARAMETER,
           "param 'top': expected long, received True (bool)");
    refuse("{\"heat\": \"1\"}", MR_E_INVALID_PARAMETER,
           "param 'heat': expected double, received \"1\" (str)");
    refuse("{\"stops\": null}", MR_E_INVALID_PARAMETER,
           "param 'stops': expected string (a list of them), received null");
    refuse("{\"stops\": [[\"a\"]]}", MR_E_INVALID_PARAMETER,
           "param 'stops': expected string (a list of them), received a list of 1: it holds lists");
    refuse(
        "{\"since\": \"2020-01-01T00:00:00.0000001\"}", MR_E_INVALID_PARAMETER,
        "param 'since': expected datetime, received \"2020-01-01T00:00:00.0000001\" (str): finer "
        "than a microsecond");
    refuse("{\"more\": null}", MR_E_INVALID_PARAMETER,
           "param 'more': expected object, received null");
    refuse("{\"more\": {\"k\": 1.5}}", MR_E_INVALID_PARAMETER,
           "column 'k': expected long, received float64, which cannot be converted safely");
    refuse("{\"more\": {}}", MR_E_INVALID_PARAMETER, "property 'k' is missing");
    refuse("{\"more\": {\"k\": 1, \"l\": 2}}", MR_E_INVALID_PARAMETER,
           "property 'l': expected only properties that the type has, received 2 (int)");
}

/* A ragged list is an exception that MLflow does not foresee: it ends the request at once. */
static void test_ragged(void **state) {
    (void)state;
    refuse("{\"on\": 1, \"stops\": [\"a\", [\"b\"]]}", MR_E_BAD_REQUEST,
           "param 'stops'[1]: expected a value as in the values before, received a list of 1");
}

static void test_bad_default(void **state) {
    (void)state;
    struct mr_signature signature;
    struct mr_error err;
    struct mr_str none = {0};
    const char *json = "[{\"name\": \"a\", \"type\": \"long\", \"default\": 1.5, \"shape\": null}]";
    assert_int_equal(mr_signature_read(none, none, mr_str_from(json), arena, &signature, &err),
                     MR_E_FORMAT);
    assert_string_equal(err.message, "param 'a': expected long, received 1.5 (float)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_conversions), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ragged),      cmocka_unit_test(test_bad_default),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
