/* What URIs mean, in stores that MLflow made, as MLflow itself told: tests/data/store/make.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "base/file.h"
#include "store/store.h"

struct store_case {
    const char *uri, *found; /* found: what the MLmodel says; NULL: MLflow refuses it */
};

#include "../../data/store/cases.h"

#define SQLITE "sqlite:///tests/data/store/mlflow.db"
#define FILES "tests/data/store/files"

static bool has_end(const char *text, const char *end) {
    size_t size = strlen(text), n = strlen(end);
    return size >= n && strcmp(text + size - n, end) == 0;
}

/* What we take otherwise, on purpose. */
static const char *expected(const struct store_case *wanted) {
    /* MLflow's copying stumbles over the slash. */
    if (has_end(wanted->uri, "/model/inner/")) return "newer, inner";
    /* No ".." at all: nothing is lost, and nothing needs to be weighed. */
    return has_end(wanted->uri, "/plain/../plain") ? NULL : wanted->found;
}

/* What the MLmodel says at a URI; NULL: there is none. */
static const char *find(const char *uri, const struct mr_store_options *options,
                        struct mr_location *location, struct mr_error *err) {
    char path[4096];
    struct mr_str text;
    if (mr_store_resolve(uri, options, arena, location, err) != MR_OK) return NULL;
    if (mr_store_open(location, options, arena, err) != MR_OK) return NULL;
    snprintf(path, sizeof(path), "%s/MLmodel", location->folder);
    if (mr_file_load(path, 1000, arena, &text, err) != MR_OK) return NULL;
    ((char *)text.data)[text.size - 1] = '\0'; /* the line's end */
    return text.data;
}

static void check_cases(const struct store_case *cases, size_t n,
                        const struct mr_store_options *options) {
    for (size_t i = 0; i < n; i++) {
        struct mr_location location;
        struct mr_error err = {0};
        const char *found = find(cases[i].uri, options, &location, &err);
        const char *wanted = expected(&cases[i]);
        if (!found != !wanted || (found && strcmp(found, wanted) != 0)) {
            fail_msg("%s: %s, not %s (%s)", cases[i].uri, found ? found : "none",
                     wanted ? wanted : "none", err.message);
        }
        if (!found) assert_true(err.message[0] != '\0');
    }
}

#define CHECK_CASES(cases, ...)                                                                    \
    check_cases(cases, sizeof(cases) / sizeof(*(cases)),                                           \
                &(const struct mr_store_options){__VA_ARGS__})

static void test_sqlite(void **state) {
    (void)state;
    CHECK_CASES(mlflow_cases, .tracking_uri = SQLITE);
    CHECK_CASES(mlflow_cases,
                .tracking_uri = "sqlite+pysqlite:///tests/data/store/mlflow%2Edb?a=b");
}

static void test_files(void **state) {
    (void)state;
    CHECK_CASES(files_cases, .tracking_uri = FILES);
    CHECK_CASES(files_cases, .tracking_uri = "file:" FILES "/");
}

/* Models may be registered elsewhere than runs are tracked. */
static void test_two_stores(void **state) {
    (void)state;
    const struct mr_store_options options = {.tracking_uri = FILES, .registry_uri = SQLITE};
    struct mr_location location;
    assert_string_equal(find("models:/iris/1", &options, &location, NULL), "older");
    assert_string_equal(location.store, SQLITE);
    /* Its source is a run that only the other store knows. */
    struct mr_error err = {0};
    assert_null(find("models:/iris/2", &options, &location, &err));
    assert_non_null(strstr(err.message, "models:/iris/2"));
    assert_non_null(strstr(err.message, FILES));
}

static void test_facts(void **state) {
    (void)state;
    const struct mr_store_options options = {.tracking_uri = SQLITE};
    struct mr_location alias, version, latest;
    assert_int_equal(mr_store_resolve("models:/iris@champion", &options, arena, &alias, NULL),
                     MR_OK);
    assert_string_equal(alias.name, "iris");
    assert_string_equal(alias.version, "2");
    assert_string_equal(alias.alias, "champion");
    assert_non_null(alias.run_id);
    assert_true(alias.can_change);
    assert_int_equal(mr_store_resolve("models:/iris/2", &options, arena, &version, NULL), MR_OK);
    assert_null(version.alias);
    assert_string_equal(version.revision, alias.revision);
    assert_int_equal(mr_store_resolve("models:/iris/latest", &options, arena, &latest, NULL),
                     MR_OK);
    assert_string_equal(latest.version, "7");
    assert_true(strcmp(latest.revision, version.revision) != 0);
    assert_int_equal(mr_store_resolve("models:/iris/3", &options, arena, &version, NULL), MR_OK);
    assert_memory_equal(version.model_id, "m-", 2);
}

static void test_the_environment(void **state) {
    (void)state;
    struct mr_location location;
    setenv("MLFLOW_TRACKING_URI", SQLITE, 1);
    assert_string_equal(find("models:/iris/1", NULL, &location, NULL), "older");
    setenv("MLFLOW_REGISTRY_URI", FILES, 1);
    assert_string_equal(find("models:/iris/1", NULL, &location, NULL), "older");
    assert_string_equal(location.store, FILES);
    setenv("MLFLOW_TRACKING_URI", "", 1);
    unsetenv("MLFLOW_REGISTRY_URI");
    /* None of MLflow's default stores is here. */
    struct mr_error err = {0};
    assert_null(find("models:/iris/1", NULL, &location, &err));
    assert_non_null(strstr(err.message, "sqlite:///mlflow.db"));
    assert_non_null(strstr(err.message, "MLFLOW_TRACKING_URI"));
    unsetenv("MLFLOW_TRACKING_URI");
}

static void test_stores_that_are_not_read(void **state) {
    (void)state;
    static const struct {
        const char *uri, *advice;
        mr_status status;
    } cases[] = {
        {"postgresql://me:secret@db/mlflow", "MLFLOW_TRACKING_URI=http", MR_E_UNSUPPORTED},
        {"mysql+pymysql://me:secret@db/mlflow", "MLFLOW_TRACKING_URI=http", MR_E_UNSUPPORTED},
        {"mssql+pyodbc://me:secret@db/mlflow", "MLFLOW_TRACKING_URI=http", MR_E_UNSUPPORTED},
        {"databricks", "Databricks", MR_E_UNSUPPORTED},
        {"databricks://profile", "Databricks", MR_E_UNSUPPORTED},
        {"uc:http://host", "Databricks", MR_E_UNSUPPORTED},
        {"gopher://me:secret@host", "MLFLOW_TRACKING_URI", MR_E_UNSUPPORTED},
        {"sqlite://", "sqlite:///PATH", MR_E_INVALID_PARAMETER},
        {"sqlite:///:memory:", "sqlite:///PATH", MR_E_INVALID_PARAMETER},
        {"sqlite:///tests/data", "MLFLOW_TRACKING_URI", MR_E_NOT_FOUND},
        {"sqlite:///tests/data/store/cases.h", "not a database", MR_E_FORMAT},
        {"tests/data/none", "MLFLOW_TRACKING_URI", MR_E_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct mr_store_options options = {.tracking_uri = cases[i].uri};
        struct mr_location location;
        struct mr_error err = {0};
        assert_int_equal(mr_store_resolve("models:/iris/1", &options, arena, &location, &err),
                         cases[i].status);
        assert_non_null(strstr(err.message, cases[i].advice));
        assert_non_null(strstr(err.message, "models:/iris/1"));
        assert_null(strstr(err.message, "secret"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqlite),          cmocka_unit_test(test_files),
        cmocka_unit_test(test_two_stores),      cmocka_unit_test(test_facts),
        cmocka_unit_test(test_the_environment), cmocka_unit_test(test_stores_that_are_not_read),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
