#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/cache_int.h"
#include "store/last_known_int.h"

static char folder[] = "/tmp/mlrace-known-XXXXXX";

/* An entry of the cache with nothing in it. */
static struct mr_cache_entry make_entry(void) {
    struct mr_cache cache;
    struct mr_cache_entry entry;
    struct mr_error err = {0};
    char key[MR_CACHE_KEY_CHARS + 1];
    mr_cache_key(mr_str_from("x"), key);
    assert_int_equal(mr_cache_init(&cache, 0, arena, &err), MR_OK);
    assert_int_equal(mr_cache_take(&cache, key, arena, &entry, &err), MR_OK);
    assert_true(mr_cache_make_folders(entry.files));
    const struct mr_cache_about about = {"x", "y", 0, 0};
    assert_int_equal(mr_cache_commit(&entry, &about, &err), MR_OK);
    return entry;
}

static void test_the_same_comes_back(void **state) {
    (void)state;
    const struct mr_store_options here = {.tracking_uri = "http://me:pw@h:1"};
    const struct mr_store_options elsewhere = {.tracking_uri = "http://h:2"};
    const struct mr_location kept = {.uri = "models:/iris@\xc3\xa4",
                                     .artifact_uri = "mlflow-artifacts:/1/a",
                                     .store = "http://h:1",
                                     .name = "iris",
                                     .version = "3",
                                     .alias = "\xc3\xa4",
                                     .revision = "iris/3 x",
                                     .can_change = true};
    struct mr_location found = {0};
    assert_false(mr_last_known_find(kept.uri, &here, arena, &found));
    struct mr_cache_entry entry = make_entry();
    mr_last_known_keep(&kept, &here, arena, entry.key);
    assert_true(mr_last_known_find(kept.uri, &here, arena, &found));
    assert_string_equal(found.uri, kept.uri);
    assert_string_equal(found.artifact_uri, kept.artifact_uri);
    assert_string_equal(found.store, kept.store);
    assert_string_equal(found.version, "3");
    assert_string_equal(found.alias, kept.alias);
    assert_string_equal(found.revision, kept.revision);
    assert_null(found.run_id);
    assert_true(found.can_change);
    /* Another store may mean something else; and what is gone is not known. */
    assert_false(mr_last_known_find(kept.uri, &elsewhere, arena, &found));
    mr_cache_release(&entry);
    mr_cache_remove_tree(entry.folder);
    assert_false(mr_last_known_find(kept.uri, &here, arena, &found));
}

static int setup(void **state) {
    if (!mkdtemp(folder)) return -1;
    setenv("MLRACE_HOME", folder, 1);
    return arena_setup(state);
}

static int teardown(void **state) {
    mr_cache_remove_tree(folder);
    return arena_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_same_comes_back)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
