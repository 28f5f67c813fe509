#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "http/head.h"

/* Parses a copy that ends where the text does, so that a sanitizer sees a read behind it. */
static mr_status parse(const char *text, struct mr_http_head *out, struct mr_error *err) {
    static char *copy;
    free(copy);
    copy = NULL;
    size_t size = strlen(text);
    if (size) {
        copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, text, size);
    }
    return mr_http_head_parse((struct mr_str){copy, size}, out, err);
}

static void assert_text(struct mr_str actual, const char *expected) {
    assert_int_equal(actual.size, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.size);
}

static void test_size(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n", 24},
        {"GET / HTTP/1.1\r\nA: b\r\n", 0},
        {"GET / HTTP/1.1\r\nA: b\r\n\r", 0},
        {"GET / HTTP/1.1\r", 0},
        {"\r\n\r\n", 4},
        {"A\n\n", 3}, /* for the parser to refuse */
        {"A\r\n\nB", 4},
        {"A\n\r\nB", 4},
        {"A\n\rB\r\n\r\n", 8},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        size_t scanned = 0;
        assert_int_equal(mr_http_head_size(text, strlen(text), &scanned), cases[i].size);
        /* The same, byte by byte: found as soon as it is there, and never before. */
        scanned = 0;
        for (size_t n = 0; n <= strlen(text); n++) {
            size_t size = mr_http_head_size(text, n, &scanned);
            assert_true(scanned <= n);
            if (size) {
                assert_int_equal(size, cases[i].size);
                assert_int_equal(size, n);
                break;
            }
        }
    }
}

static void test_whole_request(void **state) {
    (void)state;
    struct mr_http_head head;
    struct mr_error err;
    assert_int_equal(
        parse("POST /a%20b?c=d?e HTTP/1.1\r\nHost: [::1]:80\r\nContent-LENGTH: 0042\r\n"
              "X-Empty:\r\nX: \t 1\t2 \t\r\nExpect: 100-Continue\r\n\r\n",
              &head, &err),
        MR_OK);
    assert_text(head.method, "POST");
    assert_text(head.path, "/a%20b");
    assert_text(head.query, "c=d?e");
    assert_false(head.is_http_1_0);
    assert_true(head.is_keep_alive);
    assert_true(head.expects_continue);
    assert_false(head.is_chunked);
    assert_int_equal(head.content_length, 42);
    assert_int_equal(head.n_fields, 5);
    assert_text(mr_http_head_find(&head, "x"), "1\t2");
    assert_text(mr_http_head_find(&head, "x-empty"), "");
    assert_text(mr_http_head_find(&head, "content-length"), "0042");
    assert_int_equal(mr_http_head_find(&head, "x-").size, 0);
}

static void test_targets(void **state) {
    (void)state;
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/", "/", ""},
        {"/?", "/", ""},
        {"/a/b?c", "/a/b", "c"},
        {"*", "*", ""},
        {"http://h", "/", ""},
        {"http://h?q", "/", "q"},
        {"http://h/a?q", "/a", "q"},
        {"HTTPS://u@h:1/a", "/a", ""},
        {"//h/a", "//h/a", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET %s HTTP/1.0\r\n\r\n", cases[i].target);
        struct mr_http_head head;
        struct mr_error err;
        assert_int_equal(parse(text, &head, &err), MR_OK);
        assert_text(head.path, cases[i].path);
        assert_text(head.query, cases[i].query);
    }
}

/* A copy needs nothing of the original. */
static void test_copy(void **state) {
    (void)state;
    static const char *const targets[] = {"/a?b=1", "http://host?b=1", "/a"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char text[200], text_copy[200];
        int size = snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: h\r\nX:\r\nY: z\r\n\r\n",
                            targets[i]);
        struct mr_http_head head, copy;
        struct mr_error err = {0};
        assert_int_equal(mr_http_head_parse((struct mr_str){text, (size_t)size}, &head, &err),
                         MR_OK);
        mr_http_head_copy(&head, text_copy, &copy);
        memset(text, '#', sizeof text);
        memset(&head, '#', sizeof head);
        assert_int_equal(copy.text.size, size);
        assert_text(copy.method, "POST");
        assert_text(copy.path, i == 1 ? "/" : "/a");
        assert_text(copy.query, i == 2 ? "" : "b=1");
        assert_true(copy.is_keep_alive);
        assert_int_equal(copy.n_fields, 3);
        assert_text(mr_http_head_find(&copy, "host"), "h");
        assert_text(mr_http_head_find(&copy, "x"), "");
        assert_text(mr_http_head_find(&copy, "y"), "z");
    }
}

static void test_keep_alive(void **state) {
    (void)state;
    static const struct {
        const char *version, *connection;
        bool is_keep_alive;
    } cases[] = {
        {"1.1", "", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: keep-alive\r\n", true},
        {"1.1", "Connection: closed\r\n", true},
        {"1.1", "Connection: x ,CLOSE,\r\n", false},
        {"1.1", "Connection: x\r\nconnection: close\r\n", false},
        {"1.0", "", false},
        {"1.0", "Connection: Keep-Alive\r\n", true},
        {"1.0", "Connection: keep-alive, close\r\n", false},
        {"1.7", "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", cases[i].version,
                 cases[i].connection);
        struct mr_http_head head;
        struct mr_error err;
        assert_int_equal(parse(text, &head, &err), MR_OK);
        assert_int_equal(head.is_keep_alive, cases[i].is_keep_alive);
    }
}

static void test_lengths(void **state) {
    (void)state;
    static const struct {
        const char *value;
        mr_status status;
        uint64_t length;
    } cases[] = {
        {"0", MR_OK, 0},
        {"9223372036854775807", MR_OK, INT64_MAX},
        {"9223372036854775808", MR_OK, INT64_MAX}, /* capped: over every limit all the same */
        {"99999999999999999999999999999", MR_OK, INT64_MAX},
        {"18446744073709551616", MR_OK, INT64_MAX},
        {"", MR_E_BAD_REQUEST, 0},
        {"-1", MR_E_BAD_REQUEST, 0},
        {"1,1", MR_E_BAD_REQUEST, 0},
        {"1 ", MR_OK, 1},
        {"1e3", MR_E_BAD_REQUEST, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "POST / HTTP/1.0\r\nContent-Length: %s\r\n\r\n",
                 cases[i].value);
        struct mr_http_head head;
        struct mr_error err;
        assert_int_equal(parse(text, &head, &err), cases[i].status);
        if (cases[i].status == MR_OK) assert_int_equal(head.content_length, cases[i].length);
    }
}

static void test_every_byte_of_a_value(void **state) {
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 1?2\r\n\r\n";
        *strchr(text, '?') = (char)c;
        struct mr_http_head head;
        struct mr_error err;
        bool is_allowed = c == '\t' || (c >= ' ' && c != 0x7f);
        assert_int_equal(parse(text, &head, &err), is_allowed ? MR_OK : MR_E_BAD_REQUEST);
    }
}

static void test_every_byte_of_a_name(void **state) {
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX?Y: 1\r\n\r\n";
        *strchr(text, '?') = (char)c;
        struct mr_http_head head;
        struct mr_error err;
        bool is_letter = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        bool is_allowed = is_letter || strchr("!#$%&'*+-.^_`|~", c) || c == ':';
        assert_int_equal(mr_http_is_token_char((char)c), is_allowed && c != ':');
        assert_int_equal(parse(text, &head, &err), is_allowed ? MR_OK : MR_E_BAD_REQUEST);
    }
}

/* No prefix of a good head is a good head, and none is read past its end. */
static void test_truncation(void **state) {
    (void)state;
    const char *whole = "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    char text[100];
    for (size_t n = 0; n < strlen(whole); n++) {
        struct mr_http_head head;
        struct mr_error err;
        memcpy(text, whole, n);
        text[n] = '\0';
        assert_int_equal(parse(text, &head, &err), MR_E_BAD_REQUEST);
    }
}

static void test_statuses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mr_status status;
    } cases[] = {
        {"GET / HTTP/2.0\r\n\r\n", MR_E_HTTP_VERSION},
        {"PRI * HTTP/2.0\r\n\r\n", MR_E_HTTP_VERSION},
        {"GET / HTTP/1.1\r\n\r\n", MR_E_BAD_REQUEST}, /* no Host */
        {"GET / HTTP/1.0\r\n\r\n", MR_OK},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", MR_OK},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", MR_E_UNSUPPORTED},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", MR_E_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mr_http_head head;
        struct mr_error err = {0};
        assert_int_equal(parse(cases[i].text, &head, &err), cases[i].status);
        if (cases[i].status != MR_OK) assert_true(err.message[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_whole_request),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_every_byte_of_a_value),
        cmocka_unit_test(test_every_byte_of_a_name),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
