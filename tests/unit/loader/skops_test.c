#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "arena_fixture.h"
#include "base/buf.h"
#include "failing_allocator.h"
#include "loader/skops.h"
#include "zip_file.h"

static struct mr_error err;

static const char npy[] = "\x93NUMPY\1\0\x3a\0"
                          "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n\3\4";

/* Loads an archive of schema.json, 1.npy and bytes.bin. */
static mr_status parse(const char *schema, struct mr_skops *out) {
    const struct zip_entry entries[] = {
        {"1.npy", {npy, sizeof(npy) - 1}},
        {"bytes.bin", {"a\0b", 3}},
        {"schema.json", mr_str_from(schema)},
    };
    struct zip_writer zip = zip_write(entries, 3);
    mr_status status = mr_skops_parse((struct mr_str){zip.data, zip.size}, NULL, arena, out, &err);
    free(zip.data);
    return status;
}

/* Loads one node as the root. The text ends before the node's closing brace. */
static const struct mr_object *parse_root(const char *node) {
    char *schema = mr_arena_alloc(arena, strlen(node) + 64);
    snprintf(schema, strlen(node) + 64, "%s, \"protocol\": 2}", node);
    struct mr_skops file;
    mr_status status = parse(schema, &file);
    if (status != MR_OK) print_message("%s\n", err.message);
    assert_int_equal(status, MR_OK);
    return file.root;
}

#define NODE(class, loader)                                                                        \
    "{\"__class__\": \"" class "\", \"__module__\": \"m\", \"__loader__\": \"" loader "\""
#define JSON(text) NODE("str", "JsonNode") ", \"content\": \"" text "\"}"
#define TYPE(name)                                                                                 \
    "{\"__class__\": \"" name "\", \"__module__\": \"builtins\", \"__loader__\": \"TypeNode\"}"
#define LIST(items) NODE("list", "ListNode") ", \"content\": [" items "]}"
#define DICT(content, types)                                                                       \
    NODE("dict", "DictNode") ", \"content\": {" content "}, \"key_types\": " LIST(types) "}"

/* Loads nodes as the items of a list. */
static const struct mr_object *const *parse_items(const char *const *nodes, size_t n) {
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_buf_text(&text, NODE("list", "ListNode") ", \"content\": [");
    for (size_t i = 0; i < n; i++) {
        if (i) mr_buf_char(&text, ',');
        mr_buf_text(&text, nodes[i]);
    }
    mr_buf_append(&text, "]", 2);
    const struct mr_object *root = parse_root(text.data);
    assert_int_equal(root->list.n, n);
    return root->list.items;
}

static void test_scalars(void **state) {
    (void)state;
    static const char *const nodes[] = {
        JSON("null"), JSON("true"),
        JSON("-3"),   JSON("18446744073709551615"),
        JSON("2.5"),  JSON("\\\"a\\\\u00e9\\\""),
        JSON("NaN"),  JSON("[1]"),
        JSON("{"),
    };
    const struct mr_object *const *items = parse_items(nodes, 9);
    assert_int_equal(items[0]->kind, MR_OBJECT_NONE);
    assert_true(items[1]->kind == MR_OBJECT_BOOL && items[1]->boolean);
    assert_true(items[2]->kind == MR_OBJECT_INT && items[2]->integer == -3);
    assert_true(items[3]->kind == MR_OBJECT_FLOAT && items[3]->real == 18446744073709551616.0);
    assert_true(items[4]->kind == MR_OBJECT_FLOAT && items[4]->real == 2.5);
    assert_true(mr_object_is_str(items[5], "a\xc3\xa9"));
    assert_true(items[6]->kind == MR_OBJECT_FLOAT && items[6]->real != items[6]->real);
    assert_int_equal(items[7]->kind, MR_OBJECT_INSTANCE);
    assert_int_equal(items[8]->kind, MR_OBJECT_INSTANCE);
}

static void test_dict_keys(void **state) {
    (void)state;
    static const char *const nodes[] = {
        DICT("\"a\": " JSON("1") ", \"7\": " JSON("2") ", \"0.5\": " JSON("3") ", \"False\": " JSON(
                 "4") ", \"z\": " JSON("5") ", \"beyond\": " JSON("6"),
             TYPE("str") "," TYPE("int") "," TYPE("float") "," TYPE("bool") "," TYPE("complex")),
    };
    const struct mr_object *dict = parse_items(nodes, 1)[0];
    assert_int_equal(dict->kind, MR_OBJECT_DICT);
    assert_int_equal(dict->dict.n, 5); /* zip() stops with the key types */
    assert_int_equal(mr_object_item(dict, "a")->integer, 1);
    assert_null(mr_object_item(dict, "7"));
    assert_null(mr_object_item(dict, "beyond"));
    assert_true(dict->dict.keys[1]->kind == MR_OBJECT_INT && dict->dict.keys[1]->integer == 7);
    assert_true(dict->dict.keys[2]->kind == MR_OBJECT_FLOAT && dict->dict.keys[2]->real == 0.5);
    assert_true(dict->dict.keys[3]->kind == MR_OBJECT_BOOL && dict->dict.keys[3]->boolean);
    assert_int_equal(dict->dict.keys[4]->kind, MR_OBJECT_INSTANCE);
}

static void test_instance(void **state) {
    (void)state;
    static const char *const nodes[] = {
        NODE("Thing", "ObjectNode") ", \"content\": " DICT(
            "\"x\": " JSON("4") ", \"x\": " JSON("5"), TYPE("str") "," TYPE("str")) "}",
    };
    const struct mr_object *thing = parse_items(nodes, 1)[0];
    assert_true(mr_object_is(thing, "m", "Thing"));
    assert_int_equal(mr_object_attr(thing, "x")->integer, 5); /* the last of equal keys counts */
    assert_null(mr_object_attr(thing, "y"));
    assert_null(mr_object_attr(mr_object_attr(thing, "y"), "z"));
    char text[20];
    assert_string_equal(mr_object_describe(thing, text, sizeof(text)), "m.Thing");
    assert_string_equal(mr_object_describe(mr_object_attr(thing, "x"), text, sizeof(text)), "int");
    assert_string_equal(mr_object_describe(NULL, text, sizeof(text)), "nothing");
}

static void test_arrays(void **state) {
    (void)state;
    static const char *const nodes[] = {
        NODE("ndarray", "NdArrayNode") ", \"type\": \"numpy\", \"file\": \"1.npy\"}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [" JSON(
            "\\\"a\\\"") "," JSON("1") "], \"shape\": " LIST(JSON("2")) "}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [], \"shape\": " LIST(
            JSON("0") "," JSON("1")) "}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [" LIST(NODE(
            "Tree", "ObjectNode") "}") "," LIST(NODE("Bush",
                                                     "ObjectNode") "}") "], "
                                                                        "\"shape\": " LIST(JSON(
                                                                            "2") "," JSON("1")) "}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [" LIST(
            JSON("1")) "," LIST(JSON("2")) "], \"shape\": " LIST(JSON("2") "," JSON("1")) "}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [" LIST(
            NODE("Tree",
                 "ObjectNode") "}") "," LIST("") "], \"shape\": " LIST(JSON("2") "," JSON("1")) "}",
    };
    const struct mr_object *const *arrays = parse_items(nodes, 6);
    assert_int_equal(arrays[0]->kind, MR_OBJECT_ARRAY);
    assert_int_equal(arrays[0]->array.dtype, MR_UINT8);
    assert_memory_equal(arrays[0]->array.values, "\3\4", 2);
    assert_int_equal(arrays[1]->array.dtype, MR_OBJECT);
    assert_int_equal(arrays[1]->array.n_values, 2);
    const struct mr_object *const *items = arrays[1]->array.values;
    assert_true(mr_object_is_str(items[0], "a"));
    assert_int_equal(items[1]->integer, 1);
    assert_int_equal(arrays[2]->kind, MR_OBJECT_INSTANCE);
    assert_int_equal(arrays[3]->kind, MR_OBJECT_ARRAY);
    assert_int_equal(arrays[3]->array.n_dims, 2);
    assert_int_equal(arrays[3]->array.shape[0], 2);
    assert_int_equal(arrays[3]->array.shape[1], 1);
    items = arrays[3]->array.values;
    assert_true(mr_object_is(items[0], "m", "Tree"));
    assert_true(mr_object_is(items[1], "m", "Bush"));
    assert_int_equal(arrays[4]->kind, MR_OBJECT_INSTANCE); /* not of instances */
    assert_int_equal(arrays[5]->kind, MR_OBJECT_INSTANCE); /* rows of different lengths */
}

static void test_other_nodes(void **state) {
    (void)state;
    static const char *const nodes[] = {
        NODE("f", "FunctionNode") "}",
        NODE("x", "FunctionNode") ", \"content\": {\"module_path\": \"p\", \"function\": \"f\"}}",
        NODE("bytes", "BytesNode") ", \"file\": \"bytes.bin\"}",
        NODE("timezone", "ConstructorFromReduceNode") ", \"content\": " LIST(JSON("1")) "}",
        NODE("Tree", "TreeNode") ", \"__reduce__\": {\"args\": " LIST(
            JSON("1")) "}, \"content\": " LIST(JSON("2")) "}",
        NODE("set", "SetNode") ", \"content\": []}",
        NODE("defaultdict", "DefaultDictNode") ", \"content\": {\"main\": " DICT(
            "\"k\": " JSON("8"), TYPE("str")) ", \"default_factory\": " JSON("null") "}}",
        NODE("slice", "SliceNode") ", \"content\": {\"start\": 1}}",
        NODE("New", "NodeOfTheFuture") ", \"content\": 5}",
        NODE("MaskedArray", "MaskedArrayNode") ", \"content\": {\"data\": " JSON(
            "1") ", \"mask\": " JSON("2") "}}",
    };
    const struct mr_object *const *items = parse_items(nodes, 10);
    assert_true(items[0]->kind == MR_OBJECT_GLOBAL && mr_object_is(items[0], "m", "f"));
    assert_true(items[1]->kind == MR_OBJECT_GLOBAL && mr_object_is(items[1], "p", "f"));
    assert_int_equal(items[2]->kind, MR_OBJECT_BYTES);
    assert_int_equal(items[2]->text.size, 3);
    assert_memory_equal(items[2]->text.data, "a\0b", 4);
    assert_int_equal(items[3]->instance.args->list.n, 1);
    assert_null(items[3]->instance.state);
    assert_int_equal(items[4]->instance.args->list.items[0]->integer, 1);
    assert_int_equal(items[4]->instance.state->list.items[0]->integer, 2);
    assert_int_equal(items[5]->kind, MR_OBJECT_SET);
    assert_int_equal(mr_object_item(items[6], "k")->integer, 8);
    assert_true(items[7]->kind == MR_OBJECT_INSTANCE && !items[7]->instance.state);
    assert_true(mr_object_is(items[8], "m", "New"));
    assert_int_equal(mr_object_attr(items[9], "mask")->integer, 2);
}

/* An empty array says which; pickles have a code. */
static void test_dtypes(void **state) {
    (void)state;
#define DTYPE(content)                                                                             \
    "{\"__class__\": \"dtype\", \"__module__\": \"numpy\", \"__loader__\": \"DTypeNode\", "        \
    "\"content\": " content
    static const char *const nodes[] = {
        DTYPE(NODE("ndarray", "NdArrayNode") ", \"type\": \"numpy\", \"file\": \"1.npy\"}") "}",
        DTYPE(NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [], "
                                             "\"shape\": " LIST(JSON("0")) "}") "}",
        DTYPE(JSON("1")) "}",
        DTYPE(
            "{\"__class__\": \"dtype\", \"__module__\": \"numpy\", \"__loader__\": \"DTypeNode\", "
            "\"__id__\": 7}") ", \"__id__\": 7}",
        NODE("dtype", "ObjectNode") "}",
    };
    const struct mr_object *const *items = parse_items(nodes, 5);
    mr_dtype dtype = MR_BOOL;
    assert_true(mr_object_dtype(items[0], &dtype) && dtype == MR_UINT8);
    assert_true(mr_object_dtype(items[1], &dtype) && dtype == MR_OBJECT);
    assert_false(mr_object_dtype(items[2], &dtype));
    assert_false(mr_object_dtype(items[3], &dtype)); /* it contains itself */
    assert_false(mr_object_dtype(items[4], &dtype));
    assert_false(mr_object_dtype(NULL, &dtype));
    char *schema = mr_arena_strdup(arena,
                                   mr_str_from(NODE("dtype", "DTypeNode") ", \"protocol\": 2}"));
    struct mr_skops file;
    assert_int_equal(parse(schema, &file), MR_E_FORMAT);
}

static void test_same_id_is_same_object(void **state) {
    (void)state;
    const struct mr_object
        *root =
            parse_root(
                NODE("list", "ListNode") ", \"__id__\": 5, \"content\": [" NODE("str", "JsonNode") ", \"content\": \"1\", \"__id__\": 18446744073709551615}," NODE(
                    "str",
                    "JsonNode") ", \"content\": \"2\", \"__id__\": "
                                "18446744073709551615}," NODE(
                                    "str",
                                    "JsonNode") ", \"content\": "
                                                "\"3\", "
                                                "\"__id__\": "
                                                "0}," NODE("str",
                                                           "JsonNo"
                                                           "de") ", \"content\": \"4\", "
                                                                 "\"__id__\": 0}, {\"__class__\": "
                                                                 "null, \"__module__\": null,"
                                                                 "\"__loader__\": \"CachedNode\", "
                                                                 "\"__id__\": 5}]");
    assert_ptr_equal(root->list.items[0], root->list.items[1]);
    assert_int_equal(root->list.items[2]->integer, 3);
    assert_int_equal(root->list.items[3]->integer, 4);
    assert_ptr_equal(root->list.items[4], root); /* a cycle */
}

static void test_many_ids(void **state) {
    (void)state;
    enum { N = 5000 };
    char *schema = mr_arena_alloc(arena, N * 120 + 200);
    size_t size = (size_t)sprintf(schema, "%s", NODE("list", "ListNode") ", \"content\": [");
    for (int i = 0; i < N; i++) {
        size += (size_t)sprintf(
            schema + size, "%s" NODE("str", "JsonNode") ", \"content\": \"%d\", \"__id__\": %d}",
            i ? "," : "", i, 1 + i / 2);
    }
    sprintf(schema + size, "]");
    const struct mr_object *root = parse_root(schema);
    assert_int_equal(root->list.n, N);
    for (int i = 0; i < N; i++) assert_int_equal(root->list.items[i]->integer, i / 2 * 2);
}

static void assert_refused(const char *schema, mr_status wanted) {
    struct mr_skops file;
    err = (struct mr_error){0};
    mr_status status = parse(schema, &file);
    if (status != wanted) print_message("%s\n-> %s\n", schema, err.message);
    assert_int_equal(status, wanted);
    assert_true(err.message[0]);
}

static void test_malformed(void **state) {
    (void)state;
    static const char *const schemas[] = {
        "",
        "[]",
        "{",
        "{\"protocol\": 2}",
        "{\"protocol\": true}",
        "{\"protocol\": 1.0}",
        "{\"protocol\": -1}",
        NODE("a", "ObjectNode") "}",
        NODE("list", "ListNode") ", \"content\": 1, \"protocol\": 2}",
        NODE("list", "ListNode") ", \"content\": [1], \"protocol\": 2}",
        NODE("list", "ListNode") ", \"content\": [{}], \"protocol\": 2}",
        NODE("list", "ListNode") ", \"content\": [], \"__id__\": \"a\", \"protocol\": 2}",
        NODE("list", "ListNode") ", \"content\": [], \"__id__\": -1, \"protocol\": 2}",
        NODE("x", "CachedNode") ", \"__id__\": 3, \"protocol\": 2}",
        NODE("dict", "DictNode") ", \"content\": {}, \"protocol\": 2}",
        NODE("dict",
             "DictNode") ", \"content\": {}, \"key_types\": " JSON("1") ", \"protocol\": 2}",
        NODE("dict", "DefaultDictNode") ", \"content\": {}, \"protocol\": 2}",
        NODE("str", "JsonNode") ", \"content\": 1, \"protocol\": 2}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"zarr\", \"protocol\": 2}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"numpy\", \"protocol\": 2}",
        NODE("ndarray",
             "NdArrayNode") ", \"type\": \"numpy\", \"file\": \"2.npy\", \"protocol\": 2}",
        NODE("a", "NdArrayNode") ", \"type\": \"numpy\", \"file\": \"bytes.bin\", \"protocol\": 2}",
        NODE("ndarray", "NdArrayNode") ", \"type\": \"json\", \"content\": [], \"protocol\": 2}",
        NODE("bytes", "BytesNode") ", \"file\": \"bytes.bin\\u0000\", \"protocol\": 2}",
        "{\"__module__\": \"m\", \"__loader__\": \"SetNode\", \"protocol\": 2}",
        "{\"__class__\": \"a\", \"__module__\": \"m\", \"protocol\": 2}",
    };
    for (size_t i = 0; i < sizeof(schemas) / sizeof(*schemas); i++) {
        assert_refused(schemas[i], MR_E_FORMAT);
    }
    assert_refused(NODE("a", "ObjectNode") ", \"protocol\": 3}", MR_E_UNSUPPORTED);
    assert_refused(NODE("a", "ObjectNode") ", \"protocol\": 18446744073709551615}",
                   MR_E_UNSUPPORTED);
}

static void test_nesting(void **state) {
    (void)state;
    const char open[] = NODE("list", "ListNode") ", \"content\": [";
    for (size_t depth = 300; depth <= 100000; depth = depth == 300 ? 100000 : depth + 1) {
        char *schema = mr_arena_alloc(arena, depth * (sizeof(open) + 2) + 100);
        size_t size = 0;
        for (size_t i = 0; i < depth; i++) {
            memcpy(schema + size, open, sizeof(open) - 1);
            size += sizeof(open) - 1;
        }
        for (size_t i = 1; i < depth; i++) {
            memcpy(schema + size, "]}", 2);
            size += 2;
        }
        sprintf(schema + size, "], \"protocol\": 2}");
        if (depth > 300) {
            assert_refused(schema, MR_E_FORMAT);
        } else {
            struct mr_skops file;
            assert_int_equal(parse(schema, &file), MR_OK);
        }
    }
}

static void test_budget(void **state) {
    (void)state;
    const char schema[] = NODE("list", "ListNode") ", \"content\": [" NODE(
        "a", "BytesNode") ", \"file\": \"big\"}," NODE("a", "BytesNode") ", \"file\": \"big\"}], "
                                                                         "\"protocol\": 2}";
    char *big = mr_arena_zalloc(arena, 100000);
    const struct zip_entry entries[] = {{"big", {big, 100000}},
                                        {"schema.json", {schema, sizeof(schema) - 1}}};
    struct zip_writer zip = zip_write(entries, 2);
    struct mr_str bytes = {zip.data, zip.size};
    struct mr_skops file;
    assert_int_equal(mr_skops_parse(bytes, NULL, arena, &file, &err), MR_OK);
    const struct mr_skops_options options = {.max_bytes = 150000};
    assert_int_equal(mr_skops_parse(bytes, &options, arena, &file, &err), MR_E_TOO_LARGE);
    struct mr_arena *small = mr_arena_new(150000, NULL);
    assert_int_equal(mr_skops_parse(bytes, NULL, small, &file, &err), MR_E_TOO_LARGE);
    mr_arena_free(small);
    free(zip.data);
}

static void test_broken_archives(void **state) {
    (void)state;
    const char schema[] = NODE("a", "ObjectNode") ", \"protocol\": 2}";
    const struct zip_entry entries[] = {{"schema.json", {schema, sizeof(schema) - 1}},
                                        {"schema.json", {schema, sizeof(schema) - 1}}};
    struct mr_skops file;
    struct zip_writer twice = zip_write(entries, 2);
    assert_int_equal(
        mr_skops_parse((struct mr_str){twice.data, twice.size}, NULL, arena, &file, &err),
        MR_E_FORMAT);
    free(twice.data);
    struct zip_writer zip = zip_write(entries, 1);
    zip.data[45] ^= 1; /* a byte of the schema: the checksum is wrong */
    assert_int_equal(mr_skops_parse((struct mr_str){zip.data, zip.size}, NULL, arena, &file, &err),
                     MR_E_FORMAT);
    zip.data[45] ^= 1;
    for (size_t size = 0; size < zip.size; size++) {
        char *cut = malloc(size + 1);
        memcpy(cut, zip.data, size);
        assert_int_equal(mr_skops_parse((struct mr_str){cut, size}, NULL, arena, &file, &err),
                         MR_E_FORMAT);
        free(cut);
    }
    free(zip.data);
    assert_int_equal(mr_skops_parse((struct mr_str){"", 0}, NULL, arena, &file, &err), MR_E_FORMAT);
    assert_int_equal(mr_skops_load("tests/no-such-file", NULL, arena, &file, &err), MR_E_IO);
    assert_int_equal(mr_skops_load("tests", NULL, arena, &file, &err), MR_E_FORMAT); /* a folder */
}

static void test_example(void **state) {
    (void)state;
    struct mr_skops file;
    assert_int_equal(mr_skops_load("examples/iris/model/model.skops", NULL, arena, &file, &err),
                     MR_OK);
    assert_int_equal(file.protocol, 2);
    assert_true(file.skops_version.size > 0);
    assert_true(mr_object_is(file.root, "sklearn.linear_model._logistic", "LogisticRegression"));
    const struct mr_object *coef = mr_object_attr(file.root, "coef_");
    assert_int_equal(coef->array.n_values, 12);
    assert_true(mr_object_is_str(mr_object_attr(file.root, "solver"), "lbfgs"));
    const struct mr_object *names = mr_object_attr(file.root, "feature_names_in_");
    assert_int_equal(names->array.dtype, MR_OBJECT);
    assert_int_equal(names->array.n_values, 4);
}

#ifdef MR_ARENA_DEBUG /* each allocation is one of the allocator's; else many share a block */
#define MIN_ALLOCATIONS 100
#else
#define MIN_ALLOCATIONS 4
#endif

/* Each allocation from the arena fails once. */
static void test_out_of_memory(void **state) {
    (void)state;
    struct failing_allocator allocator = {0};
    mr_status status = MR_E_NO_MEMORY;
    while (status != MR_OK) {
        struct mr_skops file;
        allocator.n_calls = 0;
        err = (struct mr_error){0};
        struct mr_arena *failing = failing_arena(&allocator);
        if (failing) {
            status = mr_skops_load("examples/iris/model/model.skops", NULL, failing, &file, &err);
            assert_true(status == MR_OK || status == MR_E_NO_MEMORY);
            assert_true(status == MR_OK || err.message[0]);
        }
        mr_arena_free(failing);
        allocator.fail_at++;
    }
    assert_true(allocator.fail_at > MIN_ALLOCATIONS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_dict_keys),
        cmocka_unit_test(test_instance),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_other_nodes),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_same_id_is_same_object),
        cmocka_unit_test(test_many_ids),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_broken_archives),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
