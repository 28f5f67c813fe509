#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/chunked.h"

struct decoded {
    mr_status status;
    bool is_done;
    size_t n_used; /* bytes of the input that belong to the body */
    size_t size;
    char body[256];
};

/* Decode an input that arrives in pieces of `step` bytes. */
static struct decoded decode(const char *text, size_t step, size_t max_overhead) {
    struct decoded out = {0};
    struct mr_http_chunked chunked;
    struct mr_error err;
    mr_http_chunked_init(&chunked, max_overhead);
    size_t size = strlen(text);
    for (size_t at = 0; at < size && !mr_http_chunked_is_done(&chunked); at += step) {
        struct mr_str input = {text + at, size - at < step ? size - at : step};
        while (input.size && !mr_http_chunked_is_done(&chunked)) {
            struct mr_str piece;
            out.status = mr_http_chunked_next(&chunked, &input, &piece, &err);
            if (out.status != MR_OK) return out;
            assert_true(out.size + piece.size <= sizeof out.body);
            if (piece.size) memcpy(out.body + out.size, piece.data, piece.size);
            out.size += piece.size;
        }
        out.n_used = (size_t)(input.data - text);
    }
    out.is_done = mr_http_chunked_is_done(&chunked);
    return out;
}

static void test_good_bodies_in_any_pieces(void **state) {
    (void)state;
    static const struct {
        const char *text, *body;
    } cases[] = {
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"},
        {"00000000000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
        {"A;x=y\r\n0123456789\r\n0;z\r\nT: 1\r\nU: 2\r\n\r\n", "0123456789"},
        {"2 ;a\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            struct decoded out = decode(cases[i].text, step, 100);
            assert_int_equal(out.status, MR_OK);
            assert_true(out.is_done);
            assert_int_equal(out.n_used, strlen(cases[i].text));
            assert_int_equal(out.size, strlen(cases[i].body));
            assert_memory_equal(out.body, cases[i].body, out.size);
        }
    }
}

static void test_stops_at_the_end(void **state) {
    (void)state;
    struct decoded out = decode("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n", 1000, 100);
    assert_true(out.is_done);
    assert_int_equal(out.n_used, strlen("1\r\na\r\n0\r\n\r\n"));
}

static void test_bad_bodies(void **state) {
    (void)state;
    static const char *const cases[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        " 1\r\n",
        "1\n",
        "1\rx",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\rb",
        "1;\x02\r\n",
        "1;\n",
        "ffffffffffffffff\r\n",
        "8000000000000000\r\n",
        "00000000000000000\r\n",
        "0\r\nA\n",
        "0\r\n\rx",
        "0\r\nA: \x7f\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= strlen(cases[i]); step++)
            assert_int_equal(decode(cases[i], step, 100).status, MR_E_BAD_REQUEST);
    }
}

static void test_no_end(void **state) {
    (void)state;
    const char *whole = "5;a\r\nhello\r\n0\r\nA: 1\r\n\r\n";
    char text[100];
    for (size_t n = 0; n < strlen(whole); n++) {
        memcpy(text, whole, n);
        text[n] = '\0';
        struct decoded out = decode(text, 3, 100);
        assert_int_equal(out.status, MR_OK);
        assert_false(out.is_done);
    }
}

static void test_overhead_limit(void **state) {
    (void)state;
    static const char extension[] = "1;12345678\r\na\r\n0\r\n\r\n";
    static const char trailer[] = "0\r\nA: 12345\r\n\r\n";
    for (size_t step = 1; step < sizeof extension; step++) {
        assert_int_equal(decode(extension, step, 5).status, MR_E_HEADERS_TOO_LARGE);
        assert_int_equal(decode(extension, step, 20).status, MR_OK);
        assert_int_equal(decode(trailer, step, 5).status, MR_E_HEADERS_TOO_LARGE);
        assert_int_equal(decode(trailer, step, 20).status, MR_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_bodies_in_any_pieces),
        cmocka_unit_test(test_stops_at_the_end),
        cmocka_unit_test(test_bad_bodies),
        cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_overhead_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
