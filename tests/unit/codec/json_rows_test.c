#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "arena_fixture.h"
#include "codec/json_rows.h"

/* "before|rows@first|rows@first|after", "whole", or the error. The text comes in two pieces. */
static const char *split(struct mr_str text, size_t first_size, size_t block_size) {
    struct mr_buf out;
    struct mr_error err = {0};
    struct mr_json_rows rows = {0};
    mr_buf_init(&out, arena);
    struct mr_json_scan *scan = mr_json_scan_new(block_size, arena);
    struct mr_str pieces[] = {{text.data, first_size},
                              {text.data + first_size, text.size - first_size}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mr_json_scan_feed(scan, pieces[i], &err), MR_OK);
    }
    if (mr_json_scan_end(scan, &rows, &err) != MR_OK) {
        mr_buf_text(&out, err.message);
    } else if (rows.n_blocks == 0) {
        mr_buf_text(&out, "whole");
    } else {
        mr_buf_append(&out, rows.before.data, rows.before.size);
        for (size_t i = 0; i < rows.n_blocks; i++) {
            mr_buf_char(&out, '|');
            mr_buf_append(&out, text.data + rows.blocks[i].offset, rows.blocks[i].size);
            mr_buf_format(&out, "@%lld", (long long)rows.blocks[i].first_row);
        }
        mr_buf_char(&out, '|');
        mr_buf_append(&out, rows.after.data, rows.after.size);
    }
    mr_buf_char(&out, '\0');
    return out.data;
}

static const struct {
    size_t block_size;
    const char *text, *expected;
} cases[] = {
    {1,
     "{\"dataframe_split\": {\"columns\": [\"a\"], \"data\": [[1],[2], [3]]}, \"params\": {\"x\": "
     "1}}",
     "{\"dataframe_split\": {\"columns\": [\"a\"], \"data\": [|[1]@0|[2]@1| [3]@2|]}, \"params\": "
     "{\"x\": 1}}"},
    {9, "{\"dataframe_split\": {\"data\": [[1],[2],[3],[4]], \"columns\": [\"a\"]}}",
     "{\"dataframe_split\": {\"data\": [|[1],[2],[3]@0|[4]@3|], \"columns\": [\"a\"]}}"},
    {1, "{\"dataframe_split\": {\"index\": [7, \"]\"], \"data\": [[1],[2]]}}",
     "{\"dataframe_split\": {\"index\": null, \"data\": [|[1]@0|[2]@1|]}}"},
    {1, "{\"dataframe_split\": {\"data\": [[1],[2]], \"index\": []}}",
     "dataframe_split has 2 rows in data and 0 labels in index"},
    {1, "{\"dataframe_records\": [{\"a\": \"}],\\\"\"}, {\"a\": [1, {\"b\": 2}]}]}",
     "{\"dataframe_records\": [|{\"a\": \"}],\\\"\"}@0| {\"a\": [1, {\"b\": 2}]}@1|]}"},
    {1, "[{\"a\": 1}, {\"a\": 2}]", "[|{\"a\": 1}@0| {\"a\": 2}@1|]"},
    {1, "{\"inputs\": [[1, 2], [3, 4]]}", "{\"inputs\": [|[1, 2]@0| [3, 4]@1|]}"},
    {1, "{\"instances\": []}", "{\"instances\": [|@0|]}"},
    {1, " {\"x\": {\"inputs\": [1]}, \"instances\": [[1]]} ",
     " {\"x\": {\"inputs\": [1]}, \"instances\": [|[1]@0|]} "},
    /* malformed: the decoder gets to see it */
    {1, "{\"inputs\": [[1],]}", "{\"inputs\": [|[1],@0|]}"},
    {1, "{\"inputs\": [[1],,[2]]}", "{\"inputs\": [|[1]@0|,[2]@1|]}"},
    {1, "{\"inputs\": [[1]}, 2]", "{\"inputs\": [|[1]@0|}, 2]"},
    {1, "[[1]] x", "[|[1]@0|] x"},
    /* no rows, or none that can be told apart */
    {1, "{\"inputs\": {\"a\": [1, 2]}}", "whole"},
    {1, "{\"inputs\": [1, 2]}", "whole"},
    {1, "{\"inputs\": [[1]], \"instances\": [[1]]}", "whole"},
    {1, "{\"inputs\": [[1]], \"inputs\": [[1]]}", "whole"},
    {1, "{\"dataframe_split\": {\"data\": [[1]], \"data\": [[2]]}}", "whole"},
    {1, "{\"dataframe_split\": {\"data\": [[1]], \"index\": [[1, 2]]}}", "whole"},
    {1, "{\"dataframe_split\": 1}", "whole"},
    {1, "{\"in\\u0070uts\": [[1]]}", "whole"},
    {1, "{}", "whole"},
    {1, "", "whole"},
    {1, "\"inputs\"", "whole"},
    {1, "nonsense", "whole"},
    {1, "{\"a_key_that_is_longer_than_any_of_the_keys_looked_for\": [[1]]}", "whole"},
    /* cut off */
    {1, "{\"inputs\": [[1], [2]", "the JSON ends too early, at byte 20, inside an array or object"},
    {1, "[\"a", "the JSON ends too early, at byte 3, inside a string"},
    {1, "{\"inputs\": [[1]]", "the JSON ends too early, at byte 16, inside an array or object"},
};

static void test_documents(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_str text = mr_str_from(cases[i].text);
        for (size_t first = 0; first <= text.size; first++) {
            const char *got = split(text, first, cases[i].block_size);
            if (strcmp(got, cases[i].expected) == 0) continue;
            fail_msg("%s cut at %zu:\n  %s\nexpected\n  %s", cases[i].text, first, got,
                     cases[i].expected);
        }
    }
}

static void test_wide_characters(void **state) {
    (void)state;
    static const char utf16[] = "[\0[\0001\0]\0,\0[\0002\0]\0]\0";
    assert_string_equal(split((struct mr_str){utf16, sizeof(utf16) - 1}, 8, 1), "whole");
    assert_string_equal(split(mr_str_from("\xEF\xBB\xBF[{\"a\": 1}]"), 5, 1),
                        "\xEF\xBB\xBF[|{\"a\": 1}@0|]");
}

static void test_many_blocks(void **state) {
    (void)state;
    struct mr_buf text;
    mr_buf_init(&text, arena);
    mr_buf_text(&text, "[");
    for (int i = 0; i < 1000; i++) mr_buf_format(&text, "%s[%d]", i ? "," : "", i);
    mr_buf_text(&text, "]");
    struct mr_json_scan *scan = mr_json_scan_new(20, arena);
    struct mr_json_rows rows;
    assert_int_equal(mr_json_scan_feed(scan, mr_buf_str(&text), NULL), MR_OK);
    assert_int_equal(mr_json_scan_end(scan, &rows, NULL), MR_OK);
    assert_true(rows.n_blocks > 200);
    uint64_t next = 1;
    for (size_t i = 0; i < rows.n_blocks; i++) {
        const struct mr_json_block *block = &rows.blocks[i];
        assert_int_equal(block->offset, next);
        assert_int_equal(block->first_row, strtol(text.data + block->offset + 1, NULL, 10));
        next = block->offset + block->size + 1;
    }
    assert_int_equal(next, text.size);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_documents, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_wide_characters, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_many_blocks, arena_setup, arena_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
