#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/route.h"

static void handler(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    (void)response;
}

static const struct mr_http_route routes[] = {
    {"POST", "/invocations", handler, NULL},
    {"GET", "/ping", handler, NULL},
    {"GET", "/both", handler, NULL},
    {"POST", "/both", handler, NULL},
};
static const size_t n_routes = sizeof routes / sizeof routes[0];

static void test_find(void **state) {
    (void)state;
    static const struct {
        const char *method, *path;
        int status, route;
    } cases[] = {
        {"POST", "/invocations", 200, 0},
        {"GET", "/ping", 200, 1},
        {"HEAD", "/ping", 200, 1},
        {"GET", "/both", 200, 2},
        {"HEAD", "/both", 200, 2},
        {"POST", "/both", 200, 3},
        {"GET", "/p%69ng", 200, 1},
        {"GET", "/%70%69%6E%67", 200, 1},
        {"GET", "/%70%69%6e%67", 200, 1},
        {"PUT", "/both", 405, -1},
        {"HEAD", "/invocations", 405, -1},
        {"Get", "/ping", 405, -1},
        {"GET", "/ping/", 307, 1},
        {"PUT", "/ping//", 307, 1},
        {"GET", "/ping%2f", 307, 1},
        {"GET", "/", 404, -1},
        {"GET", "", 404, -1},
        {"GET", "/pin", 404, -1},
        {"GET", "/pingx", 404, -1},
        {"GET", "/ping/x", 404, -1},
        {"GET", "/ping%", 404, -1},
        {"GET", "/ping%0", 404, -1},
        {"GET", "/ping%00", 404, -1},
        {"GET", "/%2", 404, -1},
        {"GET", "%2fping", 200, 1},
        {"GET", "/pin%2567", 404, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mr_http_found found = mr_http_route_find(
            routes, n_routes, mr_str_from(cases[i].method), mr_str_from(cases[i].path));
        assert_int_equal(found.status, cases[i].status);
        assert_ptr_equal(found.route, cases[i].route < 0 ? NULL : &routes[cases[i].route]);
    }
}

static void test_allow(void **state) {
    (void)state;
    char out[32];
    size_t size = mr_http_route_allow(routes, n_routes, mr_str_from("/both"), out, sizeof out);
    assert_int_equal(size, strlen("GET, HEAD, POST"));
    assert_memory_equal(out, "GET, HEAD, POST", size);
    assert_int_equal(mr_http_route_allow(routes, n_routes, mr_str_from("/x"), out, sizeof out), 0);
    /* Too small: cut, never overrun. */
    assert_true(mr_http_route_allow(routes, n_routes, mr_str_from("/both"), out, 5) <= 5);
}

static void test_location(void **state) {
    (void)state;
    char out[64];
    size_t size = mr_http_route_location(&routes[1], mr_str_from(""), out, sizeof out);
    assert_int_equal(size, 5);
    assert_memory_equal(out, "/ping", 5);
    const char *expected = "/ping?a=%20&b=%22%5C%7C/?";
    size = mr_http_route_location(&routes[1], mr_str_from("a=%20&b=\"\\|/?"), out, sizeof out);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(out, expected, size);
    assert_int_equal(mr_http_route_location(&routes[1], mr_str_from("abc"), out, 8), 0);
    assert_int_equal(mr_http_route_location(&routes[1], mr_str_from("abc"), out, 9), 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_location),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
