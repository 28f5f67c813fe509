#include "store/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/http_server.h"

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body

static struct http_server server, other;
static char url[256], location[512];

static const struct mr_client_options plain = {.timeout_s = 20, .advice = "set THIS"};

static void start(const char *const *answers, const char *path) {
    assert_int_equal(http_server_open(&server), 0);
    for (; *answers; answers++) http_server_add(&server, *answers);
    assert_int_equal(http_server_start(&server), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
}

static mr_status ask(const struct mr_client_options *options, struct mr_client_request request,
                     struct mr_client_answer *answer, struct mr_error *err) {
    struct mr_client *client;
    assert_int_equal(mr_client_new(options, &client, err), MR_OK);
    if (!request.url) request.url = url;
    if (!request.max_bytes) request.max_bytes = 1000;
    mr_status status = mr_client_send(client, &request, arena, answer, err);
    if (status == MR_OK && answer->status >= 400) status = mr_client_fail(client, answer, err);
    mr_client_free(client);
    return status;
}

static void assert_asked(const struct http_server *of, size_t i, const char *text) {
    if (!strstr(of->requests[i], text)) fail_msg("no '%s' in: %s", text, of->requests[i]);
}

static void assert_not_asked(const struct http_server *of, size_t i, const char *text) {
    if (strstr(of->requests[i], text)) fail_msg("'%s' in: %s", text, of->requests[i]);
}

static void test_get(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nETag:  \"abc\" \r\nContent-Length: 5\r\n\r\nhello", NULL};
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/a%20b/../c?x=1");
    assert_int_equal(ask(&plain, (struct mr_client_request){0}, &answer, &err), MR_OK);
    http_server_stop(&server);
    assert_int_equal(answer.status, 200);
    assert_true(mr_str_is(answer.body, "hello"));
    assert_true(mr_str_is(mr_client_header(&answer, "etag"), "\"abc\""));
    assert_true(mr_str_is(mr_client_header(&answer, "Eta"), ""));
    assert_asked(&server, 0, "GET /a%20b/../c?x=1 HTTP/1.1\r\n");
    assert_asked(&server, 0, "User-Agent: mlrace/");
    assert_not_asked(&server, 0, "Authorization");
}

static void test_post_and_range(void **state) {
    (void)state;
    static const char *const answers[] = {OK("{}"), OK("2345"), NULL};
    const char *const headers[] = {"X-One: 1", NULL};
    struct mr_client_answer answer;
    struct mr_error err = {0};
    struct mr_client_options options = plain;
    options.workspace = "team";
    start(answers, "/");
    assert_int_equal(ask(&options, (struct mr_client_request){.json = "{\"a\": 1}"}, &answer, &err),
                     MR_OK);
    assert_int_equal(ask(&options,
                         (struct mr_client_request){
                             .headers = headers, .has_range = true, .first_byte = 2, .n_bytes = 4},
                         &answer, &err),
                     MR_OK);
    http_server_stop(&server);
    assert_asked(&server, 0, "POST / HTTP/1.1\r\n");
    assert_asked(&server, 0, "Content-Type: application/json\r\n");
    assert_asked(&server, 0, "\r\n\r\n{\"a\": 1}");
    assert_asked(&server, 0, "X-MLFLOW-WORKSPACE: team\r\n");
    assert_asked(&server, 1, "X-One: 1\r\n");
    assert_asked(&server, 1, "Range: bytes=2-5\r\n");
}

static void test_logins(void **state) {
    (void)state;
    static const char *const answers[] = {OK(""), OK(""), OK(""), OK(""), NULL};
    struct mr_client_options basic = plain, bearer = plain, sigv4 = plain;
    basic.login = (struct mr_login){.kind = MR_LOGIN_BASIC, .user = "me", .secret = "p:w"};
    bearer.login = (struct mr_login){.kind = MR_LOGIN_BEARER, .secret = "token"};
    sigv4.login = (struct mr_login){.kind = MR_LOGIN_SIGV4,
                                    .user = "AKID",
                                    .secret = "secret",
                                    .session_token = "session",
                                    .region = "eu-west-3",
                                    .service = "s3"};
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/");
    assert_int_equal(ask(&basic, (struct mr_client_request){0}, &answer, &err), MR_OK);
    assert_int_equal(ask(&bearer, (struct mr_client_request){0}, &answer, &err), MR_OK);
    assert_int_equal(ask(&sigv4, (struct mr_client_request){0}, &answer, &err), MR_OK);
    snprintf(url, sizeof(url), "http://you:a%%40b@LOCALHOST:%u/x?sig=1#f", server.port);
    assert_int_equal(ask(&bearer, (struct mr_client_request){0}, &answer, &err), MR_OK);
    http_server_stop(&server);
    assert_asked(&server, 0, "Authorization: Basic bWU6cDp3\r\n"); /* me:p:w */
    assert_asked(&server, 1, "Authorization: Bearer token\r\n");
    assert_asked(&server, 2, "Authorization: AWS4-HMAC-SHA256 Credential=AKID/");
    assert_asked(&server, 2, "/eu-west-3/s3/aws4_request");
    assert_asked(&server, 2, "X-Amz-Security-Token: session\r\n");
    assert_asked(&server, 2, "x-amz-content-sha256: e3b0c442");        /* of nothing */
    assert_asked(&server, 3, "Authorization: Basic eW91OmFAYg==\r\n"); /* you:a@b */
    assert_asked(&server, 3, "Host: localhost:");
    snprintf(url, sizeof(url), "http://localhost:%u/x", server.port);
    assert_string_equal(answer.url, url);
}

/* A credential stays with its server. */
static void test_redirects(void **state) {
    (void)state;
    assert_int_equal(http_server_open(&other), 0);
    snprintf(
        location, sizeof(location),
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/there\r\nConnection: close\r\n\r\n",
        other.port);
    http_server_add(&other, OK("there"));
    assert_int_equal(http_server_start(&other), 0);
    const char *const answers[] = {
        "HTTP/1.1 307 Go\r\nLocation: /next\r\nConnection: close\r\n\r\nnot this", location, NULL};
    struct mr_client_options options = plain;
    options.login = (struct mr_login){.kind = MR_LOGIN_BASIC, .user = "me", .secret = "pw"};
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/");
    assert_int_equal(ask(&options, (struct mr_client_request){.json = "{}"}, &answer, &err), MR_OK);
    http_server_stop(&server);
    http_server_stop(&other);
    assert_true(mr_str_is(answer.body, "there"));
    assert_asked(&server, 1, "POST /next ");
    assert_asked(&server, 1, "Authorization: Basic ");
    assert_asked(&other, 0, "GET /there ");
    assert_not_asked(&other, 0, "Authorization");
}

static void test_redirects_end(void **state) {
    (void)state;
    const char *answers[MAX_EXCHANGES] = {NULL};
    for (int i = 0; i < 31; i++) {
        answers[i] = "HTTP/1.1 301 Go\r\nLocation: /\r\nConnection: close\r\n\r\n";
    }
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/");
    assert_int_equal(ask(&plain, (struct mr_client_request){0}, &answer, &err), MR_E_IO);
    assert_non_null(strstr(err.message, "more than 30 redirects"));
    http_server_stop(&server);
    static const char *const file[] = {
        "HTTP/1.1 301 Go\r\nLocation: file:///etc/passwd\r\nConnection: close\r\n\r\n", NULL};
    start(file, "/");
    assert_int_equal(ask(&plain, (struct mr_client_request){0}, &answer, &err),
                     MR_E_INVALID_PARAMETER);
    http_server_stop(&server);
    struct mr_client_options options = plain;
    options.has_no_redirects = true;
    start(file, "/");
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_OK);
    assert_int_equal(answer.status, 301);
    http_server_stop(&server);
}

static void test_retries(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 503 No\r\nRetry-After: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncut", "", OK("whole"),
        NULL};
    struct mr_client_options options = plain;
    options.max_retries = 3;
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/");
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_OK);
    http_server_stop(&server);
    assert_true(mr_str_is(answer.body, "whole"));
    start(answers, "/");
    options.max_retries = 1;
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_E_UNAVAILABLE);
    http_server_stop(&server);
    assert_int_equal(server.n_requests, 2);
    assert_non_null(strstr(err.message, url));
}

static bool say_yes(void *ctx) {
    (void)ctx;
    return true;
}

static void test_nobody_there(void **state) {
    (void)state;
    struct mr_client_options options = plain;
    struct mr_client_answer answer;
    struct mr_error err = {0};
    assert_int_equal(http_server_open(&server), 0);
    close(server.fd);
    snprintf(url, sizeof(url), "http://me:secret@127.0.0.1:%u/x", server.port);
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "127.0.0.1"));
    assert_null(strstr(err.message, "secret"));
    options.max_retries = 7;
    options.backoff_s = 100;
    options.is_cancelled = say_yes;
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_E_UNAVAILABLE);
    assert_int_equal(ask(&plain, (struct mr_client_request){.url = "ftp://host/x"}, &answer, &err),
                     MR_E_INVALID_PARAMETER);
    assert_int_equal(ask(&plain, (struct mr_client_request){.url = "http://a b/"}, &answer, &err),
                     MR_E_INVALID_PARAMETER);
}

static void test_bounds(void **state) {
    (void)state;
    static char head[70000];
    int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n");
    for (; n < 66000; n += 1002) {
        memset(head + n, 'x', 1000);
        head[n + 1] = ':';
        memcpy(head + n + 1000, "\r\n", 3);
    }
    const char *const answers[] = {OK("0123456789"), head, OK("012345678"), NULL};
    struct mr_client_answer answer;
    struct mr_error err = {0};
    struct mr_client_request request = {.max_bytes = 9};
    start(answers, "/");
    assert_int_equal(ask(&plain, request, &answer, &err), MR_E_TOO_LARGE);
    assert_non_null(strstr(err.message, "the answer is larger than 9 bytes"));
    assert_int_equal(ask(&plain, request, &answer, &err), MR_E_TOO_LARGE);
    assert_non_null(strstr(err.message, "the head of the answer"));
    assert_int_equal(ask(&plain, request, &answer, &err), MR_OK);
    http_server_stop(&server);
}

static void test_faults_are_explained(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 404 No\r\nConnection: close\r\n\r\n"
        "{\"error_code\": \"RESOURCE_DOES_NOT_EXIST\", \"message\": \"no such\\nrun\"}",
        "HTTP/1.1 401 No\r\nConnection: close\r\n\r\nwho are you",
        "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n", NULL};
    struct mr_client_options options = plain;
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/x");
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "/x answered 404: RESOURCE_DOES_NOT_EXIST: no such run"));
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_E_IO);
    assert_non_null(strstr(err.message, "401: who are you; it was sent no credential: set THIS"));
    options.login = (struct mr_login){
        .kind = MR_LOGIN_BEARER, .secret = "do-not-tell", .source = "MLFLOW_TRACKING_TOKEN"};
    assert_int_equal(ask(&options, (struct mr_client_request){0}, &answer, &err), MR_E_IO);
    assert_non_null(strstr(err.message, "403; it was sent a token, from MLFLOW_TRACKING_TOKEN"));
    assert_null(strstr(err.message, "do-not-tell"));
    http_server_stop(&server);
}

struct kept {
    char text[64];
    size_t size;
    mr_status answer;
};

static mr_status begin_kept(void *ctx, const struct mr_client_answer *answer,
                            struct mr_error *err) {
    struct kept *kept = ctx;
    assert_int_equal(answer->status, 206);
    kept->size = 0;
    return kept->answer == MR_OK ? MR_OK : mr_fail(err, kept->answer, "no room");
}

static mr_status write_kept(void *ctx, const char *data, size_t size, struct mr_error *err) {
    (void)err;
    struct kept *kept = ctx;
    assert_true(kept->size + size <= sizeof(kept->text));
    memcpy(kept->text + kept->size, data, size);
    kept->size += size;
    return MR_OK;
}

static void test_sink(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 206 Part\r\nContent-Length: 4\r\nConnection: close\r\n\r\npart",
        "HTTP/1.1 416 No\r\nConnection: close\r\n\r\nno such part",
        "HTTP/1.1 206 Part\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 206 Part\r\nContent-Length: 4\r\nConnection: close\r\n\r\npart", NULL};
    struct kept kept = {.size = 99};
    const struct mr_client_sink sink = {begin_kept, write_kept, &kept};
    const struct mr_client_request request = {.sink = &sink};
    struct mr_client_answer answer;
    struct mr_error err = {0};
    start(answers, "/");
    assert_int_equal(ask(&plain, request, &answer, &err), MR_OK);
    assert_memory_equal(kept.text, "part", 4);
    assert_int_equal(ask(&plain, request, &answer, &err), MR_E_IO);
    assert_int_equal(kept.size, 4);
    assert_non_null(strstr(err.message, "416: no such part"));
    assert_int_equal(ask(&plain, request, &answer, &err), MR_OK);
    assert_int_equal(kept.size, 0);
    kept.answer = MR_E_TOO_LARGE;
    assert_int_equal(ask(&plain, request, &answer, &err), MR_E_TOO_LARGE);
    assert_string_equal(err.message, "no room");
    http_server_stop(&server);
}

static void test_what_is_shown(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"http://me:p/w@host:1/a?sig=x#f", "http://host:1/a"}, /* as it should not be written */
        {"http://me:p?w@host/a", "http://host/a"},
        {"http://host:80/a@b", "http://host:80/a@b"},
        {"http://[::1]/a@b", "http://[::1]/a@b"},
        {"https://me:p@w@host:1/a?sig=x", "https://host:1/a"},
        {"s3://bucket/a@b", "s3://bucket/a@b"},
        {"postgresql://u:p@h/db?password=x", "postgresql://h/db"},
        {"runs:/1/model", "runs:/1/model"},
        {"http://h/\n\x7f", "http://h/??"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(mr_client_show(cases[i][0], out, sizeof(out)), cases[i][1]);
    }
    assert_string_equal(mr_client_show("http://u@hostname/", out, 12), "http://host");
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_client_encode(&buf, mr_str_from("a/b c~\xc3\xa4?"), true);
    mr_client_encode(&buf, mr_str_from("/+"), false);
    assert_true(mr_str_is(mr_buf_str(&buf), "a/b%20c~%C3%A4%3F%2F%2B"));
}

int main(void) {
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("all_proxy");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_post_and_range),
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_redirects_end),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_faults_are_explained),
        cmocka_unit_test(test_sink),
        cmocka_unit_test(test_what_is_shown),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
