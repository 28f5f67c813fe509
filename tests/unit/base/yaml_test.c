#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "base/yaml.h"

static void test_texts(void **state) {
    (void)state;
    struct mr_yaml *yaml;
    assert_int_equal(mr_yaml_parse(mr_str_from("a: {b: 'null', c: null, d: ~, e: \"x\\0y\", f: 1}\n"
                                               "g: [1]\na2: first\na2: last\n"),
                                   "test", &yaml, NULL),
                     MR_OK);
    static const struct {
        const char *key, *text;
        size_t size;
    } cases[] = {{"b", "null", 4}, {"c", "", 0},  {"d", "", 0},
                 {"e", "x\0y", 3}, {"f", "1", 1}, {"absent", "", 0}};
    int root = mr_yaml_root(yaml), map = mr_yaml_child(yaml, root, "a");
    struct mr_str text;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(mr_yaml_text(yaml, map, cases[i].key, arena, &text, NULL), MR_OK);
        assert_int_equal(text.size, cases[i].size);
        if (text.size) assert_memory_equal(text.data, cases[i].text, text.size + 1);
    }
    assert_int_equal(mr_yaml_text(yaml, root, "a2", arena, &text, NULL), MR_OK);
    assert_true(mr_str_is(text, "last"));
    assert_int_equal(mr_yaml_text(yaml, root, "g", arena, &text, NULL), MR_E_FORMAT);
    assert_int_equal(mr_yaml_child(yaml, mr_yaml_child(yaml, root, "g"), "a"), 0);
    assert_int_equal(mr_yaml_child(yaml, 0, "a"), 0);
    mr_yaml_free(yaml);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"", "a", "- a\n", "a: [\n", "a: *b\n", "\x80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct mr_yaml *yaml;
        struct mr_error err = {0};
        assert_int_equal(mr_yaml_parse(mr_str_from(texts[i]), "test", &yaml, &err), MR_E_FORMAT);
        assert_memory_equal(err.message, "test", 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
