#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/served.h"
#include "arena_fixture.h"

/* What anybody may see of a URI. */
static void test_no_passwords(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"examples/iris/model", "examples/iris/model"},
        {"models:/m@champion", "models:/m@champion"},
        {"https://me:secret@host/a@b", "https://host/a@b"},
        {"https://me:sec@ret@host", "https://host"},
        {"https://host?a=b@c", "https://host?a=b@c"},
        {"s3://bucket/a", "s3://bucket/a"},
        {"http://", "http://"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_served served = {.uri = cases[i][0]};
        struct mr_buf out;
        mr_buf_init(&out, arena);
        mr_served_put_uri(&served, &out);
        mr_buf_char(&out, '\0');
        assert_int_equal(mr_buf_status(&out, NULL), MR_OK);
        assert_string_equal(out.data, cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_passwords)};
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
