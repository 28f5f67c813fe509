#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "loader/ubjson.h"

#define PARSE(literal, out, err)                                                                   \
    mr_ubjson_parse(copy_of(literal, sizeof(literal) - 1), NULL, arena, out, err)

/* An allocation of exactly its size. */
static struct mr_str copy_of(const char *bytes, size_t size) {
    char *copy = mr_arena_alloc(arena, size);
    memcpy(copy, bytes, size);
    return (struct mr_str){copy, size};
}

static void expect_error(struct mr_str file, const char *message) {
    const struct mr_object *root = NULL;
    struct mr_error err = {0};
    assert_int_equal(mr_ubjson_parse(file, NULL, arena, &root, &err), MR_E_FORMAT);
    assert_string_equal(err.message, message);
    assert_null(root);
}

#define EXPECT_ERROR(literal, message) expect_error(copy_of(literal, sizeof(literal) - 1), message)

static void test_values(void **state) {
    (void)state;
    const struct mr_object *root;
    assert_int_equal(PARSE("{i\1aZ"
                           "i\1bT"
                           "i\1cF"
                           "i\1di\xff"
                           "i\1eU\xff"
                           "i\1fI\x80\0"
                           "i\1gl\0\1\0\0"
                           "i\1hL\0\0\0\0\0\0\1\0"
                           "i\1id\x3f\xc0\0\0"
                           "i\1jD\x3f\xf8\0\0\0\0\0\0"
                           "L\0\0\0\0\0\0\0\1kSi\2xy"
                           "i\1lCA}",
                           &root, NULL),
                     MR_OK);
    assert_int_equal(mr_object_item(root, "a")->kind, MR_OBJECT_NONE);
    assert_true(mr_object_item(root, "b")->boolean);
    assert_int_equal(mr_object_item(root, "c")->kind, MR_OBJECT_BOOL);
    assert_int_equal(mr_object_item(root, "d")->integer, -1);
    assert_int_equal(mr_object_item(root, "e")->integer, 255);
    assert_int_equal(mr_object_item(root, "f")->integer, -32768);
    assert_int_equal(mr_object_item(root, "g")->integer, 65536);
    assert_int_equal(mr_object_item(root, "h")->integer, 256);
    assert_true(mr_object_item(root, "i")->real == 1.5);
    assert_true(mr_object_item(root, "j")->real == 1.5);
    assert_true(mr_object_is_str(mr_object_item(root, "k"), "xy"));
    assert_int_equal(mr_object_item(root, "l")->integer, 'A');
}

static void test_arrays(void **state) {
    (void)state;
    const struct mr_object *root;
    assert_int_equal(PARSE("[[$d#L\0\0\0\0\0\0\0\2\x3f\x80\0\0\xc0\0\0\0"
                           "[$l#i\1\0\0\0\7"
                           "[#i\2TF"
                           "[]"
                           "[$U#i\0]",
                           &root, NULL),
                     MR_OK);
    assert_int_equal(root->kind, MR_OBJECT_LIST);
    assert_int_equal(root->list.n, 5);
    const struct mr_ndarray *floats = &root->list.items[0]->array;
    assert_int_equal(floats->dtype, MR_FLOAT32);
    assert_int_equal(floats->n_values, 2);
    assert_true(((const float *)floats->values)[0] == 1 &&
                ((const float *)floats->values)[1] == -2);
    const struct mr_ndarray *integers = &root->list.items[1]->array;
    assert_int_equal(integers->dtype, MR_INT32);
    assert_int_equal(((const int32_t *)integers->values)[0], 7);
    assert_int_equal(root->list.items[2]->list.n, 2);
    assert_int_equal(root->list.items[3]->list.n, 0);
    assert_int_equal(root->list.items[4]->array.n_values, 0);
}

static void test_unread(void **state) {
    (void)state;
    static const char *const unread[] = {"x", NULL};
    static const char bytes[] = "{i\1x[$l#i\1\0\0\0\7i\1y[$U#i\1\7i\1z[{i\1x[T]}[$U#i\1\7]}";
    const struct mr_object *root = NULL;
    struct mr_str file = copy_of(bytes, sizeof(bytes) - 1);
    assert_int_equal(mr_ubjson_parse(file, unread, arena, &root, NULL), MR_OK);
    assert_int_equal(mr_object_item(root, "x")->kind, MR_OBJECT_NONE);
    assert_int_equal(mr_object_item(root, "y")->kind, MR_OBJECT_ARRAY);
    const struct mr_object *list = mr_object_item(root, "z");
    assert_int_equal(mr_object_item(list->list.items[0], "x")->kind, MR_OBJECT_LIST);
    assert_int_equal(list->list.items[1]->kind, MR_OBJECT_ARRAY);
    struct mr_error err = {0};
    file = copy_of(bytes, 10);
    assert_int_equal(mr_ubjson_parse(file, unread, arena, &root, &err), MR_E_FORMAT);
    assert_string_equal(err.message, "UBJSON, byte 10: the file ends too early");
}

static void test_malformed(void **state) {
    (void)state;
    EXPECT_ERROR("", "UBJSON, byte 0: the file ends too early");
    EXPECT_ERROR("{", "UBJSON, byte 1: the file ends too early");
    EXPECT_ERROR("{i\1aT", "UBJSON, byte 5: the file ends too early");
    EXPECT_ERROR("[T", "UBJSON, byte 2: the file ends too early");
    EXPECT_ERROR("l\0\0", "UBJSON, byte 1: the file ends too early");
    EXPECT_ERROR("ZZ", "UBJSON, byte 1: expected the end of the file");
    EXPECT_ERROR("x", "UBJSON, byte 1: expected a value");
    EXPECT_ERROR("Si\xff", "UBJSON, byte 3: a length is negative");
    EXPECT_ERROR("Sd\0\0\0\0", "UBJSON, byte 2: expected a length");
    EXPECT_ERROR("[$Z#i\1]", "UBJSON, byte 3: arrays of that type are not known");
    EXPECT_ERROR("[$di\1", "UBJSON, byte 4: expected the length of an array");
    EXPECT_ERROR("[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
                 "UBJSON, byte 13: the file ends too early");
    EXPECT_ERROR("[#L\x7f\xff\xff\xff\xff\xff\xff\xffT",
                 "UBJSON, byte 12: the file ends too early");
}

static void test_depth(void **state) {
    (void)state;
    char nested[1000];
    memset(nested, '[', sizeof(nested));
    expect_error(copy_of(nested, sizeof(nested)), "UBJSON, byte 65: nested too deeply");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_unread), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
