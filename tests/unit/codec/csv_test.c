#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "arena_fixture.h"
#include "base/buf.h"
#include "codec/csv.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "table_text.h"

/* A copy of exactly its size, so that sanitizers see a read past the end. */
static struct mr_str exact(struct mr_str text) {
    char *copy = malloc(text.size ? text.size : 1);
    if (text.size) memcpy(copy, text.data, text.size);
    return (struct mr_str){copy, text.size};
}

static const char *decode(struct mr_str text, const struct mr_signature *signature) {
    struct mr_str body = exact(text);
    struct mr_decoded decoded = {0};
    struct mr_error err = {0};
    struct mr_buf out;
    mr_buf_init(&out, arena);
    mr_status status = mr_csv_decode(body, signature, arena, &decoded, &err);
    if (status == MR_OK) {
        assert_int_equal(decoded.input.kind, MR_INPUT_TABLE);
        render_table(&decoded.input.table, &out);
    } else {
        assert_int_equal(status, MR_E_BAD_REQUEST);
        mr_buf_text(&out, err.message);
    }
    mr_buf_char(&out, '\0');
    free((char *)body.data);
    return out.data;
}

struct example {
    const char *columns, *text, *expected;
};

static void check(const struct example *examples, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct mr_signature signature = signature_of(examples[i].columns, arena);
        const char *got = decode(mr_str_from(examples[i].text), &signature);
        if (strcmp(got, examples[i].expected) != 0) {
            fail_msg("%s with '%s':\n  %s\nexpected\n  %s", examples[i].text, examples[i].columns,
                     got, examples[i].expected);
        }
    }
}

static void test_inference(void **state) {
    (void)state;
    static const struct example examples[] = {
        {"", "a,b,c,d\n1,1.5,x,True\n-2,3,y,false\n",
         "a:int64[1 -2] b:float64[1.5 3.0] c:str[x y] d:bool[true false]"},
        {"", "a,b\n1,\n,2\n-0,\n", "a:float64[1.0 - 0.0] b:float64[- 2.0 -]"},
        {"", "a,b\nNA,x\nnull,\n", "a:float64[- -] b:str[x -]"},
        {"", "a,b\nTrue,1\n,0\n", "a:object[true -] b:int64[1 0]"},
        {"", "a\n18446744073709551615\n1\n", "a:uint64[18446744073709551615 1]"},
        {"", "a,b\n18446744073709551615,1\n,1\n", "a:str[18446744073709551615 ] b:int64[1 1]"},
        {"", "a\n18446744073709551615\n-1\n", "a:str[18446744073709551615 -1]"},
        {"", "a,b\n99999999999999999999,1\n-1_0,1\n,1\n",
         "a:object[99999999999999999999 -10 -] "
         "b:int64[1 1 1]"},
        {"", "a\n-9223372036854775809\n", "a:object[-9223372036854775809]"},
        {"", "a\n99999999999999999999\nNA\nx\n", "a:str[99999999999999999999 NA x]"},
        {"", "a\n18446744073709551615\n1.0\n", "a:float64[1.8446744073709552e+19 1.0]"},
        {"", "a\n99999999999999999999\n1.0\n", "a:str[99999999999999999999 1.0]"},
        {"", "a\n 1\n2 \n+3\n", "a:int64[1 2 3]"},
        {"", "a\n1e1\n2\n", "a:float64[10.0 2.0]"},
        {"", "a\n1\nTrue\n", "a:str[1 True]"},
        {"", "a,b\n", "a:object[] b:object[]"},
        {"",
         "\xEF\xBB\xBF"
         "a\n1\n",
         "a:int64[1]"},
    };
    check(examples, sizeof(examples) / sizeof(examples[0]));
}

static void test_names(void **state) {
    (void)state;
    static const struct example examples[] = {
        {"", "a,a,a.1,a\n1,2,3,4\n", "a:int64[1] a.2:int64[2] a.1:int64[3] a.3:int64[4]"},
        {"", ",a,,Unnamed: 0\n1,2,3,4\n",
         "Unnamed: 0.1:int64[1] a:int64[2] Unnamed: 2:int64[3] Unnamed: 0:int64[4]"},
        {"", "\"x,y\",\"p\"\"q\"\n1,2\n", "x,y:int64[1] p\"q:int64[2]"},
        /* one cell more than the header: row labels, which no native model sees */
        {"", "a,b\n9,1,2\n8,3\n", "a:int64[1 3] b:float64[2.0 -]"},
        {"", "a,b\n1,2,\n", "a:int64[2] b:float64[-]"},
        {"", "a,b\n1\n2,3\n", "a:int64[1 2] b:float64[- 3.0]"},
        /* a renamed column has the dtype of its first name, though the model does not get it */
        {"a:double", "a,a\n1,2\n", "a:float64[1.0]"},
        {"a:double", "a,a\n1,x\n",
         "line 2 of the CSV, column \"a.1\": expected a number (double), received \"x\""},
        {"b:double a:long", "a,x,b\n1,?,2\n", "a:int64[1] b:float64[2.0]"},
    };
    check(examples, sizeof(examples) / sizeof(examples[0]));
}

static void test_dtypes(void **state) {
    (void)state;
    static const struct example examples[] = {
        {"a:double b:float", "a,b\n1,0.1\n,NA\n",
         "a:float64[1.0 -] b:float32[0.10000000149011612 -]"},
        {"a:double b:float", "a,b\nTrue,FALSE\nNA,true\n", "a:float64[1.0 -] b:float32[0.0 1.0]"},
        {"a:long b:integer", "a,b\n1e1,2.0\n-3,1E2\n", "a:int64[10 -3] b:int32[2 100]"},
        {"a:long b:integer", "a,b\nTRUE,true\nfalse,False\n", "a:int64[1 0] b:int32[1 0]"},
        {"a:long", "a\n-9223372036854775809\n1e1\n", "a:int64[-9223372036854775808 10]"},
        {"a:boolean b:boolean", "a,b\n1,1.0\n0,0\n", "a:bool[true false] b:bool[true false]"},
        {"a:string b:binary", "a,b\n0042,aGk=\nNA,x\n", "a:str[0042 -] b:str[aGk= x]"},
        {"a:string b:string", "a,b\n1,\n2,NA\n", "a:str[1 2] b:object[- -]"},
        {"a:datetime b:float", "a,b\n", "a:datetime64[ns][] b:float32[]"},
        {"b:float a:datetime", "b,c\n1,2020-01-01\n", "b:float32[1.0]"},
        /* without names: by position in the line, an index included */
        {":double :float", "x,y,z\n1,2,3\n", "x:float64[1.0] y:float32[2.0] z:int64[3]"},
        {":double :float", "x,y\n5,1,2\n", "x:float32[1.0] y:int64[2]"},
        {":double :float", "x,y\ni,1,2\n",
         "line 2 of the CSV, column 1: expected a number (double), received \"i\""},
        {":double :float", "x\n", "the CSV has 1 columns and no rows, the model needs 2 columns"},
    };
    check(examples, sizeof(examples) / sizeof(examples[0]));
}

/* Cells before those that have a name are row labels. */
static void test_row_labels(void **state) {
    (void)state;
    static const struct example examples[] = {
        {"", "a\n1\n2\n", ""},
        {"", "a\n7,1\n7,2\n", "int64[7 7]"},
        {"a:long", "a\n7,1\n9,2\n12,3\n", "int64[7 9 12]"},
        {"", "a\n5,1\n", "int64[5]"},
        {"", "a\nx,1\n,2\n", "odd"},
        {"a:double", "a\nx,1\ny,2\n", "str[x y]"},
        {":double", "a\n7,1\n7,2\n", "odd"}, /* by its place the type is that of the labels */
        {":double", "a\nx,1\ny,2\n", NULL},
        {"", "a\n7,1\n9,2\n11,3\n", "odd"}, /* a RangeIndex */
        {"", "a\n0.5,1\n", "odd"},
        {"", "a\nTrue,1\n", "odd"},
        {"", "a\nx,y,1\n", "odd"},
    };
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct mr_signature signature = signature_of(examples[i].columns, arena);
        struct mr_decoded decoded = {0};
        mr_status status = mr_csv_decode(mr_str_from(examples[i].text), &signature, arena, &decoded,
                                         NULL);
        assert_int_equal(status, examples[i].expected ? MR_OK : MR_E_BAD_REQUEST);
        if (!examples[i].expected) continue;
        assert_string_equal(index_text(&decoded.input.table, arena), examples[i].expected);
    }
}

/* Texts are objects where read_csv is told so by the column's name. */
static void test_texts_as_objects(void **state) {
    (void)state;
    static const struct {
        const char *columns;
        bool is_object[2];
    } cases[] = {{"", {false, false}},
                 {"a:string", {true, false}},
                 {"b:binary a:string", {true, true}},
                 {":string", {false, false}}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_signature signature = signature_of(cases[i].columns, arena);
        struct mr_decoded decoded = {0};
        assert_int_equal(
            mr_csv_decode(mr_str_from("a,b\nx,y\n"), &signature, arena, &decoded, NULL), MR_OK);
        const struct mr_table *table = &decoded.input.table;
        for (size_t k = 0; k < table->n_cols; k++) {
            assert_int_equal(table->columns[k].dtype, MR_STRING);
            assert_int_equal(table->columns[k].is_object, cases[i].is_object[k]);
        }
    }
}

static void test_errors(void **state) {
    (void)state;
#define WHOLE "expected a whole number of 64 bits (long), received "
    static const struct example examples[] = {
        {"", "", "the CSV is empty: expected a line of column names"},
        {"", "\n \n", "the CSV is empty: expected a line of column names"},
        {"", "a,b\n1,2\n\n1,2,3\n", "line 4 of the CSV has 3 cells, the lines before it have 2"},
        {"", "a\n\"x\ny\"\n\"z\n", "the CSV ends inside the quotes that open on line 4"},
        {"", "\"a\n1\n", "the CSV ends inside the quotes that open on line 1"},
        {"", "a\n\xFF\n", "the CSV is not UTF-8: byte 0xff at offset 2, on line 2"},
        {"a:long", "a,b\n1,1\n,1\n",
         "line 3 of the CSV, column \"a\": " WHOLE "a missing value (an empty cell)"},
        {"a:long", "a\n1\nNA\n", "line 3 of the CSV, column \"a\": " WHOLE "a missing value (NA)"},
        {"a:long", "a\n1e1\n2.5\n", "line 3 of the CSV, column \"a\": " WHOLE "\"2.5\""},
        {"a:long", "a\n1e1\n\nhigh\n", "line 4 of the CSV, column \"a\": " WHOLE "\"high\""},
        {"a:long", "a\n9223372036854775808\n",
         "line 2 of the CSV, column \"a\": " WHOLE "\"9223372036854775808\""},
        {"a:long", "a\n1e1\n9e18\n1e19\n", "line 4 of the CSV, column \"a\": " WHOLE "\"1e19\""},
        {"a:integer", "a\n1\n2147483648\n",
         "line 3 of the CSV, column \"a\": expected a whole number of 32 bits (integer), "
         "received \"2147483648\""},
        {"a:boolean", "a\nTrue\n1\n",
         "line 3 of the CSV, column \"a\": expected true or false (boolean), received \"1\""},
        {"a:boolean", "a,b\n1,x\n2,x\n",
         "line 3 of the CSV, column \"a\": expected true or false (boolean), received \"2\""},
        {"a:datetime b:double", "a,b\n2020-01-01,1\n",
         "column \"a\" is a datetime, which MLflow does not read from CSV: send JSON"},
    };
#undef WHOLE
    check(examples, sizeof(examples) / sizeof(examples[0]));
}

static void test_first_line_of_data(void **state) {
    (void)state;
    static const struct example examples[] = {
        {"a:double b:string c:long", "1.5,x,3\n2,y,4\n",
         "a:float64[1.5 2.0] b:str[x y] c:int64[3 4]"},
        {"a:double b:boolean", "NA,True", "a:float64[-] b:bool[true]"},
        /* not the count, not the types, a name among them, and texts alone prove nothing */
        {"a:double b:double", "1\n2\n", ""},
        {"a:double b:double", "x,1\n2,3\n", ""},
        {"a:double 1:double", "2,1\n2,3\n", "1:float64[3.0]"},
        {"a:string", "x\ny\n", ""},
        {"a:double", "NA\n1\n", ""},
        {":double", "1\n2\n", "1:float64[2.0]"},
        {"a:double b:double", "1,2\n3,4,5\n",
         "line 2 of the CSV has 3 cells, the lines before it have 2"},
    };
    check(examples, sizeof(examples) / sizeof(examples[0]));
}

static void test_signatures_of_other_kinds(void **state) {
    (void)state;
    struct mr_signature signature;
    struct mr_str tensor = mr_str_from(
        "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float32\", \"shape\": [-1, 4]}}]");
    assert_int_equal(
        mr_signature_read(tensor, (struct mr_str){0}, (struct mr_str){0}, arena, &signature, NULL),
        MR_OK);
    assert_string_equal(decode(mr_str_from("a\n1\n"), &signature),
                        "the model's signature has a tensor, which MLflow does not read from CSV: "
                        "send JSON");
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* Rows of all kinds, with quotes and newlines in them, and a text that shows its row. */
static struct mr_str many_rows(int n) {
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_buf_text(&text, "i,f,b,s,m\r\n");
    for (int i = 0; i < n; i++) {
        mr_buf_format(&text, "%d,%d.25,%s,\"row %d,\n \"\"%d\"\"\",%s\n", i, i % 100,
                      i % 3 ? "True" : "False", i, i, i == n - 1 ? "x" : "7");
        if (i % 50 == 0) mr_buf_text(&text, "\n");
    }
    return mr_buf_str(&text);
}

struct blocks {
    struct mr_str rest;
    int64_t line;
    size_t block_size;
};

/* The next block of whole records; false at the end. */
static bool next_block(struct blocks *blocks, struct mr_str *block, int64_t *first_line) {
    if (blocks->rest.size == 0) return false;
    size_t size = blocks->block_size;
    int64_t n_lines = 0;
    *first_line = blocks->line;
    for (*block = (struct mr_str){0}; block->size == 0; size *= 2) {
        if (size >= blocks->rest.size) {
            *block = blocks->rest;
            break;
        }
        struct mr_str start = {blocks->rest.data, size};
        assert_int_equal(mr_csv_whole_size(start, arena, &block->size, &n_lines, NULL), MR_OK);
        block->data = start.data;
    }
    blocks->rest.data += block->size;
    blocks->rest.size -= block->size;
    blocks->line += n_lines;
    return true;
}

static void test_blocks(void **state) {
    (void)state;
    struct mr_str text = many_rows(400);
    struct mr_signature signature = signature_of("", arena);
    struct mr_decoded whole = {0};
    assert_int_equal(mr_csv_decode(text, &signature, arena, &whole, NULL), MR_OK);
    for (size_t size = 50; size < 20000; size = size * 3 + 7) {
        struct mr_csv_layout *layout = NULL;
        size_t n_used = 0;
        int64_t line;
        for (size_t start = 1; !layout; start++) {
            struct mr_str prefix = {text.data, start};
            assert_int_equal(
                mr_csv_open(prefix, false, &signature, arena, &layout, &n_used, &line, NULL),
                MR_OK);
        }
        assert_int_equal(mr_csv_n_unknown(layout), 5);
        assert_int_equal(line, 2);
        const struct blocks start = {{text.data + n_used, text.size - n_used}, line, size};
        struct mr_csv_facts *facts = mr_csv_facts_new(layout, arena);
        struct mr_str block;
        struct blocks blocks = start;
        while (next_block(&blocks, &block, &line)) {
            struct mr_csv_facts *next = mr_csv_facts_new(layout, arena);
            assert_int_equal(mr_csv_learn(layout, block, line, arena, next, NULL), MR_OK);
            mr_csv_facts_merge(layout, facts, next);
        }
        mr_csv_settle(layout, facts);
        assert_int_equal(mr_csv_n_unknown(layout), 0);
        int64_t n_rows = 0;
        blocks = start;
        while (next_block(&blocks, &block, &line)) {
            struct mr_table table;
            assert_int_equal(mr_csv_read(layout, block, line, arena, &table, NULL), MR_OK);
            for (size_t c = 0; c < 5; c++) {
                assert_int_equal(table.columns[c].dtype, whole.input.table.columns[c].dtype);
            }
            const int64_t *numbers = table.columns[0].values;
            for (int64_t i = 0; i < table.n_rows; i++) assert_int_equal(numbers[i], n_rows + i);
            n_rows += table.n_rows;
        }
        assert_int_equal(n_rows, 400);
    }
}

static void test_line_numbers_of_blocks(void **state) {
    (void)state;
    struct mr_signature signature = signature_of("a:double", arena);
    struct mr_csv_layout *layout;
    size_t n_used;
    int64_t line;
    struct mr_error err = {0};
    struct mr_str header = mr_str_from("a\n1\n");
    assert_int_equal(mr_csv_open(header, true, &signature, arena, &layout, &n_used, &line, NULL),
                     MR_OK);
    struct mr_table table;
    assert_int_equal(mr_csv_read(layout, mr_str_from("2\n\n3\nx\n"), 1000, arena, &table, &err),
                     MR_E_BAD_REQUEST);
    assert_string_equal(err.message, "line 1003 of the CSV, column \"a\": expected a number "
                                     "(double), received \"x\"");
}

/* --- memory ----------------------------------------------------------------------------------- */

struct failing {
    int n_allocations, fail_at;
};

static void *allocate(void *ctx, size_t size) {
    struct failing *failing = ctx;
    return failing->n_allocations++ == failing->fail_at ? NULL : malloc(size);
}

static void release(void *ctx, void *block, size_t size) {
    (void)ctx;
    (void)size;
    free(block);
}

/* Whichever allocation fails, the decoder says so and leaks nothing. */
static void test_out_of_memory(void **state) {
    (void)state;
    static const char *const columns[] = {"", "i:long f:double b:boolean s:string m:string",
                                          "i:double f:long"};
    struct mr_str text = many_rows(600);
    for (size_t c = 0; c < 3; c++) {
        struct mr_signature signature = signature_of(columns[c], arena);
        mr_status status = MR_E_NO_MEMORY;
        for (int fail_at = 1; status == MR_E_NO_MEMORY; fail_at++) {
            struct failing failing = {.fail_at = fail_at};
            struct mr_arena *small = mr_arena_new(
                0, &(struct mr_allocator){allocate, release, &failing});
            struct mr_decoded decoded = {0};
            struct mr_error err = {0};
            status = mr_csv_decode(text, &signature, small, &decoded, &err);
            assert_true(status != MR_E_NO_MEMORY || failing.n_allocations > fail_at);
            mr_arena_free(small);
        }
        assert_int_equal(status, c == 2 ? MR_E_BAD_REQUEST : MR_OK);
    }
}

/* Lines shorter than a wide header cannot be made into a table larger than the cap. */
static void test_cap(void **state) {
    (void)state;
    struct mr_buf text;
    mr_buf_init(&text, arena);
    for (int i = 0; i < 20000; i++) mr_buf_text(&text, "x,");
    for (int i = 0; i < 20000; i++) mr_buf_text(&text, "\n1");
    struct mr_arena *small = mr_arena_new((size_t)64 << 20, NULL);
    struct mr_signature signature = signature_of("", arena);
    struct mr_decoded decoded = {0};
    assert_int_equal(mr_csv_decode(mr_buf_str(&text), &signature, small, &decoded, NULL),
                     MR_E_TOO_LARGE);
    mr_arena_free(small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_inference, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_names, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_dtypes, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_row_labels, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_texts_as_objects, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_errors, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_first_line_of_data, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_signatures_of_other_kinds, arena_setup,
                                        arena_teardown),
        cmocka_unit_test_setup_teardown(test_blocks, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_line_numbers_of_blocks, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_cap, arena_setup, arena_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
