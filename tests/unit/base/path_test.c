#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/path.h"

static void test_paths(void **state) {
    (void)state;
    static const char *const inside[] = {"", "a", "a/b", "a//b/", ".", "a..b", "..a/b..", "..."};
    static const char *const outside[] = {"/", "/a", "..", "../a", "a/..", "a/../b", "a/b/../.."};
    for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
        assert_true(mr_path_is_inside(mr_str_from(inside[i])));
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        assert_false(mr_path_is_inside(mr_str_from(outside[i])));
    }
    assert_false(mr_path_is_inside((struct mr_str){"a\0b", 3}));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
