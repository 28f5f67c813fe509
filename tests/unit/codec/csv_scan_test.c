#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "base/buf.h"
#include "codec/csv_scan_int.h"

static void render(const struct mr_csv_scan *scan, const struct mr_str *cells, size_t n,
                   struct mr_buf *out) {
    mr_buf_format(out, "%lld[", (long long)scan->record_line);
    for (size_t i = 0; i < n; i++) {
        if (i) mr_buf_char(out, '|');
        mr_buf_append(out, cells[i].data, cells[i].size);
    }
    mr_buf_char(out, ']');
}

/* All records of a text that arrives in two blocks, as "line[cell|cell]". */
static const char *cut_in_blocks(struct mr_str text, size_t first_size) {
    struct mr_csv_scan scan;
    struct mr_buf out;
    mr_buf_init(&out, arena);
    struct mr_str cells[16];
    size_t n;
    mr_csv_cut cut;
    struct mr_str block = {text.data, first_size};
    mr_csv_scan_init(&scan, block, false, 1, arena);
    while ((cut = mr_csv_cut_record(&scan, cells, 16, &n)) == MR_CSV_CUT_FULL) {
        render(&scan, cells, n, &out);
    }
    assert_int_equal(cut, MR_CSV_CUT_PARTIAL);
    block = (struct mr_str){scan.at, (size_t)(text.data + text.size - scan.at)};
    mr_csv_scan_init(&scan, block, true, scan.line, arena);
    while ((cut = mr_csv_cut_record(&scan, cells, 16, &n)) == MR_CSV_CUT_FULL) {
        render(&scan, cells, n, &out);
    }
    mr_buf_text(&out, cut == MR_CSV_CUT_END ? "" : cut == MR_CSV_CUT_UNCLOSED ? "unclosed" : "?");
    mr_buf_char(&out, '\0');
    return out.data;
}

static const struct {
    const char *text, *records;
} cases[] = {
    {"", ""},
    {"a,b\n1,2\n", "1[a|b]2[1|2]"},
    {"a,b\r\n1,2\r\n", "1[a|b]2[1|2]"},
    {"a,b\r1,2\r", "1[a|b]2[1|2]"},
    {"a,b\n1,2", "1[a|b]2[1|2]"},
    {"a,b\r", "1[a|b]"},
    {"a,", "1[a|]"},
    {",", "1[|]"},
    {"a\n\n\n  \n\t\nb\n", "1[a]6[b]"},
    {"\n\n  ", ""},
    {" a, b \n", "1[ a| b ]"},
    {"a\n b\n", "1[a]2[ b]"},
    /* quotes */
    {"\"a,b\",c\n", "1[a,b|c]"},
    {"\"a\"\"b\",\"\"\n", "1[a\"b|]"},
    {"\"\"\"\"\n", "1[\"]"},
    {"\"a\nb\"\n\"c\r\nd\"\ne\n", "1[a\nb]3[c\r\nd]5[e]"},
    {"\"a\"b\"c\",d\n", "1[ab\"c\"|d]"},
    {"\"a\" ,d\n", "1[a |d]"},
    {"a\"b\"\"c,\"d\n\"\n", "1[a\"b\"\"c|d\n]"},
    {" \"a\",b\n", "1[ \"a\"|b]"},
    {"\"a\"", "1[a]"},
    {"\"\"\n", "1[]"},
    {"x\n\"a", "1[x]unclosed"},
    {"x\n\"a\"\"", "1[x]unclosed"},
    /* a lone \r: pandas' tokenizer loses a comma behind a blank line that it ends */
    {"a\r,b\r", "1[a]2[|b]"},
    {"a\r\r,b\r", "1[a]3[b]"},
    {"a\r\r, b\r", "1[a]3[| b]"},
    {"\r,\r,x\r", "3[x]"},
    {"\r,", ""},
    {"a\r\r\nb", "1[a]3[b]"},
    {"\xC3\xA9,\xE6\x97\xA5\n", "1[\xC3\xA9|\xE6\x97\xA5]"},
};

static void test_records(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_str text = mr_str_from(cases[i].text);
        /* Wherever it is cut in two, the records are the same. */
        for (size_t first = 0; first <= text.size; first++) {
            const char *records = cut_in_blocks(text, first);
            if (strcmp(records, cases[i].records) == 0) continue;
            fail_msg("'%s' cut at %zu: %s, expected %s", cases[i].text, first, records,
                     cases[i].records);
        }
    }
}

/* Long cells, so that windows, scratch memory and quotes come together in all ways. */
static void test_long_cells(void **state) {
    (void)state;
    for (size_t size = 1; size < 300; size++) {
        struct mr_buf text, expected;
        mr_buf_init(&text, arena);
        mr_buf_init(&expected, arena);
        for (int row = 0; row < 4; row++) {
            bool is_quoted = row % 2;
            mr_buf_text(&text, is_quoted ? "\"" : "");
            mr_buf_format(&expected, "%d[", row + 1);
            for (size_t k = 0; k < size; k++) {
                bool is_quote = is_quoted && k % 7 == 3;
                mr_buf_text(&text, is_quote ? "\"\"" : "x");
                mr_buf_text(&expected, is_quote ? "\"" : "x");
            }
            mr_buf_text(&text, is_quoted ? "\",y\n" : ",y\n");
            mr_buf_text(&expected, "|y]");
        }
        mr_buf_char(&expected, '\0');
        assert_string_equal(cut_in_blocks(mr_buf_str(&text), text.size / 2), expected.data);
    }
}

static void test_batches(void **state) {
    (void)state;
    static const uint32_t slots[] = {0, MR_CSV_NO_SLOT, 1};
    static const size_t positions[] = {0, 2};
    struct mr_str cells[4];
    int64_t lines[2];
    struct mr_csv_batch batch = {.width = 3,
                                 .slots = slots,
                                 .n_slots = 2,
                                 .positions = positions,
                                 .max_rows = 2,
                                 .cells = cells,
                                 .lines = lines};
    struct mr_csv_scan scan;
    mr_csv_scan_init(&scan, mr_str_from("a,b,c\n\nd,e\n1,2,3,4\n"), true, 10, arena);
    assert_int_equal(mr_csv_max_rows(&scan), 5);
    assert_int_equal(mr_csv_cut_batch(&scan, &batch), MR_CSV_CUT_FULL);
    assert_int_equal(batch.n_rows, 2);
    assert_true(mr_str_is(cells[0], "a") && mr_str_is(cells[2], "c"));
    assert_true(mr_str_is(cells[1], "d") && mr_str_is(cells[3], ""));
    assert_true(lines[0] == 10 && lines[1] == 12);
    assert_int_equal(mr_csv_cut_batch(&scan, &batch), MR_CSV_CUT_TOO_WIDE);
    assert_int_equal(batch.n_rows, 0);
    assert_int_equal(batch.n_found, 4);
    assert_int_equal(scan.record_line, 13);
}

static void test_count_lines(void **state) {
    (void)state;
    char text[300] = "";
    for (size_t size = 0; size < sizeof(text); size++) {
        int64_t expected = 0;
        for (size_t i = 0; i < size; i++) text[i] = "ab\n\r\r\nc\n"[(i * 7 + size) % 8];
        for (size_t i = 0; i < size; i++) {
            expected += text[i] == '\n' ||
                        (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n'));
        }
        assert_int_equal(mr_csv_count_lines(text, size), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_long_cells, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(test_batches, arena_setup, arena_teardown),
        cmocka_unit_test(test_count_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
