#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/client.h"

static char home[] = "/tmp/mlrace-client-XXXXXX";

static const char *const variables[] = {
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_WORKSPACE",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
};

static int clear(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) unsetenv(variables[i]);
    return 0;
}

static void write_credentials(const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/.mlflow", home);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/.mlflow/credentials", home);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct mr_client_options read_good(void) {
    struct mr_client_options options;
    struct mr_error err = {0};
    mr_status status = mr_client_options_read(&options, arena, &err);
    if (status != MR_OK) fail_msg("%s", err.message);
    return options;
}

static void test_defaults(void **state) {
    (void)state;
    struct mr_client_options options = read_good();
    assert_int_equal(options.login.kind, MR_LOGIN_NONE);
    assert_int_equal(options.timeout_s, 120);
    assert_int_equal(options.max_retries, 7);
    assert_true(options.backoff_s == 2 && options.jitter_s == 1);
    assert_false(options.is_tls_unchecked || options.has_no_redirects ||
                 options.ignores_retry_after);
    assert_null(options.ca_path);
}

static void test_logins(void **state) {
    (void)state;
    setenv("MLFLOW_TRACKING_TOKEN", "t", 1);
    struct mr_client_options options = read_good();
    assert_int_equal(options.login.kind, MR_LOGIN_BEARER);
    assert_string_equal(options.login.source, "MLFLOW_TRACKING_TOKEN");
    write_credentials("[other]\nmlflow_tracking_username = no\n"
                      "[mlflow]\n# mine\nMLFLOW_TRACKING_USERNAME: me \n"
                      "mlflow_tracking_password=100%% [x] = y\n");
    options = read_good();
    assert_int_equal(options.login.kind, MR_LOGIN_BASIC);
    assert_string_equal(options.login.user, "me");
    assert_string_equal(options.login.secret, "100% [x] = y");
    assert_string_equal(options.login.source, "~/.mlflow/credentials");
    setenv("MLFLOW_TRACKING_USERNAME", "you", 1);
    options = read_good();
    assert_string_equal(options.login.user, "you");
    assert_string_equal(options.login.secret, "100% [x] = y");
    setenv("MLFLOW_TRACKING_PASSWORD", "two\nlines", 1);
    struct mr_error err = {0};
    assert_int_equal(mr_client_options_read(&options, arena, &err), MR_E_INVALID_PARAMETER);
    assert_null(strstr(err.message, "two"));
    write_credentials("");
}

static void test_bad_values(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"MLFLOW_HTTP_REQUEST_MAX_RETRIES", "11", "from 0 to 10"},
        {"MLFLOW_HTTP_REQUEST_TIMEOUT", "1.5", "an integer"},
        {"MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "x", "a number"},
        {"MLFLOW_TRACKING_INSECURE_TLS", "yes", "true, false, 1 or 0"},
        {"MLFLOW_TRACKING_AUTH", "kerberos", "plug-in"},
        {"MLFLOW_TRACKING_AWS_SIGV4", "true", "plug-in"},
        {"MLFLOW_WORKSPACE", "a\r\nX: y", "one line"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_client_options options;
        struct mr_error err = {0};
        setenv(cases[i][0], cases[i][1], 1);
        assert_int_not_equal(mr_client_options_read(&options, arena, &err), MR_OK);
        if (!strstr(err.message, cases[i][0]) || !strstr(err.message, cases[i][2])) {
            fail_msg("%s=%s: %s", cases[i][0], cases[i][1], err.message);
        }
        unsetenv(cases[i][0]);
    }
}

static void test_tls(void **state) {
    (void)state;
    setenv("REQUESTS_CA_BUNDLE", "/r.pem", 1);
    assert_string_equal(read_good().ca_path, "/r.pem");
    setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/ca.pem", 1);
    setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", "/me.pem", 1);
    assert_string_equal(read_good().ca_path, "/ca.pem");
    assert_string_equal(read_good().client_cert_path, "/me.pem");
    setenv("MLFLOW_TRACKING_INSECURE_TLS", "True", 1);
    struct mr_client_options options;
    struct mr_error err = {0};
    assert_int_equal(mr_client_options_read(&options, arena, &err), MR_E_INVALID_PARAMETER);
    unsetenv("MLFLOW_TRACKING_SERVER_CERT_PATH");
    assert_true(read_good().is_tls_unchecked);
}

static int setup(void **state) {
    if (!mkdtemp(home)) return -1;
    setenv("HOME", home, 1);
    return arena_setup(state);
}

static int teardown(void **state) {
    char path[128];
    snprintf(path, sizeof(path), "%s/.mlflow/credentials", home);
    unlink(path);
    snprintf(path, sizeof(path), "%s/.mlflow", home);
    rmdir(path);
    rmdir(home);
    return arena_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clear),
        cmocka_unit_test_setup(test_logins, clear),
        cmocka_unit_test_setup(test_bad_values, clear),
        cmocka_unit_test_setup(test_tls, clear),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
