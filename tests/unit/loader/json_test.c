#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "arena_fixture.h"
#include "loader/json.h"

static const struct mr_object *parse(const char *text) {
    const struct mr_object *root = NULL;
    assert_int_equal(mr_json_object_parse(mr_str_from(text), NULL, arena, &root, NULL), MR_OK);
    return root;
}

static void test_values(void **state) {
    (void)state;
    const struct mr_object *root = parse(
        "{\"a\": null, \"b\": true, \"c\": -7, \"d\": 5E-1, \"e\": \"x\\u00e9\", \"f\": [true], "
        "\"g\": 99999999999999999999, \"h\": NaN, \"i\": [], \"j\": {}}");
    assert_int_equal(mr_object_item(root, "a")->kind, MR_OBJECT_NONE);
    assert_true(mr_object_item(root, "b")->boolean);
    assert_int_equal(mr_object_item(root, "c")->integer, -7);
    assert_true(mr_object_item(root, "d")->real == 0.5);
    assert_true(mr_object_is_str(mr_object_item(root, "e"), "x\xc3\xa9"));
    assert_int_equal(mr_object_item(root, "f")->list.n, 1);
    assert_true(mr_object_item(root, "g")->real == 1e20);
    assert_true(isnan(mr_object_item(root, "h")->real));
    assert_int_equal(mr_object_item(root, "i")->kind, MR_OBJECT_LIST);
    assert_int_equal(mr_object_item(root, "j")->dict.n, 0);
}

static void test_numbers(void **state) {
    (void)state;
    const struct mr_ndarray *integers = &parse("[1, -2, 9223372036854775807]")->array;
    assert_int_equal(integers->dtype, MR_INT64);
    assert_int_equal(integers->n_values, 3);
    assert_int_equal(((const int64_t *)integers->values)[2], INT64_MAX);
    const struct mr_ndarray *reals = &parse("[1, 2.5, -Infinity, 9223372036854775808]")->array;
    assert_int_equal(reals->dtype, MR_FLOAT64);
    const double *values = reals->values;
    assert_true(values[0] == 1 && values[1] == 2.5 && values[3] == 9223372036854775808.0);
    assert_true(isinf(parse("1e999")->real));
    const double *mixed = parse("[0.5, 9007199254740993]")->array.values;
    assert_true(mixed[1] == 9007199254740992.0);
    assert_true(isinf(values[2]) && values[2] < 0);
}

/* The double nearest to the text is midway between two floats, the text is not. */
static void test_rounding_to_float(void **state) {
    (void)state;
    assert_true((float)parse("1.00000005960464477540")->real == nextafterf(1, 2));
    assert_true((float)parse("1.00000005960464477539")->real == 1.0F);
    assert_true(parse("1.000000059604644775390625")->real == 1.000000059604644775390625);
    /* Half of the smallest float, and one and a half. */
    assert_true((float)parse("7.006492321624085355e-46")->real == nextafterf(0, 1));
    assert_true((float)parse("7.006492321624085354e-46")->real == 0);
    assert_true((float)parse("-2.101947696487225607e-45")->real == nextafterf(0, -1) * 2);
    assert_true((float)parse("-2.101947696487225606e-45")->real == nextafterf(0, -1));
    assert_true((float)parse("1.000000178813934326171874")->real == nextafterf(1, 2));
}

/* Texts that are read as they stand, and others. */
static void test_texts(void **state) {
    (void)state;
    assert_true(mr_object_is_str(parse(" \"a/b\" "), "a/b"));
    assert_true(mr_object_is_str(parse("\"\""), ""));
    assert_true(mr_object_is_str(parse("\"\\\"\\\\\""), "\"\\"));
    assert_true(mr_object_is_str(parse("\"\xc3\xa9\\n\""), "\xc3\xa9\n"));
    assert_true(mr_object_is_str(parse("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x80"));
    assert_int_equal(mr_object_item(parse("{\"\\u0061\": 1}"), "a")->integer, 1);
}

/* Arrays that begin with numbers. */
static void test_mixed(void **state) {
    (void)state;
    const struct mr_object *list = parse("[1, 2.5, null, nan, [3]]");
    assert_int_equal(list->list.n, 5);
    assert_int_equal(list->list.items[0]->integer, 1);
    assert_int_equal(list->list.items[2]->kind, MR_OBJECT_NONE);
    assert_true(isnan(list->list.items[3]->real));
    assert_int_equal(list->list.items[4]->kind, MR_OBJECT_ARRAY);
    assert_int_equal(parse("[ ]")->kind, MR_OBJECT_LIST);
}

static const char *const unread[] = {"x", "y", NULL};

static const struct mr_object *parse_unread(const char *text) {
    const struct mr_object *root = NULL;
    assert_int_equal(mr_json_object_parse(mr_str_from(text), unread, arena, &root, NULL), MR_OK);
    return root;
}

static void test_unread(void **state) {
    (void)state;
    const struct mr_object *root = parse_unread(
        "{\"x\": [1, -2.5E-7 ,0\n], \"z\": [1], \"y\":[0.1e+5]}");
    assert_int_equal(mr_object_item(root, "x")->kind, MR_OBJECT_NONE);
    assert_int_equal(mr_object_item(root, "y")->kind, MR_OBJECT_NONE);
    assert_int_equal(mr_object_item(root, "z")->kind, MR_OBJECT_ARRAY);
    /* What is not only numbers of JSON is read. */
    root = parse_unread("{\"x\": [1, NaN], \"y\": [], \"z\": {\"x\": \"y\", \"y\": [[1]]}}");
    assert_int_equal(mr_object_item(root, "x")->kind, MR_OBJECT_ARRAY);
    assert_int_equal(mr_object_item(root, "y")->kind, MR_OBJECT_LIST);
    assert_true(mr_object_is_str(mr_object_item(mr_object_item(root, "z"), "x"), "y"));
    assert_int_equal(mr_object_item(mr_object_item(root, "z"), "y")->list.n, 1);
}

static void expect_malformed(const char *text) {
    struct mr_error err = {0};
    const struct mr_object *root = NULL;
    assert_int_equal(mr_json_object_parse(mr_str_from(text), unread, arena, &root, &err),
                     MR_E_FORMAT);
    assert_null(root);
}

static void test_all_malformed(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[1 2]",
        "[,1]",
        "[1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\x01\"",
        "\"\xff\"",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "truefalse",
        "1 2",
        "[tru]",
        "nulll",
        "/**/1",
        "{\"x\":[01]}",
        "{\"x\":[1.]}",
        "{\"x\":[1e]}",
        "{\"x\":[1,]}",
        "{\"x\":[1",
        "{\"x\":[-]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) expect_malformed(texts[i]);
}

static void test_malformed(void **state) {
    (void)state;
    struct mr_error err = {0};
    const struct mr_object *root;
    assert_int_equal(mr_json_object_parse(mr_str_from("{\"a\": }"), NULL, arena, &root, &err),
                     MR_E_FORMAT);
    assert_int_equal(strncmp(err.message, "JSON, byte 6: ", 14), 0);
    char nested[201] = "";
    memset(nested, '[', 100);
    memset(nested + 100, ']', 100);
    assert_int_equal(mr_json_object_parse((struct mr_str){nested, 200}, NULL, arena, &root, &err),
                     MR_E_FORMAT);
    assert_string_equal(err.message, "JSON, byte 64: nested too deeply");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_rounding_to_float),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_unread),
        cmocka_unit_test(test_all_malformed),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
