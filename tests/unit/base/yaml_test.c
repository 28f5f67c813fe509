#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* For libyaml alone a matter of hours. */
static void test_depth(void **state) {
    (void)state;
    enum { N = 1000000 };
    static char text[N] = "a: ";
    memset(text + 3, '[', N - 4);
    struct mr_yaml *yaml;
    struct mr_error err = {0};
    assert_int_equal(mr_yaml_parse(mr_str_from(text), "test", &yaml, &err), MR_E_FORMAT);
    assert_non_null(strstr(err.message, "nested deeper than 64"));
    int depth = MR_YAML_MAX_DEPTH - 1; /* the mapping at the top is one */
    memset(text + 3 + depth, ']', (size_t)depth);
    text[3 + 2 * depth] = '\0';
    assert_int_equal(mr_yaml_parse(mr_str_from(text), "test", &yaml, &err), MR_OK);
    mr_yaml_free(yaml);
}

static void test_lists(void **state) {
    (void)state;
    struct mr_yaml *yaml;
    assert_int_equal(mr_yaml_parse(mr_str_from("list:\n- a: 1\n- b\nmap: {x: y, [z]: 1}\nnone:\n"),
                                   "test", &yaml, NULL),
                     MR_OK);
    int root = mr_yaml_root(yaml), list = mr_yaml_child(yaml, root, "list");
    int map = mr_yaml_child(yaml, root, "map");
    assert_int_equal(mr_yaml_size(yaml, root), 3);
    assert_int_equal(mr_yaml_size(yaml, list), 2);
    assert_int_equal(mr_yaml_size(yaml, mr_yaml_child(yaml, root, "none")), 0);
    assert_int_equal(mr_yaml_size(yaml, 0), 0);
    assert_true(mr_yaml_is_sequence(yaml, list));
    assert_false(mr_yaml_is_sequence(yaml, root) || mr_yaml_is_sequence(yaml, 0));
    assert_int_equal(mr_yaml_item(yaml, root, 1), map);
    assert_int_equal(mr_yaml_line(yaml, mr_yaml_item(yaml, list, 1)), 3);
    assert_true(mr_str_is(mr_yaml_key(yaml, mr_yaml_item(yaml, list, 0), 0), "a"));
    assert_true(mr_str_is(mr_yaml_key(yaml, map, 0), "x"));
    assert_int_equal(mr_yaml_key(yaml, map, 1).size + mr_yaml_key(yaml, list, 0).size, 0);
    mr_yaml_free(yaml);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
