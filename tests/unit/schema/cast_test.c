#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "schema/cast.h"
#include "table_text.h"

static yyjson_doc *doc;
static struct mr_error err;

static int teardown(void **state) {
    yyjson_doc_free(doc);
    doc = NULL;
    return arena_teardown(state);
}

static struct mr_cells cells_of(const char *json) {
    yyjson_doc_free(doc);
    doc = yyjson_read(json, strlen(json),
                      YYJSON_READ_BIGNUM_AS_RAW | YYJSON_READ_ALLOW_INF_AND_NAN);
    if (!doc) fail_msg("%s is not JSON", json);
    yyjson_val *list = yyjson_doc_get_root(doc);
    size_t n = yyjson_arr_size(list), i, max;
    yyjson_val **items = mr_arena_array(arena, n, sizeof(*items)), *value;
    yyjson_arr_foreach(list, i, max, value) {
        items[i] = value;
    }
    /* NaN is a number kept as text here, which json_parse.c has made one. */
    for (i = 0; i < n; i++) {
        if (!yyjson_is_raw(items[i]) || yyjson_get_raw(items[i])[0] != 'N') continue;
        items[i]->tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
        items[i]->uni.f64 = 0.0 / 0.0;
    }
    return (struct mr_cells){.n = (int64_t)n, .items = items};
}

/* The column as text; "raw" for the raw lane; "!" and the message where it fails. */
static const char *outcome(mr_status status, const struct mr_cast *cast) {
    struct mr_buf out;
    mr_buf_init(&out, arena);
    struct mr_table table = {.n_rows = cast->column->n_rows, .n_cols = 1, .columns = cast->column};
    if (status != MR_OK) {
        mr_buf_format(&out, "!%s", err.message);
    } else if (cast->is_raw) {
        mr_buf_text(&out, "raw");
    } else {
        render_table(&table, &out);
    }
    mr_buf_char(&out, '\0');
    return out.data;
}

static const char *infer(const char *json) {
    struct mr_cells cells = cells_of(json);
    struct mr_column column = {.name = mr_str_from("a")};
    struct mr_cast cast;
    mr_cast_init_infer(&cast, &column);
    return outcome(mr_cast_all(&cast, &cells, false, arena, &err), &cast);
}

static const char *to_type(const char *json, mr_col_type type) {
    struct mr_cells cells = cells_of(json);
    struct mr_column column = {.name = mr_str_from("a")};
    struct mr_cast cast;
    mr_cast_init_type(&cast, &column, type);
    return outcome(mr_cast_all(&cast, &cells, false, arena, &err), &cast);
}

static const char *to_dtype(const char *json, mr_dtype dtype) {
    struct mr_cells cells = cells_of(json);
    struct mr_column column = {.name = mr_str_from("a")};
    struct mr_cast cast;
    mr_cast_init_dtype(&cast, &column, dtype);
    return outcome(mr_cast_all(&cast, &cells, false, arena, &err), &cast);
}

static void test_inference(void **state) {
    (void)state;
    assert_string_equal(infer("[true, false]"), "a:bool[true false]");
    assert_string_equal(infer("[1, -2]"), "a:int64[1 -2]");
    assert_string_equal(infer("[1, 9223372036854775808]"), "a:uint64[1 9223372036854775808]");
    assert_string_equal(infer("[-1, 9223372036854775808]"), "a:object[-1 9223372036854775808]");
    assert_string_equal(infer("[18446744073709551616]"), "a:object[18446744073709551616]");
    assert_string_equal(infer("[1, 2.5]"), "a:float64[1.0 2.5]");
    assert_string_equal(infer("[1, null]"), "a:float64[1.0 -]");
    assert_string_equal(infer("[1e400]"), "a:float64[inf]");
    assert_string_equal(infer("[\"x\", null]"), "a:str[x -]");
    assert_string_equal(infer("[\"x\", 1]"), "a:object[\"x\" 1]");
    assert_string_equal(infer("[true, null]"), "a:object[true -]");
    assert_string_equal(infer("[null]"), "a:object[-]");
    assert_string_equal(infer("[null, NaN]"), "a:float64[- -]");
    assert_string_equal(infer("[[1], {}]"), "a:object[[1] {}]");
    assert_string_equal(infer("[]"), "a:float64[]");
}

static void test_numbers(void **state) {
    (void)state;
    assert_string_equal(to_type("[1, 2.5, \"3\"]", MR_COL_DOUBLE), "a:float64[1.0 2.5 3.0]");
    assert_string_equal(to_type("[true, null]", MR_COL_DOUBLE), "a:float64[1.0 -]");
    assert_string_equal(to_type("[16777217]", MR_COL_FLOAT), "a:float32[16777216.0]");
    assert_string_equal(to_type("[2.7, -2.7]", MR_COL_LONG), "a:int64[2 -2]");
    assert_string_equal(to_type("[1e19]", MR_COL_LONG), "a:int64[-9223372036854775808]");
    assert_string_equal(to_type("[9223372036854775808]", MR_COL_LONG),
                        "a:int64[-9223372036854775808]");
    assert_string_equal(to_type("[3000000000]", MR_COL_INTEGER), "a:int32[-1294967296]");
    assert_string_equal(to_type("[3e9]", MR_COL_INTEGER), "a:int32[-2147483648]");
    assert_string_equal(to_type("[\" 1_2 \", \"+5\"]", MR_COL_LONG), "a:int64[12 5]");
    assert_string_equal(to_type("[\"false\", \"\", null]", MR_COL_BOOLEAN),
                        "a:bool[true false true]");
    assert_string_equal(to_type("[0, 2, null]", MR_COL_BOOLEAN), "a:bool[false true true]");
    assert_string_equal(to_type("[true, null, [], 0.5]", MR_COL_BOOLEAN),
                        "a:bool[true false false true]");
}

/* What pandas refuses, and where the message says it is. */
static void test_refused(void **state) {
    (void)state;
    assert_string_equal(to_type("[1, \"abc\"]", MR_COL_DOUBLE),
                        "!column 'a' row 1: expected double, received \"abc\" (str)");
    assert_string_equal(to_type("[1, [2]]", MR_COL_DOUBLE),
                        "!column 'a' row 1: expected double, received a list of 1");
    assert_string_equal(to_type("[1, null]", MR_COL_LONG),
                        "!column 'a' row 1: expected long, received null: an integer cannot be "
                        "missing");
    assert_string_equal(to_type("[1e400]", MR_COL_INTEGER),
                        "!column 'a' row 0: expected integer, received inf (float): an integer "
                        "cannot be infinite");
    assert_string_equal(
        to_type("[\"3000000000\"]", MR_COL_INTEGER),
        "!column 'a' row 0: expected integer, received \"3000000000\" (str): out of "
        "range");
    assert_string_equal(to_type("[\"1.5\"]", MR_COL_LONG),
                        "!column 'a' row 0: expected long, received \"1.5\" (str): not an integer");
    assert_string_equal(to_type("[\"aGk\"]", MR_COL_BINARY),
                        "!column 'a' row 0: expected binary (a text in base64), received \"aGk\" "
                        "(str): wrong length or padding");
    assert_string_equal(to_type("[\"aGk=\", null]", MR_COL_BINARY),
                        "!column 'a' row 1: expected binary (a text in base64), received null");
}

static void test_texts(void **state) {
    (void)state;
    assert_string_equal(to_type("[\"x\", null, \"\"]", MR_COL_STRING), "a:str[x - ]");
    assert_string_equal(to_type("[null, null]", MR_COL_STRING), "a:object[- -]");
    assert_string_equal(to_type("[5]", MR_COL_STRING), "raw");
    assert_string_equal(to_type("[\"x\", 5]", MR_COL_STRING), "raw");
    assert_string_equal(to_type("[\"aGk=\", \"\"]", MR_COL_BINARY), "a:bytes[hi ]");
}

static void test_dates(void **state) {
    (void)state;
    assert_string_equal(to_type("[\"1970-01-02\", null, \"NaT\"]", MR_COL_DATETIME),
                        "a:datetime64[ns][86400000000000 - -]");
    assert_string_equal(to_type("[5, -7]", MR_COL_DATETIME), "a:datetime64[ns][5 -7]");
    assert_string_equal(to_type("[-1.5, null]", MR_COL_DATETIME), "a:datetime64[ns][-1 -]");
    assert_string_equal(to_type("[\"May 5\"]", MR_COL_DATETIME), "raw");
    assert_string_equal(to_type("[\"1970-01-02\", \"1970-1-3\"]", MR_COL_DATETIME), "raw");
    assert_string_equal(to_type("[\"1970-01-02\", 5]", MR_COL_DATETIME), "raw");
    assert_string_equal(
        to_type("[\"1970-01-02\", \"1970-01-02T00:00\"]", MR_COL_DATETIME),
        "!column 'a' row 1: expected datetime, received \"1970-01-02T00:00\" (str): "
        "not in the format of the first one");
    assert_string_equal(
        to_type("[\"2023-02-29\"]", MR_COL_DATETIME),
        "!column 'a' row 0: expected datetime, received \"2023-02-29\" (str): out of "
        "range");
    assert_string_equal(to_type("[null, \"1970-01-02T00:00Z\"]", MR_COL_DATETIME),
                        "!column 'a' row 1: expected a datetime without a time zone, received one "
                        "with a zone");
    assert_string_equal(to_type("[true]", MR_COL_DATETIME),
                        "!column 'a' row 0: expected datetime, received True (bool)");
}

static void test_tensors(void **state) {
    (void)state;
    assert_string_equal(to_dtype("[300.7, 2]", MR_UINT8), "a:uint8[44 2]");
    assert_string_equal(to_dtype("[257]", MR_UINT8), "a:uint8[1]");
    assert_string_equal(to_dtype("[\"257\"]", MR_UINT8),
                        "!column 'a' row 0: expected uint8, received \"257\" (str): out of range");
    assert_string_equal(to_dtype("[-0.5]", MR_UINT8),
                        "!column 'a' row 0: expected uint8, received -0.5 (float): it is negative");
    assert_string_equal(to_dtype("[[1, 2], 3]", MR_FLOAT64), "a:object[[1,2] 3]");
    assert_string_equal(to_dtype("[\"x\"]", MR_STRING), "a:str[x]");
    assert_string_equal(to_dtype("[5]", MR_STRING), "raw");
    assert_string_equal(to_dtype("[]", MR_FLOAT64),
                        "!column 'a': expected float64, received no rows");
}

/* In blocks, and from evenly spaced cells, the same comes out. */
static void test_blocks(void **state) {
    (void)state;
    static const mr_col_type types[] = {MR_COL_DOUBLE, MR_COL_STRING, MR_COL_BINARY, MR_COL_BOOLEAN,
                                        MR_COL_DATETIME};
    static const char *const lists[] = {"[1, null, 2.5, 3, 4]", "[\"x\", null, \"yz\", \"\", null]",
                                        "[\"aGk=\", \"\", \"YQ==\", \"aGkh\", \"YQ==\"]",
                                        "[true, null, 0, [], 1.5]",
                                        "[\"2024-01-02\", null, \"2024-01-03\", null, \"\"]"};
    for (size_t i = 0; i < 5; i++) {
        const char *whole = to_type(lists[i], types[i]);
        struct mr_cells cells = cells_of(lists[i]);
        struct mr_cells even = {.n = 5, .first = yyjson_doc_get_root(doc) + 1, .stride = 1};
        for (int64_t step = 1; step <= 4; step++) {
            struct mr_column column = {.name = mr_str_from("a")};
            struct mr_cast cast;
            mr_cast_init_type(&cast, &column, types[i]);
            mr_status status = MR_OK;
            for (int64_t row = 0; row < 5; row += step) {
                struct mr_cells block = mr_cells_slice(&cells, row,
                                                       row + step > 5 ? 5 - row : step);
                if (cast.needs_scan) mr_cast_scan(&cast, &block);
            }
            status = mr_cast_begin(&cast, 5, cells.items[0], false, arena, &err);
            for (int64_t row = 0; row < 5 && status == MR_OK; row += step) {
                const struct mr_cells *all = step == 2 ? &even : &cells;
                struct mr_cells block = mr_cells_slice(all, row, row + step > 5 ? 5 - row : step);
                status = mr_cast_convert(&cast, &block, row, &err);
            }
            if (status == MR_OK) status = mr_cast_end(&cast, &err);
            assert_string_equal(outcome(status, &cast), whole);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inference), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_texts),
        cmocka_unit_test(test_dates),     cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, arena_setup, teardown);
}
