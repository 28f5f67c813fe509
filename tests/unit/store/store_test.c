#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/store.h"

static void test_folders(void **state) {
    (void)state;
    static const struct {
        const char *uri, *folder;
    } cases[] = {
        {"examples/iris/model", "examples/iris/model"},
        {"/a/b//", "/a/b"},
        {"/", "/"},
        {"file:///a/b%20c/", "/a/b c"},
        {"file:a%2Fb", "a/b"},
        {"file:///a%00b%zz", "/a%00b%zz"},
        {"c:/a", "c:/a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_location location = {0};
        assert_int_equal(mr_store_resolve(cases[i].uri, NULL, arena, &location, NULL), MR_OK);
        assert_null(location.folder);
        assert_string_equal(location.uri, cases[i].uri);
        assert_true(location.can_change);
        assert_int_equal(mr_store_open(&location, NULL, arena, NULL), MR_OK);
        assert_string_equal(location.folder, cases[i].folder);
        mr_store_close(&location);
    }
}

static void test_revisions_of_folders(void **state) {
    (void)state;
    struct mr_location iris, same, absent;
    assert_int_equal(mr_store_resolve("examples/iris/model", NULL, arena, &iris, NULL), MR_OK);
    assert_int_equal(mr_store_resolve("examples/iris/model/", NULL, arena, &same, NULL), MR_OK);
    assert_int_equal(mr_store_resolve("no/such/folder", NULL, arena, &absent, NULL), MR_OK);
    assert_string_equal(iris.revision, same.revision);
    assert_string_not_equal(iris.revision, absent.revision);
}

static void test_refused(void **state) {
    (void)state;
    struct mr_location location = {.uri = "untouched"};
    struct mr_error err = {0};
    assert_int_equal(mr_store_resolve("", NULL, arena, &location, &err), MR_E_INVALID_PARAMETER);
    assert_string_equal(location.uri, "untouched");
    /* Where artifacts are is nothing to ask a store for; it is opened, or not. */
    assert_int_equal(mr_store_resolve("gopher://a/b", NULL, arena, &location, &err), MR_OK);
    assert_int_equal(mr_store_open(&location, NULL, arena, &err), MR_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "gopher://a/b"));
    struct mr_location nothing = {0};
    mr_store_close(&nothing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_revisions_of_folders),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
