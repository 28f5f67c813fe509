#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/reply.h"

static void assert_reply(const struct mr_http_reply *reply, const char *server, int64_t now_s,
                         const char *expected) {
    struct mr_http_stamp stamp = {.server = server};
    char out[1024];
    size_t size = mr_http_reply_write(reply, &stamp, now_s, out, sizeof out);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(out, expected, size);
}

static void test_plain(void **state) {
    (void)state;
    assert_reply(&(struct mr_http_reply){.status = 200,
                                         .content_type = "application/json",
                                         .content_length = 12345678901234567890U},
                 "mlrace/1", 784111777,
                 "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: mlrace/1\r\n"
                 "Content-Type: application/json\r\nContent-Length: 12345678901234567890\r\n\r\n");
}

static void test_every_field(void **state) {
    (void)state;
    assert_reply(&(struct mr_http_reply){.status = 405,
                                         .location = mr_str_from("/x"),
                                         .allow = mr_str_from("GET, HEAD"),
                                         .connection = MR_HTTP_CONNECTION_CLOSE},
                 NULL, 951782400,
                 "HTTP/1.1 405 Method Not Allowed\r\nDate: Tue, 29 Feb 2000 00:00:00 GMT\r\n"
                 "Location: /x\r\nAllow: GET, HEAD\r\nConnection: close\r\n"
                 "Content-Length: 0\r\n\r\n");
    assert_reply(
        &(struct mr_http_reply){.status = 299, .connection = MR_HTTP_CONNECTION_KEEP_ALIVE}, NULL,
        0,
        "HTTP/1.1 299 \r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n");
}

static void test_streams(void **state) {
    (void)state;
    assert_reply(&(struct mr_http_reply){.status = 200,
                                         .content_type = "text/event-stream",
                                         .content_length = 5,
                                         .framing = MR_HTTP_FRAMING_CHUNKED},
                 NULL, 0,
                 "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n");
    assert_reply(&(struct mr_http_reply){.status = 200,
                                         .connection = MR_HTTP_CONNECTION_CLOSE,
                                         .framing = MR_HTTP_FRAMING_CLOSE},
                 NULL, 0,
                 "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Connection: close\r\nCache-Control: no-cache\r\n\r\n");
    assert_reply(&(struct mr_http_reply){.status = 204, .framing = MR_HTTP_FRAMING_CHUNKED}, NULL,
                 0, "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n");
}

static void test_request_id(void **state) {
    (void)state;
    const struct mr_http_extra extras[MR_HTTP_MAX_EXTRAS] = {
        {"Server-Timing: ", mr_str_from("read;dur=0.1")},
        {"X-Empty: ", {NULL, 0}},
        {"X-Split: ", mr_str_from("a\r\nb")}};
    assert_reply(
        &(struct mr_http_reply){.status = 204, .request_id = mr_str_from("a-1"), .extras = extras},
        NULL, 0,
        "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "X-Request-Id: a-1\r\nServer-Timing: read;dur=0.1\r\n\r\n");
}

static void test_retry_after(void **state) {
    (void)state;
    assert_reply(&(struct mr_http_reply){.status = 503, .retry_after_s = 120}, NULL, 0,
                 "HTTP/1.1 503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Retry-After: 120\r\nContent-Length: 0\r\n\r\n");
}

static void test_no_body(void **state) {
    (void)state;
    assert_reply(&(struct mr_http_reply){.status = 204, .content_length = 5}, NULL, 0,
                 "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n");
    assert_false(mr_http_reply_has_body(100));
    assert_false(mr_http_reply_has_body(304));
    assert_true(mr_http_reply_has_body(404));
}

static void test_no_splitting(void **state) {
    (void)state;
    assert_reply(&(struct mr_http_reply){.status = 200,
                                         .content_type = "a\nb: c",
                                         .location = mr_str_from("/\r\nX: 1")},
                 "a\rb", 0,
                 "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Length: 0\r\n\r\n");
}

static void test_date_moves_on(void **state) {
    (void)state;
    struct mr_http_stamp stamp = {.server = "s"};
    struct mr_http_reply reply = {.status = 200};
    char first[256], second[256];
    size_t size = mr_http_reply_write(&reply, &stamp, 59, first, sizeof first);
    assert_int_equal(mr_http_reply_write(&reply, &stamp, 59, second, sizeof second), size);
    assert_memory_equal(first, second, size);
    assert_int_equal(mr_http_reply_write(&reply, &stamp, 60, second, sizeof second), size);
    assert_non_null(memmem(first, size, "00:00:59", 8));
    assert_non_null(memmem(second, size, "00:01:00", 8));
}

/* In every room that is too small it says so, and stays inside. */
static void test_small_rooms(void **state) {
    (void)state;
    struct mr_http_reply reply = {.status = 200,
                                  .content_type = "text/plain",
                                  .location = mr_str_from("/where"),
                                  .connection = MR_HTTP_CONNECTION_CLOSE};
    struct mr_http_stamp stamp = {.server = "s"};
    char out[300];
    size_t whole = mr_http_reply_write(&reply, &stamp, 1, out, sizeof out);
    assert_true(whole > 0);
    for (size_t capacity = 0; capacity < whole; capacity++) {
        memset(out, '#', sizeof out);
        assert_int_equal(mr_http_reply_write(&reply, &stamp, 1, out, capacity), 0);
        for (size_t i = capacity; i < sizeof out; i++) assert_int_equal(out[i], '#');
    }
    /* A Server value that is too long for the stamp is left out. */
    char server[400];
    memset(server, 'x', sizeof server);
    server[sizeof server - 1] = '\0';
    assert_reply(&(struct mr_http_reply){.status = 200}, server, 0,
                 "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Length: 0\r\n\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_no_body),       cmocka_unit_test(test_no_splitting),
        cmocka_unit_test(test_date_moves_on), cmocka_unit_test(test_small_rooms),
        cmocka_unit_test(test_streams),       cmocka_unit_test(test_request_id),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
