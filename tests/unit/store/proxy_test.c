#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/artifact_store_int.h"

/* MlflowArtifactsRepository.resolve_uri of MLflow 3.17.2, and what requests makes of it. */
static void test_urls(void **state) {
    (void)state;
    static const char *const cases[][4] = {
        {"mlflow-artifacts:/1/a", "http://h:5", "http://h:5/api/2.0/mlflow-artifacts/artifacts/1/a",
         "1/a"},
        {"mlflow-artifacts:/1/a/", "https://h/pre/",
         "https://h/pre/api/2.0/mlflow-artifacts/artifacts/1/a", "1/a"},
        {"mlflow-artifacts://other:9/1 x", "http://h/pre",
         "http://other:9/pre/api/2.0/mlflow-artifacts/artifacts/1%20x", "1 x"},
        {"mlflow-artifacts:///1//a%20b", "http://me:pw@h",
         "http://me:pw@h/api/2.0/mlflow-artifacts/artifacts/1/a%20b", "1/a%20b"},
        {"mlflow-artifacts:/", "http://h/pre", "http://h/api/2.0/mlflow-artifacts/artifacts", ""},
        {"http://x/p/api/2.0/mlflow-artifacts/artifacts/1/a", NULL,
         "http://x/p/api/2.0/mlflow-artifacts/artifacts/1/a", "1/a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_artifact_store store;
        struct mr_error err = {0};
        if (mr_proxy_open(cases[i][0], cases[i][1], arena, &store, &err) != MR_OK) {
            fail_msg("%s: %s", cases[i][0], err.message);
        }
        assert_string_equal(store.root, cases[i][2]);
        assert_string_equal(store.listed, cases[i][3]);
        assert_null(strstr(store.place, "pw"));
    }
}

static void test_bad_urls(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"mlflow-artifacts://5000/1", "http://h", "a port but no host"},
        {"mlflow-artifacts:/1", "sqlite:///x.db", "set MLFLOW_TRACKING_URI"},
        {"mlflow-artifacts:/1", NULL, "set MLFLOW_TRACKING_URI"},
        {"mlflow-artifacts:/1", "postgresql://u:secret@h/db?password=secret", "postgresql://h/db"},
        {"https://u:secret@h/x?sig=secret", NULL, "of an http address only"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_artifact_store store;
        struct mr_error err = {0};
        assert_int_not_equal(mr_proxy_open(cases[i][0], cases[i][1], arena, &store, &err), MR_OK);
        if (!strstr(err.message, cases[i][2]) || strstr(err.message, "secret")) {
            fail_msg("%s: %s", cases[i][0], err.message);
        }
    }
}

static void test_listing(void **state) {
    (void)state;
    static const char json[] =
        "{\"files\": [{\"path\": \"b\", \"is_dir\": true}, {\"path\": \"a\", \"is_dir\": false, "
        "\"file_size\": 3}, {\"path\": \"c\", \"file_size\": \"12\"}, {\"path\": \"d\"}]}";
    struct mr_artifact_list list;
    struct mr_proxy_folders folders = {0};
    struct mr_error err = {0};
    mr_artifact_list_init(&list, arena);
    assert_int_equal(mr_proxy_read_list(mr_str_from(json), "x/y", &list, &folders, &err), MR_OK);
    assert_int_equal(mr_artifact_list_sort(&list, &err), MR_OK);
    assert_int_equal(list.n, 3);
    assert_string_equal(list.items[0].path, "x/y/a");
    assert_int_equal(list.items[0].size_bytes, 3);
    assert_int_equal(list.items[1].size_bytes, 12);
    assert_true(list.items[2].size_bytes == MR_ARTIFACT_SIZE_UNKNOWN);
    assert_int_equal(folders.n, 1);
    assert_string_equal(folders.paths[0], "x/y/b");
    /* MLflow leaves `files` out when there are none. */
    assert_int_equal(mr_proxy_read_list(mr_str_from("{}"), "", &list, &folders, &err), MR_OK);
    assert_int_equal(list.n, 3);
}

int main(void) {
    unsetenv("MLFLOW_TRACKING_AUTH");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_urls), cmocka_unit_test(test_bad_urls),
                                       cmocka_unit_test(test_listing)};
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
