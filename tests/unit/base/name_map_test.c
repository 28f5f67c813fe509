#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "arena_fixture.h"
#include "base/name_map.h"

static size_t add(struct mr_name_map *map, const char *name, bool expect_new) {
    size_t index;
    bool is_new;
    char *copy = mr_arena_strdup(arena, mr_str_from(name));
    assert_int_equal(mr_name_map_add(map, mr_str_from(copy), &index, &is_new, NULL), MR_OK);
    assert_int_equal(is_new, expect_new);
    return index;
}

/* Across the size at which a map starts hashing, and those at which it grows. */
static void test_many_names(void **state) {
    (void)state;
    struct mr_name_map map;
    mr_name_map_init(&map, arena);
    assert_true(mr_name_map_find(&map, mr_str_from("0")) == MR_NAME_NONE);
    for (size_t i = 0; i < 5000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%zu", i * i);
        assert_int_equal(add(&map, name, true), i);
        assert_int_equal(add(&map, name, false), i);
        snprintf(name, sizeof(name), "%zu", i / 2 * (i / 2));
        assert_int_equal(mr_name_map_find(&map, mr_str_from(name)), i / 2);
        assert_true(mr_name_map_find(&map, mr_str_from("none")) == MR_NAME_NONE);
    }
    assert_int_equal(map.n, 5000);
}

/* Names of every length that the hash reads in its own way; empty ones and NUL count. */
static void test_lengths(void **state) {
    (void)state;
    struct mr_name_map map;
    mr_name_map_init(&map, arena);
    static const char bytes[64];
    for (size_t size = 0; size < sizeof(bytes); size++) {
        size_t index;
        bool is_new;
        struct mr_str name = {bytes, size};
        assert_int_equal(mr_name_map_add(&map, name, &index, &is_new, NULL), MR_OK);
        assert_true(is_new);
    }
    for (size_t size = 0; size < sizeof(bytes); size++) {
        assert_int_equal(mr_name_map_find(&map, (struct mr_str){bytes, size}), size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
