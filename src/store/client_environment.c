/* What MLflow's variables and files say of requests to a tracking server. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/number.h"
#include "store/client.h"
#include "store/environment_int.h"
#include "store/ini.h"

const char *mr_environment_get(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* mlflow/environment_variables.py, _BooleanEnvironmentVariable.get */
mr_status mr_environment_flag(const char *name, bool *out, struct mr_error *err) {
    const char *value = getenv(name);
    if (!value) return MR_OK;
    bool is_true = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (!is_true && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%s: expected true, false, 1 or 0, received '%s'", name, value);
    }
    *out = is_true;
    return MR_OK;
}

/* A variable that is a number from 0 to max; out keeps its value when it is not set. */
static mr_status read_number(const char *name, double max, bool is_whole, double *out,
                             struct mr_error *err) {
    const char *value = mr_environment_get(name);
    if (!value) return MR_OK;
    double number;
    bool is_good = mr_float_parse(mr_str_from(value), &number) && number >= 0 && number <= max;
    if (!is_good || (is_whole && number != (double)(int64_t)number)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "%s: expected %s from 0 to %.0f, received '%s'",
                       name, is_whole ? "an integer" : "a number", max, value);
    }
    *out = number;
    return MR_OK;
}

mr_status mr_client_options_tries(struct mr_client_options *out, struct mr_error *err) {
    double timeout = 120, retries = 7, backoff = 2, jitter = 1;
    /* The limits are MLflow's: rest_utils.py, _validate_max_retries, _validate_backoff_factor. */
    MR_TRY(read_number("MLFLOW_HTTP_REQUEST_TIMEOUT", 1e6, true, &timeout, err));
    MR_TRY(read_number("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 10, true, &retries, err));
    MR_TRY(read_number("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", 120, true, &backoff, err));
    MR_TRY(read_number("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", 120, false, &jitter, err));
    bool respects = true, follows = true;
    MR_TRY(mr_environment_flag("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", &respects, err));
    MR_TRY(mr_environment_flag("MLFLOW_ALLOW_HTTP_REDIRECTS", &follows, err));
    out->timeout_s = timeout < 1 ? 1 : (unsigned)timeout;
    out->max_retries = (unsigned)retries;
    out->backoff_s = backoff;
    out->jitter_s = jitter;
    out->ignores_retry_after = !respects;
    out->has_no_redirects = !follows;
    return MR_OK;
}

void mr_client_options_hurry(struct mr_client_options *options) {
    if (options->max_retries > 2) options->max_retries = 2;
}

static mr_status read_tls(struct mr_client_options *out, struct mr_error *err) {
    MR_TRY(mr_environment_flag("MLFLOW_TRACKING_INSECURE_TLS", &out->is_tls_unchecked, err));
    out->ca_path = mr_environment_get("MLFLOW_TRACKING_SERVER_CERT_PATH");
    if (out->ca_path && out->is_tls_unchecked) {
        return mr_fail(
            err, MR_E_INVALID_PARAMETER,
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH: only one "
            "of them may be set");
    }
    /* requests.Session.merge_environment_settings */
    if (!out->ca_path) out->ca_path = mr_environment_get("REQUESTS_CA_BUNDLE");
    if (!out->ca_path) out->ca_path = mr_environment_get("CURL_CA_BUNDLE");
    out->client_cert_path = mr_environment_get("MLFLOW_TRACKING_CLIENT_CERT_PATH");
    return MR_OK;
}

mr_status mr_environment_home(const char *name, struct mr_arena *arena, const char **out,
                              struct mr_error *err) {
    const char *home = mr_environment_get("HOME");
    struct mr_buf path;
    mr_buf_init(&path, arena);
    mr_buf_format(&path, "%s/%s", home ? home : "", name);
    mr_buf_char(&path, '\0');
    *out = path.data;
    return mr_buf_status(&path, err);
}

/* A value of ~/.mlflow/credentials, in which "%%" is a '%' (configparser.BasicInterpolation). */
static mr_status read_credential(struct mr_str file, const char *key, struct mr_arena *arena,
                                 const char **out, struct mr_error *err) {
    struct mr_str value;
    if (!mr_ini_find(file, "mlflow", key, &value) || !value.size) return MR_OK;
    char *text = mr_arena_strdup(arena, value);
    if (!text) return mr_arena_fail(arena, err);
    size_t n = 0;
    for (size_t i = 0; i < value.size; i++) {
        text[n++] = text[i];
        if (text[i] == '%' && text[i + 1] == '%') i++;
    }
    text[n] = '\0';
    *out = text;
    return MR_OK;
}

/* mlflow/utils/credentials.py, read_mlflow_creds: each of the two may come from either place. */
static mr_status read_login(struct mr_login *out, struct mr_arena *arena, struct mr_error *err) {
    const char *path;
    struct mr_str file;
    struct mr_login login = {.kind = MR_LOGIN_BASIC};
    MR_TRY(mr_environment_home(".mlflow/credentials", arena, &path, err));
    MR_TRY(mr_ini_load(path, arena, &file, err));
    MR_TRY(read_credential(file, "mlflow_tracking_username", arena, &login.user, err));
    MR_TRY(read_credential(file, "mlflow_tracking_password", arena, &login.secret, err));
    const char *user = mr_environment_get("MLFLOW_TRACKING_USERNAME");
    const char *password = mr_environment_get("MLFLOW_TRACKING_PASSWORD");
    const char *token = mr_environment_get("MLFLOW_TRACKING_TOKEN");
    if (user) login.user = user;
    if (password) login.secret = password;
    if (login.user && login.secret) {
        login.source = user && password ? "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
                       : user           ? "MLFLOW_TRACKING_USERNAME and ~/.mlflow/credentials"
                       : password       ? "~/.mlflow/credentials and MLFLOW_TRACKING_PASSWORD"
                                        : "~/.mlflow/credentials";
        *out = login;
    } else if (token) {
        *out = (struct mr_login){
            .kind = MR_LOGIN_BEARER, .secret = token, .source = "MLFLOW_TRACKING_TOKEN"};
    }
    return MR_OK;
}

/* A value that becomes a header must be one line. */
static mr_status check_line(const char *name, const char *value, struct mr_error *err) {
    for (; value && *value; value++) {
        if ((unsigned char)*value < ' ') {
            return mr_fail(err, MR_E_INVALID_PARAMETER,
                           "%s: expected one line without control characters", name);
        }
    }
    return MR_OK;
}

mr_status mr_client_options_read(struct mr_client_options *out, struct mr_arena *arena,
                                 struct mr_error *err) {
    *out = (struct mr_client_options){
        .advice = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
                  "MLFLOW_TRACKING_TOKEN"};
    const char *plugin = mr_environment_get("MLFLOW_TRACKING_AUTH");
    bool is_signed = false;
    MR_TRY(mr_environment_flag("MLFLOW_TRACKING_AWS_SIGV4", &is_signed, err));
    if (plugin || is_signed) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%s asks for a plug-in of MLflow's Python client, which is not used here: "
                       "%s",
                       plugin ? "MLFLOW_TRACKING_AUTH" : "MLFLOW_TRACKING_AWS_SIGV4", out->advice);
    }
    MR_TRY(mr_client_options_tries(out, err));
    MR_TRY(read_tls(out, err));
    out->workspace = mr_environment_get("MLFLOW_WORKSPACE");
    MR_TRY(check_line("MLFLOW_WORKSPACE", out->workspace, err));
    MR_TRY(read_login(&out->login, arena, err));
    return check_line(out->login.source ? out->login.source : "", out->login.secret, err);
}
