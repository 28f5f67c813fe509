#include "store/aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yyjson.h>

#include "store/environment_int.h"
#include "store/ini.h"

#define MAX_ANSWER_BYTES ((size_t)64 << 10)

/* --- settings --------------------------------------------------------------------------------- */

static mr_status load(const char *variable, const char *name, struct mr_arena *arena,
                      struct mr_str *out, struct mr_error *err) {
    const char *path = mr_environment_get(variable);
    if (!path) MR_TRY(mr_environment_home(name, arena, &path, err));
    return mr_ini_load(path, arena, out, err);
}

/* The section of a profile in ~/.aws/config: "default", "profile other". */
static void name_section(const char *profile, char out[256]) {
    bool is_default = strcmp(profile, "default") == 0;
    snprintf(out, 256, "%s%s", is_default ? "" : "profile ", profile);
}

mr_status mr_aws_init(struct mr_aws *aws, struct mr_arena *arena, struct mr_error *err) {
    const char *profile = mr_environment_get("AWS_PROFILE");
    if (!profile) profile = mr_environment_get("AWS_DEFAULT_PROFILE");
    *aws = (struct mr_aws){.arena = arena,
                           .profile = profile ? profile : "default",
                           .is_profile_chosen = profile != NULL};
    MR_TRY(load("AWS_CONFIG_FILE", ".aws/config", arena, &aws->config, err));
    MR_TRY(load("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", arena, &aws->credentials, err));
    char section[256];
    name_section(aws->profile, section);
    if (profile && !mr_ini_has_section(aws->config, section) &&
        !mr_ini_has_section(aws->credentials, profile)) {
        return mr_fail(err, MR_E_NOT_FOUND,
                       "AWS_PROFILE: there is no profile '%.100s' in ~/.aws/config or "
                       "~/.aws/credentials",
                       profile);
    }
    return MR_OK;
}

static const char *find(const struct mr_aws *aws, struct mr_str file, const char *section,
                        const char *key) {
    struct mr_str value;
    if (!mr_ini_find(file, section, key, &value) || !value.size) return NULL;
    return mr_arena_strdup(aws->arena, value);
}

const char *mr_aws_config(const struct mr_aws *aws, const char *key) {
    char section[256];
    name_section(aws->profile, section);
    return find(aws, aws->config, section, key);
}

/* --- credentials that are handed out ---------------------------------------------------------- */

/* Ask a service that hands out credentials, which is near and quick or not there. */
static mr_status ask(const struct mr_client_options *options, struct mr_client_request request,
                     struct mr_arena *arena, struct mr_client_answer *answer,
                     struct mr_error *err) {
    struct mr_client *client;
    request.max_bytes = MAX_ANSWER_BYTES;
    MR_TRY(mr_client_new(options, &client, err));
    mr_status status = mr_client_send(client, &request, arena, answer, err);
    if (status == MR_OK && answer->status != 200) status = mr_client_fail(client, answer, err);
    mr_client_free(client);
    return status;
}

static const char *copy(struct mr_arena *arena, yyjson_val *value) {
    if (!yyjson_is_str(value) || yyjson_get_len(value) != strlen(yyjson_get_str(value))) {
        return NULL;
    }
    for (const char *c = yyjson_get_str(value); *c; c++) {
        if ((unsigned char)*c < ' ') return NULL; /* it becomes a header */
    }
    return mr_arena_strdup(arena, mr_str_from(yyjson_get_str(value)));
}

/* AccessKeyId, SecretAccessKey and a token, as container, instance and the token service send. */
static mr_status read_keys(yyjson_val *keys, const char *token_name, const char *source,
                           const struct mr_client_answer *answer, struct mr_arena *arena,
                           struct mr_login *out, struct mr_error *err) {
    struct mr_login login = *out;
    login.kind = MR_LOGIN_SIGV4;
    login.source = source;
    login.user = copy(arena, yyjson_obj_get(keys, "AccessKeyId"));
    login.secret = copy(arena, yyjson_obj_get(keys, "SecretAccessKey"));
    login.session_token = copy(arena, yyjson_obj_get(keys, token_name));
    if (!login.user || !login.secret) {
        return mr_fail(err, MR_E_FORMAT, "%s: the answer holds no credential", answer->url);
    }
    *out = login;
    return MR_OK;
}

static mr_status read_answer(const struct mr_client_answer *answer, const char *source,
                             struct mr_arena *arena, struct mr_login *out, struct mr_error *err) {
    yyjson_doc *doc = answer->body.size ? yyjson_read(answer->body.data, answer->body.size, 0)
                                        : NULL;
    mr_status status = read_keys(yyjson_doc_get_root(doc), "Token", source, answer, arena, out,
                                 err);
    yyjson_doc_free(doc);
    return status;
}

/* botocore/utils.py, ContainerMetadataFetcher._validate_allowed_url: a credential is not asked for
 * over a network that others can listen to. */
static bool is_near(const char *url) {
    static const char *const near[] = {"http://169.254.170.2",  "http://169.254.170.23",
                                       "http://[fd00:ec2::23]", "http://localhost",
                                       "http://127.",           "http://[::1]"};
    if (strncasecmp(url, "https://", 8) == 0) return true;
    for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
        size_t size = strlen(near[i]);
        if (strncmp(url, near[i], size) != 0) continue;
        if (near[i][size - 1] == '.')
            return strspn(url + size, "0123456789.") == strcspn(url + size, ":/?#");
        if (!url[size] || strchr(":/?#", url[size])) return true;
    }
    return false;
}

/* The header that a container's service wants; *out is empty when it wants none. */
static mr_status read_authorization(const struct mr_aws *aws, struct mr_buf *out,
                                    struct mr_error *err) {
    const char *path = mr_environment_get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = mr_environment_get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct mr_str text = mr_str_from(token);
    if (path) MR_TRY(mr_ini_load(path, aws->arena, &text, err));
    while (text.size && strchr("\r\n ", text.data[text.size - 1])) text.size--;
    if (memchr(text.data ? text.data : "", '\n', text.size)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "the token of AWS_CONTAINER_AUTHORIZATION_TOKEN%s is not one line",
                       path ? "_FILE" : "");
    }
    if (!text.size) return MR_OK;
    mr_buf_text(out, "Authorization: ");
    mr_buf_append(out, text.data, text.size);
    mr_buf_char(out, '\0');
    return mr_buf_status(out, err);
}

static mr_status ask_container(const struct mr_aws *aws, const struct mr_client_options *options,
                               struct mr_login *out, struct mr_error *err) {
    const char *relative = mr_environment_get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *source = relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                                  : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    struct mr_buf url, header;
    mr_buf_init(&url, aws->arena);
    mr_buf_init(&header, aws->arena);
    mr_buf_format(&url, "%s%s", relative ? "http://169.254.170.2" : "",
                  relative ? relative : mr_environment_get(source));
    mr_buf_char(&url, '\0');
    MR_TRY(mr_buf_status(&url, err));
    if (!is_near(url.data)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%s: credentials are only asked for by https, or of an address of this "
                       "machine or its container service",
                       source);
    }
    MR_TRY(read_authorization(aws, &header, err));
    const char *const headers[] = {header.data, NULL};
    struct mr_client_answer answer;
    struct mr_client_options patient = *options;
    patient.max_retries = 3;
    patient.has_no_proxy = true; /* ContainerMetadataFetcher: nor is the token for one */
    MR_TRY(ask(&patient, (struct mr_client_request){.url = url.data, .headers = headers},
               aws->arena, &answer, err));
    return read_answer(&answer, source, aws->arena, out, err);
}

/* The role of the virtual machine: IMDSv2. Where there is no such service nobody answers, for a
 * second. */
static mr_status ask_instance(const struct mr_aws *aws, const struct mr_client_options *options,
                              struct mr_login *out, struct mr_error *err) {
    const char *base = mr_environment_get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (!base) base = "http://169.254.169.254";
    int n = (int)strlen(base);
    while (n && base[n - 1] == '/') n--;
    static const char *const ttl[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL};
    char url[1024], token[512];
    struct mr_client_answer answer;
    snprintf(url, sizeof(url), "%.*s/latest/api/token", n, base);
    MR_TRY(ask(options, (struct mr_client_request){.url = url, .method = "PUT", .headers = ttl},
               aws->arena, &answer, err));
    snprintf(token, sizeof(token), "X-aws-ec2-metadata-token: %.*s",
             (int)strcspn(answer.body.data, "\r\n"), answer.body.data);
    const char *const headers[] = {token, NULL};
    static const char path[] = "latest/meta-data/iam/security-credentials/";
    snprintf(url, sizeof(url), "%.*s/%s", n, base, path);
    MR_TRY(ask(options, (struct mr_client_request){.url = url, .headers = headers}, aws->arena,
               &answer, err));
    int role = (int)strcspn(answer.body.data, "\r\n /?#");
    snprintf(url, sizeof(url), "%.*s/%s%.*s", n, base, path, role, answer.body.data);
    MR_TRY(ask(options, (struct mr_client_request){.url = url, .headers = headers}, aws->arena,
               &answer, err));
    return read_answer(&answer, "the instance's role", aws->arena, out, err);
}

/* A token of the cluster for a role: AssumeRoleWithWebIdentity. */
static mr_status ask_for_role(const struct mr_aws *aws, const struct mr_client_options *options,
                              const char *region, struct mr_login *out, struct mr_error *err) {
    static const char source[] = "AWS_WEB_IDENTITY_TOKEN_FILE";
    const char *role = mr_environment_get("AWS_ROLE_ARN");
    const char *session = mr_environment_get("AWS_ROLE_SESSION_NAME");
    const char *endpoint = mr_environment_get("AWS_ENDPOINT_URL_STS");
    const char *path = mr_environment_get(source);
    struct mr_str token;
    if (!role)
        return mr_fail(err, MR_E_INVALID_PARAMETER, "%s is set, AWS_ROLE_ARN is not", source);
    MR_TRY(mr_ini_load(path, aws->arena, &token, err));
    struct mr_buf url;
    mr_buf_init(&url, aws->arena);
    if (endpoint) {
        mr_buf_text(&url, endpoint);
    } else {
        mr_buf_format(&url, "https://sts.%s.amazonaws.com%s", region,
                      strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    }
    mr_buf_text(&url, "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
    mr_client_encode(&url, mr_str_from(role), false);
    mr_buf_text(&url, "&RoleSessionName=");
    mr_client_encode(&url, mr_str_from(session ? session : "mlrace"), false);
    mr_buf_text(&url, "&WebIdentityToken=");
    mr_client_encode(&url, token, false);
    mr_buf_char(&url, '\0');
    MR_TRY(mr_buf_status(&url, err));
    static const char *const headers[] = {"Accept: application/json", NULL};
    struct mr_client_answer answer;
    struct mr_client_options patient = *options;
    patient.max_retries = 3;
    MR_TRY(ask(&patient, (struct mr_client_request){.url = url.data, .headers = headers},
               aws->arena, &answer, err));
    yyjson_doc *doc = answer.body.size ? yyjson_read(answer.body.data, answer.body.size, 0) : NULL;
    yyjson_val *keys = yyjson_ptr_get(
        yyjson_doc_get_root(doc),
        "/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials");
    mr_status status = read_keys(keys, "SessionToken", source, &answer, aws->arena, out, err);
    yyjson_doc_free(doc);
    return status;
}

/* --- the order -------------------------------------------------------------------------------- */

/* Keys that stand in a file's section; false: it has none. */
static bool find_keys(const struct mr_aws *aws, struct mr_str file, const char *section,
                      const char *source, struct mr_login *out) {
    const char *user = find(aws, file, section, "aws_access_key_id");
    const char *secret = find(aws, file, section, "aws_secret_access_key");
    if (!user || !secret) return false;
    out->kind = MR_LOGIN_SIGV4;
    out->user = user;
    out->secret = secret;
    out->session_token = find(aws, file, section, "aws_session_token");
    out->source = source;
    return true;
}

/* A profile whose credential only AWS's own programs can get. */
static mr_status check_profile(const struct mr_aws *aws, struct mr_error *err) {
    static const char *const keys[] = {"role_arn", "sso_session", "sso_start_url",
                                       "credential_process"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!mr_aws_config(aws, keys[i])) continue;
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "the AWS profile '%.100s' uses %s, which is not supported: run `eval $(aws "
                       "configure export-credentials --profile %.100s --format env)` first",
                       aws->profile, keys[i], aws->profile);
    }
    return MR_OK;
}

static mr_status fail_none(const struct mr_error *instance, struct mr_error *err) {
    return mr_fail(
        err, MR_E_NOT_FOUND,
        "no AWS credential: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
        "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set, "
        "~/.aws has no keys of the profile%s%.200s%s; for a public bucket set "
        "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION=unsigned",
        instance ? ", and this machine has no role (" : "", instance ? instance->message : "",
        instance ? ")" : "");
}

mr_status mr_aws_login(const struct mr_aws *aws, const struct mr_client_options *options,
                       const char *region, struct mr_login *out, struct mr_error *err) {
    const char *user = mr_environment_get("AWS_ACCESS_KEY_ID");
    const char *secret = mr_environment_get("AWS_SECRET_ACCESS_KEY");
    if (user && secret) {
        out->kind = MR_LOGIN_SIGV4;
        out->source = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        out->user = user;
        out->secret = secret;
        out->session_token = mr_environment_get("AWS_SESSION_TOKEN");
        return MR_OK;
    }
    struct mr_client_options near = *options;
    near.login = (struct mr_login){0};
    near.advice = NULL;
    near.timeout_s = 10;
    near.max_retries = 0;
    if (mr_environment_get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        return ask_for_role(aws, &near, region, out, err);
    }
    char section[256];
    name_section(aws->profile, section);
    if (find_keys(aws, aws->credentials, aws->profile, "the profile in ~/.aws/credentials", out) ||
        find_keys(aws, aws->config, section, "the profile in ~/.aws/config", out)) {
        return MR_OK;
    }
    MR_TRY(check_profile(aws, err));
    if (mr_environment_get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
        mr_environment_get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        return ask_container(aws, &near, out, err);
    }
    bool is_disabled = false;
    MR_TRY(mr_environment_flag("AWS_EC2_METADATA_DISABLED", &is_disabled, err));
    if (is_disabled) return fail_none(NULL, err);
    struct mr_error fault = {0};
    near.timeout_s = 1;
    if (ask_instance(aws, &near, out, &fault) == MR_OK) return MR_OK;
    return fail_none(&fault, err);
}
