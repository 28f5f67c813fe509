#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/pieces.h"

static void add(struct mr_http_pieces *pieces, const char *text, bool is_chunk) {
    struct mr_http_piece *piece = mr_http_piece_new(mr_str_from(text), is_chunk);
    assert_non_null(piece);
    mr_http_pieces_add(pieces, piece);
}

/* What the parts hold, one after the other. */
static void assert_parts(const struct mr_http_pieces *pieces, int max_parts, int n_expected,
                         const char *expected) {
    struct iovec parts[8];
    int n = mr_http_pieces_parts(pieces, parts, max_parts);
    assert_int_equal(n, n_expected);
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        assert_true(parts[i].iov_len > 0);
        assert_true(size + parts[i].iov_len <= strlen(expected));
        assert_memory_equal(parts[i].iov_base, expected + size, parts[i].iov_len);
        size += parts[i].iov_len;
    }
    assert_int_equal(size, strlen(expected));
}

static void test_framing(void **state) {
    (void)state;
    struct mr_http_pieces pieces = {0};
    assert_parts(&pieces, 8, 0, "");
    add(&pieces, "abc", true);
    add(&pieces, "0123456789abcdefg", true);
    add(&pieces, "plain", false);
    assert_parts(&pieces, 8, 3, "3\r\nabc\r\n11\r\n0123456789abcdefg\r\nplain");
    assert_parts(&pieces, 2, 2, "3\r\nabc\r\n11\r\n0123456789abcdefg\r\n");
    mr_http_pieces_free(&pieces);
    assert_parts(&pieces, 8, 0, "");
}

/* Sent in every possible pair of steps. */
static void test_sent(void **state) {
    (void)state;
    static const char expected[] = "1\r\na\r\n2\r\nbc\r\nd";
    size_t size = strlen(expected);
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            struct mr_http_pieces pieces = {0};
            add(&pieces, "a", true);
            add(&pieces, "bc", true);
            add(&pieces, "d", false);
            mr_http_pieces_sent(&pieces, first);
            mr_http_pieces_sent(&pieces, second - first);
            int n = second < 6 ? 3 : second < 13 ? 2 : second < 14;
            assert_parts(&pieces, 8, n, expected + second);
            add(&pieces, "e", false); /* also to one that has become empty */
            mr_http_pieces_sent(&pieces, size - second);
            assert_parts(&pieces, 8, 1, "e");
            mr_http_pieces_free(&pieces);
        }
    }
}

static void test_move(void **state) {
    (void)state;
    struct mr_http_pieces to = {0}, from = {0};
    mr_http_pieces_move(&to, &from);
    assert_parts(&to, 8, 0, "");
    add(&from, "ab", false);
    add(&from, "cd", false);
    mr_http_pieces_move(&to, &from);
    assert_parts(&from, 8, 0, "");
    mr_http_pieces_sent(&to, 1);
    add(&from, "ef", false);
    mr_http_pieces_move(&to, &from);
    add(&to, "gh", false);
    assert_parts(&to, 8, 4, "bcdefgh");
    mr_http_pieces_free(&to);
}

static void test_impossible_size(void **state) {
    (void)state;
    struct mr_str huge = {"", SIZE_MAX - 8};
    assert_null(mr_http_piece_new(huge, true));
    assert_null(mr_http_piece_new(huge, false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_impossible_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
