/* An arena for a whole group of tests: cmocka_run_group_tests(tests, arena_setup, arena_teardown).
 */
#ifndef MR_TESTS_ARENA_FIXTURE_H
#define MR_TESTS_ARENA_FIXTURE_H

#include "base/arena.h"

static struct mr_arena *arena;

static int arena_setup(void **state) {
    (void)state;
    arena = mr_arena_new(0, NULL);
    return arena ? 0 : -1;
}

static int arena_teardown(void **state) {
    (void)state;
    mr_arena_free(arena);
    return 0;
}

#endif
