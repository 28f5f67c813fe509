#include "store/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/cache_int.h"

static char folder[] = "/tmp/mlrace-cache-XXXXXX";
static struct mr_cache cache;

static void key_of(const char *name, char key[MR_CACHE_KEY_CHARS + 1]) {
    mr_cache_key(mr_str_from(name), key);
}

static void write_text(const char *path, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++) fputc('x', file);
    fclose(file);
}

/* Fills an entry with a file of some bytes and keeps it locked. */
static struct mr_cache_entry fill(const char *name, size_t size, time_t last_use) {
    char key[MR_CACHE_KEY_CHARS + 1], path[PATH_MAX];
    struct mr_cache_entry entry;
    struct mr_error err = {0};
    key_of(name, key);
    assert_int_equal(mr_cache_take(&cache, key, arena, &entry, &err), MR_OK);
    assert_false(entry.is_complete);
    assert_true(mr_cache_make_folders(entry.files));
    snprintf(path, sizeof(path), "%s/x", entry.files);
    write_text(path, size);
    const struct mr_cache_about about = {name, "there", size, 1};
    assert_int_equal(mr_cache_commit(&entry, &about, &err), MR_OK);
    assert_true(entry.is_complete);
    snprintf(path, sizeof(path), "%s/entry.json", entry.folder);
    const struct timespec times[2] = {{.tv_sec = last_use}, {.tv_sec = last_use}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return entry;
}

static bool is_there(const char *name) {
    char key[MR_CACHE_KEY_CHARS + 1];
    key_of(name, key);
    const char *marker = mr_cache_path(arena, cache.folder, key);
    return access(mr_cache_path(arena, marker, "entry.json"), F_OK) == 0;
}

static int empty(void **state) {
    (void)state;
    mr_cache_remove_tree(cache.folder);
    cache.max_bytes = 1000000;
    return 0;
}

static void test_entry(void **state) {
    (void)state;
    struct mr_cache_entry first = fill("a", 10, 5), second;
    struct mr_error err = {0};
    /* Shared by all who use it; the last use is now. */
    assert_int_equal(mr_cache_take(&cache, first.key, arena, &second, &err), MR_OK);
    assert_true(second.is_complete);
    assert_string_equal(second.files, first.files);
    struct mr_cache_item *items;
    size_t n;
    assert_int_equal(mr_cache_list(&cache, arena, &items, &n, &err), MR_OK);
    assert_int_equal(n, 1);
    assert_string_equal(items[0].about.uri, "a");
    assert_int_equal(items[0].about.bytes, 10);
    assert_true(items[0].is_complete && items[0].is_in_use && items[0].last_use > 5);
    mr_cache_release(&first);
    mr_cache_release(&first);
    assert_false(mr_cache_remove(&cache, second.key));
    mr_cache_release(&second);
    assert_true(mr_cache_remove(&cache, second.key));
    assert_int_equal(mr_cache_list(&cache, arena, &items, &n, &err), MR_OK);
    assert_int_equal(n, 0);
    assert_int_not_equal(access(mr_cache_path(arena, cache.folder, "refs"), F_OK), 0);
}

static bool say_yes(void *ctx) {
    (void)ctx;
    return true;
}

static void test_only_one_fills(void **state) {
    (void)state;
    char key[MR_CACHE_KEY_CHARS + 1];
    struct mr_cache_entry entry, other;
    struct mr_error err = {0};
    key_of("a", key);
    assert_int_equal(mr_cache_take(&cache, key, arena, &entry, &err), MR_OK);
    struct mr_cache impatient = cache;
    impatient.is_cancelled = say_yes;
    assert_int_equal(mr_cache_take(&impatient, key, arena, &other, &err), MR_E_UNAVAILABLE);
    mr_cache_release(&entry); /* as a killed process does */
    assert_int_equal(mr_cache_take(&impatient, key, arena, &other, &err), MR_OK);
    assert_false(other.is_complete);
    mr_cache_release(&other);
}

static void test_names(void **state) {
    (void)state;
    struct mr_cache_entry entry = fill("a", 10, 5);
    char key[MR_CACHE_KEY_CHARS + 1];
    char note[8];
    const struct mr_str name = mr_str_from("models:/a/1");
    assert_false(mr_cache_recall(&cache, name, key, NULL, 0));
    mr_cache_remember(&cache, name, entry.key, (struct mr_str){NULL, 0});
    assert_true(mr_cache_recall(&cache, name, key, note, sizeof(note)));
    assert_string_equal(key, entry.key);
    assert_string_equal(note, "");
    mr_cache_remember(&cache, name, entry.key, mr_str_from("two\nli"));
    assert_true(mr_cache_recall(&cache, name, key, NULL, 0));
    assert_true(mr_cache_recall(&cache, name, key, note, sizeof(note)));
    assert_string_equal(note, "two\nli");
    mr_cache_remember(&cache, name, entry.key, mr_str_from("too long"));
    assert_false(mr_cache_recall(&cache, name, key, note, sizeof(note)));
    mr_cache_release(&entry);
    assert_true(mr_cache_remove(&cache, entry.key));
    assert_false(mr_cache_recall(&cache, name, key, NULL, 0));
}

static void test_room(void **state) {
    (void)state;
    struct mr_error err = {0};
    struct mr_cache_entry old = fill("old", 400000, 10), used = fill("used", 400000, 5);
    struct mr_cache_entry new = fill("new", 400000, 20);
    mr_cache_release(&old);
    mr_cache_release(&new);
    cache.max_bytes = 1300000;
    assert_int_equal(mr_cache_make_room(&cache, 100000, NULL, &err), MR_OK);
    assert_true(is_there("old") && is_there("used") && is_there("new"));
    assert_int_equal(mr_cache_make_room(&cache, 200000, NULL, &err), MR_OK);
    assert_true(!is_there("old") && is_there("used") && is_there("new"));
    cache.max_bytes = 1;
    /* What is larger than the cap costs nobody their entries: it would be above it all the same. */
    assert_int_equal(mr_cache_make_room(&cache, 2, NULL, &err), MR_OK);
    assert_true(is_there("used") && is_there("new"));
    /* What is in use stays, even above the cap; so does the one to keep. */
    assert_int_equal(mr_cache_make_room(&cache, 0, new.key, &err), MR_OK);
    assert_true(is_there("used") && is_there("new"));
    assert_int_equal(mr_cache_make_room(&cache, 0, NULL, &err), MR_OK);
    assert_true(is_there("used") && !is_there("new"));
    mr_cache_release(&used);
    /* What cannot be made room for costs nobody their entries. */
    assert_int_equal(mr_cache_make_room(&cache, UINT64_MAX >> 2, NULL, &err), MR_E_IO);
    assert_non_null(strstr(err.message, "MLRACE_HOME"));
    assert_true(is_there("used"));
}

/* What somebody else has put there is left alone, and no link is followed. */
static void test_strange_files(void **state) {
    (void)state;
    struct mr_cache_entry entry = fill("a", 10, 5);
    char target[PATH_MAX], link[PATH_MAX];
    snprintf(target, sizeof(target), "%s/precious", folder);
    mkdir(target, 0700);
    snprintf(target, sizeof(target), "%s/precious/file", folder);
    write_text(target, 3);
    snprintf(link, sizeof(link), "%s/link", entry.files);
    snprintf(target, sizeof(target), "%s/precious", folder);
    assert_int_equal(symlink(target, link), 0);
    snprintf(link, sizeof(link), "%s/strange", cache.folder);
    write_text(link, 3);
    mr_cache_release(&entry);
    assert_true(mr_cache_remove(&cache, entry.key));
    snprintf(target, sizeof(target), "%s/precious/file", folder);
    assert_int_equal(access(target, F_OK), 0);
    assert_int_equal(access(link, F_OK), 0);
    /* A marker that is damaged does not hide its entry. */
    struct mr_cache_item *items;
    size_t n;
    struct mr_error err = {0};
    struct mr_cache_entry damaged = fill("b", 10, 5);
    snprintf(link, sizeof(link), "%s/entry.json", damaged.folder);
    write_text(link, 7);
    assert_int_equal(mr_cache_list(&cache, arena, &items, &n, &err), MR_OK);
    assert_int_equal(n, 1);
    assert_string_equal(items[0].about.uri, "");
    mr_cache_release(&damaged);
}

static void test_settings(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } cases[] = {{"1048576", 1 << 20},
                 {"512M", (uint64_t)512 << 20},
                 {"2gb", (uint64_t)2 << 30},
                 {"1T", (uint64_t)1 << 40},
                 {"0", 0},
                 {"-1", 0},
                 {"", MR_CACHE_DEFAULT_BYTES},
                 {"x", 0},
                 {"1X", 0},
                 {"9999999999T", 0},
                 {"1 G", 0}};
    struct mr_cache found;
    struct mr_error err = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("MLRACE_CACHE_SIZE", cases[i].text, 1);
        mr_status status = mr_cache_init(&found, 0, arena, &err);
        assert_int_equal(status, cases[i].bytes ? MR_OK : MR_E_INVALID_PARAMETER);
        if (cases[i].bytes) assert_true(found.max_bytes == cases[i].bytes);
    }
    unsetenv("MLRACE_CACHE_SIZE");
    unsetenv("MLRACE_HOME");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/h", 1);
    assert_int_equal(mr_cache_init(&found, 0, arena, &err), MR_OK);
    assert_string_equal(found.folder, "/h/.cache/mlrace/models");
    setenv("XDG_CACHE_HOME", "/x", 1);
    assert_int_equal(mr_cache_init(&found, 0, arena, &err), MR_OK);
    assert_string_equal(found.folder, "/x/mlrace/models");
    setenv("MLRACE_HOME", "/r", 1);
    assert_int_equal(mr_cache_init(&found, 7, arena, &err), MR_OK);
    assert_string_equal(found.folder, "/r/models");
    assert_int_equal(found.max_bytes, 7);
}

static int setup(void **state) {
    if (!mkdtemp(folder) || arena_setup(state) != 0) return -1;
    cache.folder = mr_cache_path(arena, folder, "home/models");
    return cache.folder ? 0 : -1;
}

static int teardown(void **state) {
    mr_cache_remove_tree(folder);
    return arena_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_entry, empty),
        cmocka_unit_test_setup(test_only_one_fills, empty),
        cmocka_unit_test_setup(test_names, empty),
        cmocka_unit_test_setup(test_room, empty),
        cmocka_unit_test_setup(test_strange_files, empty),
        cmocka_unit_test_setup(test_settings, empty),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
