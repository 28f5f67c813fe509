#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/uri.h"

#define IS_SAME(a, b) ((a) == (b) || ((a) && (b) && strcmp((a), (b)) == 0))

static void test_forms(void **state) {
    (void)state;
    static const struct {
        const char *uri;
        struct mr_uri wanted;
    } cases[] = {
        {"a/b", {MR_URI_FOLDER, .path = "a/b"}},
        {"c:/a", {MR_URI_FOLDER, .path = "c:/a"}},
        {"a b:/c", {MR_URI_FOLDER, .path = "a b:/c"}},
        {"file:///a%20b", {MR_URI_FOLDER, .path = "/a b"}},
        {"s3://bucket/a", {MR_URI_ARTIFACTS, .path = ""}},
        {"runs:/r/a/b/", {MR_URI_RUN, .id = "r", .path = "a/b"}},
        {"RUNS:///r//a?x#y", {MR_URI_RUN, .id = "r", .path = "a"}},
        {"runs:/r/", {MR_URI_RUN, .id = "r", .path = ""}},
        {"runs:/r/a%20b", {MR_URI_RUN, .id = "r", .path = "a%20b"}},
        {"models:/m-1", {MR_URI_LOGGED_MODEL, .id = "m-1", .selector = "", .path = ""}},
        {"models:/m-1/", {MR_URI_LOGGED_MODEL, .id = "m-1", .selector = "", .path = ""}},
        {"models:/a/007", {MR_URI_VERSION, .name = "a", .selector = "007", .path = ""}},
        {"models:/a/7/b/c", {MR_URI_VERSION, .name = "a", .selector = "7", .path = "b/c"}},
        {"models:/a/7?x", {MR_URI_VERSION, .name = "a", .selector = "7", .path = ""}},
        {"models:/a/7#x", {MR_URI_VERSION, .name = "a", .selector = "7", .path = ""}},
        {"models:/a#b", {MR_URI_LOGGED_MODEL, .id = "a#b", .selector = "", .path = ""}},
        {"models:/a/LaTest", {MR_URI_LATEST, .name = "a", .selector = "LaTest", .path = ""}},
        {"models:/a/Staging", {MR_URI_STAGE, .name = "a", .selector = "Staging", .path = ""}},
        {"models:/a/7x", {MR_URI_STAGE, .name = "a", .selector = "7x", .path = ""}},
        {"models:/a@b/c", {MR_URI_ALIAS, .name = "a", .selector = "b", .path = "c"}},
        {"models:/a@b@c", {MR_URI_ALIAS, .name = "a@b", .selector = "c", .path = ""}},
        {"models:/a b\xc3\xa4@\xc3\xa4",
         {MR_URI_ALIAS, .name = "a b\xc3\xa4", .selector = "\xc3\xa4", .path = ""}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct mr_uri *wanted = &cases[i].wanted;
        struct mr_uri uri = {0};
        struct mr_error err = {0};
        mr_status status = mr_uri_parse(cases[i].uri, arena, &uri, &err);
        if (status != MR_OK || uri.kind != wanted->kind || !IS_SAME(uri.id, wanted->id) ||
            !IS_SAME(uri.name, wanted->name) || !IS_SAME(uri.selector, wanted->selector) ||
            !IS_SAME(uri.path, wanted->path)) {
            fail_msg("%s: kind %d, %s, %s, %s, %s: %s", cases[i].uri, uri.kind, uri.id, uri.name,
                     uri.selector, uri.path, err.message);
        }
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const uris[] = {"",
                                       "file:",
                                       "file://host",
                                       "runs:",
                                       "runs:/",
                                       "runs:/r",
                                       "runs:r/a",
                                       "runs:/-r/a",
                                       "runs:/a b/c",
                                       "runs:/../a",
                                       "runs:/r/../a",
                                       "runs:/r/a/..",
                                       "runs:/r/%2E%2e/a",
                                       "runs:/r/%2fa",
                                       "models:",
                                       "models:/",
                                       "models:a/1",
                                       "models:/ /1",
                                       "models:/a/ ",
                                       "models:/a@",
                                       "models:/@a",
                                       "models:/a@b.c",
                                       "models:/a@b c",
                                       "models:/../1",
                                       "models:/..a/1",
                                       "models:/./1",
                                       "models:/a:b/1",
                                       "models:/a/1/../2",
                                       "models:/a/1234567890123456789"};
    for (size_t i = 0; i < sizeof(uris) / sizeof(*uris); i++) {
        struct mr_uri uri;
        struct mr_error err = {0};
        if (mr_uri_parse(uris[i], arena, &uri, &err) != MR_E_INVALID_PARAMETER)
            fail_msg("%s", uris[i]);
        assert_true(err.message[0] != '\0');
    }
    static const char *const databricks[] = {"runs://profile@databricks/r/a",
                                             "models://scope:prefix@databricks/a/1"};
    for (size_t i = 0; i < 2; i++) {
        struct mr_uri uri;
        struct mr_error err = {0};
        assert_int_equal(mr_uri_parse(databricks[i], arena, &uri, &err), MR_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "mlflow artifacts download"));
    }
    char *longest = mr_arena_zalloc(arena, 5000);
    assert_non_null(longest);
    memset(longest, 'a', 4999);
    struct mr_uri uri;
    assert_int_equal(mr_uri_parse(longest, arena, &uri, NULL), MR_E_INVALID_PARAMETER);
    longest[4096] = '\0';
    assert_int_equal(mr_uri_parse(longest, arena, &uri, NULL), MR_OK);
}

static void test_local_paths(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"/a//", "/a"},
                                           {"/", "/"},
                                           {"a%20b", "a%20b"},
                                           {"file:/a%20b", "/a b"},
                                           {"file:a", "a"},
                                           {"file:///a?b", "/a"},
                                           {"FILE:///a#b", "/a"},
                                           {"file://host/a", "/a"},
                                           {"file:///a%00b", "/a%00b"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *path;
        assert_int_equal(mr_uri_local_path(cases[i][0], arena, &path, NULL), MR_OK);
        assert_string_equal(path, cases[i][1]);
    }
}

static void test_appending(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"s3://b/a", "c/d", "s3://b/a/c/d"},  {"s3://b/a/", "c", "s3://b/a/c"},
        {"s3://b", "c", "s3://b/c"},          {"s3://b/a?x=1#y", "c", "s3://b/a/c?x=1#y"},
        {"s3://b/a?x=1", "", "s3://b/a?x=1"}, {"/a", "/c", "/a/c"},
        {"file:a", "c", "file:a/c"},          {"mlflow-artifacts:/", "c", "mlflow-artifacts:/c"},
    };
    const char *out;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(mr_uri_append(cases[i][0], cases[i][1], arena, &out, NULL), MR_OK);
        assert_string_equal(out, cases[i][2]);
    }
    assert_int_equal(mr_uri_append("s3://b/a?x=%2E.", "c", arena, &out, NULL),
                     MR_E_INVALID_PARAMETER);
    /* In a path nothing has a meaning. */
    assert_int_equal(mr_uri_join("a?b:#/c", "d", arena, &out, NULL), MR_OK);
    assert_string_equal(out, "a?b:#/c/d");
    assert_int_equal(mr_uri_join("", "d", arena, &out, NULL), MR_OK);
    assert_string_equal(out, "d");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_local_paths),
        cmocka_unit_test(test_appending),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
