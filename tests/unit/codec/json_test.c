#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "codec/decode.h"
#include "table_text.h"

#define SPLIT(columns, data) "{\"dataframe_split\": {\"columns\": " columns ", \"data\": " data "}}"
#define RECORDS(rows) "{\"dataframe_records\": " rows "}"

static struct mr_decoded decoded;

/* The decoded table as text; "raw" for the raw lane; "!" and the message where it fails. */
static const char *decode_bytes(const char *columns, struct mr_str bytes, size_t room) {
    struct mr_signature signature = signature_of(columns, arena);
    char *body = mr_arena_alloc(arena, bytes.size + room);
    memcpy(body, bytes.data, bytes.size);
    struct mr_error err = {0};
    struct mr_buf out;
    mr_buf_init(&out, arena);
    mr_status status = mr_json_decode(body, bytes.size, bytes.size + room, &signature, arena,
                                      &decoded, &err);
    /* Without room behind it the body stays as it is. */
    if (room == 0) assert_memory_equal(body, bytes.data, bytes.size);
    if (status != MR_OK) {
        assert_true(status == MR_E_BAD_REQUEST || status == MR_E_INVALID_PARAMETER);
        mr_buf_format(&out, "%s%s", status == MR_E_BAD_REQUEST ? "!" : "?", err.message);
    } else if (decoded.input.kind == MR_INPUT_RAW) {
        mr_buf_text(&out, "raw");
    } else {
        assert_int_equal(decoded.input.kind, MR_INPUT_TABLE);
        render_table(&decoded.input.table, &out);
    }
    mr_buf_char(&out, '\0');
    return out.data;
}

/* Read in place and not, which must come to the same. */
static const char *decode(const char *columns, const char *body) {
    const char *in_place = decode_bytes(columns, mr_str_from(body), 16);
    assert_string_equal(decode_bytes(columns, mr_str_from(body), 0), in_place);
    return in_place;
}

static void test_split(void **state) {
    (void)state;
    assert_string_equal(
        decode("a:double b:string", SPLIT("[\"a\", \"b\"]", "[[1.5, \"x\"], [2, null]]")),
        "a:float64[1.5 2.0] b:str[x -]");
    assert_string_equal(
        decode("a:double b:string", SPLIT("[\"b\", \"q\", \"a\"]", "[[\"x\", 1, 2]]")),
        "a:float64[2.0] b:str[x]");
    assert_string_equal(decode("", SPLIT("[\"b\", 7]", "[[1, true]]")), "b:int64[1] 7:bool[true]");
    assert_string_equal(decode("", "{\"dataframe_split\": {\"data\": [[1], [2, 3]]}}"),
                        "0:int64[1 2] 1:float64[- 3.0]");
    assert_string_equal(decode("a:double", SPLIT("[\"a\"]", "[1, 2]")), "a:float64[1.0 2.0]");
    assert_string_equal(decode("a:double", SPLIT("[\"a\"]", "[]")), "a:float64[]");
    assert_string_equal(decode("a:double", SPLIT("[\"a\"]", "{\"b\": [], \"a\": []}")),
                        "a:float64[]");
    assert_string_equal(decode("a:double", SPLIT("null", "{\"b\": [1], \"a\": [2], \"a\": [3]}")),
                        "a:float64[3.0]");
    assert_string_equal(decode(":long", SPLIT("[\"x\", \"y\"]", "[[1, 2]]")), "x:int64[1]");
}

static void test_records(void **state) {
    (void)state;
    assert_string_equal(
        decode("a:double b:long", RECORDS("[{\"a\": 1, \"b\": 2}, {\"a\": 3, \"b\": 4}]")),
        "a:float64[1.0 3.0] b:int64[2 4]");
    assert_string_equal(decode("a:double b:double", RECORDS("[{\"b\": 2, \"a\": 1}, {\"a\": 3}]")),
                        "a:float64[1.0 3.0] b:float64[2.0 -]");
    assert_string_equal(decode("", RECORDS("[{\"b\": 1}, {\"a\": [2], \"b\": null}, {}]")),
                        "b:float64[1.0 - -] a:object[- [2] -]");
    assert_string_equal(decode("a:long", RECORDS("[{\"a\": 1, \"b\": 2, \"a\": 3}]")),
                        "a:int64[3]");
    assert_string_equal(decode("a:long", RECORDS("[]")), "");
    assert_string_equal(decode("a:long", "[{\"a\": 1}]"), "a:int64[1]");
    assert_string_equal(decode("a:long", RECORDS("[[1]]")), "");
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"", "!the body is empty, expected JSON"},
        {"[1]", "!expected a JSON object with exactly one of dataframe_split, dataframe_records, "
                "instances, inputs; received list"},
        {"{\"x\": 1, \"params\": 2}",
         "!expected a JSON object with exactly one of dataframe_split, dataframe_records, "
         "instances, inputs; received the keys: x, params"},
        {"{\"dataframe_split\": []}", "!dataframe_split: expected an object, received list"},
        {"{\"dataframe_split\": {}}", "!dataframe_split: the key data is missing"},
        {"{\"dataframe_split\": {\"rows\": []}}",
         "!dataframe_split: unknown key 'rows'; it has data and, if need be, columns and index"},
        {SPLIT("\"a\"", "[[1]]"), "!dataframe_split.columns: expected a list, received str"},
        {SPLIT("[\"a\", \"b\"]", "[[1]]"),
         "!dataframe_split: columns has 2 names, but the rows of data have 1 values"},
        {SPLIT("[\"a\"]", "[[1], 2]"), "!row 1 of data: expected a list as in row 0, received int"},
        {SPLIT("[\"a\"]", "5"), "!dataframe_split.data: expected a list of rows, received int"},
        {SPLIT("null", "{\"a\": [1], \"b\": []}"),
         "!dataframe_split.data: the columns are lists of different lengths"},
        {RECORDS("{}"), "!dataframe_records: expected a list of objects, received dict"},
        {RECORDS("[{}, null]"),
         "!row 1 of data: expected an object as in row 0, received NoneType"},
        {RECORDS("[{\"a\": \"x\"}]"), "!column 'a' row 0: expected double, received \"x\" (str)"},
        {SPLIT("[\"a\", \"a\"]", "[[1, 2]]"), "?column 'a' is given more than once"},
        {SPLIT("[\"a\", \"a\"]", "[[1, \"x\"]]"),
         "!column 'a' row 0: expected double, received \"x\" (str)"},
        {RECORDS("[{\"a\": 1, \"\\ud800\": 1}]"),
         "!a column name has a lone surrogate, which is no text"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(decode("a:double", cases[i].body), cases[i].message);
    }
}

/* Where the fault is; how yyjson words it depends on its version. */
static void test_syntax(void **state) {
    (void)state;
    static const struct {
        const char *body, *place;
    } cases[] = {
        {"nul", "it ends at byte 3"},
        {"{\"dataframe_split\": x}", "at byte 20, found 'x'"},
        {"{\"dataframe_split\": \"\xff\"}", "at byte 21, found '\\xff'"},
        {"{\"N\": nan}", "unexpected literal at byte 6, found 'n'"},
        {"{\"N\": [NaN, -nan]}", "unexpected literal at byte 12, found '-'"},
        {"{\"\\ud800\": 1, \"\\udc00\": x}", "at byte 24, found 'x'"},
        {"{\"a\": 1} 2", "at byte 9, found '2'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *message = decode("", cases[i].body);
        if (!strstr(message, cases[i].place)) fail_msg("%s: %s", cases[i].body, message);
    }
}

static void test_index(void **state) {
    (void)state;
#define INDEXED(index) "{\"dataframe_split\": {\"data\": [[1], [2]], \"index\": " index "}}"
    assert_string_equal(decode("", INDEXED("[\"x\", 7]")), "0:int64[1 2]");
    assert_string_equal(decode("", INDEXED("null")), "0:int64[1 2]");
    assert_string_equal(decode("", INDEXED("[1]")),
                        "!dataframe_split: index has 1 labels, but data has 2 rows");
    assert_string_equal(decode("", INDEXED("5")),
                        "!dataframe_split.index: expected a list, received int");
    assert_string_equal(decode("", INDEXED("[[1], [2]]")), "raw");

    /* Labels that a model sees. */
    static const struct {
        const char *body, *expected;
    } labels[] = {
        {INDEXED("[0, 1]"), "int64[0 1]"},
        {INDEXED("[5, -7]"), "int64[5 -7]"},
        {INDEXED("[3, 3]"), "int64[3 3]"},
        {INDEXED("[\"x\", \"\"]"), "str[x ]"},
        {INDEXED("[\"x\", 7]"), "odd"},
        {INDEXED("[\"x\", null]"), "odd"},
        {INDEXED("[1, 1.5]"), "odd"},
        {INDEXED("[true, false]"), "odd"},
        {INDEXED("[1, 9223372036854775808]"), "odd"},
        {INDEXED("[1, 99999999999999999999]"), "odd"},
        {INDEXED("null"), ""},
        {"{\"dataframe_records\": [{\"0\": 1}]}", ""},
        {"{\"dataframe_split\": {\"data\": [], \"index\": []}}", "odd"},
    };
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        decode("0:long?", labels[i].body);
        assert_string_equal(index_text(&decoded.input.table, arena), labels[i].expected);
    }
#undef INDEXED
}

/* Column labels that pandas would not make of a dict's keys, which it is given after a signature.
 */
static void test_odd_column_labels(void **state) {
    (void)state;
    static const struct {
        const char *columns, *body;
        bool is_odd;
    } cases[] = {
        {"", SPLIT("[\"a\", \"b\"]", "[[1, 2]]"), false},
        {"", SPLIT("[\"a\", 1]", "[[1, 2]]"), false},
        {"", SPLIT("[\"a\", \"a\"]", "[[1, 2]]"), false},
        {"", SPLIT("null", "[[1, 2]]"), false},
        {"", SPLIT("null", "[[1]]"), true},
        {"", SPLIT("null", "[]"), false},
        {"", SPLIT("[0, 1]", "[[1, 2]]"), true},
        {"", SPLIT("[]", "[]"), true},
        {"", RECORDS("[{}]"), true},
        {"", RECORDS("[]"), false},
        {":long :long", SPLIT("[0, 1]", "[[1, 2]]"), false},
        {":long", SPLIT("null", "[[1]]"), false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(cases[i].columns, cases[i].body);
        assert_int_equal(decoded.input.kind, MR_INPUT_TABLE);
        assert_int_equal(decoded.input.table.odd_labels != NULL, cases[i].is_odd);
    }
}

/* What json.loads accepts beyond JSON. */
static void test_python_json(void **state) {
    (void)state;
    assert_string_equal(
        decode("a:double", RECORDS("[{\"a\": NaN}, {\"a\": -Infinity}, {\"a\": 1e999}]")),
        "a:float64[- -inf inf]");
    assert_string_equal(decode("a:string", RECORDS("[{\"a\": \"\\ud83d\\ude00\"}]")),
                        "a:str[\xf0\x9f\x98\x80]");
    assert_string_equal(decode("a:double", RECORDS("[{\"a\": \"\\ud800\"}]")),
                        "!column 'a' row 0: expected double, received \"\xed\xa0\x80\" (str)");
    assert_string_equal(
        decode("b:double?", RECORDS("[{\"a\": \"\\ud800\"}]")),
        "!column '?' row 0: expected a text, received \"\xed\xa0\x80\" (str): it has "
        "a lone surrogate");
    assert_string_equal(decode("a:double", "\xef\xbb\xbf" RECORDS("[{\"a\": 1}]")),
                        "a:float64[1.0]");
}

static void test_encodings(void **state) {
    (void)state;
    const char *text = RECORDS("[{\"a\": 1}]");
    for (size_t unit = 2; unit <= 4; unit += 2) {
        for (int is_big = 0; is_big < 2; is_big++) {
            char wide[256] = {0};
            for (size_t i = 0; i < strlen(text); i++)
                wide[i * unit + (is_big ? unit - 1 : 0)] = text[i];
            struct mr_str body = {wide, strlen(text) * unit};
            assert_string_equal(decode_bytes("a:long", body, 16), "a:int64[1]");
            body.size--;
            assert_non_null(strstr(decode_bytes("a:long", body, 0), "no whole number of UTF-"));
        }
    }
    struct mr_str too_large = {"\xff\xfe\0\0\xff\xff\xff\x7f", 8};
    assert_non_null(strstr(decode_bytes("", too_large, 0), "no UTF-32 character at byte 0"));
}

static void test_limits(void **state) {
    (void)state;
    char body[8000] = "{\"x\": 1, \"inputs\": ";
    memset(body + strlen(body), '[', 1001);
    const char *answer = decode("", body);
    assert_non_null(strstr(answer, "unexpected end"));
    memset(body + strlen(body), ']', 1001);
    body[strlen(body)] = '}';
    assert_string_equal(decode("", body), "!the body is nested more than 1000 levels deep");
    char digits[5000] = "{\"x\": 1, \"y\": -";
    memset(digits + strlen(digits), '9', 4301);
    digits[strlen(digits)] = '}';
    assert_string_equal(decode("", digits),
                        "!the body has an integer of 4301 digits; the limit is 4300");
}

/* 2 MB that would be 2^37 cells when padded, and 0.3 MB that would be 2^28 and more. */
static void test_padding_is_bounded(void **state) {
    (void)state;
    struct mr_buf body;
    mr_buf_init(&body, arena);
    mr_buf_text(&body, "{\"dataframe_split\": {\"data\": [[0");
    for (int i = 0; i < 400000; i++) mr_buf_text(&body, ",0");
    mr_buf_char(&body, ']');
    for (int i = 0; i < 400000; i++) mr_buf_text(&body, ",[]");
    mr_buf_text(&body, "]}}");
    struct mr_signature none = signature_of("", arena);
    assert_int_equal(mr_json_decode(body.data, body.size, body.size, &none, arena, &decoded, NULL),
                     MR_E_TOO_LARGE);
    mr_buf_init(&body, arena);
    mr_buf_text(&body, "{\"dataframe_records\": [{}");
    for (int i = 0; i < 20000; i++) mr_buf_format(&body, ",{\"%d\":0}", i);
    mr_buf_text(&body, "]}");
    assert_int_equal(mr_json_decode(body.data, body.size, body.size, &none, arena, &decoded, NULL),
                     MR_E_TOO_LARGE);
}

/* Cells that another column still needs are not given back to the system. */
static void test_one_list_for_two_columns(void **state) {
    (void)state;
    struct mr_arena *large = mr_arena_new(0, NULL);
    struct mr_signature none = signature_of("", arena);
    struct mr_buf body;
    mr_buf_init(&body, large);
    mr_buf_text(&body, "{\"dataframe_split\": {\"columns\": [\"a\", \"a\"], \"data\": {\"a\": [7");
    const int64_t n_rows = 1 << 20;
    for (int64_t i = 1; i < n_rows; i++) mr_buf_text(&body, ",7");
    mr_buf_text(&body, "]}}}");
    assert_int_equal(mr_json_decode(body.data, body.size, body.size, &none, large, &decoded, NULL),
                     MR_OK);
    assert_int_equal(decoded.input.table.n_cols, 2);
    for (size_t k = 0; k < 2; k++) {
        const struct mr_column *column = &decoded.input.table.columns[k];
        assert_int_equal(column->dtype, MR_INT64);
        assert_int_equal(((const int64_t *)column->values)[0], 7);
        assert_int_equal(((const int64_t *)column->values)[n_rows - 1], 7);
    }
    mr_arena_free(large);
}

/* One long row among many short ones costs their sum, not their product. */
static void test_a_long_row_among_short_ones(void **state) {
    (void)state;
    struct mr_signature signature = signature_of("z:double", arena);
    struct mr_buf body;
    mr_buf_init(&body, arena);
    mr_buf_text(&body, "{\"dataframe_split\": {\"columns\": [");
    for (int i = 1; i < 16000; i++) mr_buf_format(&body, "\"c%d\",", i);
    mr_buf_text(&body, "\"z\"], \"data\": [[0");
    for (int i = 1; i < 16000; i++) mr_buf_text(&body, ",3");
    mr_buf_char(&body, ']');
    for (int i = 0; i < 16000; i++) mr_buf_text(&body, i % 2 ? ",[]" : ",[1,2]");
    mr_buf_text(&body, "]}}");
    assert_int_equal(
        mr_json_decode(body.data, body.size, body.size, &signature, arena, &decoded, NULL), MR_OK);
    const struct mr_column *column = &decoded.input.table.columns[0];
    assert_int_equal(column->n_nulls, 16000);
    assert_true(((const double *)column->values)[0] == 3);
}

/* Nothing is cast, and lists of texts are single values where all others are single, too. */
static void test_llm(void **state) {
    (void)state;
    const char *missing = decode("a:double", "{\"prompt\": 1, \"dataframe_split\": {}}");
    assert_non_null(strstr(missing, "?the body has messages, prompt or input"));
    assert_non_null(strstr(missing, "column 'a'"));
    assert_string_equal(decode("a:double", "{\"prompt\": [\"x\", \"y\"], \"a\": 1}"), "a:int64[1]");
    assert_true(decoded.is_llm);
    assert_string_equal(decode("a:double", "{\"prompt\": \"x\", \"a\": [1, 2.5]}"),
                        "a:float64[1.0 2.5]");
    assert_string_equal(decode("a:double input:string", "{\"input\": \"x\", \"a\": [1, null]}"),
                        "input:str[x x] a:float64[1.0 -]");
    assert_string_equal(decode(":long", "{\"prompt\": [3, 4], \"a\": [1, 2]}"),
                        "prompt:int64[3 4]");
    assert_non_null(strstr(decode("a:long", "{\"prompt\": [3], \"a\": [1, 2]}"), "?the body has"));
    assert_non_null(strstr(decode("a:long", "{\"prompt\": {}, \"a\": [1, 2]}"), "?the body has"));
    assert_string_equal(decode("a:long", "{\"prompt\": {}, \"a\": 1}"), "raw");
}

static void test_a_stream_is_asked_for(void **state) {
    (void)state;
    static const struct {
        const char *body;
        bool wants_stream;
    } cases[] = {
        {"{\"messages\": [], \"stream\": true}", true},
        {"{\"messages\": [], \"stream\": false}", false},
        {"{\"messages\": [], \"stream\": 1}", false},
        {"{\"messages\": [], \"params\": {\"stream\": true}}", false},
        {"{\"inputs\": [1], \"params\": {\"stream\": true}}", true},
        {"{\"inputs\": [1], \"params\": {\"stream\": null}}", false},
        {"{\"inputs\": [1], \"params\": true, \"stream\": true}", false},
        {"{\"inputs\": [1], \"params\": {\"stream\": true}, \"params\": {}}", false},
    };
    static const struct mr_signature none = {.kind = MR_SCHEMA_NONE};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_str body = mr_str_from(cases[i].body);
        char *copy = mr_arena_strdup(arena, body);
        assert_int_equal(mr_json_decode(copy, body.size, body.size, &none, arena, &decoded, NULL),
                         MR_OK);
        assert_int_equal(decoded.wants_stream, cases[i].wants_stream);
    }
}

static void test_dispatch(void **state) {
    (void)state;
    assert_string_equal(decode("", "{\"messages\": [], \"dataframe_split\": 1}"), "raw");
    assert_true(decoded.is_llm);
    assert_string_equal(decode("a:long",
                               "{\"dataframe_records\": [{\"a\": 1}], \"params\": {\"p\": 7}, "
                               "\"params\": {\"p\": 8}, \"other\": 0}"),
                        "a:int64[1]");
    assert_false(decoded.is_llm);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(decoded.params, "p")), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_odd_column_labels),
        cmocka_unit_test(test_python_json),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_padding_is_bounded),
        cmocka_unit_test(test_one_list_for_two_columns),
        cmocka_unit_test(test_a_long_row_among_short_ones),
        cmocka_unit_test(test_llm),
        cmocka_unit_test(test_a_stream_is_asked_for),
        cmocka_unit_test(test_dispatch),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
