#include "store/artifact_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "arena_fixture.h"

static void test_names(void **state) {
    (void)state;
    static const char *const good[] = {"a",     "a/b", "...",      "..a",  "a..",
                                       ".a/b.", "a b", "\xc3\xa4", "a\\b", "C:"};
    static const char *const bad[] = {"",    "/",    "/a",    "a/",   "a//b",  ".",    "..",
                                      "./a", "a/..", "a/./b", "a\nb", "a\x7f", "\xff", "../a"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!mr_artifact_is_safe(mr_str_from(good[i]))) fail_msg("'%s' is refused", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (mr_artifact_is_safe(mr_str_from(bad[i]))) fail_msg("'%s' is taken", bad[i]);
    }
    assert_false(mr_artifact_is_safe((struct mr_str){"a\0b", 3}));
    char text[1100];
    memset(text, 'x', sizeof(text));
    assert_true(mr_artifact_is_safe((struct mr_str){text, 255}));
    assert_false(mr_artifact_is_safe((struct mr_str){text, 256}));
    for (size_t i = 1; i < sizeof(text); i += 2) text[i] = '/';
    assert_true(mr_artifact_is_safe((struct mr_str){text, 2 * MR_ARTIFACT_MAX_DEPTH - 1}));
    assert_false(mr_artifact_is_safe((struct mr_str){text, 2 * MR_ARTIFACT_MAX_DEPTH + 1}));
    for (size_t i = 0; i < sizeof(text); i++) text[i] = i % 200 == 199 ? '/' : 'x';
    assert_false(mr_artifact_is_safe((struct mr_str){text, 1025}));
}

static mr_status make(struct mr_artifact_list *list, const char *const *paths,
                      struct mr_error *err) {
    mr_artifact_list_init(list, arena);
    for (; *paths; paths++) {
        MR_TRY(mr_artifact_list_add(list, mr_str_from(*paths), 3, mr_str_from("\"e\""), err));
    }
    return mr_artifact_list_sort(list, err);
}

static void test_sorted(void **state) {
    (void)state;
    static const char *const paths[] = {"b", "a-b", "a/c", "a.txt", "a/b/c", NULL};
    static const char *const expected[] = {"a/b/c", "a/c", "a-b", "a.txt", "b"};
    struct mr_artifact_list list;
    struct mr_error err = {0};
    assert_int_equal(make(&list, paths, &err), MR_OK);
    assert_int_equal(list.total_bytes, 15);
    for (size_t i = 0; i < list.n; i++) assert_string_equal(list.items[i].path, expected[i]);
    assert_ptr_equal(mr_artifact_list_find(&list, "a.txt"), &list.items[3]);
    assert_null(mr_artifact_list_find(&list, "a"));
    static const char *const twice[] = {"a", "b", "a", NULL};
    assert_int_equal(make(&list, twice, &err), MR_E_FORMAT);
    assert_non_null(strstr(err.message, "'a' twice"));
    static const char *const both[] = {"x/a", "x-", "x", NULL};
    assert_int_equal(make(&list, both, &err), MR_E_FORMAT);
    assert_non_null(strstr(err.message, "'x' as a file and as a folder"));
    mr_artifact_list_init(&list, arena);
    assert_int_equal(mr_artifact_list_sort(&list, &err), MR_OK);
    assert_null(mr_artifact_list_find(&list, "a"));
}

/* It becomes a part of a header. */
static void test_etag_of_two_lines(void **state) {
    (void)state;
    struct mr_artifact_list list;
    const struct mr_str lines = mr_str_from("\"e\"\r\nX-Header: 1");
    mr_artifact_list_init(&list, arena);
    assert_int_equal(mr_artifact_list_add(&list, mr_str_from("a"), 1, lines, NULL), MR_OK);
    assert_string_equal(list.items[0].etag, "");
}

static void test_bounds(void **state) {
    (void)state;
    struct mr_artifact_list list;
    struct mr_error err = {0};
    const struct mr_str none = {"", 0};
    char name[32];
    mr_artifact_list_init(&list, arena);
    assert_int_equal(mr_artifact_list_add(&list, mr_str_from("a"), UINT64_MAX - 1, none, &err),
                     MR_E_FORMAT);
    const uint64_t most = (uint64_t)1 << 46;
    assert_true(most <= UINT64_MAX / MR_ARTIFACT_MAX_FILES);
    assert_int_equal(mr_artifact_list_add(&list, mr_str_from("a"), most + 1, none, &err),
                     MR_E_FORMAT);
    assert_int_equal(
        mr_artifact_list_add(&list, mr_str_from("a"), MR_ARTIFACT_SIZE_UNKNOWN, none, &err), MR_OK);
    assert_int_equal(list.total_bytes, 0);
    for (int i = 1; i < MR_ARTIFACT_MAX_FILES; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(mr_artifact_list_add(&list, mr_str_from(name), 1, none, &err), MR_OK);
    }
    assert_int_equal(mr_artifact_list_add(&list, mr_str_from("z"), 1, none, &err), MR_E_TOO_LARGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_sorted),
                                       cmocka_unit_test(test_etag_of_two_lines),
                                       cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
