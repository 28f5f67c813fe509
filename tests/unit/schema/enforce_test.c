#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "arena_fixture.h"
#include "schema/enforce.h"
#include "table_text.h"

static struct mr_column column(const char *name, mr_dtype dtype, const void *values, int64_t n) {
    return (struct mr_column){.name = mr_str_from(name),
                              .is_named = *name < '0' || *name > '9',
                              .dtype = dtype,
                              .n_rows = n,
                              .values = values};
}

/* The enforced table as text, or "!" and the message. */
static const char *enforce(const char *columns, struct mr_column *given, size_t n) {
    struct mr_signature signature = signature_of(columns, arena);
    struct mr_input input = {.kind = MR_INPUT_TABLE};
    input.table = (struct mr_table){
        .n_rows = n ? given[0].n_rows : 0, .n_cols = n, .columns = given};
    struct mr_error err = {0};
    struct mr_buf out;
    mr_buf_init(&out, arena);
    mr_status status = mr_enforce_inputs(&signature, &input, arena, &err);
    if (status == MR_OK) {
        render_table(&input.table, &out);
    } else {
        assert_int_equal(status, MR_E_INVALID_PARAMETER);
        mr_buf_format(&out, "!%s", err.message);
    }
    mr_buf_char(&out, '\0');
    return out.data;
}

static const char *enforce_one(const char *type, mr_dtype dtype, const void *values, int64_t n) {
    char columns[32];
    snprintf(columns, sizeof(columns), "a:%s", type);
    struct mr_column given = column("a", dtype, values, n);
    return enforce(columns, &given, 1);
}

static void test_order_extra_and_missing(void **state) {
    (void)state;
    double one = 1, two = 2;
    struct mr_column given[] = {column("x", MR_FLOAT64, &one, 1), column("b", MR_FLOAT64, &two, 1),
                                column("a", MR_FLOAT64, &one, 1)};
    assert_string_equal(enforce("a:double b:double", given, 3), "a:float64[1.0] b:float64[2.0]");
    assert_string_equal(enforce("a:double c:long?", given, 3), "a:float64[1.0]");
    assert_string_equal(enforce("q:double?", given, 3), "");
    assert_string_equal(enforce("a:double c:long d:long", given, 3),
                        "!the model requires 2 columns that the request lacks: 'c', 'd'");
    given[0].name = mr_str_from("a");
    assert_string_equal(enforce("a:double", given, 3), "!column 'a' is given more than once");
}

static void test_without_names(void **state) {
    (void)state;
    double one = 1;
    struct mr_column given[] = {column("0", MR_FLOAT64, &one, 1), column("1", MR_FLOAT64, &one, 1)};
    assert_string_equal(enforce(":double", given, 2), "0:float64[1.0]");
    assert_string_equal(enforce(":double :double", given, 2), "0:float64[1.0] 1:float64[1.0]");
    assert_string_equal(enforce(":double :double :double", given, 2),
                        "!the model has 3 inputs without names, but the request has 2 columns");
    /* A number is no name. */
    assert_string_equal(enforce("0:double", given, 1),
                        "!the model requires 1 column that the request lacks: '0'");
}

static void test_upcasts(void **state) {
    (void)state;
    int8_t bytes[] = {-3, 7};
    uint32_t words[] = {5, UINT32_MAX};
    float floats[] = {0.5f, -2};
    int64_t flags[] = {0, 1}, longs[] = {0, 2};
    assert_string_equal(enforce_one("integer", MR_INT8, bytes, 2), "a:int32[-3 7]");
    assert_string_equal(enforce_one("double", MR_INT8, bytes, 2), "a:float64[-3.0 7.0]");
    assert_string_equal(enforce_one("long", MR_UINT32, words, 2), "a:int64[5 4294967295]");
    assert_string_equal(enforce_one("double", MR_UINT32, words, 2), "a:float64[5.0 4294967295.0]");
    assert_string_equal(enforce_one("double", MR_FLOAT32, floats, 2), "a:float64[0.5 -2.0]");
    assert_string_equal(enforce_one("double", MR_INT64, flags, 2), "a:float64[0.0 1.0]");
    assert_string_equal(enforce_one("float", MR_INT64, flags, 2), "a:float32[0.0 1.0]");
    assert_string_equal(enforce_one("float", MR_INT64, longs, 2),
                        "!column 'a': expected float, received int64, which cannot be converted "
                        "safely");
    assert_string_equal(enforce_one("integer", MR_UINT32, words, 2),
                        "!column 'a': expected integer, received uint32, which cannot be converted "
                        "safely");
    assert_string_equal(enforce_one("boolean", MR_INT64, flags, 2),
                        "!column 'a': expected boolean, received int64, which cannot be converted "
                        "safely");
    assert_string_equal(enforce_one("float", MR_FLOAT64, (double[]){1, 2}, 2),
                        "!column 'a': expected float, received float64, which cannot be converted "
                        "safely");
}

/* Of an array of bytes pandas makes columns of fixed-size bytes, of a list or dict objects. */
static void test_bytes(void **state) {
    (void)state;
    static const int64_t offsets[] = {0, 2};
    struct mr_column given = column("a", MR_BINARY, NULL, 1);
    given.offsets = offsets;
    given.bytes = "hi";
    assert_string_equal(enforce("a:string", &given, 1), "a:bytes[hi]");
    given = column("0", MR_BINARY, NULL, 1);
    given.offsets = offsets;
    given.bytes = "hi";
    assert_string_equal(enforce(":binary", &given, 1), "0:bytes[hi]");
    assert_non_null(strstr(enforce(":string", &given, 1), "expected string, received bytes"));
}

static void test_hint(void **state) {
    (void)state;
    double holes[] = {1, NAN}, parts[] = {1.5, NAN};
    const char *message = enforce_one("long", MR_FLOAT64, holes, 2);
    assert_non_null(strstr(message, "cannot hold missing values"));
    message = enforce_one("long", MR_FLOAT64, parts, 2);
    assert_null(strstr(message, "cannot hold missing values"));
}

/* Columns of Python objects are looked at again. */
static void test_objects(void **state) {
    (void)state;
    yyjson_doc *doc = yyjson_read("[1, 0, null, \"x\", true]", 23, 0);
    yyjson_val *cells[5];
    for (size_t i = 0; i < 5; i++) cells[i] = yyjson_arr_get(yyjson_doc_get_root(doc), i);
    assert_string_equal(enforce_one("double", MR_OBJECT, cells, 2), "a:float64[1.0 0.0]");
    assert_string_equal(enforce_one("double", MR_OBJECT, cells, 3), "a:float64[1.0 0.0 -]");
    assert_string_equal(enforce_one("double", MR_OBJECT, cells + 2, 1), "a:float64[-]");
    assert_string_equal(enforce_one("boolean", MR_OBJECT, cells + 4, 1), "a:bool[true]");
    assert_non_null(strstr(enforce_one("double", MR_OBJECT, cells + 3, 2), "received object"));
    yyjson_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_extra_and_missing),
        cmocka_unit_test(test_without_names),
        cmocka_unit_test(test_upcasts),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_objects),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
